"""/requested: after the form, in the browser it was filled in with: the six digits from the mail."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from service.introductions import quotas, requests
from service.introductions.links import lock_requested, read_requested
from service.language.languages import ngettext
from service.lifecycle import AlreadyVerified
from service.mail.tokens import Tokens
from service.store.context import Context
from service.store.models import Introduction
from service.views.site import browser
from service.views.site.current import reading, settings, writing
from service.views.site.errors import EXPIRED
from service.views.site.security import keep_out_of_caches

from .forms import CodeForm

pages = Blueprint("requested", __name__)
pages.before_request(keep_out_of_caches)


@pages.get("/requested")
def show() -> ResponseReturnValue:
    with reading() as context:
        return _page(context, read_requested(context.session, browser.known()), CodeForm())


@pages.post("/requested")
def verify() -> ResponseReturnValue:
    form = CodeForm(request.form)
    with writing() as context:
        # The quotas are locked before any introduction.
        quotas.lock(context.session)
        introduction = lock_requested(context.session, browser.known())
        if introduction is None:
            return redirect(url_for("requested.show"), 303)
        if not form.validate() or not _verify(context, introduction, form):
            return _page(context, introduction, form), 422
        token = Tokens(settings().secret_keys).make_requester(introduction.id, introduction.version)
    return redirect(url_for("requester.show", token=token), 303)


@pages.errorhandler(CSRFError)
def expired(_: CSRFError) -> ResponseReturnValue:
    """Show the field once more, in a browser that lost its cookie or never took one."""
    with reading() as context:
        introduction = read_requested(context.session, browser.known())
        return _page(context, introduction, CodeForm(request.form), message=EXPIRED), 400


def _verify(context: Context, introduction: Introduction, form: CodeForm) -> bool:
    # The right digits once more: the page behind the link tells how things stand.
    with suppress(AlreadyVerified):
        if not requests.verify_by_code(context, introduction, form.code.data or ""):
            left = requests.code_tries_left(introduction)
            form.add_error(
                ngettext(
                    "That’s not the code in our newest email. You can try %(num)d more time.",
                    "That’s not the code in our newest email. You can try %(num)d more times.",
                    left,
                )
            )
            return False
    return True


def _page(context: Context, introduction: Introduction | None, form: CodeForm, message: str = "") -> str:
    return render_template(
        "requested.html",
        form=form,
        message=message,
        asked=introduction,
        is_verifiable=introduction is not None and requests.is_verifiable(context, introduction),
        tries_left=requests.code_tries_left(introduction) if introduction else 0,
    )
