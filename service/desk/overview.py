"""A requester's introductions as they may see them, and as the operator sees them. Only reads.

A no is private (docs/design.md, section 3, rule 5): what stands here for a requester depends on what they did
themselves, on the clock, on addresses that could not be reached, and on what a party chose to tell. It never
depends on who has answered what, or when, before the introduction. `tests/test_privacy.py` compares.
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
from service.settings.timing import introduced_by
from service.store.db import InSmallLetters
from service.store.models import Consent, Introduction, MailState, OutboxMail, canonical

PER_PAGE = 20
MOST = 2**31 - 1
"""The largest number that a row can have; databases choke on larger ones."""
TOLD = (MailState.SENT, MailState.FAILED, MailState.UNKNOWN)
"""The states of a mail that has come to its end, and was not stopped before."""


class Standing(StrEnum):
    """Where an introduction stands, as far as its requester may know."""

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


class Show(StrEnum):
    """Which introductions a list shows. ``unreached`` is a part of ``open``.

    Each introduction belongs to exactly one of the others than ``all`` and ``unreached``.
    """

    ALL = "all"
    OPEN = "open"
    UNREACHED = "unreached"
    INTRODUCED = "introduced"
    REFERRALS = "referrals"
    NOTHING = "nothing"


class Ahead(StrEnum):
    """What happens next by itself."""

    LAPSES = "lapses"
    SETTLED = "settled"
    FOLLOW_UP = "follow-up"
    ENDS = "ends"


@dataclass(frozen=True)
class Next:
    """What happens next, and when; ``is_late`` where that moment has passed."""

    what: Ahead
    at: datetime
    is_late: bool


@dataclass(frozen=True)
class Line:
    """One introduction in the list; ``told_no`` where somebody let the requester know of a no."""

    introduction: Introduction
    standing: Standing
    next: Next | None
    told_no: bool


@dataclass(frozen=True)
class Page:
    """One page of the list; pages count from 1, ``total`` is over all of them."""

    lines: list[Line]
    number: int
    last: int
    total: int


@dataclass(frozen=True)
class Marks:
    """The five marks; None where only an introduction may tell."""

    need_identified: bool
    actively_sought: bool | None
    introduced: bool
    endorsed: bool
    both_expect_it: bool | None


# --- Where it stands ------------------------------------------------------------------------------


def standing(introduction: Introduction) -> Standing:
    """Tell the state in a word. Before the introduction it never tells one answer from another."""
    if introduction.verified_at is None:
        return Standing.GONE if introduction.state is State.CLOSED else Standing.UNVERIFIED
    if introduction.state is State.CONFIRMED:
        return Standing.CONFIRMED
    if introduction.left_at:
        return _how_it_went(introduction)
    if _is_withdrawn(introduction):
        return Standing.WITHDRAWN
    if introduction.state is State.CLOSED:
        return Standing.NOTHING
    return Standing.UNREACHED if _is_unreached(introduction) else Standing.ASKED


def _how_it_went(introduction: Introduction) -> Standing:
    if introduction.state is State.CLOSED:
        # An introduction that came back later is closed for that, as the ledger says.
        is_unconfirmed = introduction.reason is Reason.HANDOFF_UNCONFIRMED
        return Standing.UNCONFIRMED if is_unconfirmed else Standing.UNDELIVERED
    return Standing.INTRODUCED if introduction.introduced_at else Standing.LEAVING


def _is_unreached(introduction: Introduction) -> bool:
    return any(side.state is ConsentState.UNDELIVERABLE for side in introduction.consents)


def _is_withdrawn(introduction: Introduction) -> bool:
    """Where the requester is one of the two, the case stays open with their no until the closing moment."""
    own = introduction.requester_is
    said_no = own is not None and introduction.consent(own).state is ConsentState.NO
    return said_no or introduction.reason is Reason.WITHDRAWN


def ahead(introduction: Introduction, settings: Settings, now: datetime) -> Next | None:
    """Tell what happens next by itself, and when; None where nothing does."""
    found = _ahead(introduction, settings)
    return Next(*found, is_late=found[1] < now) if found else None


def _ahead(introduction: Introduction, settings: Settings) -> tuple[Ahead, datetime] | None:
    match standing(introduction):
        case Standing.UNVERIFIED:
            return Ahead.LAPSES, introduction.created_at + settings.VERIFY_WITHIN
        case Standing.ASKED | Standing.UNREACHED if introduction.closes_at:
            return Ahead.SETTLED, introduced_by(introduction.closes_at, settings)
        case Standing.INTRODUCED if introduction.introduced_at:
            if introduction.followed_up_at:
                return Ahead.ENDS, introduction.followed_up_at + settings.CONFIRM_WITHIN
            return Ahead.FOLLOW_UP, introduction.introduced_at + settings.FOLLOW_UP_AFTER
    return None


def marks(introduction: Introduction) -> Marks:
    """Return the marks of the ledger that the requester may see by now."""
    case = introduction.to_case()
    found = ledger.marks(case, introduction.facts())
    told = case.introduced_at is not None
    return Marks(
        need_identified=found.need_identified,
        actively_sought=found.actively_sought if told else None,
        introduced=found.introduced,
        endorsed=found.endorsed,
        # That both said yes is told as soon as the introduction has left.
        both_expect_it=found.both_expect_it if introduction.left_at else None,
    )


def sought_by(introduction: Introduction) -> list[Consent]:
    """Return the sides with the need that said they are looking now; told once they are introduced."""
    facts = introduction.facts()
    said_so = facts.needs & facts.looking if introduction.introduced_at else frozenset()
    return [side for side in introduction.consents if side.side in said_so]


# --- The list -------------------------------------------------------------------------------------


def page(
    session: Session,
    settings: Settings,
    address: str,
    show: Show,
    now: datetime,
    search: str = "",
    number: int = 1,
) -> Page:
    """Return a requester's introductions to show, in which the search words stand, the newest first."""
    wanted = and_(Introduction.requester_address == canonical(address), _is_shown(show), _holds(search))
    total = session.scalar(select(func.count()).select_from(Introduction).where(wanted)) or 0
    last = max(1, -(-total // PER_PAGE))
    number = min(max(1, number), last)
    rows = select(Introduction).where(wanted).order_by(Introduction.id.desc())
    rows = rows.limit(PER_PAGE).offset((number - 1) * PER_PAGE)
    found = list(session.scalars(rows))
    told = {mail.introduction_id for mail in told_noes(session, *found)}
    lines = [Line(row, standing(row), ahead(row, settings, now), row.id in told) for row in found]
    return Page(lines, number, last, total)


def told_noes(session: Session, *introductions: Introduction) -> list[OutboxMail]:
    """Return the mails by which parties let the requester know of a no, as they chose to.

    What such a mail told stays told, so that taking the no back changes nothing. One that failed counts as
    well: what it was to tell stands at the desk.
    """
    ids = [introduction.id for introduction in introductions]
    mails = select(OutboxMail).where(OutboxMail.introduction_id.in_(ids), OutboxMail.state.in_(TOLD))
    return list(session.scalars(mails.where(OutboxMail.kind == MailKind.DECLINED).order_by(OutboxMail.id)))


def has_any(session: Session, address: str) -> bool:
    """Whether an address ever asked for an introduction."""
    own = exists().where(Introduction.requester_address == canonical(address))
    return bool(session.scalar(select(own)))


def _is_shown(show: Show) -> ColumnElement[bool]:
    """Ask the database what `standing` tells."""
    ended = Introduction.state == State.CLOSED
    confirmed = Introduction.state == State.CONFIRMED
    introduced = Introduction.introduced_at.is_not(None)
    withdrawn = _own_no()
    undelivered = and_(ended, Introduction.reason == Reason.UNDELIVERABLE)
    is_open = and_(not_(ended), not_(introduced), not_(withdrawn))
    return {
        Show.ALL: Introduction.id.is_not(None),
        Show.OPEN: is_open,
        Show.UNREACHED: and_(is_open, _has_side(Consent.state == ConsentState.UNDELIVERABLE)),
        Show.INTRODUCED: and_(introduced, not_(confirmed), not_(undelivered)),
        Show.REFERRALS: confirmed,
        Show.NOTHING: or_(undelivered, and_(not_(introduced), or_(ended, withdrawn))),
    }[show]


def _own_no() -> ColumnElement[bool]:
    """Ask whether the requester is one of the two, and took their request back."""
    return _has_side(Consent.side == Introduction.requester_is, Consent.state == ConsentState.NO)


def _has_side(*where: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Consent.introduction_id == Introduction.id, *where)


def _holds(search: str) -> ColumnElement[bool]:
    """Every word of the search stands in the need, a name or an address: only in what the requester typed."""
    # PostgreSQL refuses a text with a NUL in it.
    words = normalize("NFC", search.replace("\0", " ")).split()[:10]
    return and_(Introduction.id.is_not(None), *(_holds_word(word) for word in words))


def _holds_word(word: str) -> ColumnElement[bool]:
    is_party = or_(_contains(Consent.name, word), _contains(Consent.email, word))
    return or_(_contains(Introduction.need, word), _has_side(is_party))


def _contains(text: InstrumentedAttribute[str], word: str) -> ColumnElement[bool]:
    # SQLAlchemy's own icontains() is blind to capital letters of ASCII only, on SQLite.
    return InSmallLetters(text).contains(word.lower(), autoescape=True)


# --- One introduction -----------------------------------------------------------------------------


def find(session: Session, id: int, address: str | None = None) -> Introduction | None:
    """Find an introduction; with an address only if that is its requester's."""
    introduction = session.get(Introduction, id) if 0 < id <= MOST else None
    is_theirs = introduction and address in (None, introduction.requester_address)
    return introduction if is_theirs else None


def lost(introduction: Introduction) -> list[str]:
    """Return the names of those whom the introduction did not reach."""
    return [side.name for side in introduction.consents if side.envelope is Envelope.FAILED]
