"""The use cases of replies by mail: an answer, a word on the handoff, or the link to the page once more.

Each stands inside the caller's transaction, and locks as the verbs of the pages do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service import lifecycle
from service.lifecycle import (
    REPLY,
    About,
    ConsentState,
    MailKind,
    Role,
    State,
)
from service.settings.table import Settings
from service.store import outbox
from service.store.models import Consent, OutboxMail

from . import decisions, links
from . import quotas as limits
from .links import LinkReplaced
from .requests import Shared, record_answer

ASKING = (MailKind.ASK, MailKind.REMINDER, MailKind.RECHECK, MailKind.UNCLEAR)
"""The mails whose reply can be a yes: they ask for one."""
ANSWERABLE = (*ASKING, MailKind.RECEIPT)
"""The mails whose reply can be an answer. "Yes, thank you" below a receipt takes its no for granted."""


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
        return {"inbound": self.inbound_id, "said": self.said}


def takes_answer(session: Session, mail: OutboxMail, yes: bool) -> bool:
    """Whether a reply to ``mail`` can be this answer: a yes to a receipt can only say again what it says."""
    if not yes or mail.kind in ASKING:
        return mail.kind in ANSWERABLE
    consent = links.lock_party(session, mail)
    return mail.kind is MailKind.RECEIPT and consent is not None and consent.state is ConsentState.YES


def answer(
    session: Session, settings: Settings, reply: Reply, yes: bool, words_shown: str, now: datetime
) -> Consent:
    """Record an answer to the ask, which showed ``words_shown``.

    Raises what `introductions.answer` raises, and LinkReplaced for a mail of another kind, or to somebody
    who is no party now.
    """
    consent = links.lock_by_mail(session, reply.mail, reply.version)
    if not takes_answer(session, reply.mail, yes):
        raise LinkReplaced
    kept = Shared(consent.phone, consent.line, consent.looking)
    again = yes and consent.state is ConsentState.YES
    command = lifecycle.Answer(consent.side, yes, method=REPLY, evidence=reply.evidence)
    words = f"{words_shown}\nAnswered by reply with these words: {reply.said}"
    record_answer(session, settings, consent, command, kept if again else Shared(), words, now)
    return consent


def confirm(session: Session, settings: Settings, reply: Reply, in_touch: bool, now: datetime) -> Consent:
    """Record an answer to the follow-up. Raises as `answer` does."""
    consent = links.lock_by_mail(session, reply.mail, reply.version)
    if reply.mail.kind not in (MailKind.FOLLOW_UP, MailKind.UNCLEAR):
        raise LinkReplaced
    command = lifecycle.Confirm(consent.side, in_touch, method=REPLY, evidence=reply.evidence)
    decisions.apply(session, settings, consent.introduction, command, now)
    return consent


def send_link(session: Session, settings: Settings, mail: OutboxMail, now: datetime) -> bool:
    """Queue the one mail that answers a reply we did not understand with the link to the page.

    A reply that came too late is answered once with that. False if the mail was sent before, nothing waits
    for its recipient there, or no mail may go to them.
    """
    party, introduction = links.lock_party(session, mail), mail.case
    if party is None and mail.to is not Role.REQUESTER:
        return False
    case = introduction.to_case()
    again = lifecycle.Mail(MailKind.UNCLEAR, mail.to, about=_what_it_is_about(case, mail))
    if not lifecycle.still_wanted(case, again):
        return False
    if limits.is_suppressed(session, mail.recipient, introduction.requester_address):
        return False
    return outbox.enqueue(session, settings, introduction, again, now)


def _what_it_is_about(case: lifecycle.Case, mail: OutboxMail) -> About:
    if mail.to is Role.REQUESTER:
        return About.ANSWER
    if case.introduced_at:
        return About.HANDOFF
    # Who replies to the word that nothing came of it knows already.
    too_late = case.state is State.CLOSED and mail.kind in ANSWERABLE
    return About.END if too_late else About.ANSWER
