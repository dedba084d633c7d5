"""Column types that the tables share, and the limits of what a column takes."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import DateTime, Dialect, Enum
from sqlalchemy.types import TypeDecorator

MAX_ID = 2**31 - 1
"""The largest number that a row can have; databases refuse larger ones."""
MAX_EMAIL_LENGTH = 254
"""Characters of an address (RFC 3696, erratum 1690)."""
MAX_PATH_LENGTH = 320
"""Characters that are kept of an address in the envelope of a mail that arrived, which may be anything."""
MAX_MESSAGE_ID_LENGTH = 250
"""Characters of the Message-ID of a mail that arrived."""
MAX_PHONE_LENGTH = 40
BROWSER_LENGTH = 43
"""Characters of the random word that a browser is known by: 32 bytes in base64."""
MAX_REPLY_LENGTH = 300
"""Characters that are kept of what a relay said."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; SQLite has no zones, so they are put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


def enum_column(enum: type[StrEnum]) -> Enum:
    """Make a column that holds one of an enum's words, and that the database checks."""
    return Enum(
        enum,
        native_enum=False,
        create_constraint=True,
        length=24,
        name=enum.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )
