"""The error pages: each says what happened and what to do next."""

from __future__ import annotations

from flask import Flask, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from service import lifecycle
from service.introductions.answers import NeverAgain
from service.introductions.links import LinkReplaced
from service.introductions.quotas import CannotBeAsked
from service.introductions.wishes import NothingToTakeBack
from service.language.languages import lazy_gettext
from service.mail.tokens import BadLink

from .locale import parent_page
from .security import is_private

Page = tuple[int, str, str]
"""HTTP status, headline, and what to do next."""

REFUSAL_PAGES: dict[type[Exception], Page] = {
    BadLink: (
        404,
        lazy_gettext("This link is incomplete."),
        lazy_gettext(
            "Please open it again from the email, or copy the whole address: email apps sometimes break long "
            "lines."
        ),
    ),
    LinkReplaced: (
        410,
        lazy_gettext("This link has been replaced by a newer one."),
        lazy_gettext(
            "If you’ve just taken your answer back, that worked. The new link is in our latest email about "
            "this introduction."
        ),
    ),
    CannotBeAsked: (
        409,
        lazy_gettext("One of the two can’t be asked right now."),
        lazy_gettext("We can’t say more than that. Nothing new was sent. You can try again another day."),
    ),
    NeverAgain: (
        409,
        lazy_gettext("You asked us not to write to you again."),
        lazy_gettext(
            "So we can’t write to you, and nothing has changed. If you’d like that to change, please write "
            "to the person who asked for this introduction, or to whoever runs this TwoYes."
        ),
    ),
    NothingToTakeBack: (
        409,
        lazy_gettext("There’s no report of yours to take back."),
        lazy_gettext("You haven’t reported this, or you’ve taken it back already. Nothing has changed."),
    ),
    lifecycle.VerificationLapsed: (
        410,
        lazy_gettext("This request is no longer open."),
        lazy_gettext(
            "It wasn’t confirmed in time, so nothing was sent to anyone. You’re welcome to make it again."
        ),
    ),
    lifecycle.CaseClosed: (
        410,
        lazy_gettext("This introduction is no longer open."),
        lazy_gettext("Nothing has changed, and there’s nothing more for you to do."),
    ),
    lifecycle.AlreadyLeft: (
        409,
        lazy_gettext("The introduction is already on its way."),
        lazy_gettext(
            "It can’t be stopped or changed any more. If you’d rather not go ahead, a short reply to it is "
            "enough."
        ),
    ),
    lifecycle.NotAsked: (
        409,
        lazy_gettext("There’s nothing to answer here right now."),
        lazy_gettext("Nothing has changed. If we have a question for you, we’ll email you."),
    ),
    lifecycle.NothingToUndo: (
        409,
        lazy_gettext("There’s no answer to take back."),
        lazy_gettext("We don’t have an answer from you, so nothing has changed."),
    ),
    lifecycle.NotCorrectable: (
        409,
        lazy_gettext("This address can’t be corrected any more."),
        lazy_gettext(
            "You can do that once, as long as the address hasn’t been reached and the request is open."
        ),
    ),
    lifecycle.NotIntroduced: (
        409,
        lazy_gettext("You haven’t been introduced yet."),
        lazy_gettext(
            "So there’s nothing to confirm yet. Once the introduction has arrived, we’ll ask you by email."
        ),
    ),
    lifecycle.Refused: (
        409,
        lazy_gettext("That’s no longer possible."),
        lazy_gettext("Nothing has changed. Our latest email says where things stand."),
    ),
}

HTTP_PAGES: dict[int, tuple[str, str]] = {
    404: (
        lazy_gettext("There’s no page here."),
        lazy_gettext("If you followed a link from us, please open it again from the email."),
    ),
    405: (
        lazy_gettext("This page can’t do that."),
        lazy_gettext("Please go back and use the buttons on the page."),
    ),
    413: (
        lazy_gettext("That was too much text."),
        lazy_gettext("Please go back and shorten what you wrote."),
    ),
    500: (
        lazy_gettext("Something went wrong on our side."),
        lazy_gettext("We’re sorry. Please go back in a minute and check whether what you did was saved."),
    ),
}
EXPIRED = lazy_gettext("Please press the button again: the page had been open for too long.")
DEFAULT_PAGE = lazy_gettext("That didn’t work."), lazy_gettext("Please go back and try again.")


def init_app(app: Flask) -> None:
    """Add the pages of refusals and of HTTP errors to an application."""
    for refusal in (BadLink, LinkReplaced, CannotBeAsked, NeverAgain, NothingToTakeBack, lifecycle.Refused):
        app.register_error_handler(refusal, _refused)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(HTTPException, _http)


def _refused(refusal: Exception) -> ResponseReturnValue:
    status, headline, next_step = next(
        REFUSAL_PAGES[kind] for kind in type(refusal).mro() if kind in REFUSAL_PAGES
    )
    # Only a link that was good may be offered again.
    is_good = isinstance(refusal, lifecycle.Refused | CannotBeAsked | NeverAgain | NothingToTakeBack)
    return render_template("error.html", headline=headline, next_step=next_step, is_good=is_good), status


def _expired(_: CSRFError) -> ResponseReturnValue:
    """Answer a form that was open in a browser that keeps no cookies, or keeps them no longer."""
    _, next_step = HTTP_PAGES[405]
    return render_template("error.html", headline=EXPIRED, next_step=next_step, is_good=False), 400


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error
    if status == 405 and request.method == "GET" and is_private():
        # What a button behind a link came to has its address in the browser: a reload looks at the page.
        return redirect(parent_page(request.path), 303)
    headline, next_step = HTTP_PAGES.get(status, DEFAULT_PAGE)
    page = render_template("error.html", headline=headline, next_step=next_step, is_good=False)
    headers = [(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")]
    return page, status, headers
