"""Delivering mails."""

from celery import shared_task
from flask import current_app

from service.delivery.deliver import deliver as deliver_mails


@shared_task
def deliver(mail_ids: list[int]) -> None:
    """Send the given mails if they are still due. Safe to run twice: a lease lets one run have each."""
    deliver_mails(
        current_app.extensions["db"], current_app.config["SETTINGS"], current_app.config["CLOCK"], mail_ids
    )
