"""What a requester does: ask for an introduction, verify the request, take it back, correct it, remind.

Each verb takes the introduction with its row locked, in the caller's transaction. The kernel decides once,
and what it decided is written, all in the one commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from service import lifecycle
from service.language.languages import LANGUAGES
from service.lifecycle import Envelope, MailKind, Order, Role, State
from service.mail.tokens import Tokens
from service.settings.timing import timing
from service.store.context import Context
from service.store.models import Consent, Event, FirstWriter, Introduction, Need, Sought, canonical

from . import decisions, mails, quotas

CODE_TRIES = 5
"""How often the six digits of a verification mail may be typed wrongly."""


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


def draft(request: Request, now: datetime) -> Introduction:
    """Make the introduction that a request would become; it is not saved anywhere."""
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


def submit(context: Context, request: Request, browser: str | None = None) -> Introduction:
    """Record a request and queue its verification mail; nobody else hears of it yet.

    ``browser`` is the random word of the browser that the form was filled in with: only there the six digits
    of the mail count. Raises quotas.TooManyRequests.
    """
    quotas.check_requests(context, request.requester_email)
    introduction = draft(request, context.now)
    introduction.browser = browser
    introduction.next_due_at = lifecycle.next_due_at(introduction.to_case(), timing(context.settings))
    context.session.add(introduction)
    context.session.flush()
    decisions.write_event(context, introduction, lifecycle.Event("requested", Role.REQUESTER))
    mails.enqueue(context, introduction, lifecycle.Mail(MailKind.VERIFY, Role.REQUESTER))
    return introduction


def is_newcomer(context: Context, email: str) -> bool:
    """Tell whether no introduction that this address asked for, and verified, was confirmed yet.

    Newcomers are strangers to whoever gets their asks, so they may write less: `language.newcomers`.
    """
    confirmed = exists().where(
        Introduction.requester_address == canonical(email), Introduction.state == State.CONFIRMED
    )
    return not context.session.scalar(select(confirmed))


def verify(context: Context, introduction: Introduction) -> None:
    """Ask the parties, now that the requester's address is known to be theirs. The quotas are locked too.

    Raises lifecycle.AlreadyVerified or VerificationLapsed, and quotas.CannotBeAsked, without telling which of
    the two or why; then nothing changes.
    """
    # The kernel refuses first: a request that lapsed is no way to try out addresses.
    decision = decisions.decide(context, introduction, lifecycle.Verify())
    quotas.check_can_be_asked(context, introduction)
    decisions.write(context, introduction, decision)


def verify_by_code(context: Context, introduction: Introduction, code: str) -> bool:
    """Verify a request by the six digits of its mail. The quotas are locked too.

    False for wrong ones, which are counted, and for any after CODE_TRIES wrong ones. Raises what `verify`
    raises.
    """
    if code_tries_left(introduction) == 0:
        return False
    tokens, browser = Tokens(context.settings.secret_keys), introduction.browser
    if not browser or not tokens.is_code_of(introduction.id, browser, code):
        introduction.code_attempts += 1
        return False
    verify(context, introduction)
    return True


def code_tries_left(introduction: Introduction) -> int:
    """Tell how often the six digits may still be typed; then only the link verifies."""
    return max(CODE_TRIES - introduction.code_attempts, 0)


def is_verifiable(context: Context, introduction: Introduction) -> bool:
    """Tell whether a request still waits to be verified."""
    lapses_at = introduction.created_at + context.settings.VERIFY_WITHIN
    return introduction.state is State.UNVERIFIED and context.now < lapses_at


def withdraw(context: Context, introduction: Introduction) -> None:
    """Take the whole request back. Raises lifecycle.CaseClosed or AlreadyLeft."""
    decisions.apply(context, introduction, lifecycle.Withdraw())


def correct(context: Context, introduction: Introduction, side: Role, email: str) -> None:
    """Correct, once, an address that could not be reached; its old links are revoked.

    The quotas are locked too. Raises SameAddress, lifecycle.NotCorrectable, and quotas.CannotBeAsked.
    """
    taken = {party.address for party in introduction.consents} | {introduction.requester_address}
    if canonical(email) in taken:
        raise SameAddress
    # The kernel refuses first: whoever may not correct learns nothing about the new address.
    decision = decisions.decide(context, introduction, lifecycle.Correct(side))
    quotas.check_address(context, email, introduction.requester_address)
    consent = introduction.consent(side)
    consent.email, consent.address, consent.suspect_at = email, canonical(email), None
    decisions.write(context, introduction, decision)


def remind(context: Context, introduction: Introduction) -> None:
    """Send the one reminder that the requester allowed now, to whoever may have it.

    Raises lifecycle.NoReminder where none was allowed, this was asked for before, or it is too late.
    """
    if asked_for_reminder(context.session, introduction):
        raise lifecycle.NoReminder
    decisions.apply(context, introduction, lifecycle.RemindNow())


def asked_for_reminder(session: Session, introduction: Introduction) -> bool:
    """Tell whether the requester asked for the reminder, whoever it then went to."""
    asked = exists().where(Event.introduction_id == introduction.id, Event.name == "reminder asked for")
    return bool(session.scalar(select(asked)))


def choose_language(introduction: Introduction, reader: Role, language: str) -> None:
    """Have a reader's pages and mails speak a language from now on. Raises UnknownLanguage."""
    if language not in LANGUAGES:
        raise UnknownLanguage(language)
    side: Role | None = reader
    if reader is Role.REQUESTER:
        introduction.requester_language = language
        side = introduction.requester_is
    if side:
        introduction.consent(side).language = language


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
