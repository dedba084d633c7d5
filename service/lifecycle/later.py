"""Ask me later: a side that has not answered chooses the moment of its one reminder itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from .case import Case, Side, Timing
from .consequences import waits_unreminded
from .states import Role, State

QUARTERS = (1, 2, 3)
"""The moments that are offered, in quarters of the time that is left."""
UNITS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1))


def reminder_moment(case: Case, side: Side, timing: Timing) -> datetime | None:
    """When time brings a side its reminder: at its own moment, else at the one that the requester allowed."""
    if side.remind_at or not case.reminders or side.asked_at is None:
        return side.remind_at
    return side.asked_at + timing.remind_after


def may_ask_later(case: Case, role: Role, now: datetime, timing: Timing) -> bool:
    """Whether a side may choose when it is reminded.

    The moment of the reminder ends that, whether or not one left: a no of the other side holds back the one
    that the requester allowed, and a difference would tell of it.
    """
    side = case.side(role)
    moment = reminder_moment(case, side, timing)
    return case.state is State.ASKING and waits_unreminded(side) and (moment is None or now < moment)


def moments_for_later(case: Case, role: Role, now: datetime, timing: Timing) -> list[datetime]:
    """List the moments that a side may choose from: a quarter, a half and three quarters of the time left.

    Whole days from now where a quarter is as long, and so on: who is awake now is awake then.
    """
    if case.closes_at is None or not may_ask_later(case, role, now, timing):
        return []
    left = case.closes_at - now
    unit = next((unit for unit in UNITS if left / 4 >= unit), UNITS[-1])
    spans = [left * quarter / 4 // unit * unit for quarter in QUARTERS]
    return [now + span for span in dict.fromkeys(spans) if span > timedelta()]
