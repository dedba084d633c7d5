"""Sending what the outbox holds: lease, talk SMTP outside any transaction, fence, dot, result.

A mail that carries a link is rendered here, when it is sent, so that no live token rests in the database
or the broker; what carries none was stored ready. Deaths are told apart by where they strike: before
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
from service.lifecycle import HandedOver, MailKind
from service.mail.addresses import Purpose, signed
from service.mail.compose import compose
from service.mail.smtp import Kind, Outcome, SmtpSession
from service.settings.clock import Clock
from service.settings.table import Settings
from service.store import outbox
from service.store.context import reading, writing
from service.store.db import Database
from service.store.models import MailState, OutboxMail
from service.store.outbox import SentWords
from service.store.suppressions import is_suppressed

from . import relay
from .outcomes import UNWANTED, LockedMail, is_wanted

log = logging.getLogger(__name__)


class NotRetriable(Exception):
    """This mail cannot be tried again; the message says why."""


class Lease(NamedTuple):
    """The right of this worker to send a mail, for as long as it holds."""

    mail_id: int
    introduction_id: int | None
    recipient: str
    key: str


class Submission(NamedTuple):
    """A mail as it goes to the relay: its envelope sender, which names it in a bounce, and its bytes.

    ``words`` are what stays on record of it, if anything does.
    """

    sender: str
    message: bytes
    words: SentWords | None


def deliver(db: Database, settings: Settings, clock: Clock, ids: Sequence[int] | None = None) -> None:
    """Send the mails that are due, or those of the given ids that are."""
    with SmtpSession(settings) as smtp:
        # One at a time, so that a worker that is killed keeps only one mail waiting for its lease.
        while lease := _lease(db, settings, clock(), ids):
            _deliver_one(db, settings, clock, smtp, lease)


def settle(db: Database, settings: Settings, clock: Clock) -> None:
    """Decide about the mails whose sender died in the handover, and those that lost their use."""
    now = clock()
    with db.reading() as session:
        waiting = [*outbox.lost_handovers(session, now), *outbox.useless(session, now)]
        found = [(row.introduction_id, row.id) for row in waiting]
    for introduction_id, mail_id in found:
        try:
            with writing(db, settings, now) as context:
                mail = LockedMail.of(context, introduction_id, mail_id)
                if mail:
                    _settle_one(mail)
        except Exception:
            # One broken row must not keep the others from what is due to them.
            log.exception("mail %s could not be settled", mail_id)


def _settle_one(mail: LockedMail) -> None:
    if outbox.is_lost(mail.row, mail.context.now):
        mail.unknown("the sender died in the handover")
    elif outbox.is_useless(mail.row, mail.context.now):
        mail.useless()


def retry_by_hand(session: Session, mail_id: int, now: datetime) -> None:
    """Try a failed or unknown mail once more, because an operator wants it. Raises NotRetriable."""
    row = session.get(OutboxMail, mail_id)
    if row is None:
        raise NotRetriable(f"There is no mail {mail_id}.")
    if row.sign_in_id is not None:
        raise NotRetriable(f"Mail {mail_id} is a link to sign in: whoever wants one asks for a new one.")
    if row.introduction_id is not None:
        decisions.lock(session, row.introduction_id)
    session.refresh(row, with_for_update=True)
    if row.state not in (MailState.FAILED, MailState.UNKNOWN):
        raise NotRetriable(f"Mail {mail_id} has neither failed nor is it unknown, so it is left alone.")
    if not may_be_retried(row):
        raise NotRetriable(f"Mail {mail_id} is not wanted any more: its case went on without it.")
    outbox.retry_by_hand(row, now)


def may_be_retried(row: OutboxMail) -> bool:
    """Tell whether anybody still has a use for a failed or unknown mail."""
    if row.introduction is None:
        return row.kind is MailKind.STOPPED
    # A case goes on as soon as it knows of a failed envelope; it cannot be told otherwise later.
    settled = row.kind is MailKind.INTRODUCTION and row.state is MailState.FAILED
    case = row.introduction.to_case()
    return not settled and lifecycle.still_wanted(case, row.to_mail())


def _lease(db: Database, settings: Settings, now: datetime, ids: Sequence[int] | None) -> Lease | None:
    with writing(db, settings, now) as context:
        row = None if relay.is_paused(context) else outbox.claim(context, ids)
        return Lease(row.id, row.introduction_id, row.recipient, str(row.lease)) if row else None


def _deliver_one(db: Database, settings: Settings, clock: Clock, smtp: SmtpSession, lease: Lease) -> None:
    outcome = _send(db, settings, clock, smtp, lease)
    _record(db, settings, lease, outcome, clock())
    of = f" of introduction {lease.introduction_id}" if lease.introduction_id else ""
    log.info("mail %s%s: %s", lease.mail_id, of, outcome.kind.value)


def _send(db: Database, settings: Settings, clock: Clock, smtp: SmtpSession, lease: Lease) -> Outcome:
    try:
        submission = _render(db, settings, lease, clock())
    except Exception as error:
        # A mail that cannot be rendered must not hold up the others; it is tried again and stays visible.
        log.exception("mail %s could not be rendered", lease.mail_id)
        return Outcome(Kind.RETRY, f"could not be rendered: {type(error).__name__}")
    if submission is None:
        return Outcome(Kind.UNWANTED, UNWANTED)
    sender, message, words = submission
    return smtp.send(
        sender, lease.recipient, message, fence=lambda: _fence(db, settings, lease, words, clock())
    )


def _render(db: Database, settings: Settings, lease: Lease, now: datetime) -> Submission | None:
    """Render the mail as it is now; None if nobody wants it any more."""
    with reading(db, settings, now) as context:
        row = context.session.get(OutboxMail, lease.mail_id)
        if row is None or is_suppressed(context.session, row.recipient, row.on_behalf_of):
            return None
        if not is_wanted(context, row):
            return None
        message, words = (row.body, None) if row.body is not None else compose(row, settings, now)
        return Submission(signed(Purpose.BOUNCE, row, settings), message, words)


def _fence(db: Database, settings: Settings, lease: Lease, words: SentWords | None, now: datetime) -> bool:
    """Commit the handover if, at this very moment, the mail may still go."""
    with writing(db, settings, now) as context:
        mail = LockedMail.of(context, lease.introduction_id, lease.mail_id)
        if mail is None or not mail.is_wanted():
            return False
        if not outbox.hand_over(context, mail.row, lease.key, words):
            return False
        if mail.introduction:
            decisions.apply(context, mail.introduction, HandedOver(mail.row.to, mail.row.kind))
        return True


def _record(db: Database, settings: Settings, lease: Lease, outcome: Outcome, now: datetime) -> None:
    with writing(db, settings, now) as context:
        mail = LockedMail.of(context, lease.introduction_id, lease.mail_id)
        if mail:
            mail.record(outcome, lease.key)
