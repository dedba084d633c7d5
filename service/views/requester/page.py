"""/r/<token>: the requester's page of one introduction: confirm, follow, correct, withdraw."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.introductions import requests
from service.introductions.links import lock_introduction, read_introduction
from service.lifecycle import Role
from service.mail.tokens import Link, Tokens
from service.store.context import Context
from service.store.models import Introduction
from service.views.site import links, locale
from service.views.site.current import reading, writing

from . import actions
from .forms import CorrectionForm

pages = Blueprint("requester", __name__)
links.require(pages, Tokens.read_requester, links.by_id(Introduction))


@pages.get("/r/<token>")
def show(link: Link) -> ResponseReturnValue:
    return _page(link, CorrectionForm())


@pages.post("/r/<token>")
def act(link: Link) -> ResponseReturnValue:
    lock = partial(_lock, link=link)
    match request.form.get("action"):
        case "verify":
            actions.verify(lock)
        case "withdraw":
            actions.withdraw(lock)
        case "correct":
            if form := actions.correct(lock):
                return _page(link, form), 422
        case _:
            abort(400)
    return redirect(url_for("requester.show"), 303)


@pages.post("/r/<token>/language")
def language(link: Link) -> ResponseReturnValue:
    with writing() as context:
        requests.choose_language(_lock(context, link), Role.REQUESTER, locale.posted_language())
    return redirect(url_for("requester.show", lang=None), 303)


def _page(link: Link, form: CorrectionForm) -> str:
    with reading() as context:
        introduction = read_introduction(context.session, link)
        return render_template("requester.html", **actions.template_variables(context, introduction, form))


def _lock(context: Context, link: Link) -> Introduction:
    return lock_introduction(context.session, link)
