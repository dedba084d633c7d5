"""/r/<token>: the requester's page of one introduction: confirm, follow, correct, withdraw.

In the browser that the form was filled in with one press does it. Elsewhere the page says first what was
asked for, as a stranger may have asked in somebody's name, and a choice and a press decide.
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.introductions import presses, quotas, requests
from service.introductions.links import lock_introduction, read_introduction
from service.introductions.presses import Undecided
from service.language.languages import spoken
from service.lifecycle import Role
from service.mail.tokens import Link, Tokens
from service.store.context import Context
from service.store.models import Introduction
from service.views.site import browser, choices, links
from service.views.site.current import reading, writing

from . import actions
from .forms import CorrectionForm

pages = Blueprint("requester", __name__)
links.require(pages, Tokens.read_requester, links.by_id(Introduction))

ACTIONS = ("verify", "withdraw", "correct")
"""What the page offers; the desk offers more."""


@pages.get("/r/<token>")
def show(link: Link) -> ResponseReturnValue:
    with reading() as context:
        return _page(context, read_introduction(context.session, link), CorrectionForm())


@pages.post("/r/<token>")
def act(link: Link) -> ResponseReturnValue:
    with writing() as context:
        # The quotas are locked before any introduction.
        quotas.lock(context.session)
        introduction = lock_introduction(context.session, link)
        action, why = _pressed(context, introduction)
        if why:
            return _page(context, introduction, CorrectionForm(request.form), why), choices.status(why)
        if action not in ACTIONS:
            abort(400)
        if form := actions.act(context, introduction, action):
            return _page(context, introduction, form), 422
        requests.choose_language(introduction, Role.REQUESTER, spoken())
    return redirect(url_for("requester.show"), 303)


def _pressed(context: Context, introduction: Introduction) -> tuple[str, Undecided | None]:
    """Tell what is to be done, and why not where a program may have pressed."""
    press = choices.read()
    if browser.has_asked_for(introduction):
        return request.form.get("action", press.choice), None
    return press.choice, presses.undecided(context, introduction, press)


def _page(
    context: Context, introduction: Introduction, form: CorrectionForm, undecided: Undecided | None = None
) -> str:
    return render_template(
        "requester.html",
        by_choice=not browser.has_asked_for(introduction),
        undecided=undecided,
        **actions.template_variables(context, introduction, form),
    )
