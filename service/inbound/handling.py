"""What follows from a mail that arrived: at most one thing, in the caller's transaction.

A bounce or a reply counts only at an address that we signed, for the very mail that it answers; nothing in
the mail itself says whose it is. Whatever is not sure has no effect but, at most, one mail with the link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.delivery.outcomes import LockedMail
from service.introductions import by_reply, wishes
from service.introductions.answers import NeverAgain
from service.introductions.by_reply import Reply
from service.introductions.links import LinkReplaced, lock_party
from service.lifecycle import About, ConsentState, MailKind, Refused, Role
from service.mail import addresses
from service.mail.addresses import NotOwnAddress, Purpose
from service.mail.tokens import BadLink
from service.store.context import Context
from service.store.models import InboundMail, OutboxMail, canonical

from .effects import Effect
from .envelope import NULL_SENDER
from .reading.classify import Category, Reading, classify
from .reading.phrases import Intent


@dataclass(frozen=True)
class IncomingMail:
    """A mail that arrived, what it is, and the mail of ours that it is about."""

    context: Context
    inbound: InboundMail
    reading: Reading
    purpose: Purpose
    version: int
    mail: OutboxMail | None


def handle(context: Context, inbound: InboundMail) -> None:
    """Let one mail have its effect, and write what it came to into its row.

    ``inbound.raw`` must be there, and INBOUND_DOMAIN be set. Raises only what is broken on our side.
    """
    try:
        ours = addresses.read(inbound.recipient, context.settings)
    except (NotOwnAddress, BadLink):
        # It was ours when the mail was taken in: the key that signed it has been given up since.
        inbound.outcome, inbound.detail = Effect.NO_EFFECT, _evidence(_read(context, inbound, None))
        return
    mail = _mail_of(context.session, ours.tag)
    reading = _read(context, inbound, mail if ours.purpose is Purpose.INTRO else None)
    incoming = IncomingMail(context, inbound, reading, ours.purpose, ours.version, mail)
    # Nothing is written here before: to name a mail of ours locks its row, and the introduction comes first.
    inbound.outcome = _effect(incoming)
    inbound.detail = _evidence(reading)
    inbound.outbox_id = inbound.outbox_id or (mail.id if mail else None)


def _read(context: Context, inbound: InboundMail, mail: OutboxMail | None) -> Reading:
    settings = context.settings
    return classify(
        inbound.raw or b"",
        str(settings.INBOUND_DOMAIN),
        settings.AUTHSERV_ID,
        null_sender=inbound.sender == NULL_SENDER,
        own_subject=(mail.sent_subject if mail else None) or "",
    )


def _mail_of(session: Session, tag: str) -> OutboxMail | None:
    return session.scalars(select(OutboxMail).where(OutboxMail.tag == tag)).first() if tag else None


def _evidence(reading: Reading) -> dict[str, Any]:
    """Return what is kept when the mail is forgotten; of what a person wrote, only an answer."""
    facts = {
        "category": reading.category.value,
        "first_line": reading.first_line if reading.intent is not Intent.UNCLEAR else "",
        "status": reading.status,
        "diagnostic": reading.diagnostic,
    }
    return {name: value for name, value in facts.items() if value}


def _effect(incoming: IncomingMail) -> Effect:
    category, purpose, mail = incoming.reading.category, incoming.purpose, incoming.mail
    if category is Category.COMPLAINT:
        return _complaint(incoming)
    if category is Category.BOUNCE:
        return _bounce(incoming)
    if purpose is Purpose.STOP and mail and category is not Category.OWN:
        # A mail program wrote it when somebody pressed its own "unsubscribe" (RFC 2369, section 3.2).
        return _suppress(incoming, mail)
    if purpose is Purpose.INTRO and mail and category is Category.REPLY:
        return _reply(incoming, mail)
    nothing_follows = {Category.OWN: Effect.OWN, Category.AUTO_REPLY: Effect.AUTO_REPLY}
    return nothing_follows.get(
        category, Effect.FOR_THE_OPERATOR if purpose is Purpose.PLAIN else Effect.NO_EFFECT
    )


# --- Bounces and complaints -----------------------------------------------------------------------


def _bounce(incoming: IncomingMail) -> Effect:
    mail, reading = incoming.mail, incoming.reading
    if incoming.purpose is not Purpose.BOUNCE or mail is None:
        return Effect.NO_EFFECT
    if reading.delayed:
        return Effect.DELAYED
    locked = LockedMail.of(incoming.context, mail.introduction_id, mail.id)
    if locked:
        locked.bounced(reading.diagnostic or reading.status, hard=reading.hard)
    return Effect.BOUNCED if reading.hard else Effect.BOUNCED_FOR_NOW


def _complaint(incoming: IncomingMail) -> Effect:
    """Write never again to whoever pressed "this is spam" (RFC 5965)."""
    complained_of = None
    for mail in _complained_of(incoming):
        _suppress(incoming, mail)
        complained_of = mail.id
    incoming.inbound.outbox_id = complained_of
    return Effect.SUPPRESSED if complained_of else Effect.NO_EFFECT


def _complained_of(incoming: IncomingMail) -> list[OutboxMail]:
    """Find it by an address that we signed, or else by a Message-ID, which nobody can make up either."""
    found = []
    for address in incoming.reading.our_addresses:
        try:
            tag = addresses.read(address, incoming.context.settings).tag
            found.append(_mail_of(incoming.context.session, tag))
        except (NotOwnAddress, BadLink):
            continue
    if not any(found):
        named = select(OutboxMail).where(OutboxMail.message_id.in_(incoming.reading.original_ids))
        mails = incoming.context.session.scalars(named).all()
        # The introduction is one message to several people: it does not tell which of them complained.
        found = list(mails) if len(mails) == 1 else []
    return [mail for mail in found if mail]


def _suppress(incoming: IncomingMail, mail: OutboxMail) -> Effect:
    wishes.never_again(incoming.context, mail.recipient)
    return Effect.SUPPRESSED


# --- Replies --------------------------------------------------------------------------------------


def _reply(incoming: IncomingMail, mail: OutboxMail) -> Effect:
    reading = incoming.reading
    if canonical(reading.sender) != canonical(mail.recipient):
        _send_link(incoming, mail)
        return Effect.OTHER_SENDER
    if reading.dmarc_failed:
        _send_link(incoming, mail)
        return Effect.DMARC_FAILED
    if reading.intent is Intent.STOP:
        return _suppress(incoming, mail)
    if reading.intent is Intent.UNCLEAR or mail.to is Role.REQUESTER or not _replies_to_us(incoming, mail):
        return Effect.LINK_SENT if _send_link(incoming, mail) else Effect.NOT_UNDERSTOOD
    return _answer(incoming, mail, yes=reading.intent is Intent.YES)


def _replies_to_us(incoming: IncomingMail, mail: OutboxMail) -> bool:
    """Tell whether this is a reply to a mail of ours to this person in this case, and to nobody else.

    A "yes" to what somebody else wrote says nothing to us, however it found its way to our address.
    """
    reading = incoming.reading
    if reading.addressed_to != incoming.inbound.recipient:
        return False
    written = select(OutboxMail.message_id, OutboxMail.recipient).where(
        OutboxMail.introduction_id == mail.introduction_id
    )
    ours = {
        message_id
        for message_id, recipient in incoming.context.session.execute(written)
        if canonical(recipient) == canonical(mail.recipient)
    }
    return ours.issuperset(reading.in_reply_to)


def _answer(incoming: IncomingMail, mail: OutboxMail, *, yes: bool) -> Effect:
    if yes and _is_overtaken(incoming, mail):
        _send_link(incoming, mail)
        return Effect.TOO_LATE
    try:
        # A verb that refuses has written half of what it would; the savepoint takes that back.
        with incoming.context.session.begin_nested():
            return _record_answer(incoming, mail, yes=yes)
    except (Refused, NeverAgain, LinkReplaced):
        _send_link(incoming, mail)
        return Effect.TOO_LATE


def _is_overtaken(incoming: IncomingMail, mail: OutboxMail) -> bool:
    """Tell whether the party has said something else since.

    When a reply was written, nobody but its writer knows. So a yes takes back a no only in reply to a mail
    that was written after that no and asks once more.
    """
    party = lock_party(incoming.context.session, mail)
    if party is None or party.touched_at is None:
        return False
    if party.state is ConsentState.NO:
        return mail.created_at < party.touched_at
    changed = party.state is not ConsentState.YES or party.in_touch is False
    return changed and party.touched_at > incoming.inbound.received_at


def _record_answer(incoming: IncomingMail, mail: OutboxMail, *, yes: bool) -> Effect:
    context = incoming.context
    reply = Reply(mail, incoming.version, incoming.reading.first_line, incoming.inbound.id)
    if mail.kind is MailKind.FOLLOW_UP or _asks_to_confirm(mail):
        by_reply.confirm(context, reply, in_touch=yes)
        return Effect.IN_TOUCH if yes else Effect.NOT_IN_TOUCH
    if not by_reply.takes_answer(context.session, mail, yes=yes):
        return Effect.LINK_SENT if _send_link(incoming, mail) else Effect.NOT_UNDERSTOOD
    by_reply.answer(context, reply, yes=yes)
    return Effect.ANSWERED_YES if yes else Effect.ANSWERED_NO


def _asks_to_confirm(mail: OutboxMail) -> bool:
    """Tell whether a mail with the link again is about the follow-up and not about the ask."""
    return mail.kind is MailKind.UNCLEAR and mail.about is About.HANDOFF


def _send_link(incoming: IncomingMail, mail: OutboxMail) -> bool:
    return by_reply.send_link(incoming.context, mail)
