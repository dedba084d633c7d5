"""A requester's introductions as they may see them, and as the operator sees them. Only reads.

A no is private (docs/design.md, section 3, rule 5): what stands here for a requester depends on what they did
themselves, on the clock, on addresses that could not be reached, and on what a party chose to tell. It never
depends on who has answered what, or when, before the introduction. `tests/test_privacy.py` compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from . import ledger, lifecycle
from .lifecycle import ConsentState, Envelope, MailKind, Order, Reason, Role, State
from .models import Consent, Event, Introduction, MailState, OutboxMail, canonical
from .settings import Settings
from .timing import introduced_by

PER_PAGE = 20
MOST = 2**31 - 1
"""The largest number that a row can have; databases choke on larger ones."""


class Standing(StrEnum):
    """Where an introduction stands, as far as its requester may know."""

    UNVERIFIED = "unverified"
    GONE = "gone"
    ASKED = "asked"
    WITHDRAWN = "withdrawn"
    LEAVING = "leaving"
    UNDELIVERED = "undelivered"
    INTRODUCED = "introduced"
    CONFIRMED = "confirmed"
    NOTHING = "nothing"


class Show(StrEnum):
    """Which introductions a list shows. Each belongs to exactly one of the others than ``all``."""

    ALL = "all"
    OPEN = "open"
    INTRODUCED = "introduced"
    REFERRALS = "referrals"
    NOTHING = "nothing"


class Ahead(StrEnum):
    """What happens next by itself."""

    LAPSES = "lapses"
    SETTLED = "settled"
    FOLLOW_UP = "follow-up"
    ENDS = "ends"


class Told(StrEnum):
    """One line of the timeline that a requester sees."""

    REQUESTED = "requested"
    VERIFIED = "verified"
    LAPSED = "lapsed"
    LOST = "lost"
    CORRECTED = "corrected"
    DECLINED = "declined"
    REMINDED = "reminded"
    REMINDER_DUE = "reminder-due"
    WITHDRAWN = "withdrawn"
    INTRODUCED = "introduced"
    CAME_BACK = "came-back"
    UNDELIVERED = "undelivered"
    FOLLOWED_UP = "followed-up"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Next:
    """What happens next, and when."""

    what: Ahead
    at: datetime


@dataclass(frozen=True)
class Step:
    """Something that happened and may be told; ``name`` is the party that it is about."""

    at: datetime
    what: Told
    name: str = ""


@dataclass(frozen=True)
class Line:
    """One introduction in the list."""

    introduction: Introduction
    standing: Standing
    next: Next | None


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
    """The state in a word. Before the introduction it never tells one answer from another."""
    if introduction.verified_at is None:
        return Standing.GONE if introduction.state is State.CLOSED else Standing.UNVERIFIED
    if introduction.state is State.CONFIRMED:
        return Standing.CONFIRMED
    if introduction.left_at:
        return _how_it_went(introduction)
    if _is_withdrawn(introduction):
        return Standing.WITHDRAWN
    return Standing.NOTHING if introduction.state is State.CLOSED else Standing.ASKED


def _how_it_went(introduction: Introduction) -> Standing:
    if introduction.introduced_at:
        return Standing.INTRODUCED
    return Standing.UNDELIVERED if introduction.state is State.CLOSED else Standing.LEAVING


def _is_withdrawn(introduction: Introduction) -> bool:
    """Where the requester is one of the two, the case stays open with their no until the closing moment."""
    own = introduction.requester_is
    said_no = own is not None and introduction.consent(own).state is ConsentState.NO
    return said_no or introduction.reason is Reason.WITHDRAWN


def ahead(introduction: Introduction, settings: Settings) -> Next | None:
    """What happens next by itself, and when; None where nothing does."""
    match standing(introduction):
        case Standing.UNVERIFIED:
            return Next(Ahead.LAPSES, introduction.created_at + settings.VERIFY_WITHIN)
        case Standing.ASKED if introduction.closes_at:
            return Next(Ahead.SETTLED, introduced_by(introduction.closes_at, settings))
        case Standing.INTRODUCED if introduction.state is State.INTRODUCED and introduction.introduced_at:
            if introduction.followed_up_at:
                return Next(Ahead.ENDS, introduction.followed_up_at + settings.CONFIRM_WITHIN)
            return Next(Ahead.FOLLOW_UP, introduction.introduced_at + settings.FOLLOW_UP_AFTER)
    return None


def marks(introduction: Introduction) -> Marks:
    """The marks of the ledger that the requester may see by now."""
    case = introduction.to_case()
    found = ledger.marks(case, introduction.facts())
    told = case.introduced_at is not None
    return Marks(
        need_identified=found.need_identified,
        actively_sought=found.actively_sought if told else None,
        introduced=found.introduced,
        endorsed=found.endorsed,
        both_expect_it=found.both_expect_it if told else None,
    )


# --- The list -------------------------------------------------------------------------------------


def page(
    session: Session, settings: Settings, address: str, show: Show, search: str = "", number: int = 1
) -> Page:
    """A requester's introductions, the newest first: those to show, in which the search words stand."""
    wanted = and_(Introduction.requester_address == canonical(address), _is_shown(show), _holds(search))
    total = session.scalar(select(func.count()).select_from(Introduction).where(wanted)) or 0
    last = max(1, -(-total // PER_PAGE))
    number = min(max(1, number), last)
    rows = select(Introduction).where(wanted).order_by(Introduction.id.desc())
    rows = rows.limit(PER_PAGE).offset((number - 1) * PER_PAGE)
    lines = [Line(row, standing(row), ahead(row, settings)) for row in session.scalars(rows)]
    return Page(lines, number, last, total)


def has_any(session: Session, address: str) -> bool:
    """Whether an address ever asked for an introduction."""
    own = exists().where(Introduction.requester_address == canonical(address))
    return bool(session.scalar(select(own)))


def _is_shown(show: Show) -> ColumnElement[bool]:
    """The same as `standing`, asked of the database."""
    ended = Introduction.state == State.CLOSED
    confirmed = Introduction.state == State.CONFIRMED
    introduced = Introduction.introduced_at.is_not(None)
    withdrawn = _own_no()
    return {
        Show.ALL: Introduction.id.is_not(None),
        Show.OPEN: and_(not_(ended), not_(introduced), not_(withdrawn)),
        Show.INTRODUCED: and_(introduced, not_(confirmed)),
        Show.REFERRALS: confirmed,
        Show.NOTHING: and_(not_(introduced), or_(ended, withdrawn)),
    }[show]


def _own_no() -> ColumnElement[bool]:
    """The requester is one of the two, and took their request back."""
    return exists().where(
        Consent.introduction_id == Introduction.id,
        Consent.side == Introduction.requester_is,
        Consent.state == ConsentState.NO,
    )


def _holds(search: str) -> ColumnElement[bool]:
    """Every word of the search stands in the need or a name: only in what the requester typed."""
    # PostgreSQL refuses a text with a NUL in it.
    words = search.replace("\0", " ").split()[:10]
    return and_(Introduction.id.is_not(None), *(_holds_word(word) for word in words))


def _holds_word(word: str) -> ColumnElement[bool]:
    named = Consent.introduction_id == Introduction.id, Consent.name.icontains(word, autoescape=True)
    return or_(Introduction.need.icontains(word, autoescape=True), exists().where(*named))


# --- One introduction -----------------------------------------------------------------------------


def find(session: Session, id: int, address: str | None = None) -> Introduction | None:
    """An introduction; with an address only if that is its requester's."""
    introduction = session.get(Introduction, id) if 0 < id <= MOST else None
    is_theirs = introduction and address in (None, introduction.requester_address)
    return introduction if is_theirs else None


def may_remind(session: Session, introduction: Introduction, now: datetime) -> bool:
    """Whether the button for the reminder is there: that depends on nobody's answer."""
    closes_at = introduction.closes_at
    is_asked = standing(introduction) is Standing.ASKED and closes_at is not None and now < closes_at
    return introduction.reminders and is_asked and not _was_reminded(session, introduction)


def _was_reminded(session: Session, introduction: Introduction) -> bool:
    asked = exists().where(Event.introduction_id == introduction.id, Event.name == "reminder asked for")
    return bool(session.scalar(select(asked)))


def timeline(session: Session, settings: Settings, introduction: Introduction, now: datetime) -> list[Step]:
    """What happened, as the requester may see it, oldest first."""
    steps = [Step(introduction.created_at, Told.REQUESTED)]
    for event in history(session, introduction):
        # The reminder is one, however often its button was pressed.
        known = {step.what for step in steps} & {Told.REMINDED}
        steps += [step for step in _told(introduction, event) if step.what not in known]
    steps += _shared_noes(session, introduction)
    steps += _reminder_due(settings, introduction, steps, now)
    if standing(introduction) is Standing.NOTHING and introduction.closes_at:
        # The closing moment itself: the clock's own event may be a little later where a yes was taken back.
        steps.append(Step(introduction.closes_at, Told.NOTHING))
    return sorted(steps, key=lambda step: step.at)


def history(session: Session, introduction: Introduction) -> list[Event]:
    """Every event, oldest first: for the operator."""
    events = select(Event).where(Event.introduction_id == introduction.id).order_by(Event.id)
    return list(session.scalars(events))


def mails(session: Session, introduction: Introduction) -> list[OutboxMail]:
    """Every mail of an introduction, in the order in which they were queued: for the operator."""
    rows = select(OutboxMail).where(OutboxMail.introduction_id == introduction.id).order_by(OutboxMail.id)
    return list(session.scalars(rows))


PLAIN = {
    "verified": Told.VERIFIED,
    "request lapsed": Told.LAPSED,
    "withdrawn": Told.WITHDRAWN,
    "introduced": Told.INTRODUCED,
    "follow-up queued": Told.FOLLOWED_UP,
    "handoff confirmed": Told.CONFIRMED,
}
"""The events that tell nothing of one side; whatever is neither here nor in `_told` is not shown."""


def _told(introduction: Introduction, event: Event) -> Iterator[Step]:
    own, detail = introduction.requester_is, event.detail
    if event.name in PLAIN:
        yield Step(event.at, PLAIN[event.name])
    elif event.name == "undeliverable":
        yield Step(event.at, Told.LOST, _name(introduction, detail["to"]))
    elif event.name == "address corrected":
        yield Step(event.at, Told.CORRECTED, _name(introduction, detail["side"]))
    elif event.name == "reminder asked for":
        yield Step(event.at, Told.REMINDED)
    elif event.name == "mail came back" and _is_lost_introduction(introduction, event):
        yield Step(event.at, Told.CAME_BACK, _name(introduction, detail["to"]))
    elif event.name == "closed" and introduction.left_at:
        yield Step(event.at, Told.UNCONFIRMED if introduction.introduced_at else Told.UNDELIVERED)
    elif event.name == "answered" and event.actor == own and detail.get("answer") == ConsentState.NO:
        # "Never contact me again", said by a requester who is one of the two.
        yield Step(event.at, Told.WITHDRAWN)


def _is_lost_introduction(introduction: Introduction, event: Event) -> bool:
    is_copy = event.detail.get("to") == Role.REQUESTER
    is_introduction = event.detail.get("mail") == MailKind.INTRODUCTION
    return is_introduction and not is_copy and introduction.introduced_at is not None


def _name(introduction: Introduction, side: str) -> str:
    return introduction.consent(Role(side)).name


def _shared_noes(session: Session, introduction: Introduction) -> Iterator[Step]:
    """Who let the requester know of a no: as the mail told it, so that taking it back changes nothing."""
    for mail in mails(session, introduction):
        if mail.kind is MailKind.DECLINED and mail.state is MailState.SENT and mail.sent_at:
            side = lifecycle.who_about(mail.round)
            yield Step(mail.sent_at, Told.DECLINED, introduction.consent(side).name)


def _reminder_due(
    settings: Settings, introduction: Introduction, steps: list[Step], now: datetime
) -> Iterator[Step]:
    """When a reminder was due by the clock, whether or not anybody was left to be reminded.

    Where one is asked after the other, that moment would tell when the first said yes.
    """
    began, ends = introduction.verified_at, introduction.closes_at
    if not introduction.reminders or introduction.order is not Order.TOGETHER or not began or not ends:
        return
    due = began + settings.REMIND_AFTER
    over = (Told.REMINDED, Told.WITHDRAWN, Told.INTRODUCED, Told.UNDELIVERED)
    if due <= now and due < ends and not any(step.what in over and step.at <= due for step in steps):
        yield Step(due, Told.REMINDER_DUE)


def lost(introduction: Introduction) -> list[str]:
    """The names of those whom the introduction did not reach."""
    return [side.name for side in introduction.consents if side.envelope is Envelope.FAILED]
