"""What an operator reads: the ledger, the mails that need a person, what arrived, and reports of abuse."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import InboundMail, LedgerEntry, MailState, OutboxMail, Report


def ledger(session: Session, history: bool = False) -> list[dict[str, Any]]:
    """The current ledger entries by introduction, or with ``history`` the superseded ones too."""
    entries = select(LedgerEntry).order_by(LedgerEntry.introduction_id, LedgerEntry.id)
    if not history:
        entries = entries.where(LedgerEntry.superseded_at.is_(None))
    return [_as_dict(entry) for entry in session.scalars(entries)]


def troubled_mails(session: Session) -> list[OutboxMail]:
    """Mails that failed for good, or of which nobody can know whether the relay took them."""
    troubled = select(OutboxMail).where(OutboxMail.state.in_((MailState.FAILED, MailState.UNKNOWN)))
    return list(session.scalars(troubled.order_by(OutboxMail.id)))


def received(session: Session, limit: int) -> list[dict[str, Any]]:
    """The latest mails that arrived, the newest first. Without tokens and senders, and without the mails."""
    latest = select(
        InboundMail.id,
        InboundMail.received_at,
        InboundMail.way,
        InboundMail.recipient,
        InboundMail.outcome,
        InboundMail.attempts,
    ).order_by(InboundMail.id.desc())
    return [
        {
            "id": row.id,
            "received_at": row.received_at.isoformat(),
            "way": row.way,
            # What stands before the plus sign says what the address is for; behind it is the token.
            "for": row.recipient.partition("@")[0].partition("+")[0],
            "outcome": row.outcome or "waiting",
            "failed_attempts": row.attempts,
        }
        for row in session.execute(latest.limit(limit))
    ]


def standing_reports(session: Session) -> list[Report]:
    """Reports of abuse that nobody has dismissed."""
    standing = select(Report).where(Report.dismissed_at.is_(None))
    return list(session.scalars(standing.order_by(Report.id)))


def _as_dict(entry: LedgerEntry) -> dict[str, Any]:
    said = entry.says()
    return {
        "introduction": entry.introduction_id,
        "outcome": said.outcome.value,
        "reason": said.reason.value if said.reason else None,
        "marks": said.marks.as_dict(),
        "recorded_at": entry.recorded_at.isoformat(),
    }
