"""/f/<token>: the page that asks whether the two are in touch."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.introductions import requests as introductions
from service.mail.tokens import Tokens
from service.store.models import Consent
from service.views.site import locale
from service.views.site.current import database, now, settings

pages = Blueprint("follow_up", __name__)
pages.before_request(locale.use_language_of_link(Tokens.read_follow_up, Consent))


@pages.get("/f/<token>")
def show(token: str) -> ResponseReturnValue:
    with database().reading() as session:
        consent = introductions.by_follow_up_link(session, settings(), token)
        introduction = consent.introduction
        other = introduction.other(consent.side)
        return render_template("follow_up.html", you=consent, other=other, case=introduction)


@pages.post("/f/<token>")
def confirm(token: str) -> ResponseReturnValue:
    said = request.form.get("answer")
    if said not in ("yes", "no"):
        abort(400)
    with database().transaction() as session:
        introductions.confirm(session, settings(), token, said == "yes", now())
    return redirect(url_for("follow_up.show", token=token), 303)
