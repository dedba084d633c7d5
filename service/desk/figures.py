"""Statistics of the ledger: referrals and leads over time, how far cases come, and how long each step takes.

Everything is counted by the database, from one selection of entries (`_rows`), so that a page and its
exports cannot differ, and 100,000 entries take no more memory than ten. Whoever asks for their own entries
must learn no single answer from them (docs/design.md, section 3, rule 5), hence:

- A case is there once it has ended. One that did not come about has the day of its closing moment.
- Of the reasons only those of `LeadReason` are told.
- "Both said yes" is counted only of introductions that left: the requester was told of these anyway.
- How long two yeses took is told only from `MIN_TIMED_CASES` introductions on: of one, it would be
  the moment at which somebody answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import fmean
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, Select, Subquery, and_, case, func, literal, or_, select, true
from sqlalchemy.orm import Session, aliased

from service.lifecycle import Reason, Role
from service.lifecycle.ledger import Outcome
from service.store.db import SecondsBetween
from service.store.models import Consent, Introduction, LedgerEntry

MIN_TIMED_CASES = 3
PER_PAGE = 100
FETCHED_AT_ONCE = 500
"""How many rows of an export are in memory at a time."""


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
    """One current entry. ``day`` is in the installation's zone; ``reason`` is empty for a referral."""

    introduction: int
    day: date
    requester: str
    first: str
    second: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Ledger:
    """The current entries of one requester's canonical address, or for operators everyone's (None).

    ``zone`` is the one whose days are meant.
    """

    zone: ZoneInfo
    dates: DateRange
    requester: str | None

    @property
    def is_own(self) -> bool:
        """Tell whether whoever reads it must learn no single answer from it."""
        return self.requester is not None


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
    """What is counted: everything that the ledger's page and its exports show beside the entries."""

    tally: Tally
    unit: Unit
    periods: list[Period]
    funnel: dict[Step, int]
    reasons: dict[str, int]
    durations: list[Duration]


@dataclass(frozen=True)
class Page:
    """Some entries, the newest first; ``older`` names the last of them where older ones follow."""

    entries: list[Entry]
    older: int | None


def figures(session: Session, ledger: Ledger, today: date) -> Figures:
    """Count a ledger; ``today`` is the last day of a range that is open. No entry leaves the database."""
    rows = _rows(ledger).subquery()
    unit, starts, last = _columns(session, rows, ledger, today)
    counts = _counts(session, rows, [_midnight(start, ledger.zone) for start in starts])
    ends = [after - timedelta(days=1) for _, after in pairwise(starts)] + [last]
    return Figures(
        tally=_tally(counts),
        unit=unit,
        periods=[
            Period(start, end, _tally(count for count in counts if count.column == column))
            for column, (start, end) in enumerate(zip(starts, ends, strict=True))
        ],
        funnel={step: sum(count.number for count in counts if count.reached(step)) for step in Step},
        reasons=_reasons(counts, is_own=ledger.is_own),
        durations=[_duration(session, rows, counts, step, is_own=ledger.is_own) for step in list(Step)[1:]],
    )


# --- The entries ----------------------------------------------------------------------------------


def page(session: Session, ledger: Ledger, before: int | None = None) -> Page:
    """Return the entries that come after the one of the introduction ``before``, or the newest.

    A page is found by its key and not by its number: what is added while somebody reads moves nothing, and
    the thousandth page costs no more than the second.
    """
    rows = _rows(ledger).subquery()
    found = select(rows)
    if before is not None:
        last = select(rows.c.ended_at).where(rows.c.id == before).scalar_subquery()
        is_older = or_(rows.c.ended_at < last, and_(rows.c.ended_at == last, rows.c.id < before))
        # An entry may have left the ledger since its page was shown: then the newest are a place to go on.
        found = found.where(or_(last.is_(None), is_older))
    found = found.order_by(rows.c.ended_at.desc(), rows.c.id.desc()).limit(PER_PAGE + 1)
    shown = [_entry(row, ledger) for row in session.execute(found)]
    more = len(shown) > PER_PAGE
    return Page(shown[:PER_PAGE], shown[PER_PAGE - 1].introduction if more else None)


@contextmanager
def entries(session: Session, ledger: Ledger) -> Iterator[Iterator[Entry]]:
    """Ask for all entries, the newest first. However many there are, few are in memory at a time."""
    rows = _rows(ledger).subquery()
    found = select(rows).order_by(rows.c.ended_at.desc(), rows.c.id.desc())
    # PostgreSQL keeps a cursor open for them, also where nobody reads them to their end.
    with session.execute(found, execution_options={"yield_per": FETCHED_AT_ONCE}) as result:
        yield (_entry(row, ledger) for row in result)


def _rows(ledger: Ledger) -> Select[*tuple[Any, ...]]:
    """Select what is shown and counted, one row for each entry."""
    first, second = aliased(Consent), aliased(Consent)
    return (
        select(
            Introduction.id,
            Introduction.requester_name,
            first.name.label("first"),
            second.name.label("second"),
            LedgerEntry.outcome,
            LedgerEntry.reason,
            _ended_at().label("ended_at"),
            Introduction.verified_at,
            Introduction.left_at,
            Introduction.introduced_at,
            LedgerEntry.recorded_at,
            case((first.answered_at > second.answered_at, first.answered_at), else_=second.answered_at).label(
                "both_yes_at"
            ),
        )
        .join(LedgerEntry, LedgerEntry.introduction_id == Introduction.id)
        .join(first, and_(first.introduction_id == Introduction.id, first.side == Role.A))
        .join(second, and_(second.introduction_id == Introduction.id, second.side == Role.B))
        .where(*_chosen(ledger))
    )


def _chosen(ledger: Ledger) -> Iterator[ColumnElement[bool]]:
    yield LedgerEntry.superseded_at.is_(None)
    if ledger.requester is not None:
        yield Introduction.requester_address == ledger.requester
    if ledger.dates.first:
        yield _ended_at() >= _midnight(ledger.dates.first, ledger.zone)
    if ledger.dates.last:
        yield _ended_at() < _midnight(ledger.dates.last + timedelta(days=1), ledger.zone)


def _ended_at() -> ColumnElement[datetime]:
    # A hold that was undone near the end closes its case some minutes late, which nobody needs to see.
    late = and_(Introduction.left_at.is_(None), Introduction.closes_at < LedgerEntry.recorded_at)
    return case((late, Introduction.closes_at), else_=LedgerEntry.recorded_at)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _entry(row: Row[*tuple[Any, ...]], ledger: Ledger) -> Entry:
    return Entry(
        introduction=row.id,
        day=row.ended_at.astimezone(ledger.zone).date(),
        requester=row.requester_name,
        first=row.first,
        second=row.second,
        outcome=row.outcome,
        reason=_reason(row.reason, has_left=row.left_at is not None, is_own=ledger.is_own),
    )


def _reason(reason: Reason | None, *, has_left: bool, is_own: bool) -> str:
    if reason is None:
        return ""
    return (_reason_for_requester(reason, has_left=has_left) if is_own else reason).value


def _reason_for_requester(reason: Reason, *, has_left: bool) -> LeadReason:
    if reason is Reason.WITHDRAWN:
        return LeadReason.WITHDRAWN
    if not has_left:
        return LeadReason.NOT_COME_ABOUT
    return LeadReason.UNCONFIRMED if reason is Reason.HANDOFF_UNCONFIRMED else LeadReason.UNDELIVERED


# --- Counted --------------------------------------------------------------------------------------


class _Count(NamedTuple):
    """How many entries are alike in all that is counted; ``column`` is that of the chart over time."""

    column: int
    outcome: Outcome
    reason: Reason | None
    has_left: bool
    was_introduced: bool
    number: int

    def reached(self, step: Step) -> bool:
        """Tell whether these came so far. Two yeses count only where the introduction left."""
        return {
            Step.ASKED: True,
            Step.BOTH_YES: self.has_left,
            Step.INTRODUCED: self.was_introduced,
            Step.CONFIRMED: self.outcome is Outcome.REFERRAL,
        }[step]


def _counts(session: Session, rows: Subquery, starts: list[datetime]) -> list[_Count]:
    """Count the entries that are alike, in columns that begin at these moments."""
    later = [(rows.c.ended_at >= start, column) for column, start in enumerate(starts)][:0:-1]
    alike = select(
        (case(*later, else_=0) if later else literal(0)).label("column"),
        rows.c.outcome,
        rows.c.reason,
        rows.c.left_at.is_not(None).label("has_left"),
        rows.c.introduced_at.is_not(None).label("was_introduced"),
    ).subquery()
    found = session.execute(select(*alike.c, func.count()).group_by(*alike.c))
    return [_Count._make(row) for row in found]


def _tally(counts: Iterable[_Count]) -> Tally:
    outcomes = Counter[Outcome]()
    for count in counts:
        outcomes[count.outcome] += count.number
    return Tally(outcomes[Outcome.REFERRAL], outcomes[Outcome.LEAD])


def _reasons(counts: list[_Count], *, is_own: bool) -> dict[str, int]:
    """Count the leads by reason, in the order of the enum; without those that none has."""
    known: type[LeadReason | Reason] = LeadReason if is_own else Reason
    numbers = Counter[str]()
    for count in counts:
        numbers[_reason(count.reason, has_left=count.has_left, is_own=is_own)] += count.number
    return {reason.value: numbers[reason.value] for reason in known if numbers[reason.value]}


def _duration(
    session: Session, rows: Subquery, counts: list[_Count], step: Step, *, is_own: bool
) -> Duration:
    """Return how long introduced cases took to a step; see the rules at the top of this module."""
    cases = sum(count.number for count in counts if count.was_introduced and count.reached(step))
    least = MIN_TIMED_CASES if is_own and step is Step.BOTH_YES else 1
    return Duration(step, cases, _rounded(_median(session, rows, step, cases)) if cases >= least else None)


def _median(session: Session, rows: Subquery, step: Step, cases: int) -> float:
    """Return the median of the seconds from the request to a step: of the one or two rows in the middle."""
    moment, reached = {
        Step.BOTH_YES: (rows.c.both_yes_at, rows.c.left_at.is_not(None)),
        Step.INTRODUCED: (rows.c.introduced_at, true()),
        Step.CONFIRMED: (rows.c.recorded_at, rows.c.outcome == Outcome.REFERRAL),
    }[step]
    middle = (
        select(moment, rows.c.verified_at)
        .where(rows.c.introduced_at.is_not(None), reached)
        .order_by(SecondsBetween(moment, rows.c.verified_at))
        .offset((cases - 1) // 2)
        .limit(2 - cases % 2)
    )
    return fmean((later - earlier).total_seconds() for later, earlier in session.execute(middle))


def _rounded(seconds: float) -> int:
    """Round to whole days from two days on, to whole hours from two hours on, else to whole minutes."""
    size = 86400 if seconds >= 2 * 86400 else 3600 if seconds >= 2 * 3600 else 60
    return max(1, round(seconds / size)) * size


# --- Over time ------------------------------------------------------------------------------------


def _columns(session: Session, rows: Subquery, ledger: Ledger, today: date) -> tuple[Unit, list[date], date]:
    """Return the unit, the first day of each column, and the last day of them all.

    They cover the dates of the ledger until today; where these are open, they begin with the first entry.
    """
    ends = session.execute(select(func.min(rows.c.ended_at), func.max(rows.c.ended_at))).one()
    oldest, newest = (end.astimezone(ledger.zone).date() if end else None for end in ends)
    dates = ledger.dates
    first = dates.first or oldest or today
    last = max(first, min(dates.last or today, today), newest or first)
    unit = _unit((last - first).days + 1)
    return unit, list(_starts(first if dates.first else _first_day(unit, first), last, unit)), last


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
