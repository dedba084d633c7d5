"""`twoyes doctor`: checks that everything is there that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from service.delivery.broker import Nudger
from service.mail.addresses import signing_domain
from service.mail.smtp import SmtpSession
from service.settings.table import Settings
from service.settings.urls import is_loopback
from service.store import migrations
from service.store.db import missing_file

from . import probes


class Finding(NamedTuple):
    """The result of one check; a check that ``failed`` keeps TwoYes from doing its work."""

    subject: str
    failed: bool
    message: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Check the database, the broker, both directions of mail and the public address, one by one."""
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("database", _database),
        ("broker", _broker),
        ("relay", _relay),
        ("signing", _signing),
        ("inbound", _inbound),
        ("links", _links),
    )
    for subject, check in checks:
        try:
            yield Finding(subject, failed=False, message=check(settings))
        except CheckFailed as failure:
            yield Finding(subject, failed=True, message=str(failure))


class CheckFailed(Exception):
    """A check failed; the message says in one line what is wrong and which setting to look at."""


def _database(settings: Settings) -> str:
    if missing := missing_file(settings.DATABASE_URL):
        raise CheckFailed(f"is missing: no file {missing}, see DATABASE_URL; twoyes migrate creates it")
    newest = migrations.newest()
    try:
        current = migrations.current(probes.bounded(settings.DATABASE_URL))
    except SQLAlchemyError as error:
        raise CheckFailed(f"cannot be reached, see DATABASE_URL: {probes.first_line(error)}") from None
    if current != newest:
        raise CheckFailed(f"is at migration {current}, not {newest}: run twoyes migrate")
    return f"reached, at migration {current}"


def _broker(settings: Settings) -> str:
    if not Nudger(settings).is_up():
        raise CheckFailed("does not answer, see REDIS_URL; until it does, only the sweep sends mail")
    return "answers"


def _relay(settings: Settings) -> str:
    """Connect as for a mail: EHLO, TLS and AUTH as the settings say, and no mail."""
    try:
        host = SmtpSession(settings).configure_host()
    except (OSError, ValueError) as error:
        where = f"{settings.MAIL_SERVER}:{settings.MAIL_PORT}"
        raise CheckFailed(f"at {where} cannot be used, see MAIL_*: {probes.first_line(error)}") from None
    host.close()
    secured = "with TLS" if settings.MAIL_USE_TLS or settings.MAIL_USE_SSL else "without TLS"
    login = f"as {settings.MAIL_USERNAME}" if settings.MAIL_USERNAME else "without a login"
    return f"greets us, {secured}, {login}"


def _signing(settings: Settings) -> str:
    """Name the selectors; the keys themselves were checked with the settings."""
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
    greeting = probes.greeting(settings.INBOUND_HOST, settings.INBOUND_PORT)
    if greeting.startswith("220 "):
        return f"for {settings.INBOUND_DOMAIN}: {where} greets us, {webhook}"
    if settings.INBOUND_SECRET:
        return f"for {settings.INBOUND_DOMAIN}: nothing listens at {where}, {webhook}"
    raise CheckFailed(
        f"for {settings.INBOUND_DOMAIN}: twoyes listen is not running at {where}; start it, or set "
        "INBOUND_SECRET for a provider's webhook"
    )


def _links(settings: Settings) -> str:
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if not settings.EMBEDDED and is_loopback(host):
        raise CheckFailed(f"lead to {settings.PUBLIC_URL}, which only this machine can reach: set PUBLIC_URL")
    return f"lead to {settings.PUBLIC_URL}"
