"""What went another way than hoped: each refusal has a page that says what happened and what to do next."""

from __future__ import annotations

from flask import Flask, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from service import lifecycle
from service.introductions.quotas import CannotBeAsked, NeverAgain
from service.introductions.requests import LinkReplaced
from service.language.languages import lazy_gettext
from service.mail.tokens import BadLink

from .security import is_private
from .speech import page_of

Page = tuple[int, str, str]
"""Status, headline, and what to do next."""

PAGES: dict[type[Exception], Page] = {
    BadLink: (
        404,
        lazy_gettext("This link is not complete."),
        lazy_gettext(
            "Please open it once more from the email, or copy the whole address: mail programs sometimes "
            "break a long line."
        ),
    ),
    LinkReplaced: (
        410,
        lazy_gettext("This link was replaced by a newer one."),
        lazy_gettext(
            "If you have just taken your answer back, that worked. The new link is in the latest email "
            "from us about this introduction."
        ),
    ),
    CannotBeAsked: (
        409,
        lazy_gettext("One of the two cannot be asked at the moment."),
        lazy_gettext("We cannot say more than that. Nothing new was sent. You may try again another day."),
    ),
    NeverAgain: (
        409,
        lazy_gettext("You asked us not to write to you again."),
        lazy_gettext(
            "So we cannot write to you, and nothing was changed. To change that, please write to the person "
            "who asked for this introduction, or to whoever runs this TwoYes."
        ),
    ),
    lifecycle.VerificationLapsed: (
        410,
        lazy_gettext("This request is not open any more."),
        lazy_gettext(
            "It was not confirmed in time, so nothing was sent to anyone. You are welcome to make it again."
        ),
    ),
    lifecycle.CaseClosed: (
        410,
        lazy_gettext("This introduction is not open any more."),
        lazy_gettext("Nothing was changed, and there is nothing left for you to do."),
    ),
    lifecycle.AlreadyLeft: (
        409,
        lazy_gettext("The introduction is already on its way."),
        lazy_gettext(
            "It can no longer be stopped or changed. If you would rather not, a short reply to it is enough."
        ),
    ),
    lifecycle.NotAsked: (
        409,
        lazy_gettext("There is nothing to answer here at the moment."),
        lazy_gettext("Nothing was changed. If there is a question for you, it reaches you by email."),
    ),
    lifecycle.NothingToUndo: (
        409,
        lazy_gettext("There is no answer to take back."),
        lazy_gettext("None of your answers is on record, so nothing was changed."),
    ),
    lifecycle.NotCorrectable: (
        409,
        lazy_gettext("This address cannot be corrected any more."),
        lazy_gettext(
            "That is possible once, while the address has not been reached and the request is open."
        ),
    ),
    lifecycle.NotIntroduced: (
        409,
        lazy_gettext("You have not been introduced yet."),
        lazy_gettext(
            "So there is nothing to confirm so far. Once the introduction has arrived, we ask you by email."
        ),
    ),
    lifecycle.TooSoon: (
        409,
        lazy_gettext("That was very quick: please press once more in a few seconds."),
        lazy_gettext(
            "Programs that look through email sometimes press buttons by themselves, so we take nothing that "
            "comes this soon after our mail. Nothing was changed."
        ),
    ),
    lifecycle.Refused: (
        409,
        lazy_gettext("That is not possible any more."),
        lazy_gettext("Nothing was changed. The latest email from us tells how things stand."),
    ),
}

HTTP: dict[int, tuple[str, str]] = {
    404: (
        lazy_gettext("There is no page here."),
        lazy_gettext("If you came by a link of ours, please open it once more from the email."),
    ),
    405: (
        lazy_gettext("This page cannot do that."),
        lazy_gettext("Please go back and use the buttons on the page."),
    ),
    413: (
        lazy_gettext("That was too much text."),
        lazy_gettext("Please go back and shorten what you wrote."),
    ),
    500: (
        lazy_gettext("Something went wrong on our side."),
        lazy_gettext("We are sorry. Please go back in a minute and look whether what you did is on record."),
    ),
}
EXPIRED = lazy_gettext("Please press the button once more: the page had been open for long.")
OTHERWISE = lazy_gettext("That did not work."), lazy_gettext("Please go back and try again.")


def register(app: Flask) -> None:
    for refusal in (BadLink, LinkReplaced, CannotBeAsked, NeverAgain, lifecycle.Refused):
        app.register_error_handler(refusal, _refused)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(HTTPException, _http)


def _refused(refusal: Exception) -> ResponseReturnValue:
    status, headline, next_step = next(PAGES[kind] for kind in type(refusal).mro() if kind in PAGES)
    # Only a link that was good may be offered again.
    is_good = isinstance(refusal, lifecycle.Refused | CannotBeAsked | NeverAgain)
    return render_template("error.html", headline=headline, next_step=next_step, is_good=is_good), status


def _expired(_: CSRFError) -> ResponseReturnValue:
    """Ask once more where the form was open in a browser that keeps no cookies, or keeps them no longer."""
    _, next_step = HTTP[405]
    return render_template("error.html", headline=EXPIRED, next_step=next_step, is_good=False), 400


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error
    if status == 405 and request.method == "GET" and is_private():
        # What a button behind a link came to has its address in the browser: a reload looks at the page.
        return redirect(page_of(request.path), 303)
    headline, next_step = HTTP.get(status, OTHERWISE)
    page = render_template("error.html", headline=headline, next_step=next_step, is_good=False)
    headers = [(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")]
    return page, status, headers
