"""Which language a page is in: what its address asks for, else its reader's own, else the browser's."""

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

from .common import database, settings


def language() -> str:
    """Return the tag of the language of this request."""
    return _asked_for() or g.get("language") or _browsers() or settings().LANGUAGE


def of_reader(read: Callable[[Tokens, str], Link], row: type[Any]) -> Callable[[], None]:
    """Make what a blueprint of signed links does before each request: it learns its reader's language.

    That is the language of whoever the link was made for, even when a newer one has taken its place.
    """

    def learn() -> None:
        try:
            link = read(Tokens(settings().secret_keys), (request.view_args or {}).get("token", ""))
        except BadLink:
            # The page itself says so, in the browser's language.
            return
        with database().reading() as session:
            g.language = _language_of(session.get(row, link.id))

    return learn


def of_recipient() -> None:
    """Learn the language where the link was made for whoever got a mail."""
    with suppress(BadLink), database().reading() as session:
        mail = by_never_link(session, settings(), (request.view_args or {}).get("token", ""))
        g.language = _language_of(mail)


def chosen() -> str:
    """Return the language of a button that was pressed to change it."""
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
    """Ask for a language in every address on a page whose own address asks for it."""
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
    """Write the address of this page in another language, with whatever else was asked for."""
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
