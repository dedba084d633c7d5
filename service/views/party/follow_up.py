"""/f/<token>: whether the two are in touch."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.introductions import answers
from service.introductions.links import lock_consent, read_consent
from service.mail.tokens import Link, Tokens
from service.store.models import Consent
from service.views.site import links
from service.views.site.current import reading, writing

pages = Blueprint("follow_up", __name__)
links.require(pages, Tokens.read_follow_up, links.by_id(Consent))


@pages.get("/f/<token>")
def show(link: Link) -> ResponseReturnValue:
    with reading() as context:
        consent = read_consent(context.session, link)
        introduction = consent.introduction
        other = introduction.other(consent.side)
        return render_template("follow_up.html", you=consent, other=other, case=introduction)


@pages.post("/f/<token>")
def confirm(link: Link) -> ResponseReturnValue:
    said = request.form.get("answer")
    if said not in ("yes", "no"):
        abort(400)
    with writing() as context:
        consent = lock_consent(context.session, link)
        answers.confirm(context, consent, in_touch=said == "yes")
    return redirect(url_for("follow_up.show"), 303)
