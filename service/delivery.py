"""Sending what the outbox holds: lease, talk SMTP outside any transaction, fence, dot, result.

A mail that carries a link is rendered here, when it is sent, so that no live token rests in the database
or the broker; only the introduction was stored ready. Deaths are told apart by where they strike: before
the fence the lease runs out and the mail is tried again without doubt; after it nobody can know.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from . import decisions, lifecycle, outbox
from .clock import Clock
from .db import Database
from .lifecycle import Accepted, Failed, HandedOver, MailKind, Role
from .limits import is_suppressed
from .mailer.compose import compose, envelope_sender
from .mailer.smtp import Kind, Outcome, SmtpSession
from .models import Event, Installation, Introduction, MailState, OutboxMail
from .settings import Settings

BATCH = 20
SUPPRESSED = "this address is suppressed"
UNWANTED = "not wanted any more"

log = logging.getLogger(__name__)


class NotRetriable(Exception):
    """This mail cannot be tried again; the message says why."""


class Leased(NamedTuple):
    """A mail that this worker may send for as long as its lease holds."""

    id: int
    introduction_id: int
    kind: MailKind
    to: Role
    round: int
    recipient: str
    lease: str


def deliver(db: Database, settings: Settings, clock: Clock, ids: Sequence[int] | None = None) -> int:
    """Send the mails that are due, or those of the given ids that are; returns how many were accepted."""
    accepted = 0
    with SmtpSession(settings) as smtp:
        while batch := _lease(db, settings, clock(), ids):
            accepted += _deliver_batch(db, settings, clock, smtp, batch)
    return accepted


def settle(db: Database, settings: Settings, now: datetime) -> None:
    """Decide about the mails whose sender died in the handover, and those that lost their use."""
    with db.reading() as session:
        lost = [(row.id, row.introduction_id) for row in outbox.lost_handovers(session, now)]
        useless = [(row.id, row.introduction_id) for row in outbox.useless(session, now)]
    for mail_id, introduction_id in lost:
        with db.transaction() as session:
            introduction, row = _lock(session, introduction_id, mail_id)
            if row and row.state is MailState.HANDOVER and row.leased_until and row.leased_until < now:
                _unknown(session, settings, introduction, row, "the sender died in the handover", now)
    for mail_id, introduction_id in useless:
        with db.transaction() as session:
            introduction, row = _lock(session, introduction_id, mail_id)
            if row and outbox.is_useless(row, now):
                _failed(session, settings, introduction, row, row.reply or "tried until it had no use", now)


def retry_by_hand(session: Session, mail_id: int, now: datetime) -> None:
    """An operator wants a failed or unknown mail tried once more. Raises NotRetriable."""
    mail = session.get(OutboxMail, mail_id)
    if mail is None:
        raise NotRetriable(f"There is no mail {mail_id}.")
    introduction, row = _lock(session, mail.introduction_id, mail_id)
    if row is None or row.state not in (MailState.FAILED, MailState.UNKNOWN):
        raise NotRetriable(f"Mail {mail_id} has neither failed nor is it unknown, so it is left alone.")
    # A case goes on as soon as it knows of a failed envelope; it cannot be told otherwise later.
    settled = row.kind is MailKind.INTRODUCTION and row.state is MailState.FAILED
    if settled or not lifecycle.still_wanted(introduction.to_case(), row.kind, row.to, row.round):
        raise NotRetriable(f"Mail {mail_id} is not wanted any more: its case went on without it.")
    outbox.retry_by_hand(row, now)


def _lease(db: Database, settings: Settings, now: datetime, ids: Sequence[int] | None) -> list[Leased]:
    with db.transaction() as session:
        if _relay_is_paused(session, now):
            return []
        return [
            Leased(row.id, row.introduction_id, row.kind, row.to, row.round, row.recipient, str(row.lease))
            for row in outbox.claim(session, settings, now, BATCH, ids)
        ]


def _deliver_batch(
    db: Database, settings: Settings, clock: Clock, smtp: SmtpSession, batch: list[Leased]
) -> int:
    accepted = 0
    for position, mail in enumerate(batch):
        kind = _deliver_one(db, settings, clock, smtp, mail)
        accepted += kind is Kind.ACCEPTED
        if kind is Kind.RELAY:
            # The relay is paused now; the rest of the batch waits with it, unburnt.
            _release(db, batch[position + 1 :])
            break
    return accepted


def _release(db: Database, batch: list[Leased]) -> None:
    with db.transaction() as session:
        for mail in batch:
            outbox.release(session, mail.id, mail.lease)


def _deliver_one(db: Database, settings: Settings, clock: Clock, smtp: SmtpSession, mail: Leased) -> Kind:
    outcome = _send(db, settings, clock, smtp, mail)
    with db.transaction() as session:
        _record(session, settings, mail, outcome, clock())
    log.info("mail %s of introduction %s: %s", mail.id, mail.introduction_id, outcome.kind.value)
    return outcome.kind


def _send(db: Database, settings: Settings, clock: Clock, smtp: SmtpSession, mail: Leased) -> Outcome:
    try:
        message = _render(db, settings, mail)
    except Exception as error:
        # A mail that cannot be rendered must not hold up the others; it is tried again and stays visible.
        log.exception("mail %s could not be rendered", mail.id)
        return Outcome(Kind.RETRY, f"could not be rendered: {type(error).__name__}")
    if message is None:
        return Outcome(Kind.UNWANTED, UNWANTED)
    sender = envelope_sender(settings)
    return smtp.send(sender, mail.recipient, message, fence=lambda: _fence(db, settings, mail, clock()))


def _render(db: Database, settings: Settings, mail: Leased) -> bytes | None:
    """The message as it is now, or None if nobody wants it any more."""
    with db.reading() as session:
        row = session.get(OutboxMail, mail.id)
        if row is None or not _is_wanted(row.introduction, mail) or is_suppressed(session, mail.recipient):
            return None
        return row.body if row.body is not None else compose(row, settings)


def _fence(db: Database, settings: Settings, mail: Leased, now: datetime) -> bool:
    """Commit the handover if, at this very moment, the mail may still go."""
    with db.transaction() as session:
        introduction, row = _lock(session, mail.introduction_id, mail.id)
        if row is None or not _is_wanted(introduction, mail):
            return False
        if not outbox.hand_over(session, settings, row, mail.lease, now):
            return False
        if mail.kind is MailKind.INTRODUCTION:
            decisions.apply(session, settings, introduction, HandedOver(mail.to), now)
        return True


def _is_wanted(introduction: Introduction, mail: Leased) -> bool:
    return lifecycle.still_wanted(introduction.to_case(), mail.kind, mail.to, mail.round)


def _record(session: Session, settings: Settings, mail: Leased, outcome: Outcome, now: datetime) -> None:
    """Write what really happened to a mail, if the lease is still ours to say so."""
    introduction, row = _lock(session, mail.introduction_id, mail.id)
    if row is None:
        return
    if row.lease != mail.lease:
        _record_late(session, settings, introduction, row, outcome, now)
        return
    if outcome.kind is Kind.ACCEPTED:
        _sent(session, settings, introduction, row, outcome.reply, now)
    elif outcome.kind is Kind.REFUSED:
        _failed(session, settings, introduction, row, outcome.reply, now)
    elif outcome.kind is Kind.UNKNOWN:
        _unknown(session, settings, introduction, row, outcome.reply, now)
    elif outcome.kind is Kind.UNWANTED:
        _not_sent(session, settings, introduction, row, mail, now)
    elif outcome.kind is Kind.RELAY:
        _pause_relay(session, settings, outcome.reply, now)
        outbox.release(session, row.id, mail.lease)
    elif not outbox.try_again(row, settings, outcome.reply, now):
        _failed(session, settings, introduction, row, outcome.reply, now)


def _record_late(
    session: Session,
    settings: Settings,
    introduction: Introduction,
    row: OutboxMail,
    outcome: Outcome,
    now: datetime,
) -> None:
    """Our lease ran out while the relay took its time; that it accepted the mail is still the truth."""
    if outcome.kind is Kind.ACCEPTED and row.state in (MailState.UNKNOWN, MailState.RETRY):
        _sent(session, settings, introduction, row, outcome.reply, now)


def _sent(
    session: Session,
    settings: Settings,
    introduction: Introduction,
    row: OutboxMail,
    reply: str,
    now: datetime,
) -> None:
    outbox.sent(row, reply, now)
    _resume_relay(session)
    decisions.apply(session, settings, introduction, Accepted(row.kind, row.to, reply), now)


def _failed(
    session: Session,
    settings: Settings,
    introduction: Introduction,
    row: OutboxMail,
    reply: str,
    now: datetime,
) -> None:
    outbox.failed(row, reply)
    decisions.apply(session, settings, introduction, Failed(row.kind, row.to, reply), now)


def _not_sent(
    session: Session,
    settings: Settings,
    introduction: Introduction,
    row: OutboxMail,
    mail: Leased,
    now: datetime,
) -> None:
    """The mail was stopped before the dot: by the case, or because its address is suppressed."""
    if _is_wanted(introduction, mail) and is_suppressed(session, row.recipient):
        _failed(session, settings, introduction, row, SUPPRESSED, now)
    else:
        outbox.skipped(row, UNWANTED)


def _unknown(
    session: Session,
    settings: Settings,
    introduction: Introduction,
    row: OutboxMail,
    reply: str,
    now: datetime,
) -> None:
    """Nobody can know whether the relay took it: once more with the same Message-ID, or hold it.

    An introduction is tried until the relay answers (ON_UNKNOWN=retry), every other mail one time more.
    """
    is_introduction = row.kind is MailKind.INTRODUCTION
    again = settings.ON_UNKNOWN == "retry" if is_introduction else row.handovers < 2
    detail = {"mail": row.kind.value, "to": row.to.value, "handover": row.handovers, "reply": reply}
    if again and outbox.try_again(row, settings, reply, now):
        name = "handover unknown, sent again, possibly doubled"
    else:
        outbox.unknown(row, reply)
        name = "handover unknown, held"
    session.add(Event(introduction_id=introduction.id, at=now, actor="relay", name=name, detail=detail))
    if row.state is MailState.UNKNOWN and not is_introduction:
        possibly = Accepted(row.kind, row.to, reply, certain=False)
        decisions.apply(session, settings, introduction, possibly, now)


def _lock(session: Session, introduction_id: int, mail_id: int) -> tuple[Introduction, OutboxMail | None]:
    """The introduction first, then its mail: everybody locks in this order."""
    introduction = decisions.lock(session, introduction_id)
    row = session.scalars(
        select(OutboxMail)
        .where(OutboxMail.id == mail_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    return introduction, row


# --- The relay itself -----------------------------------------------------------------------------


def _relay_is_paused(session: Session, now: datetime) -> bool:
    paused_until = session.scalars(select(Installation.relay_paused_until)).one()
    return paused_until is not None and paused_until > now


def _pause_relay(session: Session, settings: Settings, reply: str, now: datetime) -> None:
    """Trouble with the relay itself pauses all mail and burns nobody's attempts."""
    installation = session.scalars(select(Installation).with_for_update()).one()
    installation.relay_failures += 1
    pause: timedelta = outbox.backoff(settings, installation.relay_failures)
    installation.relay_paused_until, installation.relay_reply = now + pause, reply[:300]
    # What the relay said may name an address, so it is kept in the row and not in the log.
    log.warning("the relay is in trouble and paused for %d s", pause.total_seconds())


def _resume_relay(session: Session) -> None:
    installation = session.scalars(select(Installation)).one()
    if installation.relay_failures:
        installation.relay_failures, installation.relay_paused_until, installation.relay_reply = 0, None, ""
