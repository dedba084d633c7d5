"""POST /inbound: a provider's webhook brings a mail. There only with the setting INBOUND_SECRET.

Raw mail in the forms that providers send it in: ``message/rfc822``, Mailgun's and SendGrid's forms, and
Postmark's JSON. What they send already parsed is refused: it leaves out what a bounce is read by.
"""

from __future__ import annotations

import hmac
import json
from typing import Any, NamedTuple

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import RequestEntityTooLarge

from service.inbound import envelope
from service.inbound.store import Delivery, Receipt, Way, receive_all
from service.views.site.current import database, now, settings

pages = Blueprint("inbound", __name__)

SIZE_FACTOR = 4
"""How many times INBOUND_MAX_SIZE a request may be: some say the same mail twice, in base64."""
STATUS = {Receipt.STORED: 200, Receipt.DUPLICATE: 200, Receipt.TOO_MANY: 429, Receipt.TOO_MUCH: 429}
REFUSED = 406
"""For good: Mailgun sends again after every status but 200 and 406."""
REFUSED_IN_JSON = 403
"""For good, to Postmark, which sends again after every status but 200 and 403."""


class PostedMail(NamedTuple):
    """A mail, and what the provider says about its envelope."""

    raw: bytes
    sender: str | None
    recipients: list[str]


class Unreadable(Exception):
    """The request holds no raw mail in a form that we know."""


@pages.post("/inbound")
@pages.post("/inbound/mime")  # Mailgun sends raw mail only to an address that ends so.
def take() -> ResponseReturnValue:
    if not _is_authorized():
        return _answer("unauthorized", 401, {"WWW-Authenticate": 'Basic realm="inbound", charset="UTF-8"'})
    size = settings().INBOUND_MAX_SIZE
    request.max_content_length = request.max_form_memory_size = SIZE_FACTOR * size
    try:
        receipt = _receive(_posted())
    except RequestEntityTooLarge:
        receipt = Receipt.TOO_LARGE
    except Unreadable:
        return _answer("unreadable", 400)
    except SQLAlchemyError:
        return _answer("unavailable", 503, {"Retry-After": "300"})
    return _answer(receipt.value, STATUS.get(receipt, REFUSED_IN_JSON if request.is_json else REFUSED))


def _answer(outcome: str, status: int, headers: dict[str, str] | None = None) -> ResponseReturnValue:
    return {"outcome": outcome}, status, headers or {}


def _is_authorized() -> bool:
    """Tell whether the secret was given, by HTTP Basic with any user or as a bearer token (RFC 7617, 6750).

    Every provider takes the former in the URL. Aborts with 404 where no secret is set.
    """
    secret, given = settings().INBOUND_SECRET, request.authorization
    if secret is None:
        abort(404)
    if given is None:
        return False
    password = given.password if given.type == "basic" else given.token if given.type == "bearer" else ""
    return hmac.compare_digest((password or "").encode(errors="replace"), secret.encode())


def _receive(posted: PostedMail) -> Receipt:
    raw, sender, recipients = posted
    by = envelope.sender(raw) if sender is None else sender
    to = recipients or envelope.recipients(raw, settings())
    deliveries = [Delivery(raw, by, recipient, Way.WEBHOOK) for recipient in to]
    return receive_all(database(), settings(), deliveries, now())


# --- The forms of a request -------------------------------------------------------------------------


def _posted() -> PostedMail:
    """Read the mail of this request. Raises Unreadable."""
    if request.mimetype == "message/rfc822":
        return _as_it_is()
    if request.is_json:
        return _postmark(_json(request.get_data(as_text=True)))
    if "body-mime" in request.form:
        sender, recipients = request.form.get("sender"), envelope.bare(request.form.getlist("recipient"))
        return PostedMail(_bytes(request.form["body-mime"]), sender, recipients)
    if "email" in request.form:
        return _sendgrid(request.form["email"], request.form.get("envelope", "{}"))
    raise Unreadable


def _as_it_is() -> PostedMail:
    recipients = request.args.getlist("recipient") or request.headers.getlist("X-Envelope-To")
    sender = request.args.get("sender", request.headers.get("X-Envelope-From"))
    return PostedMail(request.get_data(), sender, envelope.bare(recipients))


def _postmark(content: Any) -> PostedMail:
    match content:
        case {"RawEmail": str(raw), "OriginalRecipient": str(recipient)}:
            return PostedMail(_bytes(raw), None, envelope.bare([recipient]))
        case {"RawEmail": str(raw)}:
            return PostedMail(_bytes(raw), None, [])
    raise Unreadable


def _sendgrid(raw: str, envelope_json: str) -> PostedMail:
    match _json(envelope_json):
        case {"from": str(sender), "to": [*recipients]}:
            return PostedMail(_bytes(raw), sender, envelope.bare([str(one) for one in recipients]))
        case {}:
            return PostedMail(_bytes(raw), None, [])
    raise Unreadable


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable from None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
