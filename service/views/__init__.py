"""The pages: each parses, calls one use case, and renders. Nothing is decided here."""

from __future__ import annotations

from flask import Flask
from flask_wtf.csrf import CSRFProtect

from service.language import languages

from . import operator, quiz, webhook
from .desk import introductions, ledger, sign_in
from .party import answer, follow_up, never
from .requester import page, request, requested
from .site import errors, filters, locale
from .site.security import add_headers


def init_app(app: Flask) -> None:
    """Add the pages, what they share, and their error pages to the application."""
    # The signed token in a form is the proof; privacy tools that strip the Referer must not break it.
    app.config.setdefault("WTF_CSRF_SSL_STRICT", False)
    languages.init_app(app, locale.select_language)
    csrf = CSRFProtect(app)
    # Behind a signed link the link is the credential, and no cookie is needed. The quiz stores nothing, so
    # there is nothing to forge.
    without_cookie = [page.pages, answer.pages, follow_up.pages, never.pages, quiz.pages]
    if app.config["SETTINGS"].INBOUND_SECRET:
        without_cookie.append(webhook.pages)
    for blueprint in without_cookie:
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    with_cookie = (
        request.pages,
        requested.pages,
        sign_in.pages,
        sign_in.links,
        introductions.pages,
        ledger.pages,
        operator.pages,
    )
    for blueprint in with_cookie:
        app.register_blueprint(blueprint)
    errors.init_app(app)
    filters.init_app(app)
    locale.init_app(app)
    app.after_request(add_headers)
