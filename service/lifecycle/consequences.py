"""What follows from a change: who is asked next, the hold, the introduction, the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from .case import Case, Side, Timing
from .commands import Decision, Event, Mail
from .states import About, ConsentState, Envelope, MailKind, Order, Reason, Role, State


def settle(decision: Decision, now: datetime, timing: Timing) -> Decision:
    """Bring the case in line with the answers that now stand, and ask whoever is next."""
    case = _take_back_introduction(decision.case)
    if case.both_said_yes:
        if case.hold_until:
            # A press may be the first of two that contradict each other, so it is given its time as well.
            hold_until = max(case.hold_until, now + timing.suspect_within)
            return decision.then(replace(case, state=State.AGREED, hold_until=hold_until))
        case = replace(case, state=State.AGREED, hold_until=now + timing.hold)
        return decision.then(case, Event("both agreed", "clock"))
    case = _take_back_second_ask(replace(case, state=State.ASKING, hold_until=None))
    if case.a_no_stands or (case.closes_at and now >= case.closes_at):
        return decision.then(case)
    return _ask_who_is_next(decision.then(case))


def _take_back_introduction(case: Case) -> Case:
    return replace(case, a=replace(case.a, envelope=Envelope.NONE), b=replace(case.b, envelope=Envelope.NONE))


def _take_back_second_ask(case: Case) -> Case:
    """In ordered mode an unsent second ask waits again when the first side takes its yes back."""
    for role, side in case.sides:
        unsent = side.state is ConsentState.ASKED and side.asked_at is None
        if unsent and not _may_be_asked(case, role):
            case = case.with_side(role, replace(side, state=ConsentState.WAITING))
    return case


def _may_be_asked(case: Case, role: Role) -> bool:
    if case.order is Order.TOGETHER:
        return True
    first = Role.A if case.order is Order.A_FIRST else Role.B
    return role is first or case.side(first).state is ConsentState.YES


def _ask_who_is_next(decision: Decision) -> Decision:
    for role, side in decision.case.sides:
        if side.state is ConsentState.WAITING and _may_be_asked(decision.case, role):
            asked = decision.case.with_side(role, replace(side, state=ConsentState.ASKED))
            decision = decision.then(asked, Event("ask queued", "clock", {"to": role.value}))
        if decision.case.side(role).state is ConsentState.ASKED and side.asked_at is None:
            # Queueing is idempotent; this also revives an ask that was skipped while a no stood.
            # The corrected address gets a second ask, as the first one's row is spent.
            decision = decision.then(decision.case, Mail(MailKind.ASK, role, 1 + side.corrected))
    return decision


def introduce(decision: Decision) -> Decision:
    case = replace(
        decision.case,
        state=State.INTRODUCING,
        a=replace(decision.case.a, envelope=Envelope.QUEUED),
        b=replace(decision.case.b, envelope=Envelope.QUEUED),
    )
    mails = [Mail(MailKind.INTRODUCTION, role) for role, _ in case.sides]
    return decision.then(case, Event("introduction queued", "clock"), *mails)


def envelope_settled(decision: Decision, to: Role, envelope: Envelope, now: datetime) -> Decision:
    """One envelope was accepted or failed for good; the case goes on when both are settled."""
    case = decision.case.with_side(to, replace(decision.case.side(to), envelope=envelope))
    case = replace(case, left_at=case.left_at or now)
    envelopes = {side.envelope for _, side in case.sides}
    if Envelope.QUEUED in envelopes:
        return decision.then(case)
    if Envelope.FAILED in envelopes:
        return _introduction_failed(decision.then(case))
    introduced = replace(case, state=State.INTRODUCED, introduced_at=now)
    # The requester's copy follows the two: it must never be the only one that arrived.
    copied = case.cc_requester and case.requester_is is None
    copy = [Mail(MailKind.INTRODUCTION, Role.REQUESTER)] if copied else []
    return decision.then(introduced, Event("introduced", "relay"), *copy)


def _introduction_failed(decision: Decision) -> Decision:
    case = replace(decision.case, state=State.CLOSED, reason=Reason.UNDELIVERABLE)
    reached = [role for role, side in case.sides if side.envelope is Envelope.ACCEPTED]
    # Where neither was reached, both were still promised an introduction.
    kind = MailKind.UNDELIVERED if reached else MailKind.NOT_COME_ABOUT
    recipients = reached or [Role.A, Role.B]
    mails = [Mail(kind, role) for role in recipients if role is not case.requester_is]
    event = Event("closed", "relay", {"reason": Reason.UNDELIVERABLE.value})
    return summarise(decision.then(case, event, *mails))


def ask_failed(decision: Decision, to: Role) -> Decision:
    case = decision.case
    side = case.side(to)
    # An ask taken back while it was being handed over can still fail; who has answered was reached.
    unanswered = side.state in (ConsentState.ASKED, ConsentState.WAITING) and not side.answers
    if case.state is not State.ASKING or not unanswered:
        return decision
    failed = case.with_side(to, replace(side, state=ConsentState.UNDELIVERABLE))
    mail = Mail(MailKind.UNDELIVERABLE, Role.REQUESTER, 1 + side.corrected, About(to))
    return decision.then(failed, Event("undeliverable", "relay", {"to": to.value}), mail)


def may_be_reminded(case: Case) -> list[Role]:
    """List the sides that a reminder may go to: one at most, none after any answer, none while a no stands.

    But who asked to be asked later gets that mail whatever the other side said: it is their own wish, and
    that it does not come would tell them of the no. Whether a reminder is wanted, and when, is said by
    `later.reminder_moment` and by the requester's button.
    """
    if case.state is not State.ASKING:
        return []
    waiting = [(role, side) for role, side in case.sides if waits_unreminded(side)]
    return [role for role, side in waiting if side.remind_at or not case.a_no_stands]


def waits_unreminded(side: Side) -> bool:
    """Whether a side was asked, and has neither answered since nor had its reminder."""
    was_asked = side.state is ConsentState.ASKED and side.asked_at is not None
    return was_asked and not side.reminded_at and not side.answers


def remind(decision: Decision, roles: list[Role], actor: str, now: datetime) -> Decision:
    """Queue the one reminder of each of these sides."""
    for role in roles:
        reminded = decision.case.with_side(role, replace(decision.case.side(role), reminded_at=now))
        event = Event("reminder queued", actor, {"to": role.value})
        decision = decision.then(reminded, event, Mail(MailKind.REMINDER, role))
    return decision


def follow_up(decision: Decision, now: datetime) -> Decision:
    case = replace(decision.case, followed_up_at=now)
    mails = [Mail(MailKind.FOLLOW_UP, role) for role, _ in case.sides]
    return decision.then(case, Event("follow-up queued", "clock"), *mails)


def close(decision: Decision, reason: Reason, now: datetime) -> Decision:
    """End the case as a lead; whoever is told of it is told at the closing moment, not before."""
    case = replace(
        _take_back_introduction(decision.case) if decision.case.left_at is None else decision.case,
        state=State.CLOSED,
        reason=reason,
        hold_until=None,
    )
    decision = decision.then(case, Event("closed", "clock", {"reason": reason.value}))
    due_at = case.closes_at if case.closes_at and case.closes_at > now else None
    if case.introduced_at is None:
        waiting = [role for role, side in case.sides if side.state is ConsentState.YES]
        mails = [
            Mail(MailKind.NOT_COME_ABOUT, role, due_at=due_at)
            for role in waiting
            if role is not case.requester_is
        ]
        decision = decision.then(case, *mails)
    return summarise(decision, due_at)


def summarise(decision: Decision, due_at: datetime | None = None) -> Decision:
    """Queue the requester's one closing summary, unless it was queued before."""
    if decision.case.summarised:
        return decision
    case = replace(decision.case, summarised=True)
    return decision.then(case, Mail(MailKind.SUMMARY, Role.REQUESTER, due_at=due_at))
