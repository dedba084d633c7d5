"""The use cases: one function for each verb, each inside the caller's transaction.

A verb takes the signed link itself: it reads the token, locks the introduction's row first (both parties
may answer in the same instant), checks that the link is still the current one, and lets the kernel
decide. `apply` writes what the kernel decided, all in the one commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from service import lifecycle
from service.language.languages import LANGUAGES
from service.lifecycle import Envelope, MailKind, Order, Role, State
from service.settings.table import Settings
from service.settings.timing import timing
from service.store import outbox
from service.store.models import Consent, Event, FirstWriter, Introduction, Need, Sought, canonical

from . import decisions, links
from . import quotas as limits
from .links import LinkReplaced as LinkReplaced
from .links import by_answer_link as by_answer_link
from .links import by_follow_up_link as by_follow_up_link
from .links import by_never_link as by_never_link
from .links import by_requester_link as by_requester_link


class UnknownLanguage(Exception):
    """TwoYes does not speak this language."""


class SameAddress(Exception):
    """A corrected address must differ from the old one and from everyone else's in the case."""


@dataclass(frozen=True)
class Party:
    """One of the two, in the requester's words."""

    name: str
    email: str
    blurb: str
    endorsement: str = ""
    language: str = "en"


@dataclass(frozen=True)
class Request:
    """What a requester fills in. The side that ``requester_is`` repeats the requester's name and address."""

    requester_name: str
    requester_email: str
    a: Party
    b: Party
    need: str
    need_of: Need
    sought: Sought
    order: Order
    first_writer: FirstWriter
    reminders: bool
    cc_requester: bool
    requester_is: Role | None
    language: str = "en"


@dataclass(frozen=True)
class Shared:
    """What a party adds on the answer page. All of it goes into the introduction, but ``looking``."""

    phone: str = ""
    line: str = ""
    looking: bool | None = None


def draft(request: Request, now: datetime) -> Introduction:
    """The introduction that a request would become, not saved anywhere."""
    sides = ((Role.A, request.a), (Role.B, request.b))
    return Introduction(
        requester_name=request.requester_name,
        requester_email=request.requester_email,
        requester_address=canonical(request.requester_email),
        need=request.need,
        need_of=request.need_of,
        sought=request.sought,
        order=request.order,
        first_writer=request.first_writer,
        reminders=request.reminders,
        cc_requester=request.cc_requester,
        requester_is=request.requester_is,
        requester_language=request.language,
        state=State.UNVERIFIED,
        version=1,
        summarised=False,
        created_at=now,
        consents=[_draft_consent(request, role, party) for role, party in sides],
    )


def request(session: Session, settings: Settings, request: Request, now: datetime) -> Introduction:
    """Record a request and queue its verification mail; nobody else hears of it yet.

    Raises limits.TooManyRequests.
    """
    limits.check_verifications(session, settings, request.requester_email, now)
    introduction = draft(request, now)
    introduction.next_due_at = lifecycle.next_due_at(introduction.to_case(), timing(settings))
    session.add(introduction)
    session.flush()
    decisions.write_event(session, introduction, lifecycle.Event("requested", Role.REQUESTER), now)
    outbox.enqueue(session, settings, introduction, lifecycle.Mail(MailKind.VERIFY, Role.REQUESTER), now)
    return introduction


def verify(session: Session, settings: Settings, token: str, now: datetime) -> Introduction:
    """The requester's address is theirs: ask the parties.

    Raises limits.CannotBeAsked, without telling which of the two or why; then nothing changes.
    """
    limits.take_turns(session)
    introduction = links.lock_by_requester_link(session, settings, token)
    # The kernel refuses first: a request that lapsed is no way to try out addresses.
    lifecycle.decide(introduction.to_case(), lifecycle.Verify(), now, timing(settings))
    limits.check_can_be_asked(session, settings, introduction)
    decisions.apply(session, settings, introduction, lifecycle.Verify(), now)
    return introduction


def answer(
    session: Session,
    settings: Settings,
    token: str,
    yes: bool,
    shared: Shared,
    tell_requester: bool,
    words_shown: str,
    now: datetime,
) -> Consent:
    """Record a party's answer, with the words it was given to and what goes into the introduction.

    Raises limits.NeverAgain for a yes from an address that no mail may be sent to. Of a suspect answer
    only the event stays: the consent returned is asked, as before.
    """
    consent = links.lock_by_answer_link(session, settings, token)
    command = lifecycle.Answer(consent.side, yes, tell_requester=tell_requester)
    given = shared if yes else Shared(looking=shared.looking)
    record_answer(session, settings, consent, command, given, words_shown, now)
    return consent


def undo(session: Session, settings: Settings, token: str, now: datetime) -> Consent:
    """Take an answer back. The links of this side are replaced by new ones."""
    consent = links.lock_by_answer_link(session, settings, token)
    _refuse_if_never_again(session, consent)
    decisions.apply(session, settings, consent.introduction, lifecycle.Undo(consent.side), now)
    return consent


def ask_later(session: Session, settings: Settings, token: str, at: datetime, now: datetime) -> None:
    """A party who has not answered is written to again at a moment of their choice.

    Raises lifecycle.NotLater where they may not choose it, lifecycle.TooSoon, and limits.NeverAgain for an
    address that no mail may be sent to.
    """
    consent = links.lock_by_answer_link(session, settings, token)
    _refuse_if_never_again(session, consent)
    decisions.apply(session, settings, consent.introduction, lifecycle.AskLater(consent.side, at), now)


def may_ask_later(settings: Settings, consent: Consent, now: datetime) -> bool:
    """Whether `ask_later` is possible, for some moment."""
    case = consent.introduction.to_case()
    return lifecycle.may_ask_later(case, consent.side, now, timing(settings))


def moments_for_later(settings: Settings, consent: Consent, now: datetime) -> list[datetime]:
    """The moments to offer for `ask_later`; none where it would be refused."""
    case = consent.introduction.to_case()
    return lifecycle.moments_for_later(case, consent.side, now, timing(settings))


def withdraw(session: Session, settings: Settings, token: str, now: datetime) -> Introduction:
    """The requester takes the whole request back."""
    introduction = links.lock_by_requester_link(session, settings, token)
    decisions.apply(session, settings, introduction, lifecycle.Withdraw(), now)
    return introduction


def correct(
    session: Session, settings: Settings, token: str, side: Role, email: str, now: datetime
) -> Introduction:
    """Correct, once, an address that could not be reached; its old links are revoked.

    Raises SameAddress, limits.CannotBeAsked, lifecycle.NotCorrectable.
    """
    limits.take_turns(session)
    introduction = links.lock_by_requester_link(session, settings, token)
    consent = introduction.consent(side)
    taken = {party.address for party in introduction.consents} | {introduction.requester_address}
    if canonical(email) in taken:
        raise SameAddress
    # The kernel refuses first: whoever may not correct learns nothing about the new address.
    lifecycle.decide(introduction.to_case(), lifecycle.Correct(side), now, timing(settings))
    limits.check_address(session, settings, email, introduction.requester_address)
    consent.email, consent.address = email, canonical(email)
    decisions.apply(session, settings, introduction, lifecycle.Correct(side), now)
    return introduction


def remind_now(session: Session, settings: Settings, token: str, now: datetime) -> None:
    """The one reminder that the requester allowed leaves now, for whoever may have it.

    Raises lifecycle.NoReminder where none was allowed, this was asked for before, or it is too late.
    """
    introduction = links.lock_by_requester_link(session, settings, token)
    if asked_for_reminder(session, introduction):
        raise lifecycle.NoReminder
    decisions.apply(session, settings, introduction, lifecycle.RemindNow(), now)


def asked_for_reminder(session: Session, introduction: Introduction) -> bool:
    """Whether the requester asked for the reminder, whoever it then went to."""
    asked = exists().where(Event.introduction_id == introduction.id, Event.name == "reminder asked for")
    return bool(session.scalar(select(asked)))


def confirm(session: Session, settings: Settings, token: str, in_touch: bool, now: datetime) -> Consent:
    """A party answers the follow-up."""
    consent = links.lock_by_follow_up_link(session, settings, token)
    decisions.apply(session, settings, consent.introduction, lifecycle.Confirm(consent.side, in_touch), now)
    return consent


def choose_language(session: Session, settings: Settings, token: str, language: str) -> None:
    """A party's pages and mails speak this language from now on. Raises UnknownLanguage."""
    consent = links.lock_by_answer_link(session, settings, token)
    consent.language = _spoken_here(language)


def choose_requester_language(session: Session, settings: Settings, token: str, language: str) -> None:
    """The requester's pages and mails speak this language from now on. Raises UnknownLanguage."""
    introduction = links.lock_by_requester_link(session, settings, token)
    introduction.requester_language = _spoken_here(language)
    if introduction.requester_is:
        introduction.consent(introduction.requester_is).language = introduction.requester_language


def _refuse_if_never_again(session: Session, consent: Consent) -> None:
    if limits.is_suppressed(session, consent.email, consent.introduction.requester_address):
        raise limits.NeverAgain


def record_answer(
    session: Session,
    settings: Settings,
    consent: Consent,
    command: lifecycle.Answer,
    given: Shared,
    words_shown: str,
    now: datetime,
) -> None:
    """Record an answer of a locked party, given by a page or a reply, with the words it was given to.

    Raises limits.NeverAgain for a yes that no mail could follow, and what `lifecycle.decide` refuses.
    """
    if command.yes:
        _refuse_if_never_again(session, consent)
    introduction = consent.introduction
    # Asked before anything is written: what is refused, or asked once more, must leave nothing behind.
    foreseen = lifecycle.decide(introduction.to_case(), command, now, timing(settings)).case
    if foreseen.side(consent.side).answered_at is not None:
        consent.method, consent.words_shown = command.method, words_shown
        consent.phone, consent.line, consent.looking = given.phone, given.line, given.looking
    decisions.apply(session, settings, introduction, command, now)


def _spoken_here(language: str) -> str:
    if language not in LANGUAGES:
        raise UnknownLanguage(language)
    return language


def _draft_consent(request: Request, role: Role, party: Party) -> Consent:
    own = role is request.requester_is
    return Consent(
        side=role,
        name=party.name,
        email=party.email,
        address=canonical(party.email),
        blurb=party.blurb,
        endorsement=party.endorsement,
        language=party.language,
        words_shown="The request itself, verified by its link." if own else None,
        method="request" if own else None,
        state=lifecycle.ConsentState.WAITING,
        envelope=Envelope.NONE,
        phone="",
        line="",
        answers=0,
        version=1,
        tells_requester=False,
        corrected=False,
    )
