"""/mailbox: the mails that the embedded mode has caught. There only with the setting MAILBOX."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, abort, render_template
from flask.typing import ResponseReturnValue

from service.embedded.mailbox import CaughtMail, find, read

from .common import settings
from .security import POLICY, hide_link

pages = Blueprint("mailbox", __name__)
# Every mail here holds links that work.
pages.before_request(hide_link)

FRAMED = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


@pages.get("/mailbox")
def show() -> ResponseReturnValue:
    return render_template("mailbox.html", mails=read(_folder()))


@pages.get("/mailbox/<key>")
def one(key: str) -> ResponseReturnValue:
    page = Response(render_template("mail.html", mail=_find(key)))
    page.headers["Content-Security-Policy"] = f"{POLICY}; frame-src 'self'"
    return page


@pages.get("/mailbox/<key>/html")
def html(key: str) -> ResponseReturnValue:
    """The HTML part by itself, with the inline styles of a mail and nothing else allowed."""
    # The frame may open a link in a window of its own, and go nowhere by itself.
    page = Response(_find(key).html.replace("<head>", '<head><base target="_blank">', 1))
    page.headers["Content-Security-Policy"] = FRAMED
    return page


def _find(key: str) -> CaughtMail:
    mail = find(_folder(), key)
    if mail is None:
        abort(404)
    return mail


def _folder() -> Path:
    return settings().DATA_DIR / "mailbox"
