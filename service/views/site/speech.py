"""Which language a page is in: what its address asks for, else its reader's own, else the browser's."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, abort, g, has_request_context, request

from service.language.languages import LANGUAGES, direction, spoken
from service.lifecycle import Role
from service.store.models import Consent, Introduction, OutboxMail, SignIn

from .common import settings

Addressed = Introduction | Consent | SignIn | OutboxMail
"""What a link or a mail leads to: each was made for somebody, who reads one language."""


def language() -> str:
    """Give the tag of the language of this request."""
    return _asked_for() or g.get("language") or _browsers() or settings().LANGUAGE


def speak_to(reader: Addressed | None) -> None:
    """Have this page speak the language of whoever a link was made for."""
    match reader:
        case Introduction():
            g.language = reader.requester_language
        case OutboxMail(to=Role.REQUESTER):
            g.language = reader.case.requester_language
        case OutboxMail():
            g.language = reader.case.consent(reader.to).language
        case Consent() | SignIn():
            g.language = reader.language


def chosen() -> str:
    """Read the language of a button that was pressed to change it."""
    choice = request.form.get("language", "")
    if choice not in LANGUAGES:
        abort(400)
    return choice


def register(app: Flask) -> None:
    app.url_defaults(_keep_language)
    app.context_processor(_words)
    app.after_request(_name_language)


def _asked_for() -> str | None:
    tag = request.args.get("lang")
    return tag if tag in LANGUAGES else None


def _browsers() -> str | None:
    """Find the first of our languages in the browser's order; whoever reads de-AT before en reads our de."""
    wanted = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality)
    return next((tag for tag in wanted if tag in LANGUAGES), None)


def _keep_language(endpoint: str, values: dict[str, Any]) -> None:
    """Ask for the language that a page's address asks for in every address on it."""
    if has_request_context() and endpoint != "static" and _asked_for():
        values.setdefault("lang", _asked_for())


def _words() -> dict[str, Any]:
    return {
        "language": spoken(),
        "direction": direction(spoken()),
        "languages": LANGUAGES,
        "page": page_of(request.path),
        "in_language": _in_language,
    }


def _in_language(tag: str) -> str:
    """Give the address of this page in another language, and all else that was asked for."""
    asked = request.args.to_dict(flat=False) | {"lang": [tag]}
    return f"{page_of(request.path)}?{urlencode(asked, doseq=True)}"


def page_of(path: str) -> str:
    """Find the page that a button stands on: /a/<token>/undo belongs to /a/<token>."""
    parts = path.strip("/").split("/")
    # Quoted, and with one slash before it, whatever was asked for can name no page elsewhere.
    return "/" + "/".join(quote(part) for part in parts[: 3 if parts[0] == "desk" else 2])


def _name_language(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.content_language.add(spoken())
        response.vary.add("Accept-Language")
    return response
