"""What follows from a mail that arrived: at most one thing, in the caller's transaction.

A bounce or a reply counts only at an address that we signed, for the very mail that it answers; nothing in
the mail itself says whose it is. Whatever is not sure has no effect but, at most, one mail with the link.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.delivery.outcomes import LockedMail
from service.inbound.reading.read import Reading, Sort, Word, read
from service.introductions import by_reply, wishes
from service.introductions.by_reply import Reply
from service.introductions.links import LinkReplaced, lock_party
from service.introductions.quotas import NeverAgain
from service.lifecycle import About, ConsentState, MailKind, Refused, Role
from service.mail import addresses
from service.mail.addresses import NotOurs, Purpose
from service.mail.render import as_it_was
from service.mail.tokens import BadLink
from service.settings.table import Settings
from service.store.models import InboundMail, OutboxMail, canonical

NULL_SENDER = "<>"
"""The sender on record where the envelope named none (RFC 5321 4.5.5); "" is one that nobody told us."""


class Effect(StrEnum):
    """What a mail that arrived came to."""

    ANSWERED_YES = "answered yes"
    ANSWERED_NO = "answered no"
    IN_TOUCH = "in touch"
    NOT_IN_TOUCH = "not in touch"
    SUPPRESSED = "suppressed"
    LINK_SENT = "link sent"
    """Not read as an answer; the person got one mail with the link, or the word that it is too late."""
    NOT_UNDERSTOOD = "not understood"
    """Not read as an answer, and the link was sent before, or leads to nothing any more."""
    OTHER_SENDER = "other sender"
    DMARC_FAILED = "dmarc failed"
    TOO_LATE = "too late"
    """An answer that cannot count any more; the person got one mail, as above."""
    BOUNCED = "bounced"
    BOUNCED_FOR_NOW = "bounced for now"
    DELAYED = "delayed"
    AUTO_REPLY = "auto-reply"
    OWN = "own mail"
    FOR_THE_OPERATOR = "for the operator"
    NO_EFFECT = "no effect"
    """A bounce or a complaint without a signature of ours, or to an address that takes none like it."""


@dataclass(frozen=True)
class Arrived:
    """A mail that arrived, what it is, and the mail of ours that it is about."""

    session: Session
    settings: Settings
    inbound: InboundMail
    reading: Reading
    purpose: Purpose
    version: int
    mail: OutboxMail | None
    now: datetime


def handle(session: Session, settings: Settings, inbound: InboundMail, now: datetime) -> None:
    """Let one mail have its effect, and write what it came to into its row.

    ``inbound.raw`` must be there, and INBOUND_DOMAIN be set. Raises only what is broken on our side.
    """
    try:
        ours = addresses.read(inbound.recipient, settings)
    except (NotOurs, BadLink):
        # It was ours when the mail was taken in: the key that signed it has been given up since.
        inbound.outcome, inbound.detail = Effect.NO_EFFECT, _evidence(_read(session, settings, inbound, None))
        return
    mail = _mail_of(session, ours.tag)
    reading = _read(session, settings, inbound, mail if ours.purpose is Purpose.INTRO else None)
    arrived = Arrived(session, settings, inbound, reading, ours.purpose, ours.version, mail, now)
    # Nothing is written here before: to name a mail of ours locks its row, and the introduction comes first.
    inbound.outcome = _effect(arrived)
    inbound.detail = _evidence(reading)
    inbound.outbox_id = inbound.outbox_id or (mail.id if mail else None)


def _read(session: Session, settings: Settings, inbound: InboundMail, mail: OutboxMail | None) -> Reading:
    own_subject = ""
    if mail and lock_party(session, mail):
        own_subject = as_it_was(mail.case, mail.kind, mail.to, settings, mail.about).subject
    return read(
        inbound.raw or b"",
        str(settings.INBOUND_DOMAIN),
        settings.AUTHSERV_ID,
        null_sender=inbound.sender == NULL_SENDER,
        own_subject=own_subject,
    )


def _mail_of(session: Session, tag: str) -> OutboxMail | None:
    return session.scalars(select(OutboxMail).where(OutboxMail.tag == tag)).first() if tag else None


def _evidence(reading: Reading) -> dict[str, Any]:
    """What is kept when the mail itself is forgotten; what a person wrote, only where it was an answer."""
    said = reading.said if reading.word is not Word.UNCLEAR else ""
    facts = {"sort": reading.sort.value, "said": said, "status": reading.status, "reply": reading.diagnostic}
    return {name: value for name, value in facts.items() if value}


def _effect(arrived: Arrived) -> Effect:
    sort, purpose = arrived.reading.sort, arrived.purpose
    if sort is Sort.OWN:
        return Effect.OWN
    if sort is Sort.COMPLAINT:
        return _complaint(arrived)
    if sort is Sort.BOUNCE:
        return _bounce(arrived)
    if purpose is Purpose.STOP and arrived.mail:
        # A mail program wrote it when somebody pressed its own "unsubscribe" (RFC 2369, section 3.2).
        return _stop(arrived, arrived.mail)
    if sort is Sort.AUTO_REPLY:
        return Effect.AUTO_REPLY
    if purpose is Purpose.PLAIN:
        return Effect.FOR_THE_OPERATOR
    if purpose is Purpose.INTRO and arrived.mail:
        return _reply(arrived, arrived.mail)
    return Effect.NO_EFFECT


# --- Bounces and complaints -----------------------------------------------------------------------


def _bounce(arrived: Arrived) -> Effect:
    mail, reading = arrived.mail, arrived.reading
    if arrived.purpose is not Purpose.BOUNCE or mail is None:
        return Effect.NO_EFFECT
    if reading.delayed:
        return Effect.DELAYED
    locked = LockedMail.of(arrived.session, arrived.settings, mail.introduction_id, mail.id, arrived.now)
    if locked:
        locked.bounced(reading.diagnostic or reading.status, reading.hard)
    return Effect.BOUNCED if reading.hard else Effect.BOUNCED_FOR_NOW


def _complaint(arrived: Arrived) -> Effect:
    """Somebody pressed "this is spam" (RFC 5965): never again, for whoever the mail had gone to."""
    complained_of = None
    for mail in _complained_of(arrived):
        _stop(arrived, mail)
        complained_of = mail.id
    arrived.inbound.outbox_id = complained_of
    return Effect.SUPPRESSED if complained_of else Effect.NO_EFFECT


def _complained_of(arrived: Arrived) -> list[OutboxMail]:
    """By an address that we signed, or else by a Message-ID, which nobody can make up either."""
    found = []
    for address in arrived.reading.ours:
        try:
            found.append(_mail_of(arrived.session, addresses.read(address, arrived.settings).tag))
        except (NotOurs, BadLink):
            continue
    if not any(found):
        named = select(OutboxMail).where(OutboxMail.message_id.in_(arrived.reading.originals))
        mails = arrived.session.scalars(named).all()
        # The introduction is one message to several people: it does not tell which of them complained.
        found = list(mails) if len(mails) == 1 else []
    return [mail for mail in found if mail]


def _stop(arrived: Arrived, mail: OutboxMail) -> Effect:
    wishes.never_again(arrived.session, arrived.settings, mail.recipient, arrived.now)
    return Effect.SUPPRESSED


# --- Replies --------------------------------------------------------------------------------------


def _reply(arrived: Arrived, mail: OutboxMail) -> Effect:
    reading = arrived.reading
    if canonical(reading.sender) != canonical(mail.recipient):
        _send_link(arrived, mail)
        return Effect.OTHER_SENDER
    if reading.dmarc_failed:
        _send_link(arrived, mail)
        return Effect.DMARC_FAILED
    if reading.word is Word.STOP:
        return _stop(arrived, mail)
    if reading.word is Word.UNCLEAR or mail.to is Role.REQUESTER or not _replies_to_us(arrived, mail):
        return Effect.LINK_SENT if _send_link(arrived, mail) else Effect.NOT_UNDERSTOOD
    return _said(arrived, mail, reading.word is Word.YES)


def _replies_to_us(arrived: Arrived, mail: OutboxMail) -> bool:
    """Whether this is a reply to a mail of ours to this person in this case, and to nobody else.

    A "yes" to what somebody else wrote says nothing to us, however it found its way to our address.
    """
    reading = arrived.reading
    if reading.to != arrived.inbound.recipient:
        return False
    written = select(OutboxMail.message_id, OutboxMail.recipient).where(
        OutboxMail.introduction_id == mail.introduction_id
    )
    ours = {
        message_id
        for message_id, recipient in arrived.session.execute(written)
        if canonical(recipient) == canonical(mail.recipient)
    }
    return ours.issuperset(reading.replies_to)


def _said(arrived: Arrived, mail: OutboxMail, yes: bool) -> Effect:
    if yes and _is_overtaken(arrived, mail):
        _send_link(arrived, mail)
        return Effect.TOO_LATE
    try:
        # A verb that refuses has written half of what it would; the savepoint takes that back.
        with arrived.session.begin_nested():
            return _take_at_its_word(arrived, mail, yes)
    except (Refused, NeverAgain, LinkReplaced):
        _send_link(arrived, mail)
        return Effect.TOO_LATE


def _is_overtaken(arrived: Arrived, mail: OutboxMail) -> bool:
    """Whether the party has said something else since: when a reply was written, nobody but its writer knows.

    So a yes takes back a no only in reply to a mail that was written after that no and asks once more.
    """
    party = lock_party(arrived.session, mail)
    if party is None or party.touched_at is None:
        return False
    if party.state is ConsentState.NO:
        return mail.created_at < party.touched_at
    changed = party.state is not ConsentState.YES or party.in_touch is False
    return changed and party.touched_at > arrived.inbound.received_at


def _take_at_its_word(arrived: Arrived, mail: OutboxMail, yes: bool) -> Effect:
    session, settings = arrived.session, arrived.settings
    reply = Reply(mail, arrived.version, arrived.reading.said, arrived.inbound.id)
    if mail.kind is MailKind.FOLLOW_UP or _asks_to_confirm(mail):
        by_reply.confirm(session, settings, reply, yes, arrived.now)
        return Effect.IN_TOUCH if yes else Effect.NOT_IN_TOUCH
    if not by_reply.takes_answer(session, mail, yes):
        return Effect.LINK_SENT if _send_link(arrived, mail) else Effect.NOT_UNDERSTOOD
    words = as_it_was(mail.case, MailKind.ASK, mail.to, settings).text
    by_reply.answer(session, settings, reply, yes, words, arrived.now)
    return Effect.ANSWERED_YES if yes else Effect.ANSWERED_NO


def _asks_to_confirm(mail: OutboxMail) -> bool:
    """Whether a mail with the link again is about the follow-up and not about the ask."""
    return mail.kind is MailKind.UNCLEAR and mail.about is About.HANDOFF


def _send_link(arrived: Arrived, mail: OutboxMail) -> bool:
    return by_reply.send_link(arrived.session, arrived.settings, mail, arrived.now)
