r"""The outbox: mails that must leave, each in one row, and the only places where a row changes its state.

    queued -> leased -> handover -> sent
                 \          \-> unknown   the connection died after the dot: nobody can know
                  \-> retry | failed | skipped

A lease is taken for a while and may be lost; the fence commits ``handover`` directly before the final
dot; the result is written after the relay's reply. Every function here runs inside the caller's
transaction, with the introduction's row locked where it says so.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Update, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from service import lifecycle
from service.lifecycle import ConsentState, MailKind, Role
from service.settings.table import Settings

from .context import Context
from .db import nudge
from .models import Consent, Introduction, MailState, OutboxMail, SignIn, Suppression
from .models.columns import MAX_REPLY_LENGTH
from .suppressions import suppression_of

DELIVER = "tasks.mail.deliver"
GIVE_UP_AFTER = timedelta(days=5)
"""How long a mail is tried (RFC 5321 4.5.4.1), unless it loses its use before."""
SOFT_BOUNCES = 3
"""How often a mail that came back for now is sent again."""
DAY = timedelta(hours=24)
REPLIES_BEFORE_DOT = 5
"""How many replies a mail waits for before its dot: the banner, and those to EHLO, MAIL, RCPT and DATA."""
UNSENT = (MailState.QUEUED, MailState.LEASED, MailState.RETRY)
SUPPRESSED = "this address is suppressed"
"""What is written beside a mail that stayed here for that."""
SENDABLE = (MailState.QUEUED, MailState.RETRY)
WAITING = (*SENDABLE, MailState.UNKNOWN)


class SentWords(NamedTuple):
    """What stays on record of a mail to a party: of an ask all of it, of any other its subject."""

    sent_subject: str
    sent_text: str | None = None
    sent_html: str | None = None


def enqueue(
    context: Context,
    introduction: Introduction,
    mail: lifecycle.Mail,
    message_id: str,
    body: bytes | None = None,
) -> OutboxMail:
    """Queue a mail that has no row yet, under its fixed Message-ID.

    ``body`` is an introduction, stored ready behind the two-yes gate; every other mail is rendered when it
    is sent.
    """
    due_at = mail.due_at or context.now
    gates = {"gate_a": "a", "gate_b": "b"} if mail.kind is MailKind.INTRODUCTION else {}
    row = OutboxMail(
        introduction_id=introduction.id,
        kind=mail.kind,
        to=mail.to,
        recipient=recipient(introduction, mail.to),
        number=mail.number,
        about=mail.about,
        message_id=message_id,
        body=body,
        created_at=context.now,
        due_at=due_at,
        useful_until=_useful_until(context.settings, introduction, mail.kind, due_at),
        **gates,
    )
    _add(context, row)
    return row


def enqueue_sign_in(context: Context, sign_in: SignIn, message_id: str) -> OutboxMail:
    """Queue the mail with a link to sign in, which belongs to no introduction."""
    row = OutboxMail(
        sign_in=sign_in,
        kind=MailKind.SIGN_IN,
        to=Role.REQUESTER,
        recipient=sign_in.email,
        message_id=message_id,
        created_at=context.now,
        due_at=context.now,
        useful_until=sign_in.created_at + context.settings.SIGN_IN_WITHIN,
    )
    _add(context, row)
    return row


def enqueue_to_operator(
    context: Context, operator: str, number: int, message_id: str, body: bytes
) -> OutboxMail:
    """Queue a mail to an operator, stored ready; it belongs to no introduction."""
    row = OutboxMail(
        kind=MailKind.STOPPED,
        to=Role.REQUESTER,
        recipient=operator,
        number=number,
        message_id=message_id,
        body=body,
        created_at=context.now,
        due_at=context.now,
        useful_until=context.now + GIVE_UP_AFTER,
    )
    _add(context, row)
    return row


def revive(context: Context, row: OutboxMail, due_at: datetime | None) -> bool:
    """Queue a mail once more that was skipped; False, and nothing is changed, if it goes its way."""
    is_skipped = row.state is MailState.SKIPPED
    if is_skipped:
        row.state, row.due_at = MailState.QUEUED, due_at or context.now
    _nudge_if_due(context, row)
    return is_skipped


def revive_suppressed(context: Context, email: str) -> None:
    """Queue what was skipped while this address was suppressed; the fence asks whether it is still wanted."""
    stopped = select(OutboxMail).where(
        OutboxMail.state == MailState.SKIPPED,
        OutboxMail.reply == SUPPRESSED,
        func.lower(OutboxMail.recipient) == func.lower(email),
        OutboxMail.useful_until > context.now,
    )
    # Mails of other introductions, which are not locked here: nobody is waited for, so nobody waits for us.
    for row in context.session.scalars(stopped.with_for_update(skip_locked=True)):
        revive(context, row, None)


def find(session: Session, introduction: Introduction, mail: lifecycle.Mail) -> OutboxMail | None:
    """Find the row of a mail: each kind, recipient, number and matter has one."""
    return session.scalars(
        select(OutboxMail).where(
            OutboxMail.introduction_id == introduction.id,
            OutboxMail.kind == mail.kind,
            OutboxMail.recipient == recipient(introduction, mail.to),
            OutboxMail.number == mail.number,
            OutboxMail.about == mail.about,
        )
    ).first()


def find_introduction(session: Session, introduction: Introduction) -> OutboxMail | None:
    """Find the first copy of the introduction, whoever it is for."""
    copies = select(OutboxMail).where(
        OutboxMail.introduction_id == introduction.id, OutboxMail.kind == MailKind.INTRODUCTION
    )
    return session.scalars(copies).first()


def recipient(introduction: Introduction, role: Role) -> str:
    """Tell at which address somebody gets their mail."""
    if role is Role.REQUESTER:
        return introduction.requester_email
    return introduction.consent(role).email


def take_back_introduction(session: Session, introduction: Introduction) -> None:
    """Delete the unsent introduction, so that a yes under it can be taken back."""
    unsent = delete(OutboxMail).where(
        OutboxMail.introduction_id == introduction.id,
        OutboxMail.kind == MailKind.INTRODUCTION,
        OutboxMail.state.in_(UNSENT),
    )
    session.execute(unsent)


def lease_for(settings: Settings) -> timedelta:
    """Tell how long a lease holds: as long as a relay that is just in time needs for one mail."""
    return REPLIES_BEFORE_DOT * settings.MAIL_TIMEOUT


def claim(context: Context, ids: Sequence[int] | None = None) -> OutboxMail | None:
    """Lease the mail that has been due for longest, of ``ids`` if they are given; None if none is due."""
    now = context.now
    due = select(OutboxMail).where(
        or_(
            OutboxMail.state.in_(SENDABLE) & (OutboxMail.due_at <= now),
            # A lease that ran out is taken up without doubt: nothing was handed over under it.
            (OutboxMail.state == MailState.LEASED) & (OutboxMail.leased_until < now),
        )
    )
    if ids is not None:
        due = due.where(OutboxMail.id.in_(ids))
    due = due.order_by(OutboxMail.due_at, OutboxMail.id).limit(1).with_for_update(skip_locked=True)
    row = context.session.scalars(due).first()
    if row:
        row.state, row.lease = MailState.LEASED, secrets.token_hex(16)
        row.leased_until = now + lease_for(context.settings)
    return row


def release(session: Session, mail_id: int, lease: str, due_at: datetime | None = None) -> None:
    """Give a lease back unused; with ``due_at`` the mail goes behind those that are due by then."""
    values: dict[str, Any] = {"state": MailState.RETRY, "lease": None, "leased_until": None}
    if due_at:
        values["due_at"] = due_at
    session.execute(_leased(mail_id, lease).values(values))


def hand_over(context: Context, row: OutboxMail, lease: str, words: SentWords | None) -> bool:
    """Pass the fence, by the last statement before the dot: True if the mail may go, and by nobody else.

    It keeps the ``words`` of the very rendering that goes; those of an earlier handover make room.

    The caller holds the introduction's lock and has asked whether the mail is still wanted. The two yeses of
    an introduction are asked of the database once more here, and the two-yes gate stands behind that.
    """
    session, settings = context.session, context.settings
    if wait_until(context, row):
        return False
    suppressed = exists(Suppression).where(suppression_of(session, row.recipient, row.on_behalf_of))
    fence = _leased(row.id, lease).where(OutboxMail.state == MailState.LEASED, ~suppressed)
    if row.kind is MailKind.INTRODUCTION:
        fence = fence.where(OutboxMail.gate_a == "a", OutboxMail.gate_b == "b", *_two_yeses(row))
    result = session.execute(
        fence.values(
            state=MailState.HANDOVER,
            handovers=OutboxMail.handovers + 1,
            leased_until=context.now + settings.MAIL_DATA_TIMEOUT + lease_for(settings),
            **(words._asdict() if words else {}),
        ).returning(OutboxMail.id)
    )
    return result.first() is not None


def wait_until(context: Context, row: OutboxMail) -> datetime | None:
    """Tell when this address may get one more mail (MAILS_PER_ADDRESS_PER_DAY); None if it may now."""
    newest = (
        select(OutboxMail.sent_at)
        .where(
            func.lower(OutboxMail.recipient) == func.lower(row.recipient),
            OutboxMail.sent_at > context.now - DAY,
        )
        .order_by(OutboxMail.sent_at.desc())
    )
    # The mail with which the address had enough: when it is a day old, there is room for one.
    enough = newest.offset(context.settings.MAILS_PER_ADDRESS_PER_DAY - 1).limit(1)
    sent_at = context.session.scalars(enough).first()
    return sent_at + DAY if sent_at else None


def sent(row: OutboxMail, reply: str, now: datetime) -> None:
    """Record that the relay accepted the mail. Its gate is cleared, so that history blocks nothing."""
    _end(row, MailState.SENT, reply)
    row.sent_at = now


def failed(row: OutboxMail, reply: str) -> None:
    """Record that the mail was refused for good, or has no use any more."""
    _end(row, MailState.FAILED, reply)


def skipped(row: OutboxMail, reply: str) -> None:
    """Record that the mail is not wanted any more; `revive` can queue it again."""
    _end(row, MailState.SKIPPED, reply)


def unknown(row: OutboxMail, reply: str) -> None:
    """Record that nobody can know whether the relay took the mail."""
    _unlease(row, MailState.UNKNOWN, reply)


def try_again(context: Context, row: OutboxMail, reply: str) -> bool:
    """Schedule the next attempt; False if the mail would have no use by then."""
    row.attempts += 1
    due_at = context.now + backoff(context.settings, row.attempts)
    if due_at >= row.useful_until:
        return False
    wait(row, reply, due_at)
    return True


def wait(row: OutboxMail, reply: str, due_at: datetime) -> None:
    """Put the mail off until it may go. That is no attempt, so it burns none."""
    _unlease(row, MailState.RETRY, reply)
    row.due_at = due_at


def may_have_arrived(row: OutboxMail) -> bool:
    """Tell whether a relay may have taken this mail, so that it can come back."""
    return row.handovers > 0 and row.state not in (MailState.FAILED, MailState.SKIPPED)


def send_again(context: Context, row: OutboxMail, reply: str) -> bool:
    """Schedule a mail that came back for now; False if that was done enough, or it loses its use."""
    due_at = context.now + backoff(context.settings, row.bounces + 1)
    # Only an introduction that has not ended points at two yeses, and what came back has ended.
    if row.kind is MailKind.INTRODUCTION or row.bounces >= SOFT_BOUNCES or due_at >= row.useful_until:
        return False
    row.bounces += 1
    wait(row, reply, due_at)
    return True


def came_back(row: OutboxMail, reply: str, now: datetime) -> None:
    """Record that the mail came back for good."""
    failed(row, reply)
    row.bounced_at = now


def retry_by_hand(row: OutboxMail, now: datetime) -> None:
    """Queue a failed or unknown mail once more, because an operator wants it."""
    row.state, row.due_at, row.useful_until = MailState.QUEUED, now, now + GIVE_UP_AFTER


def backoff(settings: Settings, attempts: int) -> timedelta:
    """Compute the pause after so many attempts; a jitter of a tenth keeps mails from marching in step."""
    steps = settings.MAIL_BACKOFF
    return steps[min(attempts, len(steps)) - 1] * random.uniform(0.9, 1.1)  # noqa: S311


def lost_handovers(session: Session, now: datetime) -> list[OutboxMail]:
    """Find the mails whose sender died between the fence and the relay's reply."""
    lost = select(OutboxMail).where(OutboxMail.state == MailState.HANDOVER, OutboxMail.leased_until < now)
    return list(session.scalars(lost))


def is_lost(row: OutboxMail, now: datetime) -> bool:
    """Tell whether a handover has been waiting for its result for longer than any reply may take."""
    return row.state is MailState.HANDOVER and row.leased_until is not None and row.leased_until < now


def useless(session: Session, now: datetime) -> list[OutboxMail]:
    """Find the mails that are waiting although nobody would have a use for them any more."""
    late = select(OutboxMail).where(OutboxMail.useful_until <= now, OutboxMail.state.in_(WAITING))
    return [row for row in session.scalars(late) if is_useless(row, now)]


def is_useless(row: OutboxMail, now: datetime) -> bool:
    """Tell whether a waiting mail lost its use; any other unknown mail than an introduction has ended."""
    ended = row.state is MailState.UNKNOWN and row.kind is not MailKind.INTRODUCTION
    return row.useful_until <= now and row.state in WAITING and not ended


def _add(context: Context, row: OutboxMail) -> None:
    context.session.add(row)
    context.session.flush()
    _nudge_if_due(context, row)


def _nudge_if_due(context: Context, row: OutboxMail) -> None:
    if row.due_at <= context.now:
        nudge(context.session, DELIVER, row.id)


def _useful_until(
    settings: Settings, introduction: Introduction, kind: MailKind, due_at: datetime
) -> datetime:
    if kind in (MailKind.ASK, MailKind.REMINDER, MailKind.RECHECK) and introduction.closes_at:
        return introduction.closes_at
    if kind is MailKind.VERIFY:
        return introduction.created_at + settings.VERIFY_WITHIN
    if kind is MailKind.FOLLOW_UP:
        return due_at + settings.CONFIRM_WITHIN
    return due_at + GIVE_UP_AFTER


def _end(row: OutboxMail, state: MailState, reply: str) -> None:
    _unlease(row, state, reply)
    row.gate_a = row.gate_b = None


def _unlease(row: OutboxMail, state: MailState, reply: str) -> None:
    row.state, row.lease, row.leased_until, row.reply = state, None, None, reply[:MAX_REPLY_LENGTH]


def _leased(mail_id: int, lease: str) -> Update:
    return update(OutboxMail).where(OutboxMail.id == mail_id, OutboxMail.lease == lease)


def _two_yeses(row: OutboxMail) -> Iterator[ColumnElement[bool]]:
    for side in ("a", "b"):
        yield exists().where(
            Consent.introduction_id == row.introduction_id,
            Consent.side == Role(side),
            Consent.state == ConsentState.YES,
        )
