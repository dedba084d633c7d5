"""/: the form with which an introduction is asked for, and its preview."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from service.desk import overview
from service.introductions import quotas, requests
from service.language.languages import gettext
from service.lifecycle import MailKind, Role
from service.mail.addresses import sender_name
from service.mail.render import Rendering, preview
from service.store.models import Introduction
from service.views.site import browser
from service.views.site.auth import current_user
from service.views.site.current import now, reading, settings, writing
from service.views.site.errors import EXPIRED
from service.views.site.security import keep_out_of_caches

from .forms import RequestForm

pages = Blueprint("request", __name__)


@pages.get("/")
def show() -> ResponseReturnValue:
    copied = request.args.get("copy", type=int)
    asked = None if copied is None else _to_copy(copied)
    form = RequestForm.of(asked) if asked else RequestForm()
    is_open = asked is not None and asked.state in quotas.OPEN
    return render_template("request.html", form=form, message="", copies_an_open_one=is_open)


@pages.post("/")
def submit() -> ResponseReturnValue:
    form = RequestForm(request.form)
    action = request.form.get("action", "send")
    if action == "edit":
        return render_template("request.html", form=form, message="")
    if not _fits(form):
        return render_template("request.html", form=form, message=""), 422
    return _preview(form) if action == "preview" else _send(form)


@pages.errorhandler(CSRFError)
def expired(_: CSRFError) -> ResponseReturnValue:
    """Show the form once more, with everything typed kept."""
    return render_template("request.html", form=RequestForm(request.form), message=EXPIRED), 400


def _to_copy(id: int) -> Introduction | None:
    """Find an introduction for whoever asked for it; for everybody else there is none."""
    keep_out_of_caches()
    user = current_user()
    with reading() as context:
        return overview.find(context.session, id, user.address) if user else None


def _fits(form: RequestForm) -> bool:
    """Validate the form, by the rules for newcomers as well where its requester is one, signed in or not."""
    fits = form.validate()
    if form.requester_email.errors:
        return False
    with reading() as context:
        if not requests.is_newcomer(context, form.requester_email.data or ""):
            return fits
    return form.fits_newcomer((sender_name(settings()),)) and fits


def _send(form: RequestForm) -> ResponseReturnValue:
    try:
        with writing() as context:
            requests.submit(context, form.to_request(), browser.word())
    except quotas.TooManyRequests:
        message = gettext(
            "This address has had as many requests as we take in a day. Please try again tomorrow."
        )
        return render_template("request.html", form=form, message=message), 429
    return redirect(url_for("requested.show"), 303)


def _preview(form: RequestForm) -> ResponseReturnValue:
    asked = form.to_request()
    introduction = requests.draft(asked, now())
    asks = [
        (consent.name, preview(introduction, MailKind.ASK, consent.side, settings()))
        for consent in introduction.consents
        if consent.side is not asked.requester_is
    ]
    both: Rendering = preview(introduction, MailKind.INTRODUCTION, Role.A, settings())
    return render_template("preview.html", form=form, asks=asks, introduction=both, case=introduction)
