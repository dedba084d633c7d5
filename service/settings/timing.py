"""The durations of the kernel, from the settings, and the moment that pages and mails promise by them."""

from __future__ import annotations

from datetime import datetime

from service.lifecycle import Timing

from .table import Settings


def timing(settings: Settings) -> Timing:
    """The durations that the kernel needs, from the settings."""
    return Timing(
        answer_within=settings.ANSWER_WITHIN,
        remind_after=settings.REMIND_AFTER,
        hold_for=settings.HOLD_FOR,
        follow_up_after=settings.FOLLOW_UP_AFTER,
        confirm_within=settings.CONFIRM_WITHIN,
        verify_within=settings.VERIFY_WITHIN,
        suspect_within=settings.SUSPECT_WITHIN,
    )


def introduced_by(closes_at: datetime, settings: Settings) -> datetime:
    """The latest moment at which the introduction leaves: the hold after a yes at the closing moment."""
    return closes_at + timing(settings).hold
