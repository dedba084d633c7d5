"""Statistics of the ledger: referrals and leads over time, how far cases come, and how long each step takes.

Everything is counted from one list of entries, so that a page and its exports cannot differ. Whoever asks
for their own entries must learn no single answer from them (docs/design.md, section 3, rule 5), hence:

- A case is there once it has ended. One that did not come about has the day of its closing moment.
- Of the reasons only those of `LeadReason` are told.
- "Both said yes" is counted only of introductions that left: the requester was told of these anyway.
- How long two yeses took is told only from `MIN_TIMED_CASES` introductions on: of one, it would be
  the moment at which somebody answered.
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

MIN_TIMED_CASES = 3


class LeadReason(StrEnum):
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
    """What one column of the chart over time stands for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class DateRange:
    """From the first to the last day, both included; None is open."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Entry:
    """One current entry. ``day`` is in the installation's zone; ``reason`` is empty for a referral.

    ``reached`` holds the moment of each step that the case came to.
    """

    introduction: int
    day: date
    requester: str
    first: str
    second: str
    outcome: Outcome
    reason: str
    reached: dict[Step, datetime]


@dataclass(frozen=True)
class Tally:
    """The number of referrals and of leads among some entries."""

    referrals: int
    leads: int

    @property
    def total(self) -> int:
        """Return the number of entries."""
        return self.referrals + self.leads

    @property
    def share(self) -> float | None:
        """Return the share of referrals, from 0 to 1; None where there are no entries."""
        return self.referrals / self.total if self.total else None


@dataclass(frozen=True)
class Period:
    """One column of the chart over time, from its first to its last day."""

    first: date
    last: date
    tally: Tally


@dataclass(frozen=True)
class Duration:
    """The median time in seconds from the verified request to a step, rounded as it is shown.

    None where it is not told.
    """

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
    reasons: dict[str, int]
    durations: list[Duration]
    entries: list[Entry]


def figures(
    session: Session, zone: ZoneInfo, dates: DateRange, requester: str | None, today: date
) -> Figures:
    """Return the figures of one requester's canonical address, or for operators of everyone's cases (None).

    ``zone`` is the one whose days are meant, and ``today`` the last day of a range that is open.
    """
    entries = _entries(session, zone, dates, requester)
    unit, periods = _periods(entries, dates, today)
    return Figures(
        tally=_tally(entries),
        unit=unit,
        periods=periods,
        funnel={step: sum(step in entry.reached for entry in entries) for step in Step},
        reasons=_reasons(entries, LeadReason if requester is not None else Reason),
        durations=[_duration(entries, step, is_own=requester is not None) for step in list(Step)[1:]],
        entries=entries,
    )


# --- The entries ----------------------------------------------------------------------------------


def _entries(session: Session, zone: ZoneInfo, dates: DateRange, requester: str | None) -> list[Entry]:
    """Return the current entries of these dates, the newest first."""
    found = session.execute(_query(zone, dates, requester))
    return [_entry(*row, zone, is_own=requester is not None) for row in found]


def _query(
    zone: ZoneInfo, dates: DateRange, requester: str | None
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
    if dates.first:
        entries = entries.where(ended_at >= _midnight(dates.first, zone))
    if dates.last:
        entries = entries.where(ended_at < _midnight(dates.last + timedelta(days=1), zone))
    return entries


def _ended_at() -> ColumnElement[datetime]:
    # A hold that was undone near the end closes its case some minutes late, which nobody needs to see.
    late = and_(Introduction.left_at.is_(None), Introduction.closes_at < LedgerEntry.recorded_at)
    return case((late, Introduction.closes_at), else_=LedgerEntry.recorded_at)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _entry(
    introduction: Introduction, entry: LedgerEntry, ended_at: datetime, zone: ZoneInfo, *, is_own: bool
) -> Entry:
    first, second = introduction.consents
    return Entry(
        introduction=introduction.id,
        day=ended_at.astimezone(zone).date(),
        requester=introduction.requester_name,
        first=first.name,
        second=second.name,
        outcome=entry.outcome,
        reason=_reason(introduction, entry, is_own=is_own),
        reached=dict(_reached(introduction, entry)),
    )


def _reason(introduction: Introduction, entry: LedgerEntry, *, is_own: bool) -> str:
    if entry.reason is None:
        return ""
    return (_reason_for_requester(introduction, entry.reason) if is_own else entry.reason).value


def _reason_for_requester(introduction: Introduction, reason: Reason) -> LeadReason:
    if reason is Reason.WITHDRAWN:
        return LeadReason.WITHDRAWN
    if introduction.left_at is None:
        return LeadReason.NOT_COME_ABOUT
    return LeadReason.UNCONFIRMED if reason is Reason.HANDOFF_UNCONFIRMED else LeadReason.UNDELIVERED


def _reached(introduction: Introduction, entry: LedgerEntry) -> Iterator[tuple[Step, datetime]]:
    """Yield the steps of a case and their moments. Two yeses count only where the introduction left."""
    if introduction.verified_at:
        yield Step.ASKED, introduction.verified_at
    if introduction.left_at:
        yield Step.BOTH_YES, max(side.answered_at for side in introduction.consents if side.answered_at)
    if introduction.introduced_at:
        yield Step.INTRODUCED, introduction.introduced_at
    if entry.outcome is Outcome.REFERRAL:
        yield Step.CONFIRMED, entry.recorded_at


# --- Counted --------------------------------------------------------------------------------------


def _tally(entries: Iterable[Entry]) -> Tally:
    outcomes = Counter(entry.outcome for entry in entries)
    return Tally(outcomes[Outcome.REFERRAL], outcomes[Outcome.LEAD])


def _reasons(entries: list[Entry], known: type[LeadReason | Reason]) -> dict[str, int]:
    """Count the leads by reason, in the order of the enum; without those that none has."""
    counts = Counter(entry.reason for entry in entries)
    return {reason.value: counts[reason.value] for reason in known if counts[reason.value]}


def _duration(entries: list[Entry], step: Step, *, is_own: bool) -> Duration:
    """Return how long introduced cases took to a step; see the rules at the top of this module."""
    introduced = [entry.reached for entry in entries if Step.INTRODUCED in entry.reached]
    taken = [
        (reached[step] - reached[Step.ASKED]).total_seconds() for reached in introduced if step in reached
    ]
    least = MIN_TIMED_CASES if is_own and step is Step.BOTH_YES else 1
    return Duration(step, len(taken), _rounded(median(taken)) if len(taken) >= least else None)


def _rounded(seconds: float) -> int:
    """Round to whole days from two days on, to whole hours from two hours on, else to whole minutes."""
    size = 86400 if seconds >= 2 * 86400 else 3600 if seconds >= 2 * 3600 else 60
    return max(1, round(seconds / size)) * size


# --- Over time ------------------------------------------------------------------------------------


def _periods(entries: list[Entry], dates: DateRange, today: date) -> tuple[Unit, list[Period]]:
    """Return the columns of these dates, until today; where they are open, from the first entry on."""
    first = dates.first or min((entry.day for entry in entries), default=today)
    last = max(first, min(dates.last or today, today), *(entry.day for entry in entries))
    unit = _unit((last - first).days + 1)
    starts = list(_starts(first if dates.first else _first_day(unit, first), last, unit))
    columns: list[list[Entry]] = [[] for _ in starts]
    for entry in entries:
        columns[bisect_right(starts, entry.day) - 1].append(entry)
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
        first = _first_day(unit, _first_day(unit, first) + timedelta(days=_MAX_DAYS[unit]))


_MAX_DAYS = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 31, Unit.YEAR: 366}


def _first_day(unit: Unit, day: date) -> date:
    """Return the first day of the unit that a day is in; weeks begin on Monday (ISO 8601)."""
    if unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    if unit is Unit.MONTH:
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit is Unit.YEAR else day
