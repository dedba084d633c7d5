"""The one way in: every mail that arrives, by whatever way, is stored here, and processed once.

`receive` stores it, in a transaction that is committed before anybody says that it was taken. `process` lets
it have its effect, nudged by that commit or called by a sweep. The address that a mail came to says what it
is about, so one that we have not signed is refused before anything is read or stored.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from service.settings.clock import Clock
from service.settings.table import Settings
from service.store.context import Context
from service.store.db import Database, nudge, one_at_a_time
from service.store.models import InboundMail, canonical
from service.store.models.columns import MAX_MESSAGE_ID_LENGTH, MAX_PATH_LENGTH

from . import envelope, handling, room

ADVISORY_LOCK = 0x496E626F756E64
"""The number of PostgreSQL's advisory lock for the limits of what arrives: "Inbound" in ASCII."""
TASK = "tasks.inbound.process"
FAILED = "failed"
"""The outcome of a mail that could not be processed: something is broken on our side."""
MAX_ATTEMPTS = 10
FIRST_PAUSE = timedelta(seconds=30)
"""Before a mail is tried again; it doubles each time, so the last attempt comes after some four hours."""
BATCH = 100
"""How many mails one sweep takes up; the next one takes the rest."""

log = logging.getLogger(__name__)


class Way(StrEnum):
    """How a mail came in."""

    LMTP = "lmtp"
    WEBHOOK = "webhook"


class Receipt(StrEnum):
    """What became of a mail at the door. Only the first two are acknowledged."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """This very mail was stored before, for the same address."""
    TOO_MANY = "too many"
    """This address has had INBOUND_PER_HOUR mails within the last hour. Temporary."""
    TOO_MUCH = "too much"
    """One of the limits in bytes is used up (`inbound.room`). Temporary."""
    TOO_LARGE = "too large"
    UNKNOWN_RECIPIENT = "unknown recipient"
    """Not an address of ours, or one with a signature that is not ours."""


# --- Storing ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Delivery:
    """A mail as it was brought, for one recipient."""

    raw: bytes
    sender: str
    """The bare address; `envelope.NULL_SENDER` is the null sender, and "" one that nobody told us.

    On record, the From line takes the place of the latter.
    """
    recipient: str
    way: Way


def receive(db: Database, settings: Settings, delivery: Delivery, now: datetime) -> Receipt:
    """Store a mail for one recipient, or refuse it; the answer is given after the commit.

    Raises SQLAlchemyError where the database is away, and nothing else, whatever was brought.
    """
    purpose = envelope.purpose(delivery.recipient, settings)
    if purpose is None:
        return Receipt.UNKNOWN_RECIPIENT
    if len(delivery.raw) > room.max_size(purpose, settings):
        return Receipt.TOO_LARGE
    mail = InboundMail(
        message_id=message_id(delivery.raw),
        sender=_printable(delivery.sender or envelope.author(delivery.raw)).lower()[:MAX_PATH_LENGTH],
        recipient=canonical(delivery.recipient),
        way=delivery.way,
        raw=delivery.raw,
        size=len(delivery.raw),
        received_at=now,
    )
    with db.transaction() as session:
        return _store(session, settings, mail)


def receive_all(db: Database, settings: Settings, deliveries: Iterable[Delivery], now: datetime) -> Receipt:
    """Store a mail for each of its recipients, where the other side hears only one answer.

    What is temporary goes first: the other side sends again, and what was stored is then a duplicate. Raises
    as `receive` does.
    """
    receipts = {receive(db, settings, delivery, now) for delivery in deliveries}
    order = (Receipt.TOO_MANY, Receipt.TOO_MUCH, Receipt.STORED, Receipt.DUPLICATE, Receipt.TOO_LARGE)
    return next((receipt for receipt in order if receipt in receipts), Receipt.UNKNOWN_RECIPIENT)


def _store(session: Session, settings: Settings, mail: InboundMail) -> Receipt:
    # Who counts waits for whoever counted before, or all of a crowd would find the last of the room.
    one_at_a_time(session, ADVISORY_LOCK)
    if _is_known(session, mail):
        return Receipt.DUPLICATE
    lately = select(func.count()).where(
        InboundMail.recipient == mail.recipient,
        InboundMail.received_at > mail.received_at - timedelta(hours=1),
    )
    if (session.scalar(lately) or 0) >= settings.INBOUND_PER_HOUR:
        return Receipt.TOO_MANY
    about = handling.mail_of(session, envelope.tag(mail.recipient, settings))
    if not room.can_fit(settings, mail, about):
        return Receipt.TOO_LARGE
    if not room.has_room(session, settings, mail, about):
        return Receipt.TOO_MUCH
    mail.outbox_id = about.id if about else None
    session.add(mail)
    session.flush()
    nudge(session, TASK, mail.id)
    return Receipt.STORED


def _is_known(session: Session, mail: InboundMail) -> bool:
    same = select(InboundMail.id).where(
        InboundMail.message_id == mail.message_id, InboundMail.recipient == mail.recipient
    )
    return session.scalar(same) is not None


def message_id(raw: bytes) -> str:
    """Return the Message-ID (RFC 5322 3.6.4), or a hash of the mail where it has no usable one."""
    head = re.split(rb"\r?\n\r?\n|\r\r", raw, maxsplit=1)[0]
    found = re.search(rb"(?im)^message-id[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)", head)
    written = b" ".join(found[1].split()).decode("ascii", "replace") if found else ""
    if written and len(written) <= MAX_MESSAGE_ID_LENGTH and written.isascii() and written.isprintable():
        return written
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


# --- Processing -------------------------------------------------------------------------------------


def process(db: Database, settings: Settings, clock: Clock, ids: Sequence[int]) -> None:
    """Let the given mails have their effect, each in a transaction of its own; one that had it is left alone.

    What is broken on our side is logged and tried again by a sweep. Raises only when the database is away.
    """
    for inbound_id in ids:
        try:
            if _begin(db, clock, inbound_id):
                _process_one(db, settings, clock, inbound_id)
        except Exception:
            # One mail that we cannot handle must not keep the others waiting.
            log.exception("inbound mail %s could not be processed", inbound_id)


def _begin(db: Database, clock: Clock, inbound_id: int) -> bool:
    """Count an attempt before it is made: a mail that kills its worker must not be taken up for ever."""
    with db.transaction() as session:
        mail = _lock(session, inbound_id)
        if mail is None:
            return False
        if mail.attempts >= MAX_ATTEMPTS:
            mail.outcome, mail.processed_at = FAILED, clock()
            return False
        mail.attempts += 1
        return True


def _process_one(db: Database, settings: Settings, clock: Clock, inbound_id: int) -> None:
    with db.transaction() as session:
        mail = _lock(session, inbound_id)
        if mail:
            handling.handle(Context(session, settings, clock()), mail)
            mail.processed_at = clock()
            log.info("inbound mail %s: %s", inbound_id, mail.outcome)


def _lock(session: Session, inbound_id: int) -> InboundMail | None:
    """Return the mail, if it is still to be processed and nobody else is about it."""
    unprocessed = select(InboundMail).where(InboundMail.id == inbound_id, InboundMail.processed_at.is_(None))
    return session.scalars(unprocessed.with_for_update(skip_locked=True)).first()


def process_due(db: Database, settings: Settings, clock: Clock) -> None:
    """Process what no nudge has reached, and what failed and has waited for its next attempt."""
    now = clock()
    waited = (
        and_(InboundMail.attempts == attempts, InboundMail.received_at <= now - _wait(attempts))
        for attempts in range(1, MAX_ATTEMPTS + 1)
    )
    due = select(InboundMail.id).where(
        InboundMail.processed_at.is_(None), or_(InboundMail.attempts == 0, *waited)
    )
    with db.reading() as session:
        ids = list(session.scalars(due.order_by(InboundMail.id).limit(BATCH)))
    process(db, settings, clock, ids)


def _wait(attempts: int) -> timedelta:
    """Return the time from the arrival of a mail to its next attempt, after so many that failed."""
    return FIRST_PAUSE * ((1 << attempts) - 1)


def forget(db: Database, settings: Settings, clock: Clock) -> None:
    """Forget mails older than INBOUND_KEEP. What they came to stays, and that they were here once."""
    old = select(InboundMail.id).where(
        InboundMail.raw.is_not(None),
        InboundMail.processed_at.is_not(None),
        InboundMail.received_at <= clock() - settings.INBOUND_KEEP,
    )
    with db.reading() as session:
        ids = list(session.scalars(old.order_by(InboundMail.received_at).limit(BATCH)))
    if ids:
        with db.transaction() as session:
            session.execute(update(InboundMail).where(InboundMail.id.in_(ids)).values(raw=None, sender=""))
