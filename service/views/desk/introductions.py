"""/desk: a requester's introductions, and each of them with its timeline and what can be done now."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session
from wtforms import Form, StringField

from service.desk import overview, timeline
from service.desk.overview import Show
from service.introductions import decisions
from service.language.languages import gettext, lazy_gettext
from service.store.context import Context
from service.store.models import Introduction
from service.views.quiz import MARKS
from service.views.requester import actions
from service.views.site.common import database, now, reading, settings
from service.views.site.forms import CorrectionForm
from service.views.site.visitors import Visitor, signed_in, visitor

pages = Blueprint("introductions", __name__)

SHOWN = {
    Show.ALL: lazy_gettext("All"),
    Show.OPEN: lazy_gettext("Open"),
    Show.UNREACHED: lazy_gettext("Not reached"),
    Show.INTRODUCED: lazy_gettext("Introduced"),
    Show.REFERRALS: lazy_gettext("Referrals"),
    Show.NOTHING: lazy_gettext("Didn’t go ahead"),
}
LONGEST_SEARCH = 200


class SearchForm(Form):
    """The words to look for in names, addresses and needs."""

    q = StringField(
        lazy_gettext("Search in names, addresses and needs"),
        render_kw={"autocomplete": "off"},
        filters=[str.strip],
    )


@pages.get("/desk")
@signed_in
def index() -> ResponseReturnValue:
    form = SearchForm(q=request.args.get("q", "")[:LONGEST_SEARCH])
    show = _shown(request.args.get("show", ""))
    number = request.args.get("page", 1, type=int)
    address = _visitor().address
    with database().reading() as session:
        return render_template(
            "introductions.html",
            form=form,
            show=show,
            choices=SHOWN,
            page_of=overview.page(session, settings(), address, show, now(), form.q.data or "", number),
            is_empty=not overview.has_any(session, address),
        )


@pages.get("/desk/introductions/<int:id>")
@signed_in
def show(id: int) -> ResponseReturnValue:
    who = _visitor()
    with reading() as context:
        session = context.session
        # On a request of their own an operator sees what every requester sees.
        if who.is_operator and not overview.find(session, id, who.address):
            return _history(session, overview.find(session, id) or abort(404))
        return _page(context, _own(context, id), CorrectionForm())


@pages.post("/desk/introductions/<int:id>")
@signed_in
def act(id: int) -> ResponseReturnValue:
    lock = partial(_lock_own, id=id)
    match request.form.get("action"):
        case "verify":
            actions.verify(lock)
        case "withdraw":
            actions.withdraw(lock)
        case "remind":
            actions.remind(lock)
        case "correct":
            if form := actions.correct(lock):
                with reading() as context:
                    return _page(context, _own(context, id), form), 422
        case _:
            abort(400)
    return redirect(url_for("introductions.show", id=id), 303)


@pages.errorhandler(CSRFError)
def expired(_: CSRFError) -> ResponseReturnValue:
    """The page was open for long, or in a browser that keeps no cookies; nothing typed can be lost here."""
    headline = gettext("Please press the button again: the page had been open for too long.")
    back = gettext("Nothing has changed.")
    return render_template("error.html", headline=headline, next_step=back, is_good=True), 400


def _page(context: Context, introduction: Introduction, form: CorrectionForm) -> str:
    session, settings, now = context.session, context.settings, context.now
    return render_template(
        "introduction.html",
        protected=True,
        next=overview.ahead(introduction, settings, now),
        may_remind=timeline.may_remind(session, settings, introduction, now),
        marks=overview.marks(introduction),
        sought_by=overview.sought_by(introduction),
        names=MARKS,
        timeline=timeline.timeline(session, settings, introduction, now),
        **actions.facts(context, introduction, form),
    )


def _history(session: Session, introduction: Introduction) -> str:
    """Every event and every mail, for the operator, who can change nothing here."""
    return render_template(
        "introduction_history.html",
        case=introduction,
        events=timeline.history(session, introduction),
        mails=timeline.mails(session, introduction),
    )


def _own(context: Context, id: int) -> Introduction:
    """An introduction that whoever is signed in asked for; for somebody else's there is no such page."""
    return overview.find(context.session, id, _visitor().address) or abort(404)


def _lock_own(context: Context, id: int) -> Introduction:
    return decisions.lock(context.session, _own(context, id).id)


def _visitor() -> Visitor:
    """Who is signed in; `signed_in` has seen to it that there is somebody."""
    return visitor() or abort(404)


def _shown(word: str) -> Show:
    return Show(word) if word in list(Show) else Show.ALL
