"""/desk: a requester's introductions, and each of them with its timeline and what can be done now."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session

from service.desk import overview
from service.desk.overview import StatusFilter
from service.desk.timeline import agreed, history, mails, may_remind, timeline
from service.introductions import decisions, quotas
from service.language.languages import gettext, lazy_gettext
from service.store.context import Context
from service.store.models import Introduction
from service.views.requester import actions
from service.views.requester.forms import CorrectionForm
from service.views.site.auth import User, current_user, sign_in_required
from service.views.site.current import database, now, reading, settings, writing
from service.views.site.errors import EXPIRED
from service.views.site.marks import MARKS

from .forms import MAX_SEARCH_LENGTH, SearchForm

pages = Blueprint("introductions", __name__)

FILTERS = {
    StatusFilter.ALL: lazy_gettext("All"),
    StatusFilter.OPEN: lazy_gettext("Open"),
    StatusFilter.UNREACHED: lazy_gettext("Not reached"),
    StatusFilter.INTRODUCED: lazy_gettext("Introduced"),
    StatusFilter.REFERRALS: lazy_gettext("Referrals"),
    StatusFilter.NOTHING: lazy_gettext("Didn’t go ahead"),
}


@pages.get("/desk")
@sign_in_required
def index() -> ResponseReturnValue:
    form = SearchForm(q=request.args.get("q", "")[:MAX_SEARCH_LENGTH])
    status_filter = _status_filter(request.args.get("show", ""))
    number = request.args.get("page", 1, type=int)
    address = _user().address
    search = form.q.data or ""
    with database().reading() as session:
        return render_template(
            "introductions.html",
            form=form,
            status_filter=status_filter,
            filters=FILTERS,
            results=overview.page(
                session, settings(), address, status_filter, now(), search=search, number=number
            ),
            is_empty=not overview.has_any(session, address),
        )


@pages.get("/desk/introductions/<int:id>")
@sign_in_required
def show(id: int) -> ResponseReturnValue:
    user = _user()
    with reading() as context:
        session = context.session
        # On a request of their own an operator sees what every requester sees.
        if user.is_operator and not overview.find(session, id, user.address):
            return _history(session, overview.find(session, id) or abort(404))
        return _page(context, _own(context, id), CorrectionForm())


@pages.post("/desk/introductions/<int:id>")
@sign_in_required
def act(id: int) -> ResponseReturnValue:
    with writing() as context:
        # The quotas are locked before any introduction.
        quotas.lock(context.session)
        introduction = decisions.lock(context.session, _own(context, id).id)
        if form := actions.act(context, introduction, request.form.get("action", "")):
            return _page(context, introduction, form), 422
    return redirect(url_for("introductions.show", id=id), 303)


@pages.errorhandler(CSRFError)
def expired(_: CSRFError) -> ResponseReturnValue:
    """Say that the form was open for long, or in a browser without cookies; nothing typed is lost here."""
    next_step = gettext("Nothing has changed.")
    return render_template("error.html", headline=EXPIRED, next_step=next_step, is_good=True), 400


def _page(context: Context, introduction: Introduction, form: CorrectionForm) -> str:
    session, settings, now = context.session, context.settings, context.now
    return render_template(
        "introduction.html",
        protected=True,
        next_step=overview.next_step(introduction, settings, now),
        may_remind=may_remind(session, settings, introduction, now),
        marks=overview.visible_marks(introduction),
        sought_by=overview.sought_by(introduction),
        mark_texts=MARKS,
        timeline=timeline(session, settings, introduction, now),
        agreed=agreed(introduction),
        **actions.template_variables(context, introduction, form),
    )


def _history(session: Session, introduction: Introduction) -> str:
    """Every event and every mail, for the operator, who can change nothing here."""
    return render_template(
        "introduction_history.html",
        case=introduction,
        events=history(session, introduction),
        mails=mails(session, introduction),
    )


def _own(context: Context, id: int) -> Introduction:
    """Return an introduction of the user who is signed in. Aborts with 404 for any other."""
    return overview.find(context.session, id, _user().address) or abort(404)


def _user() -> User:
    """Return who is signed in. Aborts with 404 where nobody is."""
    return current_user() or abort(404)


def _status_filter(value: str) -> StatusFilter:
    return StatusFilter(value) if value in list(StatusFilter) else StatusFilter.ALL
