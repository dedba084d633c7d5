"""What an operator reads: the ledger, and the mails that need a person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import LedgerEntry, MailState, OutboxMail


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


def _as_dict(entry: LedgerEntry) -> dict[str, Any]:
    said = entry.says()
    return {
        "introduction": entry.introduction_id,
        "outcome": said.outcome.value,
        "reason": said.reason.value if said.reason else None,
        "marks": said.marks.as_dict(),
        "recorded_at": entry.recorded_at.isoformat(),
    }
