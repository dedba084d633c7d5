"""What went another way than hoped: each refusal has a page that says what happened and what to do next."""

from __future__ import annotations

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from service import lifecycle
from service.introductions import LinkReplaced
from service.limits import CannotBeAsked, NeverAgain
from service.tokens import BadLink

from . import request as request_page

Page = tuple[int, str, str]
"""Status, headline, and what to do next."""

PAGES: dict[type[Exception], Page] = {
    BadLink: (
        404,
        "This link is not complete",
        "Please open it once more from the email, or copy the whole address: mail programs sometimes break "
        "a long line.",
    ),
    LinkReplaced: (
        410,
        "This link was replaced by a newer one",
        "If you have just taken your answer back, that worked. The new link is in the latest email from us "
        "about this introduction.",
    ),
    CannotBeAsked: (
        409,
        "One of the two cannot be asked at the moment",
        "We cannot say more than that. Nothing new was sent. You may try again another day.",
    ),
    NeverAgain: (
        409,
        "You asked us never to contact you again",
        "So we cannot write to you, and nothing was changed. To change that, please write to the person who "
        "asked for this introduction, or to whoever runs this TwoYes.",
    ),
    lifecycle.AlreadyVerified: (
        409,
        "You have confirmed this request before",
        "All is well, and nothing was sent twice. Your page shows how things stand.",
    ),
    lifecycle.VerificationLapsed: (
        410,
        "This request is not open any more",
        "It was not confirmed in time, so nothing was sent to anyone. You are welcome to make it again.",
    ),
    lifecycle.CaseClosed: (
        410,
        "This introduction is not open any more",
        "Nothing was changed, and there is nothing left for you to do.",
    ),
    lifecycle.AlreadyLeft: (
        409,
        "The introduction is already on its way",
        "It can no longer be stopped or changed. If you would rather not, a short reply to it is enough.",
    ),
    lifecycle.NotAsked: (
        409,
        "There is nothing to answer here at the moment",
        "Nothing was changed. If there is a question for you, it reaches you by email.",
    ),
    lifecycle.NothingToUndo: (
        409,
        "There is no answer to take back",
        "None of your answers is on record, so nothing was changed.",
    ),
    lifecycle.NotCorrectable: (
        409,
        "This address cannot be corrected any more",
        "That is possible once, while the address has not been reached and the request is open.",
    ),
    lifecycle.NotIntroduced: (
        409,
        "You have not been introduced yet",
        "So there is nothing to confirm so far. Once the introduction has arrived, we ask you by email.",
    ),
    lifecycle.Refused: (
        409,
        "That is not possible any more",
        "Nothing was changed. The latest email from us tells how things stand.",
    ),
}

HTTP: dict[int, tuple[str, str]] = {
    404: ("There is no page here", "If you came by a link of ours, please open it once more from the email."),
    405: ("This page cannot do that", "Please go back and use the buttons on the page."),
    413: ("That was too much text", "Please go back and shorten what you wrote."),
    500: (
        "Something went wrong on our side",
        "We are sorry. Please go back in a minute and look whether what you did is on record.",
    ),
}


def register(app: Flask) -> None:
    for refusal in (BadLink, LinkReplaced, CannotBeAsked, NeverAgain, lifecycle.Refused):
        app.register_error_handler(refusal, _refused)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(HTTPException, _http)


def _refused(refusal: Exception) -> ResponseReturnValue:
    status, headline, next_step = next(PAGES[kind] for kind in type(refusal).mro() if kind in PAGES)
    # Only a link that was good may be offered again.
    back = request.path if isinstance(refusal, lifecycle.Refused | CannotBeAsked | NeverAgain) else ""
    return render_template("error.html", headline=headline, next_step=next_step, back=_page_of(back)), status


def _page_of(path: str) -> str:
    """The page that a button stands on: /a/<token>/undo belongs to /a/<token>."""
    return "/".join(path.split("/")[:3])


def _expired(_: CSRFError) -> ResponseReturnValue:
    """The form was open in a browser that keeps no cookies, or keeps them no longer: ask once more."""
    return request_page.show_again("Please press the button once more: the page had been open for long.")


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error
    headline, next_step = HTTP.get(status, (error.name, "Please go back and try again."))
    page = render_template("error.html", headline=headline, next_step=next_step, back="")
    headers = [(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")]
    return page, status, headers
