"""/r/<token>: the requester's page of one introduction: confirm, follow, correct, withdraw."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.introductions import requests as introductions
from service.mail.tokens import Tokens
from service.store.models import Introduction
from service.views.site import locale
from service.views.site.current import database, settings

from . import actions
from .forms import CorrectionForm

pages = Blueprint("requester", __name__)
pages.before_request(locale.use_language_of_link(Tokens.read_requester, Introduction))


@pages.get("/r/<token>")
def show(token: str) -> ResponseReturnValue:
    return _page(token, CorrectionForm())


@pages.post("/r/<token>")
def act(token: str) -> ResponseReturnValue:
    match request.form.get("action"):
        case "verify":
            actions.verify(token)
        case "withdraw":
            actions.withdraw(token)
        case "correct":
            if form := actions.correct(token):
                return _page(token, form), 422
        case _:
            abort(400)
    return redirect(url_for("requester.show", token=token), 303)


@pages.post("/r/<token>/language")
def language(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        introductions.choose_requester_language(session, settings(), token, locale.posted_language())
    return redirect(url_for("requester.show", token=token, lang=None), 303)


def _page(token: str, form: CorrectionForm) -> str:
    with database().reading() as session:
        introduction = introductions.by_requester_link(session, settings(), token)
        return render_template(
            "requester.html", token=token, **actions.template_variables(session, introduction, form)
        )
