"""`twoyes doctor`: is everything there that the settings name? One line each, and what to mend."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from service.delivery.broker import Nudger
from service.mail.addresses import signing_domain
from service.mail.smtp import SmtpSession
from service.settings.table import Settings
from service.settings.urls import is_loopback
from service.store.db import Database, alembic_config, missing_file

PATIENCE = 5
"""Seconds that one look may wait for an answer."""


class Finding(NamedTuple):
    """What one look came to; ``wrong`` findings keep TwoYes from doing its work."""

    subject: str
    wrong: bool
    said: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at the database, the broker, both directions of mail and the public address, one by one."""
    looks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("database", _database),
        ("broker", _broker),
        ("relay", _relay),
        ("signing", _signing),
        ("inbound", _inbound),
        ("links", _links),
    )
    for subject, look in looks:
        try:
            yield Finding(subject, False, look(settings))
        except Ailment as ailment:
            yield Finding(subject, True, str(ailment))


class Ailment(Exception):
    """What is wrong and which setting to look at, in one line."""


def _database(settings: Settings) -> str:
    if missing := missing_file(settings.DATABASE_URL):
        raise Ailment(f"is missing: no file {missing}, see DATABASE_URL; twoyes migrate creates it")
    newest = ScriptDirectory.from_config(alembic_config(settings.DATABASE_URL)).get_current_head()
    db = Database(_with_limits(settings.DATABASE_URL))
    try:
        with db.reading() as session:
            current = MigrationContext.configure(session.connection()).get_current_revision()
    except SQLAlchemyError as error:
        raise Ailment(f"cannot be reached, see DATABASE_URL: {_first_line(error)}") from None
    finally:
        db.engine.dispose()
    if current != newest:
        raise Ailment(f"is at migration {current}, not {newest}: run twoyes migrate")
    return f"reached, at migration {current}"


def _with_limits(database_url: str) -> str:
    """A PostgreSQL that accepts a connection and says nothing, or nothing more, is one that is away."""
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        limits = {"connect_timeout": str(PATIENCE), "options": f"-c statement_timeout={PATIENCE}s"}
        url = url.update_query_dict(limits)
    return url.render_as_string(hide_password=False)


def _broker(settings: Settings) -> str:
    if not Nudger(settings).is_up():
        raise Ailment("does not answer, see REDIS_URL; until it does, only the sweep sends mail")
    return "answers"


def _relay(settings: Settings) -> str:
    """Connect as for a mail: EHLO, TLS and AUTH as the settings say, and no mail."""
    try:
        host = SmtpSession(settings).configure_host()
    except (OSError, ValueError) as error:
        where = f"{settings.MAIL_SERVER}:{settings.MAIL_PORT}"
        raise Ailment(f"at {where} cannot be used, see MAIL_*: {_first_line(error)}") from None
    host.close()
    secured = "with TLS" if settings.MAIL_USE_TLS or settings.MAIL_USE_SSL else "without TLS"
    known = f"as {settings.MAIL_USERNAME}" if settings.MAIL_USERNAME else "without a login"
    return f"greets us, {secured}, {known}"


def _signing(settings: Settings) -> str:
    """The keys themselves were checked with the settings."""
    selectors = [
        selector
        for selector, key in (
            (settings.DKIM_SELECTOR, settings.DKIM_PRIVATE_KEY),
            (settings.DKIM_ED25519_SELECTOR, settings.DKIM_ED25519_PRIVATE_KEY),
        )
        if key
    ]
    if not selectors:
        return "off: set DKIM_PRIVATE_KEY, unless the relay signs"
    return f"as {' and '.join(selectors)} of {signing_domain(settings)}; twoyes dns prints what to publish"


def _inbound(settings: Settings) -> str:
    if settings.INBOUND_DOMAIN is None:
        return "off: replies and bounces go to MAIL_DEFAULT_SENDER, see INBOUND_DOMAIN"
    where = f"{settings.INBOUND_HOST}:{settings.INBOUND_PORT}"
    webhook = "the webhook is on" if settings.INBOUND_SECRET else "no webhook, see INBOUND_SECRET"
    greeting = _greeting_at(settings.INBOUND_HOST, settings.INBOUND_PORT)
    if greeting.startswith("220 "):
        return f"for {settings.INBOUND_DOMAIN}: {where} greets us, {webhook}"
    if settings.INBOUND_SECRET:
        return f"for {settings.INBOUND_DOMAIN}: nothing listens at {where}, {webhook}"
    raise Ailment(
        f"for {settings.INBOUND_DOMAIN}: twoyes listen is not running at {where}; start it, or set "
        "INBOUND_SECRET for a provider's webhook"
    )


def _greeting_at(host: str, port: int) -> str:
    """The first line that is said at a port, or "" where nobody says anything."""
    try:
        with socket.create_connection((host, port), timeout=PATIENCE) as connection:
            return connection.makefile("rb").readline(512).decode("ascii", "replace")
    except OSError:
        return ""


def _links(settings: Settings) -> str:
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if not settings.EMBEDDED and is_loopback(host):
        raise Ailment(f"lead to {settings.PUBLIC_URL}, which only this machine can reach: set PUBLIC_URL")
    return f"lead to {settings.PUBLIC_URL}"


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return text.splitlines()[0]
