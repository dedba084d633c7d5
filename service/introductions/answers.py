"""What a party does: answer, take the answer back, ask to be written to later, and confirm the handoff.

Each verb takes the party's consent, the row of its introduction locked, in the caller's transaction. The
kernel decides once, and what it decided is written, all in the one commit. Each verb is an act of a person,
so it lifts what one click in a mail program stopped (RFC 8058).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from service import lifecycle
from service.settings.timing import timing
from service.store import outbox
from service.store.context import Context
from service.store.models import Consent
from service.store.suppressions import has_opted_out, lift_one_click

from . import decisions


class NeverAgain(Exception):
    """This address asked never to be contacted again, so no answer of it can be followed by a mail."""


@dataclass(frozen=True)
class Details:
    """What a party adds on the answer page. All of it goes into the introduction, but ``looking``."""

    phone: str = ""
    line: str = ""
    looking: bool | None = None


def answer(
    context: Context, consent: Consent, command: lifecycle.Answer, details: Details, words_shown: str
) -> None:
    """Record an answer, given by a page or a reply, with the words it was given to.

    Its event keeps them as well, as a later answer takes their place in the party's row.
    ``details`` go into the introduction; a no leaves of them only ``looking``. Of a suspect answer only the
    event stays: the party is asked, as before. Raises NeverAgain for a yes that no mail could follow, and
    what `lifecycle.decide` refuses.
    """
    if command.yes:
        _refuse_if_never_again(context.session, consent)
    command = replace(command, evidence=command.evidence | {"words": words_shown})
    decision = decisions.decide(context, consent.introduction, command)
    side = decision.case.side(consent.side)
    if side.suspects > consent.suspects:
        consent.suspect_at = context.now
    counts = side.answered_at is not None
    if counts:
        given = details if command.yes else Details(looking=details.looking)
        consent.method, consent.words_shown = command.method, words_shown
        consent.phone, consent.line, consent.looking = given.phone, given.line, given.looking
    decisions.write(context, consent.introduction, decision)
    if counts:
        start_mail_again(context, consent)


def undo(context: Context, consent: Consent) -> None:
    """Take an answer back. The links of this side are replaced by new ones.

    Raises NeverAgain for an address that no mail may be sent to, and what `lifecycle.decide` refuses.
    """
    _refuse_if_never_again(context.session, consent)
    decisions.apply(context, consent.introduction, lifecycle.Undo(consent.side))
    start_mail_again(context, consent)


def ask_later(context: Context, consent: Consent, at: datetime) -> None:
    """Write again to a party who has not answered, at a moment of their choice.

    Raises lifecycle.NotLater where they may not choose it, and NeverAgain for an address that no mail may be
    sent to.
    """
    _refuse_if_never_again(context.session, consent)
    decisions.apply(context, consent.introduction, lifecycle.AskLater(consent.side, at))
    start_mail_again(context, consent)


def may_ask_later(context: Context, consent: Consent) -> bool:
    """Tell whether `ask_later` is possible, for some moment."""
    case = consent.introduction.to_case()
    return lifecycle.may_ask_later(case, consent.side, context.now, timing(context.settings))


def moments_for_later(context: Context, consent: Consent) -> list[datetime]:
    """List the moments to offer for `ask_later`; none where it would be refused."""
    case = consent.introduction.to_case()
    return lifecycle.moments_for_later(case, consent.side, context.now, timing(context.settings))


def confirm(context: Context, consent: Consent, *, in_touch: bool) -> None:
    """Record what a party says to the follow-up. Raises what `lifecycle.decide` refuses."""
    decisions.apply(context, consent.introduction, lifecycle.Confirm(consent.side, in_touch))
    start_mail_again(context, consent)


def start_mail_again(context: Context, consent: Consent) -> None:
    """Lift what one click stopped, since its person has answered; what was held back meanwhile is queued."""
    if lift_one_click(context.session, consent.email):
        started = lifecycle.Event("mail started again", consent.side)
        decisions.write_event(context, consent.introduction, started)
        outbox.revive_suppressed(context, consent.email)


def _refuse_if_never_again(session: Session, consent: Consent) -> None:
    if has_opted_out(session, consent.email, consent.introduction.requester_address):
        raise NeverAgain
