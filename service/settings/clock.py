"""Where the time comes from. Everything else is given it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers with the present moment, aware, in UTC."""


def utc_now() -> datetime:
    return datetime.now(UTC)
