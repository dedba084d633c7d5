"""Processing mails that arrived."""

from celery import shared_task
from flask import current_app

from service.inbound import store


@shared_task
def process(inbound_ids: list[int]) -> None:
    """Let the given mails have their effect. Safe to run twice: a mail that had it is left alone."""
    store.process(
        current_app.extensions["db"], current_app.config["SETTINGS"], current_app.config["CLOCK"], inbound_ids
    )
