"""The ledger in figures: referrals and leads over time, how far cases come, and how long each step takes.

Everything is counted from one list of entries, so that a page and its exports cannot differ. Whoever asks
for their own entries must learn no single answer from them (docs/design.md, section 3, rule 5), hence:

- A case is there once it has ended. One that did not come about has the day of its closing moment.
- Of the reasons only those of `Why` are told.
- "Both said yes" is counted only of introductions that left: the requester was told of these anyway.
- How long two yeses took is told only from `LEAST` introductions on: of one, it is when somebody answered.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, select
from sqlalchemy.orm import Session

from service.lifecycle import Reason
from service.lifecycle.ledger import Outcome
from service.store.models import Introduction, LedgerEntry

LEAST = 3


class Why(StrEnum):
    """What a requester may know of why a lead stayed one."""

    NOT_COME_ABOUT = "did-not-come-about"
    UNDELIVERED = "undelivered"
    UNCONFIRMED = "handoff-unconfirmed"
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """How far a case came."""

    ASKED = "asked"
    BOTH_YES = "both-yes"
    INTRODUCED = "introduced"
    CONFIRMED = "confirmed"


class Unit(StrEnum):
    """What one column of the picture over time stands for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class Span:
    """From the first to the last day, both included; None is open."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Line:
    """One current entry. ``day`` is in the installation's zone; ``why`` is empty for a referral.

    ``reached`` holds the moment of each step that the case came to.
    """

    introduction: int
    day: date
    requester: str
    first: str
    second: str
    outcome: Outcome
    why: str
    reached: dict[Step, datetime]


@dataclass(frozen=True)
class Tally:
    """How many of the entries are referrals, and how many leads."""

    referrals: int
    leads: int

    @property
    def total(self) -> int:
        return self.referrals + self.leads

    @property
    def share(self) -> float | None:
        """The share of referrals, from 0 to 1; None of nothing."""
        return self.referrals / self.total if self.total else None


@dataclass(frozen=True)
class Period:
    """One column of the picture over time, from its first to its last day."""

    first: date
    last: date
    tally: Tally


@dataclass(frozen=True)
class Duration:
    """The median time from the verified request to a step, rounded as it is shown; None if it is not told."""

    step: Step
    cases: int
    seconds: int | None


@dataclass(frozen=True)
class Figures:
    """Everything that the ledger's page shows, and its exports."""

    tally: Tally
    unit: Unit
    periods: list[Period]
    funnel: dict[Step, int]
    whys: dict[str, int]
    durations: list[Duration]
    lines: list[Line]


def figures(session: Session, zone: ZoneInfo, span: Span, requester: str | None, today: date) -> Figures:
    """Count the cases of one requester's canonical address, or everyone's (None): for operators only."""
    lines = _lines(session, zone, span, requester)
    unit, periods = _over_time(lines, span, today)
    return Figures(
        tally=_tally(lines),
        unit=unit,
        periods=periods,
        funnel={step: sum(step in line.reached for line in lines) for step in Step},
        whys=_whys(lines, Why if requester is not None else Reason),
        durations=[_duration(lines, step, requester is not None) for step in list(Step)[1:]],
        lines=lines,
    )


# --- The entries ----------------------------------------------------------------------------------


def _lines(session: Session, zone: ZoneInfo, span: Span, requester: str | None) -> list[Line]:
    """Read the current entries of a span, the newest first."""
    found = session.execute(_entries(zone, span, requester))
    return [_line(*row, zone, requester is not None) for row in found]


def _entries(
    zone: ZoneInfo, span: Span, requester: str | None
) -> Select[Introduction, LedgerEntry, datetime]:
    ended_at = _ended_at()
    entries = (
        select(Introduction, LedgerEntry, ended_at)
        .join(LedgerEntry, LedgerEntry.introduction_id == Introduction.id)
        .where(LedgerEntry.superseded_at.is_(None))
        .order_by(ended_at.desc(), Introduction.id.desc())
    )
    if requester is not None:
        entries = entries.where(Introduction.requester_address == requester)
    if span.first:
        entries = entries.where(ended_at >= _midnight(span.first, zone))
    if span.last:
        entries = entries.where(ended_at < _midnight(span.last + timedelta(days=1), zone))
    return entries


def _ended_at() -> ColumnElement[datetime]:
    # A hold that was undone near the end closes its case some minutes late, which nobody needs to see.
    late = and_(Introduction.left_at.is_(None), Introduction.closes_at < LedgerEntry.recorded_at)
    return case((late, Introduction.closes_at), else_=LedgerEntry.recorded_at)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _line(
    introduction: Introduction, entry: LedgerEntry, ended_at: datetime, zone: ZoneInfo, is_own: bool
) -> Line:
    first, second = introduction.consents
    return Line(
        introduction=introduction.id,
        day=ended_at.astimezone(zone).date(),
        requester=introduction.requester_name,
        first=first.name,
        second=second.name,
        outcome=entry.outcome,
        why=_why(introduction, entry, is_own),
        reached=dict(_reached(introduction, entry)),
    )


def _why(introduction: Introduction, entry: LedgerEntry, is_own: bool) -> str:
    if entry.reason is None:
        return ""
    return (_told_why(introduction, entry.reason) if is_own else entry.reason).value


def _told_why(introduction: Introduction, reason: Reason) -> Why:
    if reason is Reason.WITHDRAWN:
        return Why.WITHDRAWN
    if introduction.left_at is None:
        return Why.NOT_COME_ABOUT
    return Why.UNCONFIRMED if reason is Reason.HANDOFF_UNCONFIRMED else Why.UNDELIVERED


def _reached(introduction: Introduction, entry: LedgerEntry) -> Iterator[tuple[Step, datetime]]:
    """Yield the steps of a case and when it came to them; yeses count only where the introduction left."""
    if introduction.verified_at:
        yield Step.ASKED, introduction.verified_at
    if introduction.left_at:
        yield Step.BOTH_YES, max(side.answered_at for side in introduction.consents if side.answered_at)
    if introduction.introduced_at:
        yield Step.INTRODUCED, introduction.introduced_at
    if entry.outcome is Outcome.REFERRAL:
        yield Step.CONFIRMED, entry.recorded_at


# --- Counted --------------------------------------------------------------------------------------


def _tally(lines: Iterable[Line]) -> Tally:
    outcomes = Counter(line.outcome for line in lines)
    return Tally(outcomes[Outcome.REFERRAL], outcomes[Outcome.LEAD])


def _whys(lines: list[Line], words: type[Why | Reason]) -> dict[str, int]:
    """How many leads have each reason, in the order of the words; without those that none has."""
    counts = Counter(line.why for line in lines)
    return {word.value: counts[word.value] for word in words if counts[word.value]}


def _duration(lines: list[Line], step: Step, is_own: bool) -> Duration:
    """How long introduced cases took to a step; see the rules at the top of this module."""
    introduced = [line.reached for line in lines if Step.INTRODUCED in line.reached]
    taken = [
        (reached[step] - reached[Step.ASKED]).total_seconds() for reached in introduced if step in reached
    ]
    least = LEAST if is_own and step is Step.BOTH_YES else 1
    return Duration(step, len(taken), _rounded(median(taken)) if len(taken) >= least else None)


def _rounded(seconds: float) -> int:
    """To whole days from two days on, to whole hours from two hours on, else to whole minutes."""
    size = 86400 if seconds >= 2 * 86400 else 3600 if seconds >= 2 * 3600 else 60
    return max(1, round(seconds / size)) * size


# --- Over time ------------------------------------------------------------------------------------


def _over_time(lines: list[Line], span: Span, today: date) -> tuple[Unit, list[Period]]:
    """Count the columns of a span, until today; where it is open, from the first entry on."""
    first = span.first or min((line.day for line in lines), default=today)
    last = max(first, min(span.last or today, today), *(line.day for line in lines))
    unit = _unit((last - first).days + 1)
    starts = list(_starts(first if span.first else _beginning(unit, first), last, unit))
    columns: list[list[Line]] = [[] for _ in starts]
    for line in lines:
        columns[bisect_right(starts, line.day) - 1].append(line)
    ends = [after - timedelta(days=1) for _, after in pairwise(starts)] + [last]
    return unit, [
        Period(start, end, _tally(column)) for start, end, column in zip(starts, ends, columns, strict=True)
    ]


def _unit(days: int) -> Unit:
    if days <= 14:
        return Unit.DAY
    if days <= 100:
        return Unit.WEEK
    return Unit.MONTH if days <= 2 * 366 else Unit.YEAR


def _starts(first: date, last: date, unit: Unit) -> Iterator[date]:
    while first <= last:
        yield first
        first = _beginning(unit, _beginning(unit, first) + timedelta(days=_LONGEST[unit]))


_LONGEST = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 31, Unit.YEAR: 366}


def _beginning(unit: Unit, day: date) -> date:
    """Return the first day of the unit that a day is in; weeks begin on Monday (ISO 8601)."""
    if unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    if unit is Unit.MONTH:
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit is Unit.YEAR else day
