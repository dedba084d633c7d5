"""The introduction, its two consents, its history, and its entry in the ledger."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.lifecycle import Case, ConsentState, Envelope, Order, Reason, Role, Side, State
from service.lifecycle.ledger import Entry, Facts, Marks, Outcome

from .base import Base, FirstWriter, Need, Sought, canonical
from .columns import BROWSER_LENGTH, MAX_EMAIL_LENGTH, MAX_PHONE_LENGTH

if TYPE_CHECKING:
    from .mail import OutboxMail


class Introduction(Base):
    """The whole case: two parties, one requester, one need."""

    __tablename__ = "introductions"
    __table_args__ = (
        CheckConstraint("requester_is IS NULL OR requester_is IN ('a', 'b')", name="requester_is_a_side"),
        CheckConstraint("state IN ('unverified', 'closed') OR verified_at IS NOT NULL", name="verified"),
        Index("ix_introductions_next_due_at", "next_due_at"),
        Index("ix_introductions_requester_address", "requester_address"),
        Index("ix_introductions_browser", "browser"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    requester_name: Mapped[str] = mapped_column(String(200))
    requester_email: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH))
    requester_address: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH))
    need: Mapped[str] = mapped_column(Text)
    need_of: Mapped[Need]
    sought: Mapped[Sought]
    first_writer: Mapped[FirstWriter]
    requester_language: Mapped[str] = mapped_column(String(8), default="en")
    version: Mapped[int] = mapped_column(default=1)
    next_due_at: Mapped[datetime | None]
    browser: Mapped[str | None] = mapped_column(String(BROWSER_LENGTH))
    """Which browser filled in the form: its cookie holds the same random word."""
    code_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often the six digits of the verification mail were typed wrongly."""
    suspect_at: Mapped[datetime | None]
    """When a program pressed buttons behind the requester's link."""

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
        """Give the consent of side a or b."""
        return next(consent for consent in self.consents if consent.side is role)

    def other(self, role: Role) -> Consent:
        """Give the consent of the side across from ``role``."""
        return self.consent(Role.B if role is Role.A else Role.A)

    def party_of(self, mail: OutboxMail) -> Consent | None:
        """Find whose consent a mail is about; None if it is the requester's, or the address was corrected."""
        if mail.to is Role.REQUESTER:
            return None
        consent = self.consent(mail.to)
        return consent if consent.address == canonical(mail.recipient) else None

    def to_case(self) -> Case:
        """Give this introduction as the kernel sees it."""
        fields = {name: getattr(self, name) for name in _names(Case)}
        return Case(**fields, a=self.consent(Role.A).to_side(), b=self.consent(Role.B).to_side())

    def take(self, case: Case) -> None:
        """Write what the kernel decided into this row and its consents."""
        for name in _names(Case):
            _assign(self, name, getattr(case, name))
        for consent in self.consents:
            consent.take(case.side(consent.side))

    def facts(self) -> Facts:
        """Gather what people wrote or ticked, as far as the ledger's marks depend on it."""
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
    email: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH))
    address: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH))
    blurb: Mapped[str] = mapped_column(Text)
    endorsement: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(8), default="en")

    # The answer: what was on the page, how it was given, and what goes into the introduction.
    words_shown: Mapped[str | None] = mapped_column(Text)
    method: Mapped[str | None] = mapped_column(String(24))
    phone: Mapped[str] = mapped_column(String(MAX_PHONE_LENGTH), default="")
    line: Mapped[str] = mapped_column(Text, default="")
    looking: Mapped[bool | None]
    suspect_at: Mapped[datetime | None]
    """When a program pressed buttons behind this side's links: since then a word must be typed."""

    # The fields of lifecycle.Side, under the same names.
    state: Mapped[ConsentState] = mapped_column(default=ConsentState.WAITING)
    asked_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]
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
        """Give this row as the ledger's value, to compare it with a newer judgement."""
        marks = Marks(**{field.name: getattr(self, field.name) for field in fields(Marks)})
        return Entry(self.outcome, self.reason, marks)


def _names(kind: type[Case | Side]) -> list[str]:
    """List the kernel's field names that are columns; a case's two sides are rows of their own."""
    return [field.name for field in fields(kind) if field.name not in ("a", "b")]


def _assign(row: Base, name: str, value: Any) -> None:
    """Assign only what changed, so that an unchanged row is not written."""
    if getattr(row, name) != value:
        setattr(row, name, value)
