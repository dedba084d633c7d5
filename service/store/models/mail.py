"""The mails that must leave, and those that arrived."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.lifecycle import About, Mail, MailKind, Role

from .base import Base, MailState
from .columns import MAX_EMAIL_LENGTH, MAX_MESSAGE_ID_LENGTH, MAX_PATH_LENGTH, MAX_REPLY_LENGTH
from .desk import SignIn
from .introduction import Introduction


class OutboxMail(Base):
    """A mail that must leave. Only what carries no link is stored ready; the rest is rendered when sent."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("introduction_id", "kind", "recipient", "number", "about"),
        UniqueConstraint("tag"),
        UniqueConstraint("sign_in_id"),
        Index(
            "uq_outbox_one_introduction_for_each",
            "introduction_id",
            "to",
            unique=True,
            sqlite_where=text("kind = 'introduction'"),
            postgresql_where=text("kind = 'introduction'"),
        ),
        ForeignKeyConstraint(
            ["introduction_id", "gate_a"],
            ["consents.introduction_id", "consents.agreed_side"],
            name="fk_outbox_gate_a",
        ),
        ForeignKeyConstraint(
            ["introduction_id", "gate_b"],
            ["consents.introduction_id", "consents.agreed_side"],
            name="fk_outbox_gate_b",
        ),
        # A comparison with NULL is neither true nor false and slips through a CHECK, hence IS NOT NULL.
        CheckConstraint(
            "kind <> 'introduction' OR state IN ('sent', 'failed', 'skipped') OR "
            "(gate_a IS NOT NULL AND gate_a = 'a' AND gate_b IS NOT NULL AND gate_b = 'b')",
            name="two_yeses",
        ),
        CheckConstraint(
            "kind <> 'introduction' OR (number = 1 AND about = 'case' AND body IS NOT NULL)",
            name="introduced_once",
        ),
        # Only a link to sign in and a mail to an operator belong to no introduction, so no introduction gets
        # past its gate that way.
        CheckConstraint(
            "(introduction_id IS NULL) = (kind IN ('sign_in', 'stopped')) AND "
            "(sign_in_id IS NOT NULL) = (kind = 'sign_in')",
            name="belongs_to_one",
        ),
        CheckConstraint("(state IN ('leased', 'handover')) = (lease IS NOT NULL)", name="lease"),
        Index("ix_outbox_state_due_at", "state", "due_at"),
        # How many mails an address got lately, however it was spelled, for the cap on them.
        Index("ix_outbox_recipient_sent_at", text("lower(recipient)"), "sent_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    introduction_id: Mapped[int | None] = mapped_column(ForeignKey("introductions.id"))
    sign_in_id: Mapped[int | None] = mapped_column(ForeignKey("sign_ins.id"))
    kind: Mapped[MailKind]
    to: Mapped[Role]
    recipient: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH))
    number: Mapped[int] = mapped_column(default=1)
    about: Mapped[About] = mapped_column(default=About.CASE)
    message_id: Mapped[str] = mapped_column(String(200))
    tag: Mapped[str] = mapped_column(String(16), default=lambda: secrets.token_hex(8))
    """Names this mail in the addresses that replies and bounces come to; random, so that it tells nothing."""
    body: Mapped[bytes | None]
    sent_subject: Mapped[str | None] = mapped_column(Text)
    sent_text: Mapped[str | None] = mapped_column(Text, deferred=True)
    sent_html: Mapped[str | None] = mapped_column(Text, deferred=True)
    """What an ask said when it was sent, with links and signed addresses masked: the words on record.

    Of any other mail to a party only the subject, which a reply to it repeats.
    """
    gate_a: Mapped[str | None] = mapped_column(String(1))
    gate_b: Mapped[str | None] = mapped_column(String(1))

    state: Mapped[MailState] = mapped_column(default=MailState.QUEUED)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    useful_until: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    handovers: Mapped[int] = mapped_column(default=0)
    lease: Mapped[str | None] = mapped_column(String(32))
    leased_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    reply: Mapped[str] = mapped_column(String(MAX_REPLY_LENGTH), default="")
    bounces: Mapped[int] = mapped_column(default=0)
    bounced_at: Mapped[datetime | None]

    introduction: Mapped[Introduction | None] = relationship()
    sign_in: Mapped[SignIn | None] = relationship()

    def to_mail(self) -> Mail:
        """Give this mail as the kernel sees it."""
        return Mail(self.kind, self.to, self.number, self.about)

    @property
    def case(self) -> Introduction:
        """The introduction of this mail; all have one but links to sign in and mails to operators."""
        if self.introduction is None:
            raise ValueError(f"mail {self.id} belongs to no introduction")
        return self.introduction

    @property
    def on_behalf_of(self) -> str:
        """The address of the requester on whose behalf this mail goes, or "" where there is none."""
        return self.introduction.requester_address if self.introduction else ""


class InboundMail(Base):
    """A mail that arrived. It is stored before it is acknowledged, and processed once."""

    __tablename__ = "inbound"
    __table_args__ = (
        UniqueConstraint("message_id", "recipient"),
        Index("ix_inbound_processed_at", "processed_at"),
        Index("ix_inbound_recipient_received_at", "recipient", "received_at"),
        # The mails that are kept, so that forgetting costs what is due and not what is stored.
        Index(
            "ix_inbound_kept",
            "received_at",
            sqlite_where=text("raw IS NOT NULL"),
            postgresql_where=text("raw IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(String(MAX_MESSAGE_ID_LENGTH))
    sender: Mapped[str] = mapped_column(String(MAX_PATH_LENGTH))
    recipient: Mapped[str] = mapped_column(String(MAX_PATH_LENGTH))
    way: Mapped[str] = mapped_column(String(16))
    raw: Mapped[bytes | None]
    size: Mapped[int]
    received_at: Mapped[datetime]
    processed_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    outcome: Mapped[str] = mapped_column(String(40), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"))
