"""The use cases of replies by mail: an answer, a word on the handoff, or the link to the page once more.

Each stands inside the caller's transaction, and locks the introduction of the mail that was replied to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import lifecycle
from service.language import wording
from service.language.languages import speaking
from service.lifecycle import (
    ASKING_MAILS,
    REPLY,
    About,
    ConsentState,
    MailKind,
    Role,
    State,
)
from service.store.context import Context
from service.store.models import Consent, MailState, OutboxMail
from service.store.suppressions import is_suppressed

from . import answers, decisions, links, mails
from .answers import Details
from .links import LinkReplaced

ANSWERABLE = (*ASKING_MAILS, MailKind.RECEIPT)
"""The mails whose reply can be an answer. "Yes, thank you" below a receipt takes its no for granted."""
TELLING = (MailKind.ASK, MailKind.REMINDER)
"""The mails that say what a yes shares; the others that ask for one only point to it."""
NOT_KEPT = "The mail left before its words were kept. When the answer came, the page said:"


@dataclass(frozen=True)
class Reply:
    """A reply to ``mail``. ``said`` is the line of it that was read as an answer, ``inbound_id`` its row.

    ``version`` is the one of the address that was replied to (`Tokens.read_address`).
    """

    mail: OutboxMail
    version: int
    said: str
    inbound_id: int

    @property
    def evidence(self) -> dict[str, Any]:
        """What stays on record of the reply, beside the answer that it was."""
        return {"inbound": self.inbound_id, "said": self.said}


def takes_answer(session: Session, mail: OutboxMail, *, yes: bool) -> bool:
    """Tell whether a reply to ``mail`` can be this answer: a yes to a receipt only says it once more."""
    if not yes or mail.kind in ASKING_MAILS:
        return mail.kind in ANSWERABLE
    consent = links.lock_party(session, mail)
    return mail.kind is MailKind.RECEIPT and consent is not None and consent.state is ConsentState.YES


def answer(context: Context, reply: Reply, *, yes: bool) -> None:
    """Record an answer with the words of the mail that it was given to, as they were sent.

    Raises what `answers.answer` raises, and LinkReplaced for a mail of another kind, or to somebody who is
    no party now.
    """
    consent = links.lock_recipient(context.session, reply.mail, reply.version)
    if not takes_answer(context.session, reply.mail, yes=yes):
        raise LinkReplaced
    command = lifecycle.Answer(consent.side, yes, method=REPLY, evidence=reply.evidence)
    is_said_again = yes and consent.state is ConsentState.YES
    details = Details(consent.phone, consent.line, consent.looking) if is_said_again else Details()
    read = _words_read(context.session, reply.mail, consent)
    words = f"{read}\nAnswered by reply with these words: {reply.said}"
    answers.answer(context, consent, command, details, words)


def _words_read(session: Session, mail: OutboxMail, consent: Consent) -> str:
    """Find the words that a reply to ``mail`` answers: its own, below those of an ask if it is none."""
    if mail.kind in TELLING:
        return mail.sent_text or _words_of_page(consent)
    asks = (
        select(OutboxMail.sent_text)
        .where(
            OutboxMail.introduction_id == mail.introduction_id,
            OutboxMail.recipient == mail.recipient,
            OutboxMail.kind.in_(TELLING),
            OutboxMail.sent_text.is_not(None),
            OutboxMail.state.not_in((MailState.FAILED, MailState.SKIPPED)),
        )
        .order_by(OutboxMail.id.desc())
    )
    asked = session.scalars(asks.limit(1)).first() or _words_of_page(consent)
    return "\n".join(filter(None, (asked, mail.sent_text)))


def _words_of_page(consent: Consent) -> str:
    with speaking(consent.language):
        return f"{NOT_KEPT}\n{wording.consent_words(consent.introduction, consent.side)}"


def confirm(context: Context, reply: Reply, *, in_touch: bool) -> None:
    """Record an answer to the follow-up. Raises as `answer` does."""
    consent = links.lock_recipient(context.session, reply.mail, reply.version)
    if reply.mail.kind not in (MailKind.FOLLOW_UP, MailKind.UNCLEAR):
        raise LinkReplaced
    command = lifecycle.Confirm(consent.side, in_touch, method=REPLY, evidence=reply.evidence)
    decisions.apply(context, consent.introduction, command)
    answers.start_mail_again(context, consent)


def send_link(context: Context, mail: OutboxMail) -> bool:
    """Queue the one mail that answers a reply we did not understand with the link to the page.

    A reply that came too late is answered once with that. False if the mail was sent before, nothing waits
    for its recipient there, or no mail may go to them.
    """
    party, introduction = links.lock_party(context.session, mail), mail.case
    if party is None and mail.to is not Role.REQUESTER:
        return False
    case = introduction.to_case()
    again = lifecycle.Mail(MailKind.UNCLEAR, mail.to, about=_what_it_is_about(case, mail))
    if not lifecycle.still_wanted(case, again):
        return False
    if is_suppressed(context.session, mail.recipient, introduction.requester_address):
        return False
    return mails.enqueue(context, introduction, again)


def _what_it_is_about(case: lifecycle.Case, mail: OutboxMail) -> About:
    if mail.to is Role.REQUESTER:
        return About.ANSWER
    if case.introduced_at:
        return About.HANDOFF
    # Who replies to the word that nothing came of it knows already.
    too_late = case.state is State.CLOSED and mail.kind in ANSWERABLE
    return About.END if too_late else About.ANSWER
