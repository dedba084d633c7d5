"""Sending what the outbox holds: lease, talk SMTP outside any transaction, fence, dot, result.

A mail that carries a link is rendered here, when it is sent, so that no live token rests in the database
or the broker; only the introduction was stored ready. Deaths are told apart by where they strike: before
the fence the lease runs out and the mail is tried again without doubt; after it nobody can know.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from service import lifecycle
from service.introductions import decisions
from service.introductions.quotas import is_suppressed
from service.lifecycle import HandedOver, MailKind
from service.mail.addresses import Purpose, signed
from service.mail.compose import compose
from service.mail.smtp import Kind, Outcome, SmtpSession
from service.settings.clock import Clock
from service.settings.table import Settings
from service.store import outbox
from service.store.db import Database
from service.store.models import MailState, OutboxMail

from .outcomes import UNWANTED, LockedMail, is_wanted, relay_is_paused

log = logging.getLogger(__name__)


class NotRetriable(Exception):
    """This mail cannot be tried again; the message says why."""


class Leased(NamedTuple):
    """A mail that this worker may send for as long as its lease holds."""

    id: int
    introduction_id: int | None
    recipient: str
    lease: str


class Rendered(NamedTuple):
    """A mail as it goes to the relay: its envelope sender, which names it in a bounce, and its bytes."""

    sender: str
    message: bytes


def deliver(db: Database, settings: Settings, clock: Clock, ids: Sequence[int] | None = None) -> None:
    """Send the mails that are due, or those of the given ids that are."""
    with SmtpSession(settings) as smtp:
        # One at a time, so that a worker that is killed keeps only one mail waiting for its lease.
        while mail := _lease(db, settings, clock(), ids):
            _deliver_one(db, settings, clock, smtp, mail)


def settle(db: Database, settings: Settings, clock: Clock) -> None:
    """Decide about the mails whose sender died in the handover, and those that lost their use."""
    now = clock()
    with db.reading() as session:
        waiting = [*outbox.lost_handovers(session, now), *outbox.useless(session, now)]
        found = [(row.introduction_id, row.id) for row in waiting]
    for introduction_id, mail_id in found:
        try:
            with db.transaction() as session:
                mail = LockedMail.of(session, settings, introduction_id, mail_id, now)
                if mail:
                    _settle_one(mail)
        except Exception:
            # One broken row must not keep the others from what is due to them.
            log.exception("mail %s could not be settled", mail_id)


def _settle_one(mail: LockedMail) -> None:
    if outbox.is_lost(mail.row, mail.now):
        mail.unknown("the sender died in the handover")
    elif outbox.is_useless(mail.row, mail.now):
        mail.useless()


def retry_by_hand(session: Session, mail_id: int, now: datetime) -> None:
    """An operator wants a failed or unknown mail tried once more. Raises NotRetriable."""
    row = session.get(OutboxMail, mail_id)
    if row is None:
        raise NotRetriable(f"There is no mail {mail_id}.")
    if row.introduction_id is None:
        raise NotRetriable(f"Mail {mail_id} is a link to sign in: whoever wants one asks for a new one.")
    decisions.lock(session, row.introduction_id)
    session.refresh(row, with_for_update=True)
    if row.state not in (MailState.FAILED, MailState.UNKNOWN):
        raise NotRetriable(f"Mail {mail_id} has neither failed nor is it unknown, so it is left alone.")
    if not may_be_retried(row):
        raise NotRetriable(f"Mail {mail_id} is not wanted any more: its case went on without it.")
    outbox.retry_by_hand(row, now)


def may_be_retried(row: OutboxMail) -> bool:
    """Whether anybody still has a use for a failed or unknown mail."""
    if row.introduction is None:
        return False
    # A case goes on as soon as it knows of a failed envelope; it cannot be told otherwise later.
    settled = row.kind is MailKind.INTRODUCTION and row.state is MailState.FAILED
    case = row.introduction.to_case()
    return not settled and lifecycle.still_wanted(case, row.to_mail())


def _lease(db: Database, settings: Settings, now: datetime, ids: Sequence[int] | None) -> Leased | None:
    with db.transaction() as session:
        row = None if relay_is_paused(session, now) else outbox.claim(session, settings, now, ids)
        return Leased(row.id, row.introduction_id, row.recipient, str(row.lease)) if row else None


def _deliver_one(db: Database, settings: Settings, clock: Clock, smtp: SmtpSession, mail: Leased) -> None:
    outcome = _send(db, settings, clock, smtp, mail)
    _record(db, settings, mail, outcome, clock())
    of = f" of introduction {mail.introduction_id}" if mail.introduction_id else ""
    log.info("mail %s%s: %s", mail.id, of, outcome.kind.value)


def _send(db: Database, settings: Settings, clock: Clock, smtp: SmtpSession, mail: Leased) -> Outcome:
    try:
        rendered = _render(db, settings, mail, clock())
    except Exception as error:
        # A mail that cannot be rendered must not hold up the others; it is tried again and stays visible.
        log.exception("mail %s could not be rendered", mail.id)
        return Outcome(Kind.RETRY, f"could not be rendered: {type(error).__name__}")
    if rendered is None:
        return Outcome(Kind.UNWANTED, UNWANTED)
    sender, message = rendered
    return smtp.send(sender, mail.recipient, message, fence=lambda: _fence(db, settings, mail, clock()))


def _render(db: Database, settings: Settings, mail: Leased, now: datetime) -> Rendered | None:
    """The mail as it is now, or None if nobody wants it any more."""
    with db.reading() as session:
        row = session.get(OutboxMail, mail.id)
        if row is None or is_suppressed(session, row.recipient, row.on_behalf_of):
            return None
        if not is_wanted(row, settings, now):
            return None
        message = row.body if row.body is not None else compose(row, settings, now)
        return Rendered(signed(Purpose.BOUNCE, row, settings), message)


def _fence(db: Database, settings: Settings, mail: Leased, now: datetime) -> bool:
    """Commit the handover if, at this very moment, the mail may still go."""
    with db.transaction() as session:
        locked = LockedMail.of(session, settings, mail.introduction_id, mail.id, now)
        if locked is None or not locked.is_wanted():
            return False
        if not outbox.hand_over(session, settings, locked.row, mail.lease, now):
            return False
        if locked.introduction:
            command = HandedOver(locked.row.to, locked.row.kind)
            decisions.apply(session, settings, locked.introduction, command, now)
        return True


def _record(db: Database, settings: Settings, mail: Leased, outcome: Outcome, now: datetime) -> None:
    with db.transaction() as session:
        locked = LockedMail.of(session, settings, mail.introduction_id, mail.id, now)
        if locked:
            locked.record(outcome, mail.lease)
