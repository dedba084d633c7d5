"""The language of a page: the one in its address, else that of its reader on record, else the browser's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, abort, g, has_request_context, request

from service.introductions.links import by_never_link
from service.language.languages import LANGUAGES, direction, spoken
from service.lifecycle import Role
from service.mail.tokens import BadLink, Link, Tokens
from service.store.models import Consent, Introduction, OutboxMail, SignIn

from .current import database, settings


def select_language() -> str:
    """Return the tag of the language of this request (RFC 5646), as Flask-Babel's locale selector."""
    return _from_query() or g.get("language") or _from_browser() or settings().LANGUAGE


def use_language_of_link(read: Callable[[Tokens, str], Link], model: type[Any]) -> Callable[[], None]:
    """Make the hook that a blueprint of signed links runs before each request, to set the language.

    That is the language of whoever the link was made for, even when a newer one has taken its place.
    """

    def set_language() -> None:
        try:
            link = read(Tokens(settings().secret_keys), (request.view_args or {}).get("token", ""))
        except BadLink:
            # The page itself says so, in the browser's language.
            return
        with database().reading() as session:
            g.language = _language_of(session.get(model, link.id))

    return set_language


def use_language_of_mail() -> None:
    """Set the language where the link was made for whoever got a mail."""
    with suppress(BadLink), database().reading() as session:
        mail = by_never_link(session, settings(), (request.view_args or {}).get("token", ""))
        g.language = _language_of(mail)


def posted_language() -> str:
    """Return the tag of the language whose button was pressed. Aborts with 400 for any other value."""
    tag = request.form.get("language", "")
    if tag not in LANGUAGES:
        abort(400)
    return tag


def parent_page(path: str) -> str:
    """Return the page that a button stands on: /a/<token>/undo belongs to /a/<token>."""
    parts = path.strip("/").split("/")
    # Quoted, and with one slash before it, whatever was asked for can name no page elsewhere.
    return "/" + "/".join(quote(part) for part in parts[: 3 if parts[0] == "desk" else 2])


def init_app(app: Flask) -> None:
    """Keep the language in the addresses of an application, and tell templates and caches of it."""
    app.url_defaults(_keep_language)
    app.context_processor(_variables)
    app.after_request(_add_headers)


def _from_query() -> str | None:
    tag = request.args.get("lang")
    return tag if tag in LANGUAGES else None


def _from_browser() -> str | None:
    """Return the first of our languages in the browser's order; de-AT counts as de (RFC 4647 3.4)."""
    wanted = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality)
    return next((tag for tag in wanted if tag in LANGUAGES), None)


def _language_of(row: Introduction | Consent | SignIn | OutboxMail | None) -> str | None:
    match row:
        case Consent():
            return row.language
        case Introduction():
            return row.requester_language
        case SignIn():
            return row.language
        case OutboxMail(to=Role.REQUESTER):
            return row.case.requester_language
        case OutboxMail():
            return row.case.consent(row.to).language
    return None


def _keep_language(endpoint: str, values: dict[str, Any]) -> None:
    """Keep ``lang`` from page to page: whoever asked for a language in an address goes on in it."""
    if has_request_context() and endpoint != "static" and _from_query():
        values.setdefault("lang", _from_query())


def _variables() -> dict[str, Any]:
    return {
        "language": spoken(),
        "direction": direction(spoken()),
        "languages": LANGUAGES,
        "page": parent_page(request.path),
        "in_language": _in_language,
    }


def _in_language(tag: str) -> str:
    """Return the address of this page in another language, with its other parameters kept."""
    parameters = request.args.to_dict(flat=False) | {"lang": [tag]}
    return f"{parent_page(request.path)}?{urlencode(parameters, doseq=True)}"


def _add_headers(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.content_language.add(spoken())
        response.vary.add("Accept-Language")
    return response
