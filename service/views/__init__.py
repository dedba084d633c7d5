"""The pages: each parses, calls one use case, and renders. Nothing is decided here."""

from __future__ import annotations

from flask import Flask
from flask_wtf.csrf import CSRFProtect

from service.dev import mailbox_page as mailbox
from service.dev import mails_page as mails
from service.language import languages
from service.views.site.security import add_headers

from . import operator, quiz
from . import webhook as inbound
from .desk import introductions, ledger
from .desk import sign_in as desk
from .party import answer, follow_up, never
from .requester import page as requester
from .requester import request
from .site import common, errors, speech


def register(app: Flask) -> None:
    """Add the pages, what they share, and their error pages to the application."""
    # The signed token in a form is the proof; privacy tools that strip the Referer must not break it.
    app.config.setdefault("WTF_CSRF_SSL_STRICT", False)
    languages.init_app(app, speech.language)
    csrf = CSRFProtect(app)
    for blueprint in (requester.pages, answer.pages, follow_up.pages, never.pages):
        # Here the signed link is the credential, and no cookie is needed.
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    app.register_blueprint(request.pages)
    app.register_blueprint(desk.pages)
    app.register_blueprint(desk.links)
    app.register_blueprint(introductions.pages)
    app.register_blueprint(ledger.pages)
    app.register_blueprint(operator.pages)
    # Nothing is stored there, so there is nothing to forge, and no cookie is needed.
    csrf.exempt(quiz.pages)
    app.register_blueprint(quiz.pages)
    if app.config["SETTINGS"].INBOUND_SECRET:
        csrf.exempt(inbound.pages)
        app.register_blueprint(inbound.pages)
    if app.config["SETTINGS"].MAILBOX:
        app.register_blueprint(mailbox.pages)
    if app.config["SETTINGS"].EMBEDDED:
        app.register_blueprint(mails.pages)
    errors.register(app)
    common.register(app)
    speech.register(app)
    app.after_request(add_headers)
