"""/mails: every kind of mail with sample data, to look at and to send. There only in the embedded mode."""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue

from service.language.free_text import NotAllowed, clean_email
from service.language.languages import spoken
from service.mail.render import Rendering
from service.mail.smtp import Kind
from service.views.site.current import now, settings
from service.views.site.security import POLICY

from . import samples
from .mailbox_page import FRAMED

pages = Blueprint("mails", __name__)


@pages.get("/mails")
def show() -> ResponseReturnValue:
    return render_template("mail_previews.html", names=samples.names())


@pages.get("/mails/<name>")
def one(name: str) -> ResponseReturnValue:
    return _page(name, "")


@pages.post("/mails/<name>")
def send(name: str) -> ResponseReturnValue:
    _written(name)
    try:
        to = clean_email(request.form.get("to", ""))
    except NotAllowed as refusal:
        return _page(name, str(refusal)), 422
    outcome = samples.send(name, spoken(), to, settings(), now())
    sent = outcome.kind is Kind.ACCEPTED
    return _page(name, f"Sent to {to}." if sent else f"Not sent: {outcome.reply}"), 200 if sent else 502


@pages.get("/mails/<name>/html")
def html(name: str) -> ResponseReturnValue:
    """Show the HTML part by itself, as the mailbox frames one."""
    page = Response(_written(name).html)
    page.headers["Content-Security-Policy"] = FRAMED
    return page


def _page(name: str, message: str) -> Response:
    shown = _written(name)
    page = Response(render_template("mail_preview.html", name=name, shown=shown, message=message))
    page.headers["Content-Security-Policy"] = f"{POLICY}; frame-src 'self'"
    return page


def _written(name: str) -> Rendering:
    try:
        return samples.written(name, spoken(), settings())
    except samples.NoSuchSample:
        abort(404)
