"""The language of a page: the one in its address, else that of its reader on record, else the browser's."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, g, has_request_context, request

from service.language.languages import LANGUAGES, direction, spoken
from service.lifecycle import Role
from service.store.models import Consent, Introduction, OutboxMail, SignIn

from .current import settings

Reader = Introduction | Consent | SignIn | OutboxMail
"""The row of somebody who reads one language: whoever a link or a mail was made for."""


def select_language() -> str:
    """Return the tag of the language of this request (RFC 5646), as Flask-Babel's locale selector."""
    return _from_query() or g.get("language") or _from_browser() or settings().LANGUAGE


def use_language_of(reader: Reader | None) -> None:
    """Set the language of this page to that of whoever a link or a mail was made for."""
    match reader:
        case Introduction():
            g.language = reader.requester_language
        case OutboxMail(to=Role.REQUESTER):
            g.language = reader.case.requester_language
        case OutboxMail():
            g.language = reader.case.consent(reader.to).language
        case Consent() | SignIn():
            g.language = reader.language


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
