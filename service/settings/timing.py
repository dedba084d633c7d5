"""The durations that `service.lifecycle` works with, from the settings."""

from __future__ import annotations

from datetime import datetime

from service.lifecycle import Timing

from .table import Settings


def timing(settings: Settings) -> Timing:
    """Return the durations that the kernel needs."""
    return Timing(
        answer_within=settings.ANSWER_WITHIN,
        remind_after=settings.REMIND_AFTER,
        hold_for=settings.HOLD_FOR,
        follow_up_after=settings.FOLLOW_UP_AFTER,
        confirm_within=settings.CONFIRM_WITHIN,
        verify_within=settings.VERIFY_WITHIN,
        suspect_within=settings.SUSPECT_WITHIN,
    )


def introduction_deadline(closes_at: datetime, settings: Settings) -> datetime:
    """Return the latest moment at which the introduction is sent: a yes at the last moment, and the hold."""
    return closes_at + timing(settings).hold
