"""/never/<token>: never hear from us again. The link is in every ask; a button behind it decides."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service import introductions

from .common import database, now, settings
from .security import hide_link

pages = Blueprint("never", __name__)
pages.before_request(hide_link)


@pages.get("/never/<token>")
def show(token: str) -> ResponseReturnValue:
    with database().reading() as session:
        mail = introductions.by_never_link(session, settings(), token)
        return render_template("never.html", address=mail.recipient, token=token)


@pages.post("/never/<token>")
def decide(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        introductions.never_by_mail_link(session, settings(), token, now())
    # Rendered after the commit: what the page says is saved.
    return render_template("never_done.html")
