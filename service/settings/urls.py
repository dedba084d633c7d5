"""URLs in settings: how they may be written, and whether a host is this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

DATABASE_HINT = "write postgresql://USER:PASSWORD@HOST/NAME, or sqlite:///FILE on one machine"
BROKER_HINT = "write redis://HOST:6379/0, rediss://HOST:6379/0 with TLS, or redis+socket:///PATH"


def database_url(text: Any) -> str:
    """Return a database URL as SQLAlchemy takes it, with the driver named; platforms hand out ``postgres://``.

    Raises ValueError for a database that TwoYes does not run on.
    """
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", str(text))
    try:
        driver = make_url(url).drivername
    except (ArgumentError, ValueError):
        raise ValueError(DATABASE_HINT) from None
    if driver not in ("postgresql+psycopg", "sqlite", "sqlite+pysqlite"):
        raise ValueError(DATABASE_HINT)
    return url


def broker_url(text: Any) -> str:
    """Return a Redis URL as Celery takes it: what redis-py calls ``unix://`` is ``redis+socket://`` there.

    Raises ValueError for what Celery's Redis transport cannot use.
    """
    url = re.sub(r"^unix://", "redis+socket://", str(text))
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # No port, or brackets that do not close.
        raise ValueError(BROKER_HINT) from None
    if not is_known and not re.match(r"redis\+socket:///.", url):
        raise ValueError(BROKER_HINT)
    return url


def base_url(text: Any) -> str:
    """Return the start of every mailed link, without a slash at its end.

    Raises ValueError for what no browser could follow.
    """
    url = str(text).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a full address such as https://twoyes.example.org")
    return url


def is_loopback(host: str) -> bool:
    """Tell whether a host name or an IP address leads nowhere but to this machine (RFC 6761 6.3)."""
    address = ip_address(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a host is written as, in brackets or not; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
