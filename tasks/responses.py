"""Following the answers and the clock."""

from celery import shared_task
from flask import current_app

from service.sweep import sweep as sweep_all
from service.sweep import tick


@shared_task
def follow(introduction_ids: list[int]) -> None:
    """Tick the given introductions if they are due: after a second yes, for instance."""
    tick(
        current_app.extensions["db"],
        current_app.config["SETTINGS"],
        current_app.config["CLOCK"],
        introduction_ids,
    )


@shared_task
def sweep() -> None:
    """Do everything that is due; the nudges only make it happen sooner."""
    sweep_all(current_app.extensions["db"], current_app.config["SETTINGS"], current_app.config["CLOCK"])
