"""What all tables share: their words, their column types, and the form in which addresses are compared."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import JSON, MetaData
from sqlalchemy.orm import DeclarativeBase

from service.lifecycle import About, ConsentState, Envelope, MailKind, Order, Reason, Role, State
from service.lifecycle.ledger import Outcome

from .columns import UtcDateTime, enum_column


class Need(StrEnum):
    """Whose need it is."""

    A = "a"
    B = "b"
    BOTH = "both"


class Sought(StrEnum):
    """Whether the need is actively sought, as far as the requester knows."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


class FirstWriter(StrEnum):
    """Who writes first after the introduction."""

    A = "a"
    B = "b"
    EITHER = "either"


class MailState(StrEnum):
    """Where a mail of the outbox stands."""

    QUEUED = "queued"
    LEASED = "leased"
    HANDOVER = "handover"
    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class Base(DeclarativeBase):
    """What every table has: how its constraints are named, and how its columns are typed."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        About: enum_column(About),
        State: enum_column(State),
        ConsentState: enum_column(ConsentState),
        Envelope: enum_column(Envelope),
        MailKind: enum_column(MailKind),
        MailState: enum_column(MailState),
        Order: enum_column(Order),
        Outcome: enum_column(Outcome),
        Reason: enum_column(Reason),
        Role: enum_column(Role),
        Need: enum_column(Need),
        Sought: enum_column(Sought),
        FirstWriter: enum_column(FirstWriter),
    }


def canonical(email: str) -> str:
    """Give the form in which two spellings of one address are the same; mail goes to the one as typed.

    Case does not count, nor how a letter with an accent is put together, nor whether the domain is written
    in letters or in ASCII (IDNA).
    """
    local, at, domain = unicodedata.normalize("NFC", email.strip().lower()).rpartition("@")
    return f"{local}{at}{_ascii_domain(domain)}"


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        found = validate_email(f"x@{domain}", check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return domain
    return found.ascii_domain
