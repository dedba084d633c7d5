"""The types of the settings: how the text of an environment variable becomes a value, or is refused."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import parseaddr
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from .keys import ed25519_key, rsa_key
from .urls import base_url, broker_url, database_url

DURATION_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
"""An address without a name or brackets around it; a header takes fewer (`mail.message.HEADER_ADDRESS`)."""


def parse_duration(text: Any) -> timedelta:
    """Read a duration such as ``14d``, ``6h``, ``10m`` or ``2s``. Raises ValueError for anything else."""
    if isinstance(text, timedelta):
        return text
    match = re.fullmatch(rf"(\d+)([{''.join(DURATION_UNITS)}])", str(text).strip())
    if not match:
        raise ValueError("write a duration as a number and a unit, such as 14d, 6h, 10m or 2s")
    try:
        return timedelta(**{DURATION_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError("this duration is too long") from None


def format_duration(value: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it, in the largest unit that fits."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _positive(text: Any) -> timedelta:
    value = parse_duration(text)
    if not value:
        raise ValueError("this duration must be longer than 0s")
    return value


def _comma_list(text: Any) -> Any:
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


def _addresses(text: Any) -> Any:
    addresses = _comma_list(text)
    if not all(ADDRESS.fullmatch(str(address)) for address in addresses):
        raise ValueError("write bare addresses such as anna@example.org, with commas between them")
    return addresses


def _durations(text: Any) -> Any:
    return tuple(_positive(part) for part in _comma_list(text))


def _zone(text: Any) -> Any:
    try:
        return ZoneInfo(str(text)) if not isinstance(text, ZoneInfo) else text
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone; write one such as UTC or Europe/Berlin") from None


def _sender(text: Any) -> Any:
    if not ADDRESS.fullmatch(parseaddr(str(text))[1]):
        raise ValueError("write an address such as introductions@example.org, or TwoYes <address>")
    return text


def _domain(text: Any) -> Any:
    domain = str(text).lower().rstrip(".")
    if not re.fullmatch(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*", domain):
        raise ValueError("write a domain such as example.org")
    return domain


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[timedelta, BeforeValidator(_positive)]
Durations = Annotated[tuple[timedelta, ...], BeforeValidator(_durations), Field(min_length=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
DatabaseUrl = Annotated[str, BeforeValidator(database_url)]
BrokerUrl = Annotated[str, BeforeValidator(broker_url)]
BaseUrl = Annotated[str, BeforeValidator(base_url)]
Sender = Annotated[str, BeforeValidator(_sender)]
Domain = Annotated[str, BeforeValidator(_domain)]
RsaKey = Annotated[str, AfterValidator(rsa_key)]
Ed25519Key = Annotated[str, AfterValidator(ed25519_key)]
Port = Annotated[int, Field(ge=1, le=65535)]
