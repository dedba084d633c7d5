"""The Flask application: `create_app` is the one place that wires things together."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import Any

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from service.delivery.broker import Nudger
from service.operating.health import healthz
from service.settings.clock import Clock, utc_now
from service.settings.environment import SettingsError, load
from service.settings.table import Settings
from service.store.db import Database

EXIT_UNUSABLE = 4
"""The exit code of a worker after which gunicorn gives up; after most others it starts the next one."""


class TwoYes(Flask):
    """Flask, but exceptions are logged without the path: tokens are in the paths."""

    def log_exception(self, exc_info: Any) -> None:
        """Log an exception under the name of its page."""
        self.logger.error("Exception on page %s [%s]", request.endpoint, request.method, exc_info=exc_info)


def create_app(settings: Settings | None = None, clock: Clock = utc_now) -> Flask:
    """Wire settings, database, broker and pages together into a Flask application.

    Raises SystemExit, having said why, if no settings are given and the environment's are wrong: gunicorn and
    Celery would show a SettingsError with their own insides.
    """
    from . import views  # noqa: PLC0415 (whoever imports a module of ours alone needs no pages)

    settings = settings or _load()
    app = TwoYes(__name__, template_folder="templates/pages", static_folder="views/static")
    app.config.update(
        SETTINGS=settings,
        CLOCK=clock,
        SECRET_KEY=settings.SECRET_KEY,
        SECRET_KEY_FALLBACKS=list(settings.SECRET_KEY_FALLBACKS),
        WTF_CSRF_TIME_LIMIT=None,
        MAX_CONTENT_LENGTH=256 * 1024,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
        # Else every page would set the cookie anew, those of the two parties too.
        SESSION_REFRESH_EACH_REQUEST=False,
        **_session_cookie(settings),
    )
    # Werkzeug would redirect /a//x to the site that the Host header names, with the token.
    app.url_map.merge_slashes = False
    app.extensions["nudger"] = nudger = Nudger(settings)
    app.extensions["db"] = Database(settings.DATABASE_URL, nudger)
    app.add_url_rule("/healthz", view_func=healthz)
    views.init_app(app)
    _add_pages_of_trial(app, settings)
    _trust_proxies(app, settings.TRUSTED_PROXIES)
    return app


def _session_cookie(settings: Settings) -> dict[str, Any]:
    """Bind the cookie to this very host where the pages are https (RFC 6265bis, section 4.1.3.2)."""
    name = {"SESSION_COOKIE_NAME": "__Host-session", "SESSION_COOKIE_PATH": "/"}
    is_https = settings.PUBLIC_URL.startswith("https:")
    return {"SESSION_COOKIE_SECURE": is_https} | (name if is_https else {})


def _load() -> Settings:
    try:
        return load(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EXIT_UNUSABLE) from None


def _add_pages_of_trial(app: Flask, settings: Settings) -> None:
    """Add the pages that only `make run` has; elsewhere their modules are not even imported."""
    if settings.EMBEDDED:
        from .dev import mails_page  # noqa: PLC0415

        app.register_blueprint(mails_page.pages)
    if settings.MAILBOX:
        from .dev import mailbox_page  # noqa: PLC0415

        app.register_blueprint(mailbox_page.pages)


def _trust_proxies(app: Flask, hops: int) -> None:
    if hops:
        fix = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)
        app.wsgi_app = fix  # type: ignore[method-assign]
