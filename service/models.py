"""The tables, and the constraints on what must never be.

The two-yes gate (docs/design.md, section 3): a row of the outbox that holds an introduction and has not
ended points with two foreign keys at two consents that stand at yes. So no such row can come to be
without both, and neither yes can be taken back under one.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from .columns import UtcDateTime, words
from .ledger import Entry, Facts, Marks, Outcome
from .lifecycle import Case, ConsentState, Envelope, MailKind, Order, Reason, Role, Side, State


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
        State: words(State),
        ConsentState: words(ConsentState),
        Envelope: words(Envelope),
        MailKind: words(MailKind),
        MailState: words(MailState),
        Order: words(Order),
        Outcome: words(Outcome),
        Reason: words(Reason),
        Role: words(Role),
        Need: words(Need),
        Sought: words(Sought),
        FirstWriter: words(FirstWriter),
    }


class Introduction(Base):
    """The whole case: two parties, one requester, one need."""

    __tablename__ = "introductions"
    __table_args__ = (
        CheckConstraint("requester_is IS NULL OR requester_is IN ('a', 'b')", name="requester_is_a_side"),
        CheckConstraint("state IN ('unverified', 'closed') OR verified_at IS NOT NULL", name="verified"),
        Index("ix_introductions_next_due_at", "next_due_at"),
        Index("ix_introductions_requester_address", "requester_address"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    requester_name: Mapped[str] = mapped_column(String(200))
    requester_email: Mapped[str] = mapped_column(String(254))
    requester_address: Mapped[str] = mapped_column(String(254))
    need: Mapped[str] = mapped_column(Text)
    need_of: Mapped[Need]
    sought: Mapped[Sought]
    first_writer: Mapped[FirstWriter]
    requester_language: Mapped[str] = mapped_column(String(8), default="en")
    version: Mapped[int] = mapped_column(default=1)
    next_due_at: Mapped[datetime | None]

    # The fields of lifecycle.Case, under the same names.
    created_at: Mapped[datetime]
    requester_is: Mapped[Role | None]
    order: Mapped[Order]
    reminders: Mapped[bool]
    cc_requester: Mapped[bool]
    state: Mapped[State] = mapped_column(default=State.UNVERIFIED)
    reason: Mapped[Reason | None]
    mailed_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    introduced_at: Mapped[datetime | None]
    followed_up_at: Mapped[datetime | None]
    summarised: Mapped[bool] = mapped_column(default=False)

    consents: Mapped[list[Consent]] = relationship(
        back_populates="introduction", order_by="Consent.side", cascade="all, delete-orphan", lazy="selectin"
    )

    def consent(self, role: Role) -> Consent:
        """The consent of side a or b."""
        return next(consent for consent in self.consents if consent.side is role)

    def other(self, role: Role) -> Consent:
        """The consent of the side across from ``role``."""
        return self.consent(Role.B if role is Role.A else Role.A)

    def party_of(self, mail: OutboxMail) -> Consent | None:
        """Whose consent a mail is about; None if it went to the requester, or the address was corrected."""
        if mail.to is Role.REQUESTER:
            return None
        consent = self.consent(mail.to)
        return consent if consent.address == canonical(mail.recipient) else None

    def to_case(self) -> Case:
        """This introduction as the kernel sees it."""
        fields = {name: getattr(self, name) for name in _names(Case)}
        return Case(**fields, a=self.consent(Role.A).to_side(), b=self.consent(Role.B).to_side())

    def take(self, case: Case) -> None:
        """Write what the kernel decided into this row and its consents."""
        for name in _names(Case):
            _assign(self, name, getattr(case, name))
        for consent in self.consents:
            consent.take(case.side(consent.side))

    def facts(self) -> Facts:
        """What people wrote or ticked, as far as the ledger's marks depend on it."""
        needs = {Need.A: {Role.A}, Need.B: {Role.B}, Need.BOTH: {Role.A, Role.B}}[self.need_of]
        looking = {consent.side for consent in self.consents if consent.looking}
        if self.requester_is and self.sought is Sought.YES:
            # The requester is the one with the need and has no answer page: the form is their word.
            looking.add(self.requester_is)
        endorsed = {consent.side for consent in self.consents if consent.endorsement}
        return Facts(self.need, frozenset(needs), frozenset(looking), frozenset(endorsed))


class Consent(Base):
    """One party's row: the ask, the words shown, the answer, and what they chose to share."""

    __tablename__ = "consents"
    __table_args__ = (
        UniqueConstraint("introduction_id", "side"),
        # What the two-yes gate of the outbox points at.
        UniqueConstraint("introduction_id", "agreed_side"),
        CheckConstraint("side IN ('a', 'b')", name="a_side"),
        CheckConstraint(
            "state NOT IN ('yes', 'no') OR (answered_at IS NOT NULL AND words_shown IS NOT NULL)",
            name="answer_has_evidence",
        ),
        Index("ix_consents_address", "address"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    introduction_id: Mapped[int] = mapped_column(ForeignKey("introductions.id"))
    side: Mapped[Role]
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    address: Mapped[str] = mapped_column(String(254))
    blurb: Mapped[str] = mapped_column(Text)
    endorsement: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(8), default="en")

    # The answer: what was on the page, how it was given, and what goes into the introduction.
    words_shown: Mapped[str | None] = mapped_column(Text)
    method: Mapped[str | None] = mapped_column(String(24))
    phone: Mapped[str] = mapped_column(String(40), default="")
    line: Mapped[str] = mapped_column(Text, default="")
    looking: Mapped[bool | None]

    # The fields of lifecycle.Side, under the same names.
    state: Mapped[ConsentState] = mapped_column(default=ConsentState.WAITING)
    asked_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answers: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    tells_requester: Mapped[bool] = mapped_column(default=False)
    corrected: Mapped[bool] = mapped_column(default=False)
    envelope: Mapped[Envelope] = mapped_column(default=Envelope.NONE)
    in_touch: Mapped[bool | None]
    mailed_at: Mapped[datetime | None]
    touched_at: Mapped[datetime | None]
    suspects: Mapped[int] = mapped_column(default=0)

    agreed_side: Mapped[str | None] = mapped_column(
        String(1), Computed("CASE WHEN state = 'yes' THEN side END", persisted=True)
    )
    introduction: Mapped[Introduction] = relationship(back_populates="consents")

    def to_side(self) -> Side:
        return Side(**{name: getattr(self, name) for name in _names(Side)})

    def take(self, side: Side) -> None:
        for name in _names(Side):
            _assign(self, name, getattr(side, name))


class OutboxMail(Base):
    """A mail that must leave. Only the introduction is stored ready; the rest is rendered when sent."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("introduction_id", "kind", "recipient", "round"),
        UniqueConstraint("tag"),
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
        CheckConstraint("kind <> 'introduction' OR (round = 1 AND body IS NOT NULL)", name="introduced_once"),
        CheckConstraint("(state IN ('leased', 'handover')) = (lease IS NOT NULL)", name="lease"),
        Index("ix_outbox_state_due_at", "state", "due_at"),
        # How many mails an address got lately, however it was spelled, for the cap on them.
        Index("ix_outbox_recipient_sent_at", text("lower(recipient)"), "sent_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    introduction_id: Mapped[int] = mapped_column(ForeignKey("introductions.id"))
    kind: Mapped[MailKind]
    to: Mapped[Role]
    recipient: Mapped[str] = mapped_column(String(254))
    round: Mapped[int] = mapped_column(default=1)
    message_id: Mapped[str] = mapped_column(String(200))
    tag: Mapped[str] = mapped_column(String(16), default=lambda: secrets.token_hex(8))
    """Names this mail in the addresses that replies and bounces come to; random, so that it tells nothing."""
    body: Mapped[bytes | None]
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
    reply: Mapped[str] = mapped_column(String(300), default="")
    bounces: Mapped[int] = mapped_column(default=0)
    bounced_at: Mapped[datetime | None]

    introduction: Mapped[Introduction] = relationship()


class Event(Base):
    """One line of an introduction's history: what happened, who did it, when."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_introduction_id", "introduction_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    introduction_id: Mapped[int] = mapped_column(ForeignKey("introductions.id"))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(24))
    name: Mapped[str] = mapped_column(String(60))
    detail: Mapped[dict[str, Any]]


class LedgerEntry(Base):
    """Referral or lead. The current entry of a case is the one that nothing superseded."""

    __tablename__ = "ledger"
    __table_args__ = (
        Index(
            "uq_ledger_one_current",
            "introduction_id",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
        CheckConstraint("(outcome = 'referral') = (reason IS NULL)", name="a_lead_has_a_reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    introduction_id: Mapped[int] = mapped_column(ForeignKey("introductions.id"))
    outcome: Mapped[Outcome]
    reason: Mapped[Reason | None]
    need_identified: Mapped[bool]
    actively_sought: Mapped[bool]
    introduced: Mapped[bool]
    endorsed: Mapped[bool]
    both_expect_it: Mapped[bool]
    recorded_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]

    @classmethod
    def of(cls, introduction_id: int, entry: Entry, now: datetime) -> LedgerEntry:
        return cls(
            introduction_id=introduction_id,
            outcome=entry.outcome,
            reason=entry.reason,
            recorded_at=now,
            **entry.marks.as_dict(),
        )

    def says(self) -> Entry:
        """This row as the ledger's value, to compare it with a newer judgement."""
        marks = Marks(**{field.name: getattr(self, field.name) for field in fields(Marks)})
        return Entry(self.outcome, self.reason, marks)


class Suppression(Base):
    """An address that must not be written to again, kept as a salted hash.

    With an empty ``requester_hash`` nobody may write to it; else only the requester of that address may not.
    """

    __tablename__ = "suppressions"

    address_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    requester_hash: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    created_at: Mapped[datetime]


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
    requester_address: Mapped[str] = mapped_column(String(254))
    reported_at: Mapped[datetime]
    dismissed_at: Mapped[datetime | None]


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
    message_id: Mapped[str] = mapped_column(String(250))
    sender: Mapped[str] = mapped_column(String(320))
    recipient: Mapped[str] = mapped_column(String(320))
    way: Mapped[str] = mapped_column(String(16))
    raw: Mapped[bytes | None]
    size: Mapped[int]
    received_at: Mapped[datetime]
    processed_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    outcome: Mapped[str] = mapped_column(String(40), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"))


class Installation(Base):
    """The one row that belongs to the whole installation: its salt, and the pause of its relay."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    address_salt: Mapped[str] = mapped_column(String(64))
    relay_paused_until: Mapped[datetime | None]
    relay_failures: Mapped[int] = mapped_column(default=0)
    relay_reply: Mapped[str] = mapped_column(String(300), default="")


def _names(kind: type[Case] | type[Side]) -> list[str]:
    """The kernel's field names that are columns; a case's two sides are rows of their own."""
    return [field.name for field in fields(kind) if field.name not in ("a", "b")]


def canonical(email: str) -> str:
    """The form in which two spellings of one address are the same; mail goes to the one as typed.

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


def _assign(row: Base, name: str, value: Any) -> None:
    """Assign only what changed, so that an unchanged row is not written."""
    if getattr(row, name) != value:
        setattr(row, name, value)
