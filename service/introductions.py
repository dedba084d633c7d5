"""The use cases: one function for each verb, each inside the caller's transaction.

A verb takes the signed link itself: it reads the token, locks the introduction's row first (both parties
may answer in the same instant), checks that the link is still the current one, and lets the kernel
decide. `apply` writes what the kernel decided, all in the one commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from . import decisions, lifecycle, limits, outbox
from .lifecycle import NEVER, Envelope, MailKind, Order, Role, State
from .models import (
    Consent,
    FirstWriter,
    Introduction,
    Need,
    OutboxMail,
    Sought,
    canonical,
)
from .settings import Settings
from .tokens import BadLink, Link, Tokens

FOLLOW = "tasks.responses.follow"


Row = TypeVar("Row", Introduction, Consent)


class LinkReplaced(Exception):
    """The link was right once; a newer one took its place."""


class SameAddress(Exception):
    """A corrected address must differ from the old one and from everyone else's in the case."""


@dataclass(frozen=True)
class Party:
    """One of the two, in the requester's words."""

    name: str
    email: str
    blurb: str
    endorsement: str = ""


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


@dataclass(frozen=True)
class Shared:
    """What a party adds on the answer page. All of it goes into the introduction, but ``looking``."""

    phone: str = ""
    line: str = ""
    looking: bool | None = None


# --- Verbs ----------------------------------------------------------------------------------------


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
    introduction.next_due_at = lifecycle.next_due_at(introduction.to_case(), decisions.timing(settings))
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
    introduction = _lock_by_requester_link(session, settings, token)
    # The kernel refuses first: a request that lapsed is no way to try out addresses.
    lifecycle.decide(introduction.to_case(), lifecycle.Verify(), now, decisions.timing(settings))
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

    Raises limits.NeverAgain for a yes from an address that no mail may be sent to.
    """
    consent = _lock_by_answer_link(session, settings, token)
    if yes:
        _refuse_if_never_again(session, consent)
    command = lifecycle.Answer(consent.side, yes, tell_requester=tell_requester)
    _write_answer(consent, command.method, words_shown)
    given = shared if yes else Shared(looking=shared.looking)
    consent.phone, consent.line, consent.looking = given.phone, given.line, given.looking
    decisions.apply(session, settings, consent.introduction, command, now)
    return consent


def undo(session: Session, settings: Settings, token: str, now: datetime) -> Consent:
    """Take an answer back. The links of this side are replaced by new ones."""
    consent = _lock_by_answer_link(session, settings, token)
    _refuse_if_never_again(session, consent)
    decisions.apply(session, settings, consent.introduction, lifecycle.Undo(consent.side), now)
    return consent


def withdraw(session: Session, settings: Settings, token: str, now: datetime) -> Introduction:
    """The requester takes the whole request back."""
    introduction = _lock_by_requester_link(session, settings, token)
    decisions.apply(session, settings, introduction, lifecycle.Withdraw(), now)
    return introduction


def correct(
    session: Session, settings: Settings, token: str, side: Role, email: str, now: datetime
) -> Introduction:
    """Correct, once, an address that could not be reached; its old links are revoked.

    Raises SameAddress, limits.CannotBeAsked, lifecycle.NotCorrectable.
    """
    limits.take_turns(session)
    introduction = _lock_by_requester_link(session, settings, token)
    consent = introduction.consent(side)
    taken = {party.address for party in introduction.consents} | {introduction.requester_address}
    if canonical(email) in taken:
        raise SameAddress
    # The kernel refuses first: whoever may not correct learns nothing about the new address.
    lifecycle.decide(introduction.to_case(), lifecycle.Correct(side), now, decisions.timing(settings))
    limits.check_address(session, settings, email, introduction.requester_address)
    consent.email, consent.address = email, canonical(email)
    decisions.apply(session, settings, introduction, lifecycle.Correct(side), now)
    return introduction


def confirm(session: Session, settings: Settings, token: str, in_touch: bool, now: datetime) -> Consent:
    """A party answers the follow-up."""
    link = Tokens(settings.secret_keys).read_follow_up(token)
    consent = _lock_consent(session, link)
    decisions.apply(session, settings, consent.introduction, lifecycle.Confirm(consent.side, in_touch), now)
    return consent


def never_by_answer_link(session: Session, settings: Settings, token: str, now: datetime) -> None:
    """ "Never contact me again", pressed on the answer page."""
    never_again(session, settings, by_answer_link(session, settings, token).email, now)


def never_by_mail_link(session: Session, settings: Settings, token: str, now: datetime) -> None:
    """ "Never contact me again", pressed behind the link of a mail."""
    never_again(session, settings, by_never_link(session, settings, token).recipient, now)


def never_again(session: Session, settings: Settings, email: str, now: datetime) -> None:
    """Suppress an address; it counts as a no in every open case of that address."""
    limits.take_turns(session)
    limits.suppress(session, email, now)
    # Locked in one order everywhere, so that two of these never wait for each other.
    cases = (
        select(Introduction.id)
        .join(Consent)
        .where(Consent.address == canonical(email), Introduction.state.in_(limits.OPEN))
        .order_by(Introduction.id)
    )
    for introduction_id in session.scalars(cases).all():
        introduction = decisions.lock(session, introduction_id)
        for consent in introduction.consents:
            if consent.address == canonical(email) and introduction.to_case().is_open:
                _write_answer(consent, NEVER, "Never contact me again.")
                command = lifecycle.Answer(consent.side, yes=False, method=NEVER)
                decisions.apply(session, settings, introduction, command, now)


# --- Links ----------------------------------------------------------------------------------------


def by_requester_link(session: Session, settings: Settings, token: str) -> Introduction:
    """The introduction behind a requester's link. Raises BadLink or LinkReplaced."""
    link = Tokens(settings.secret_keys).read_requester(token)
    return _current(session.get(Introduction, link.id), link)


def by_answer_link(session: Session, settings: Settings, token: str) -> Consent:
    """The consent behind a party's link. Raises BadLink or LinkReplaced."""
    link = Tokens(settings.secret_keys).read_answer(token)
    return _current(session.get(Consent, link.id), link)


def by_follow_up_link(session: Session, settings: Settings, token: str) -> Consent:
    """The consent behind a follow-up link. Raises BadLink or LinkReplaced."""
    link = Tokens(settings.secret_keys).read_follow_up(token)
    return _current(session.get(Consent, link.id), link)


def by_never_link(session: Session, settings: Settings, token: str) -> OutboxMail:
    """The mail behind a "never contact me again" link. Raises BadLink."""
    mail = session.get(OutboxMail, Tokens(settings.secret_keys).read_never(token).id)
    if mail is None:
        raise BadLink
    return mail


def _lock_by_requester_link(session: Session, settings: Settings, token: str) -> Introduction:
    link = Tokens(settings.secret_keys).read_requester(token)
    _current(session.get(Introduction, link.id), link)
    return _current(decisions.lock(session, link.id), link)


def _lock_by_answer_link(session: Session, settings: Settings, token: str) -> Consent:
    return _lock_consent(session, Tokens(settings.secret_keys).read_answer(token))


def _lock_consent(session: Session, link: Link) -> Consent:
    consent = session.get(Consent, link.id)
    if consent is None:
        raise BadLink
    introduction = decisions.lock(session, consent.introduction_id)
    return _current(introduction.consent(consent.side), link)


def _current(row: Row | None, link: Link) -> Row:
    if row is None:
        raise BadLink
    if row.version != link.version:
        raise LinkReplaced
    return row


def _refuse_if_never_again(session: Session, consent: Consent) -> None:
    if limits.is_suppressed(session, consent.email, consent.introduction.requester_address):
        raise limits.NeverAgain


def _write_answer(consent: Consent, method: str, words_shown: str) -> None:
    consent.method, consent.words_shown = method, words_shown


def _draft_consent(request: Request, role: Role, party: Party) -> Consent:
    own = role is request.requester_is
    return Consent(
        side=role,
        name=party.name,
        email=party.email,
        address=canonical(party.email),
        blurb=party.blurb,
        endorsement=party.endorsement,
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
