"""/never/<token>: other wishes than an answer. The link is in every ask; a button behind it decides."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from service.introductions import requests as introductions
from service.introductions import wishes
from service.introductions.wishes import Wish
from service.views.site import locale
from service.views.site.current import database, now, settings

from . import wishing

pages = Blueprint("never", __name__)
pages.before_request(locale.use_language_of_mail)


@pages.get("/never/<token>")
def show(token: str) -> ResponseReturnValue:
    with database().reading() as session:
        mail = introductions.by_never_link(session, settings(), token)
        return render_template(
            "never.html",
            address=mail.recipient,
            token=token,
            requester=mail.case.requester_name,
            offered=wishing.offered(mail.case, mail.to),
        )


@pages.post("/never/<token>")
def decide(token: str) -> ResponseReturnValue:
    """A button of the page, or a mail program's own: RFC 8058 has it post no wish, and follow no redirect."""
    with database().transaction() as session:
        mail = introductions.by_never_link(session, settings(), token)
        pressed = request.form.get("wish")
        wish = wishing.chosen(Wish.NEVER if pressed is None else pressed, mail.case, mail.to)
        requester = mail.case.requester_name
        wishes.by_mail_link(session, settings(), token, wish, now(), one_click=pressed is None)
    return wishing.done(wish, requester)
