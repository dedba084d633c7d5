"""GET /healthz: what a load balancer and an operator want to know."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from service.store.models import InboundMail, OutboxMail
from service.store.outbox import SENDABLE


def healthz() -> tuple[dict[str, Any], int]:
    """Return the state of the database, the broker, and the ages in seconds of the oldest mails that wait.

    One is due to leave, the other arrived and is not processed yet.
    503 when the database is away. Only the broker away is 200 and ``degraded``: mail still leaves,
    from the workers' own sweeps.
    """
    try:
        ages = _oldest()
    except SQLAlchemyError:
        unknown = dict.fromkeys(("oldest_queued_mail", "oldest_inbound_mail"))
        return {"status": "down", "database": "down", "broker": _broker(), **unknown}, 503
    broker = _broker()
    status = "ok" if broker == "up" else "degraded"
    return {"status": status, "database": "up", "broker": broker, **ages}, 200


def _broker() -> str:
    return "up" if current_app.extensions["nudger"].is_up() else "down"


def _oldest() -> dict[str, float | None]:
    now: datetime = current_app.config["CLOCK"]()
    due = select(func.min(OutboxMail.due_at)).where(OutboxMail.state.in_(SENDABLE), OutboxMail.due_at <= now)
    arrived = select(func.min(InboundMail.received_at)).where(InboundMail.processed_at.is_(None))
    with current_app.extensions["db"].reading() as session:
        return {
            "oldest_queued_mail": _age(session.scalar(due), now),
            "oldest_inbound_mail": _age(session.scalar(arrived), now),
        }


def _age(oldest: datetime | None, now: datetime) -> float | None:
    return (now - oldest).total_seconds() if oldest else None
