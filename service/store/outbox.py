"""The outbox: mails that must leave, each in one row, and the only places where a row changes its state.

    queued -> leased -> handover -> sent
                 \\          \\-> unknown   the connection died after the dot: nobody can know
                  \\-> retry | failed | skipped

A lease is taken for a while and may be lost; the fence commits ``handover`` directly before the final
dot; the result is written after the relay's reply. Every function here runs inside the caller's
transaction, with the introduction's row locked where it says so.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from service import lifecycle
from service.introductions.quotas import suppression_of
from service.lifecycle import ConsentState, MailKind, Role
from service.mail.compose import introduction_message, message_id
from service.settings.table import Settings

from .db import nudge
from .models import Consent, Introduction, MailState, OutboxMail, SignIn, Suppression

DELIVER = "tasks.mail.deliver"
GIVE_UP_AFTER = timedelta(days=5)
"""How long a mail is tried (RFC 5321 4.5.4.1), unless it loses its use before."""
SOFT_BOUNCES = 3
"""How often a mail that came back for now is sent again."""
DAY = timedelta(hours=24)
REPLIES_BEFORE_DOT = 5
"""How many replies a mail waits for before its dot: the banner, and those to EHLO, MAIL, RCPT and DATA."""
UNSENT = (MailState.QUEUED, MailState.LEASED, MailState.RETRY)
SENDABLE = (MailState.QUEUED, MailState.RETRY)
WAITING = (*SENDABLE, MailState.UNKNOWN)


def enqueue(
    session: Session, settings: Settings, introduction: Introduction, mail: lifecycle.Mail, now: datetime
) -> bool:
    """Queue a mail once; a row of the same kind, recipient, number and about is revived if it was skipped.

    False if there is such a row already and it goes its way.
    """
    row = _find(session, introduction, mail)
    is_new = row is None or row.state is MailState.SKIPPED
    if row is None:
        row = _new_row(session, settings, introduction, mail, now)
        session.add(row)
        session.flush()
    elif is_new:
        row.state, row.due_at = MailState.QUEUED, mail.due_at or now
    if row.due_at <= now:
        nudge(session, DELIVER, row.id)
    return is_new


def enqueue_sign_in(session: Session, settings: Settings, sign_in: SignIn, now: datetime) -> OutboxMail:
    """Queue the mail with a link to sign in, the one kind that belongs to no introduction."""
    row = OutboxMail(
        sign_in=sign_in,
        kind=MailKind.SIGN_IN,
        to=Role.REQUESTER,
        recipient=sign_in.email,
        message_id=message_id(settings, sign_in, lifecycle.Mail(MailKind.SIGN_IN, Role.REQUESTER)),
        created_at=now,
        due_at=now,
        useful_until=sign_in.created_at + settings.SIGN_IN_WITHIN,
    )
    session.add(row)
    session.flush()
    nudge(session, DELIVER, row.id)
    return row


def take_back_introduction(session: Session, introduction: Introduction) -> None:
    """Delete the unsent introduction, so that a yes under it can be taken back."""
    unsent = delete(OutboxMail).where(
        OutboxMail.introduction_id == introduction.id,
        OutboxMail.kind == MailKind.INTRODUCTION,
        OutboxMail.state.in_(UNSENT),
    )
    session.execute(unsent)


def lease_for(settings: Settings) -> timedelta:
    """How long a lease holds: as long as a relay that is just in time needs for one mail."""
    return REPLIES_BEFORE_DOT * settings.MAIL_TIMEOUT


def claim(
    session: Session, settings: Settings, now: datetime, ids: Sequence[int] | None = None
) -> OutboxMail | None:
    """Lease the mail that has been due for longest, of ``ids`` if they are given; None if none is due."""
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
    row = session.scalars(due).first()
    if row:
        row.state, row.lease = MailState.LEASED, secrets.token_hex(16)
        row.leased_until = now + lease_for(settings)
    return row


def release(session: Session, mail_id: int, lease: str, due_at: datetime | None = None) -> None:
    """Give a lease back unused; with ``due_at`` the mail goes behind those that are due by then."""
    values: dict[str, Any] = {"state": MailState.RETRY, "lease": None, "leased_until": None}
    if due_at:
        values["due_at"] = due_at
    session.execute(_ours(mail_id, lease).values(values))


def hand_over(session: Session, settings: Settings, row: OutboxMail, lease: str, now: datetime) -> bool:
    """The fence: the last statement before the dot. True if the mail may go, and nobody else may send it.

    The caller holds the introduction's lock and has asked `results.is_wanted`. The two yeses of an
    introduction are asked of the database once more here, and the two-yes gate stands behind that.
    """
    if wait_until(session, settings, row, now):
        return False
    suppressed = exists(Suppression).where(suppression_of(session, row.recipient, row.on_behalf_of))
    fence = _ours(row.id, lease).where(OutboxMail.state == MailState.LEASED, ~suppressed)
    if row.kind is MailKind.INTRODUCTION:
        fence = fence.where(OutboxMail.gate_a == "a", OutboxMail.gate_b == "b", *_two_yeses(row))
    result = session.execute(
        fence.values(
            state=MailState.HANDOVER,
            handovers=OutboxMail.handovers + 1,
            leased_until=now + settings.MAIL_DATA_TIMEOUT + lease_for(settings),
        ).returning(OutboxMail.id)
    )
    return result.first() is not None


def wait_until(session: Session, settings: Settings, row: OutboxMail, now: datetime) -> datetime | None:
    """When this address may get one more mail (MAILS_PER_ADDRESS_PER_DAY); None if it may now."""
    newest = (
        select(OutboxMail.sent_at)
        .where(func.lower(OutboxMail.recipient) == func.lower(row.recipient), OutboxMail.sent_at > now - DAY)
        .order_by(OutboxMail.sent_at.desc())
    )
    # The mail with which the address had enough: when it is a day old, there is room for one.
    last_straw = session.scalars(newest.offset(settings.MAILS_PER_ADDRESS_PER_DAY - 1).limit(1)).first()
    return last_straw + DAY if last_straw else None


def sent(row: OutboxMail, reply: str, now: datetime) -> None:
    """The relay accepted the mail. Its gate is cleared, so that history blocks nothing."""
    _end(row, MailState.SENT, reply)
    row.sent_at = now


def failed(row: OutboxMail, reply: str) -> None:
    """The mail was refused for good, or has no use any more."""
    _end(row, MailState.FAILED, reply)


def skipped(row: OutboxMail, reply: str) -> None:
    """The mail is not wanted any more; `enqueue` can revive it."""
    _end(row, MailState.SKIPPED, reply)


def unknown(row: OutboxMail, reply: str) -> None:
    """Nobody can know whether the relay took the mail."""
    _unlease(row, MailState.UNKNOWN, reply)


def try_again(row: OutboxMail, settings: Settings, reply: str, now: datetime) -> bool:
    """Schedule the next attempt; False if the mail would have no use by then."""
    row.attempts += 1
    due_at = now + backoff(settings, row.attempts)
    if due_at >= row.useful_until:
        return False
    wait(row, reply, due_at)
    return True


def wait(row: OutboxMail, reply: str, due_at: datetime) -> None:
    """The mail may not go yet. That is no attempt, so it burns none."""
    _unlease(row, MailState.RETRY, reply)
    row.due_at = due_at


def may_have_arrived(row: OutboxMail) -> bool:
    """Whether a relay may have taken this mail, so that it can come back."""
    return row.handovers > 0 and row.state not in (MailState.FAILED, MailState.SKIPPED)


def send_again(row: OutboxMail, settings: Settings, reply: str, now: datetime) -> bool:
    """A mail came back for now: schedule it once more; False if that was done enough, or it loses its use."""
    due_at = now + backoff(settings, row.bounces + 1)
    # Only an introduction that has not ended points at two yeses, and what came back has ended.
    if row.kind is MailKind.INTRODUCTION or row.bounces >= SOFT_BOUNCES or due_at >= row.useful_until:
        return False
    row.bounces += 1
    wait(row, reply, due_at)
    return True


def came_back(row: OutboxMail, reply: str, now: datetime) -> None:
    """The mail came back for good."""
    failed(row, reply)
    row.bounced_at = now


def retry_by_hand(row: OutboxMail, now: datetime) -> None:
    """An operator wants a failed or unknown mail tried once more."""
    row.state, row.due_at, row.useful_until = MailState.QUEUED, now, now + GIVE_UP_AFTER


def backoff(settings: Settings, attempts: int) -> timedelta:
    """The pause after so many attempts, with a jitter of a tenth so that mails do not march in step."""
    steps = settings.MAIL_BACKOFF
    return steps[min(attempts, len(steps)) - 1] * random.uniform(0.9, 1.1)


def lost_handovers(session: Session, now: datetime) -> list[OutboxMail]:
    """Mails whose sender died between the fence and the relay's reply."""
    lost = select(OutboxMail).where(OutboxMail.state == MailState.HANDOVER, OutboxMail.leased_until < now)
    return list(session.scalars(lost))


def is_lost(row: OutboxMail, now: datetime) -> bool:
    """Whether a handover has been waiting for its result for longer than any reply may take."""
    return row.state is MailState.HANDOVER and row.leased_until is not None and row.leased_until < now


def useless(session: Session, now: datetime) -> list[OutboxMail]:
    """Mails that are waiting although nobody would have a use for them any more."""
    late = select(OutboxMail).where(OutboxMail.useful_until <= now, OutboxMail.state.in_(WAITING))
    return [row for row in session.scalars(late) if is_useless(row, now)]


def is_useless(row: OutboxMail, now: datetime) -> bool:
    """Whether a waiting mail lost its use; any other unknown mail than an introduction has ended."""
    ended = row.state is MailState.UNKNOWN and row.kind is not MailKind.INTRODUCTION
    return row.useful_until <= now and row.state in WAITING and not ended


def _recipient(introduction: Introduction, role: Role) -> str:
    if role is Role.REQUESTER:
        return introduction.requester_email
    return introduction.consent(role).email


def _find(session: Session, introduction: Introduction, mail: lifecycle.Mail) -> OutboxMail | None:
    return session.scalars(
        select(OutboxMail).where(
            OutboxMail.introduction_id == introduction.id,
            OutboxMail.kind == mail.kind,
            OutboxMail.recipient == _recipient(introduction, mail.to),
            OutboxMail.number == mail.number,
            OutboxMail.about == mail.about,
        )
    ).first()


def _new_row(
    session: Session, settings: Settings, introduction: Introduction, mail: lifecycle.Mail, now: datetime
) -> OutboxMail:
    due_at = mail.due_at or now
    row = OutboxMail(
        introduction_id=introduction.id,
        kind=mail.kind,
        to=mail.to,
        recipient=_recipient(introduction, mail.to),
        number=mail.number,
        about=mail.about,
        message_id=message_id(settings, introduction, mail),
        created_at=now,
        due_at=due_at,
        useful_until=_useful_until(settings, introduction, mail.kind, due_at),
    )
    if mail.kind is MailKind.INTRODUCTION:
        _store_introduction(session, settings, introduction, row)
    return row


def _store_introduction(
    session: Session, settings: Settings, introduction: Introduction, row: OutboxMail
) -> None:
    """Every copy is one message: the bytes and the Message-ID of the first copy, behind the two-yes gate."""
    row.gate_a, row.gate_b = "a", "b"
    first = session.scalars(
        select(OutboxMail).where(
            OutboxMail.introduction_id == introduction.id, OutboxMail.kind == MailKind.INTRODUCTION
        )
    ).first()
    if first:
        row.message_id, row.body = first.message_id, first.body
    else:
        row.body = introduction_message(introduction, row.message_id, settings)


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
    row.state, row.lease, row.leased_until, row.reply = state, None, None, reply[:300]


def _ours(mail_id: int, lease: str) -> Update:
    return update(OutboxMail).where(OutboxMail.id == mail_id, OutboxMail.lease == lease)


def _two_yeses(row: OutboxMail) -> Iterator[ColumnElement[bool]]:
    for side in ("a", "b"):
        yield exists().where(
            Consent.introduction_id == row.introduction_id,
            Consent.side == Role(side),
            Consent.state == ConsentState.YES,
        )
