"""Who may not be written to, who was reported, and what belongs to the whole installation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from service.lifecycle import Role

from .base import Base
from .columns import MAX_EMAIL_LENGTH, MAX_REPLY_LENGTH


class Suppression(Base):
    """An address that must not be written to again, kept as a salted hash.

    With an empty ``requester_hash`` nobody may write to it; else only the requester of that address may not.
    """

    __tablename__ = "suppressions"

    address_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    requester_hash: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    created_at: Mapped[datetime]
    one_click: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether a mail program's own button put it here (RFC 8058): then a later answer lifts it."""


class Report(Base):
    """Somebody said that a request is abuse; an operator looks at it and dismisses it, or not."""

    __tablename__ = "reports"
    __table_args__ = (
        UniqueConstraint("introduction_id", "side"),
        Index("ix_reports_requester_address", "requester_address"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    introduction_id: Mapped[int] = mapped_column(ForeignKey("introductions.id"))
    side: Mapped[Role]
    requester_address: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH))
    reported_at: Mapped[datetime]
    dismissed_at: Mapped[datetime | None]
    reporter_hash: Mapped[str | None] = mapped_column(String(64))
    """Who reported it, as the suppression list keeps an address: three persons are told from one by it."""
    taken_back_at: Mapped[datetime | None]


class Installation(Base):
    """The one row that belongs to the whole installation: its salt, and the pause of its relay."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    address_salt: Mapped[str] = mapped_column(String(64))
    relay_paused_until: Mapped[datetime | None]
    relay_failures: Mapped[int] = mapped_column(default=0)
    relay_reply: Mapped[str] = mapped_column(String(MAX_REPLY_LENGTH), default="")
