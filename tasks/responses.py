"""Following the answers and the clock."""

from celery import shared_task
from flask import current_app

from service import sweep as sweeping


@shared_task
def follow(introduction_ids: list[int]) -> None:
    """Tick the given introductions if they are due: after a second yes, for instance."""
    sweeping.tick(
        current_app.extensions["db"],
        current_app.config["SETTINGS"],
        current_app.config["CLOCK"],
        introduction_ids,
    )


@shared_task
def sweep() -> None:
    """Do everything that is due; the nudges only make it happen sooner."""
    sweeping.sweep(current_app.extensions["db"], current_app.config["SETTINGS"], current_app.config["CLOCK"])
