"""GET /healthz: what a load balancer and an operator want to know."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from .models import OutboxMail
from .outbox import SENDABLE


def healthz() -> tuple[dict[str, Any], int]:
    """The state of the database, the broker, and the age in seconds of the oldest mail that is due.

    503 when the database is away. Only the broker away is 200 and ``degraded``: mail still leaves,
    from the workers' own sweeps.
    """
    try:
        oldest = _oldest_due()
    except SQLAlchemyError:
        return {"status": "down", "database": "down", "broker": _broker(), "oldest_queued_mail": None}, 503
    broker = _broker()
    status = "ok" if broker == "up" else "degraded"
    return {"status": status, "database": "up", "broker": broker, "oldest_queued_mail": oldest}, 200


def _broker() -> str:
    return "up" if current_app.extensions["nudger"].is_up() else "down"


def _oldest_due() -> float | None:
    now: datetime = current_app.config["CLOCK"]()
    due = select(func.min(OutboxMail.due_at)).where(OutboxMail.state.in_(SENDABLE), OutboxMail.due_at <= now)
    with current_app.extensions["db"].reading() as session:
        oldest = session.scalar(due)
    return (now - oldest).total_seconds() if oldest else None
