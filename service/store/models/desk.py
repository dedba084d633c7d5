"""Who may sign in to the desk: the links that were asked for, and what ends every session of an address."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base
from .columns import BROWSER_LENGTH, MAX_EMAIL_LENGTH


class SignIn(Base):
    """A link to sign in, asked for by somebody; it works once, and only for a short time."""

    __tablename__ = "sign_ins"
    __table_args__ = (Index("ix_sign_ins_address_created_at", "address", "created_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH))
    email: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH))
    """As it is on record, and not as it was typed: a server may tell capital letters from small ones."""
    language: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    browser: Mapped[str | None] = mapped_column(String(BROWSER_LENGTH))
    suspect_at: Mapped[datetime | None]

    @property
    def mailed_at(self) -> datetime:
        """When the link was mailed, at the earliest."""
        return self.created_at

    def is_open(self, within: timedelta, now: datetime) -> bool:
        """Whether the link still works, ``within`` being SIGN_IN_WITHIN."""
        return self.used_at is None and now < self.created_at + within


class Desk(Base):
    """The desk of one address, written when its sessions are ended everywhere for the first time."""

    __tablename__ = "desks"

    address: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH), primary_key=True)
    generation: Mapped[int]
    """A session counts only while it names this number; without a row that is 0."""
