"""A requester's introductions: their status, the list, and one of them. Only reads.

A no is private (docs/design.md, section 3, rule 5): what stands here for a requester depends on what they did
themselves, on the clock, on addresses that could not be reached, and on what a party chose to tell. It never
depends on who has answered what, or when, before the introduction. `tests/introductions/test_privacy.py`
compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from unicodedata import normalize

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.lifecycle import ConsentState, Envelope, MailKind, Reason, State, ledger
from service.settings.table import Settings
from service.settings.timing import introduction_deadline
from service.store.db import InSmallLetters
from service.store.models import Consent, Introduction, MailState, OutboxMail, canonical
from service.store.models.columns import MAX_ID

PER_PAGE, PAGES_AROUND = 20, 2
DISCLOSED_STATES = (MailState.SENT, MailState.FAILED, MailState.UNKNOWN)
"""The states of a mail that has come to its end, and was not stopped before."""


class Status(StrEnum):
    """The status of an introduction, as far as its requester may know."""

    UNVERIFIED = "unverified"
    GONE = "gone"
    ASKED = "asked"
    UNREACHED = "unreached"
    WITHDRAWN = "withdrawn"
    LEAVING = "leaving"
    UNDELIVERED = "undelivered"
    INTRODUCED = "introduced"
    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    NOTHING = "nothing"


class StatusFilter(StrEnum):
    """Which introductions a list shows. ``unreached`` is a part of ``open``.

    Each introduction belongs to exactly one of the others than ``all`` and ``unreached``.
    """

    ALL = "all"
    OPEN = "open"
    UNREACHED = "unreached"
    INTRODUCED = "introduced"
    REFERRALS = "referrals"
    NOTHING = "nothing"


class NextEvent(StrEnum):
    """What happens next without anybody doing anything."""

    LAPSES = "lapses"
    SETTLED = "settled"
    FOLLOW_UP = "follow-up"
    ENDS = "ends"


@dataclass(frozen=True)
class NextStep:
    """The next event and its moment; ``is_late`` where that has passed."""

    event: NextEvent
    at: datetime
    is_late: bool


@dataclass(frozen=True)
class ListItem:
    """One introduction in the list; ``no_disclosed`` where somebody let the requester know of a no."""

    introduction: Introduction
    status: Status
    next_step: NextStep | None
    no_disclosed: bool


@dataclass(frozen=True)
class Page:
    """One page of the list; pages count from 1, ``total`` is over all of them."""

    items: list[ListItem]
    number: int
    last: int
    total: int

    @property
    def near(self) -> list[int]:
        """Return the pages that are one step away: the first and the last, and some around this one."""
        around = range(self.number - PAGES_AROUND, self.number + PAGES_AROUND + 1)
        return sorted({1, self.last} | {number for number in around if 1 <= number <= self.last})


@dataclass(frozen=True)
class VisibleMarks:
    """The five marks of a referral; None where only an introduction may tell."""

    need_identified: bool
    actively_sought: bool | None
    introduced: bool
    endorsed: bool
    both_expect_it: bool | None


# --- Status ---------------------------------------------------------------------------------------


def status(introduction: Introduction) -> Status:
    """Return the status. Before the introduction it never tells one answer from another."""
    if introduction.verified_at is None:
        return Status.GONE if introduction.state is State.CLOSED else Status.UNVERIFIED
    if introduction.state is State.CONFIRMED:
        return Status.CONFIRMED
    if introduction.left_at:
        return _status_after_sending(introduction)
    if _is_withdrawn(introduction):
        return Status.WITHDRAWN
    if introduction.state is State.CLOSED:
        return Status.NOTHING
    return Status.UNREACHED if _is_unreached(introduction) else Status.ASKED


def _status_after_sending(introduction: Introduction) -> Status:
    if introduction.state is State.CLOSED:
        # An introduction that came back later is closed for that, as the ledger says.
        is_unconfirmed = introduction.reason is Reason.HANDOFF_UNCONFIRMED
        return Status.UNCONFIRMED if is_unconfirmed else Status.UNDELIVERED
    return Status.INTRODUCED if introduction.introduced_at else Status.LEAVING


def _is_unreached(introduction: Introduction) -> bool:
    return any(side.state is ConsentState.UNDELIVERABLE for side in introduction.consents)


def _is_withdrawn(introduction: Introduction) -> bool:
    """Where the requester is one of the two, the case stays open with their no until the closing moment."""
    own = introduction.requester_is
    said_no = own is not None and introduction.consent(own).state is ConsentState.NO
    return said_no or introduction.reason is Reason.WITHDRAWN


def next_step(introduction: Introduction, settings: Settings, now: datetime) -> NextStep | None:
    """Return what happens next by itself; None where nothing does."""
    found = _next_event(introduction, settings)
    return NextStep(*found, is_late=found[1] < now) if found else None


def _next_event(introduction: Introduction, settings: Settings) -> tuple[NextEvent, datetime] | None:
    match status(introduction):
        case Status.UNVERIFIED:
            return NextEvent.LAPSES, introduction.created_at + settings.VERIFY_WITHIN
        case Status.ASKED | Status.UNREACHED if introduction.closes_at:
            return NextEvent.SETTLED, introduction_deadline(introduction.closes_at, settings)
        case Status.INTRODUCED if introduction.introduced_at:
            if introduction.followed_up_at:
                return NextEvent.ENDS, introduction.followed_up_at + settings.CONFIRM_WITHIN
            return NextEvent.FOLLOW_UP, introduction.introduced_at + settings.FOLLOW_UP_AFTER
    return None


def visible_marks(introduction: Introduction) -> VisibleMarks:
    """Return the marks that the requester may see by now."""
    case = introduction.to_case()
    found = ledger.marks(case, introduction.facts())
    disclosed = case.introduced_at is not None
    return VisibleMarks(
        need_identified=found.need_identified,
        actively_sought=found.actively_sought if disclosed else None,
        introduced=found.introduced,
        endorsed=found.endorsed,
        # That both said yes is told as soon as the introduction has left.
        both_expect_it=found.both_expect_it if introduction.left_at else None,
    )


def sought_by(introduction: Introduction) -> list[Consent]:
    """Return the sides with the need that said they are looking now; none before they are introduced."""
    facts = introduction.facts()
    said_so = facts.needs & facts.looking if introduction.introduced_at else frozenset()
    return [side for side in introduction.consents if side.side in said_so]


# --- The list -------------------------------------------------------------------------------------


def page(
    session: Session,
    settings: Settings,
    address: str,
    status_filter: StatusFilter,
    now: datetime,
    *,
    search: str = "",
    number: int = 1,
) -> Page:
    """Return one page of a requester's introductions that match filter and search, the newest first.

    ``number`` counts from 1; one that is out of range means the nearest page there is.
    """
    wanted = and_(
        Introduction.requester_address == canonical(address),
        _matches_filter(status_filter),
        _matches_search(search),
    )
    ids, total = _ids(session, wanted, min(max(1, number), MAX_ID // PER_PAGE))
    last = _last(total)
    number = min(max(1, number), last)
    rows = select(Introduction).where(Introduction.id.in_(ids)).order_by(Introduction.id.desc())
    found = list(session.scalars(rows))
    disclosed = {mail.introduction_id for mail in disclosed_noes(session, *found)}
    items = [ListItem(row, status(row), next_step(row, settings, now), row.id in disclosed) for row in found]
    return Page(items, number, last, total)


def _ids(session: Session, wanted: ColumnElement[bool], number: int) -> tuple[list[int], int]:
    """Return which introductions are on a page, or on the last one, and how many there are on all.

    A search looks at every case of the requester, so one look answers both.
    """
    found = select(Introduction.id, func.count().over()).where(wanted).order_by(Introduction.id.desc())
    rows = session.execute(found.limit(PER_PAGE).offset((number - 1) * PER_PAGE)).all()
    if rows or number == 1:
        return [id for id, _ in rows], rows[0][1] if rows else 0
    total = session.scalar(select(func.count()).select_from(Introduction).where(wanted)) or 0
    return _ids(session, wanted, _last(total))


def _last(total: int) -> int:
    return max(1, -(-total // PER_PAGE))


def disclosed_noes(session: Session, *introductions: Introduction) -> list[OutboxMail]:
    """Return the mails by which parties let the requester know of a no, as they chose to.

    What such a mail told stays told, so that taking the no back changes nothing. One that failed counts as
    well: what it was to tell stands at the desk.
    """
    ids = [introduction.id for introduction in introductions]
    mails = select(OutboxMail).where(
        OutboxMail.introduction_id.in_(ids), OutboxMail.state.in_(DISCLOSED_STATES)
    )
    return list(session.scalars(mails.where(OutboxMail.kind == MailKind.DECLINED).order_by(OutboxMail.id)))


def has_any(session: Session, address: str) -> bool:
    """Tell whether an address ever asked for an introduction."""
    own = exists().where(Introduction.requester_address == canonical(address))
    return bool(session.scalar(select(own)))


def _matches_filter(status_filter: StatusFilter) -> ColumnElement[bool]:
    """Express `status` in SQL."""
    ended = Introduction.state == State.CLOSED
    confirmed = Introduction.state == State.CONFIRMED
    introduced = Introduction.introduced_at.is_not(None)
    withdrawn = _withdrawn_by_party()
    undelivered = and_(ended, Introduction.reason == Reason.UNDELIVERABLE)
    is_open = and_(not_(ended), not_(introduced), not_(withdrawn))
    return {
        StatusFilter.ALL: Introduction.id.is_not(None),
        StatusFilter.OPEN: is_open,
        StatusFilter.UNREACHED: and_(is_open, _has_side(Consent.state == ConsentState.UNDELIVERABLE)),
        StatusFilter.INTRODUCED: and_(introduced, not_(confirmed), not_(undelivered)),
        StatusFilter.REFERRALS: confirmed,
        StatusFilter.NOTHING: or_(undelivered, and_(not_(introduced), or_(ended, withdrawn))),
    }[status_filter]


def _withdrawn_by_party() -> ColumnElement[bool]:
    """Express in SQL that the requester, one of the two, took their request back."""
    return _has_side(Consent.side == Introduction.requester_is, Consent.state == ConsentState.NO)


def _has_side(*where: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Consent.introduction_id == Introduction.id, *where)


def _matches_search(search: str) -> ColumnElement[bool]:
    """Match every word of the search in the need, a name or an address: only in what the requester typed."""
    # PostgreSQL refuses a text with a NUL in it.
    words = normalize("NFC", search.replace("\0", " ")).split()[:10]
    return and_(Introduction.id.is_not(None), *(_matches_word(word) for word in words))


def _matches_word(word: str) -> ColumnElement[bool]:
    is_party = or_(_contains(Consent.name, word), _contains(Consent.email, word))
    return or_(_contains(Introduction.need, word), _has_side(is_party))


def _contains(text: InstrumentedAttribute[str], word: str) -> ColumnElement[bool]:
    # SQLAlchemy's own icontains() is blind to capital letters of ASCII only, on SQLite.
    return InSmallLetters(text).contains(word.lower(), autoescape=True)


# --- One introduction -----------------------------------------------------------------------------


def find(session: Session, id: int, address: str | None = None) -> Introduction | None:
    """Return an introduction, or None; with an address only if that is its requester's."""
    introduction = session.get(Introduction, id) if 0 < id <= MAX_ID else None
    is_theirs = introduction and address in (None, introduction.requester_address)
    return introduction if is_theirs else None


def unreached_names(introduction: Introduction) -> list[str]:
    """Return the names of those whom the introduction did not reach."""
    return [side.name for side in introduction.consents if side.envelope is Envelope.FAILED]
