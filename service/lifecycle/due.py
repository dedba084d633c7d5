"""What time brings: lapses, reminders, the hold, the follow-up and the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from .case import Case, Timing
from .commands import Decision, Event, Tick
from .consequences import close, follow_up, introduce, may_be_reminded, remind
from .later import reminder_moment
from .states import ConsentState, Envelope, Reason, Role, State


def tick(case: Case, _: Tick, now: datetime, timing: Timing) -> Decision:
    decision = Decision(case)
    while (due := next_due_at(decision.case, timing)) and due <= now:
        before, decision = decision.case, _what_time_brings(decision, now, timing)
        # A step that changes nothing would be due for ever, and one case would take the worker with it.
        if decision.case == before:
            raise RuntimeError(f"time changes nothing for a case that is {before.state}")
    return decision


def _what_time_brings(decision: Decision, now: datetime, timing: Timing) -> Decision:
    case = decision.case
    if case.state is State.UNVERIFIED:
        return decision.then(replace(case, state=State.CLOSED), Event("request lapsed", "clock"))
    if case.state is State.ASKING and case.closes_at is not None and case.closes_at <= now:
        return close(decision, _why_not(case), now)
    if case.state is State.ASKING:
        return _remind(decision, now, timing)
    if case.state is State.AGREED:
        return introduce(decision)
    if case.followed_up_at is None:
        return follow_up(decision, now)
    return close(decision, _why_not_confirmed(case), now)


def _remind(decision: Decision, now: datetime, timing: Timing) -> Decision:
    due = [role for role, moment in _reminders_due(decision.case, timing) if moment <= now]
    return remind(decision, due, "clock", now)


def _why_not(case: Case) -> Reason:
    if case.requester_is and case.side(case.requester_is).state is ConsentState.NO:
        return Reason.WITHDRAWN
    if case.a_no_stands:
        return Reason.DECLINED
    never_reached = any(
        side.state is ConsentState.UNDELIVERABLE
        or (side.state is ConsentState.ASKED and side.asked_at is None and not side.answers)
        for _, side in case.sides
    )
    return Reason.UNDELIVERABLE if never_reached else Reason.NO_ANSWER


def _why_not_confirmed(case: Case) -> Reason:
    came_back = any(side.envelope is Envelope.FAILED for _, side in case.sides)
    return Reason.UNDELIVERABLE if came_back else Reason.HANDOFF_UNCONFIRMED


def next_due_at(case: Case, timing: Timing) -> datetime | None:
    """Tell the next moment at which time alone changes the case; None when only people or mails will."""
    return min(_due_times(case, timing), default=None)


def _due_times(case: Case, timing: Timing) -> Iterator[datetime]:
    if case.state is State.UNVERIFIED:
        yield case.created_at + timing.verify_within
    elif case.state is State.ASKING and case.closes_at:
        yield case.closes_at
        yield from (due for _, due in _reminders_due(case, timing))
    elif case.state is State.AGREED and case.hold_until:
        yield case.hold_until
    elif case.state is State.INTRODUCED and case.introduced_at:
        if case.followed_up_at is None:
            yield case.introduced_at + timing.follow_up_after
        else:
            # Counted from the question, so that an outage never closes a case before it was asked.
            yield case.followed_up_at + timing.confirm_within


def _reminders_due(case: Case, timing: Timing) -> Iterator[tuple[Role, datetime]]:
    for role in may_be_reminded(case):
        moment = reminder_moment(case, case.side(role), timing)
        if moment and case.closes_at and moment < case.closes_at:
            yield role, moment
