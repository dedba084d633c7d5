"""`twoyes inbound`: a mail server hands a mail over on standard input, and reads the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from sqlalchemy.exc import SQLAlchemyError

from service.settings.clock import Clock
from service.settings.table import Settings
from service.store.db import Database

from . import envelope
from .handling import NULL_SENDER
from .store import Receipt, Way, receive_all


class Exit(IntEnum):
    """The exit codes that mail servers know (sysexits.h)."""

    OK = 0
    DATAERR = 65
    NOUSER = 67
    TEMPFAIL = 75
    CONFIG = 78


ANSWERS = {
    Receipt.STORED: (Exit.OK, ""),
    Receipt.DUPLICATE: (Exit.OK, ""),
    Receipt.TOO_MANY: (Exit.TEMPFAIL, "There are too many mails for this address; try again later."),
    Receipt.TOO_LARGE: (Exit.DATAERR, "This mail is too large."),
    Receipt.UNKNOWN_RECIPIENT: (Exit.NOUSER, "There is no such address here."),
}


def take(
    db: Database, settings: Settings, raw: bytes, sender: str | None, recipients: Sequence[str], clock: Clock
) -> tuple[Exit, str]:
    """Take a mail in; the exit code, and one plain sentence where the mail was not taken.

    What the mail server does not say of the envelope is read from the mail.
    """
    if settings.INBOUND_DOMAIN is None:
        return Exit.CONFIG, "INBOUND_DOMAIN: this setting is missing, so no mail can be taken in."
    to = list(recipients) or envelope.recipients(raw, settings)
    by = envelope.sender(raw) if sender is None else sender or NULL_SENDER
    try:
        return ANSWERS[receive_all(db, settings, raw, by, to, Way.PIPE, clock())]
    except SQLAlchemyError:
        return Exit.TEMPFAIL, "The database cannot be used; try again later."
