"""/mailbox: the mails that the embedded mode has caught. There only with the setting MAILBOX."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from service.inbound.envelope import is_ours
from service.store.models import InboundMail
from service.views.site.current import database, now, settings
from service.views.site.security import POLICY

from . import replying
from .mailbox import CaughtMail, find, read

pages = Blueprint("mailbox", __name__)

FRAMED = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


@pages.get("/mailbox")
def show() -> ResponseReturnValue:
    return render_template("mailbox.html", mails=read(_folder()))


@pages.get("/mailbox/<key>")
def one(key: str) -> ResponseReturnValue:
    mail = _find(key)
    ours = [address for address in replying.answers_to(mail) if is_ours(address, settings())]
    not_taken = asked if (asked := request.args.get("reply", "")) in list(replying.NotTaken) else ""
    page = Response(
        render_template("mail.html", mail=mail, ours=ours, reply=_reply_on_record(), not_taken=not_taken)
    )
    page.headers["Content-Security-Policy"] = f"{POLICY}; frame-src 'self'"
    return page


@pages.post("/mailbox/<key>/reply")
def reply(key: str) -> ResponseReturnValue:
    """Write a reply as whoever the mail went to, and send it to the listener."""
    written = replying.write(_find(key), request.form.get("text", ""), now())
    ours = [address for address in written.recipients if is_ours(address, settings())]
    if not ours:
        abort(404)
    return redirect(url_for(".one", key=key, reply=_send(written, ours[0]), _anchor="reply"), 303)


def _send(written: replying.Reply, recipient: str) -> str:
    """Send a reply to one address; the number that it is on record under, or why it was not taken."""
    reason = replying.send(written, recipient, settings())
    if reason:
        return reason
    same = select(InboundMail.id).where(InboundMail.message_id == written.message_id)
    with database().reading() as session:
        return str(session.scalar(same))


def _reply_on_record() -> str:
    """Return what the reply that was just written came to: "waiting" until it is read, "" without a reply."""
    asked = request.args.get("reply", "")
    if not (asked.isdecimal() and len(asked) < 10):
        return ""
    with database().reading() as session:
        outcome = session.scalar(select(InboundMail.outcome).where(InboundMail.id == int(asked)))
    return outcome or "waiting"


@pages.get("/mailbox/<key>/html")
def html(key: str) -> ResponseReturnValue:
    """Show the HTML part by itself, with the inline styles of a mail and nothing else allowed."""
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
