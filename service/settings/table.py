"""Every setting of TwoYes, in one table.

Settings come from the environment (https://12factor.net/config); ``<NAME>_FILE`` names a file to
read the value from instead, which is how container platforms hand over secrets. A setting that is
wrong stops the start with its name. ``docs/settings.md`` is written from this table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticUndefined

from .keys import ed25519_key, rsa_key
from .urls import base_url, broker_url, database_url

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
PLACEHOLDER = re.compile(
    r"change.?(me|this|it)|replace.?(me|this|it)|your.?secret|placeholder|insecure", re.IGNORECASE
)
ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
SHORTEST_SECRET = 16
OUR_WORDS = {
    "int_parsing": "write a whole number",
    "bool_parsing": "write true or false",
    "literal_error": "write {expected}",
    "greater_than_equal": "write {ge} or more",
    "less_than_equal": "write {le} or less",
    "string_too_short": "write {min_length} characters or more",
    "too_short": "write at least one",
}
"""What is wrong, for each of pydantic's errors that a setting can come to."""


class SettingsError(Exception):
    """One or more settings are wrong; the message has one line for each, with its name."""


def parse_duration(text: Any) -> timedelta:
    """Read a duration such as ``14d``, ``6h``, ``10m`` or ``2s``; anything else is a ValueError."""
    if isinstance(text, timedelta):
        return text
    match = re.fullmatch(rf"(\d+)([{''.join(UNITS)}])", str(text).strip())
    if not match:
        raise ValueError("write a duration as a number and a unit, such as 14d, 6h, 10m or 2s")
    try:
        return timedelta(**{UNITS[match[2]]: int(match[1])})
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


def setting(default: Any, meaning: str, **limits: Any) -> Any:
    return Field(default, description=meaning, **limits)


class Settings(BaseModel):
    """The settings one process runs with. Immutable."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid")

    SECRET_KEY: str = setting(..., "Signs every link. At least 16 characters, the same in every process.")
    SECRET_KEY_FALLBACKS: Names = setting((), "Earlier keys, comma-separated: their links keep working.")
    DATABASE_URL: DatabaseUrl = setting(
        ..., "The database: postgresql://… in production, sqlite:///… on one machine."
    )
    REDIS_URL: BrokerUrl = setting(
        "redis://127.0.0.1:6379/0", "The broker. Holds nothing that cannot be rebuilt."
    )
    PUBLIC_URL: BaseUrl = setting(
        None,
        "Where people reach the pages; every mailed link starts with it. By default http://127.0.0.1:PORT.",
    )
    PORT: Port = setting(8000, "The port that the web process listens on.")
    TRUSTED_PROXIES: int = setting(0, "How many proxies in front may set X-Forwarded-*.", ge=0, le=9)
    TIMEZONE: Zone = setting("UTC", "The time zone of dates in pages and mails.", validate_default=True)

    LANGUAGE: Literal["en", "de", "es", "fr", "ar"] = setting(
        "en", "The language of pages when a visitor's browser asks for none that TwoYes speaks."
    )

    MAIL_SERVER: str = setting("localhost", "The SMTP relay.")
    MAIL_PORT: Port = setting(25, "The relay's port.")
    MAIL_USERNAME: str | None = setting(None, "The username at the relay, if it needs one.")
    MAIL_PASSWORD: str | None = setting(None, "The password at the relay.")
    MAIL_USE_TLS: bool = setting(False, "Use STARTTLS; the certificate is verified.")
    MAIL_USE_SSL: bool = setting(False, "Use TLS from the first byte; the certificate is verified.")
    MAIL_DEFAULT_SENDER: Sender = setting(
        None,
        "The address that mails come from. By default TwoYes <twoyes@HOST>, with the host of PUBLIC_URL.",
    )
    MAIL_TIMEOUT: PositiveDuration = setting(
        "60s", "How long one SMTP reply may take (RFC 5321 4.5.3.2 asks for minutes).", validate_default=True
    )
    MAIL_DATA_TIMEOUT: PositiveDuration = setting(
        "10m",
        "How long the reply to a mail's final dot may take (RFC 5321 4.5.3.2.6).",
        validate_default=True,
    )
    MAIL_BACKOFF: Durations = setting(
        "1m,5m,15m,30m,1h,2h",
        "The pauses before a mail is tried again; the last one repeats.",
        validate_default=True,
    )

    ANSWER_WITHIN: PositiveDuration = setting(
        "7d",
        "The time to answer, from the request's verification on; twice that if the two are asked in turn.",
        validate_default=True,
    )
    REMIND_AFTER: PositiveDuration = setting(
        "3d", "From an ask to its one reminder, if the requester allowed one.", validate_default=True
    )
    HOLD_FOR: Duration = setting(
        "10m",
        "From the second yes to the introduction; until then either side can undo.",
        validate_default=True,
    )
    FOLLOW_UP_AFTER: Duration = setting(
        "3d", "From the introduction to the question whether the two are in touch.", validate_default=True
    )
    CONFIRM_WITHIN: PositiveDuration = setting(
        "21d",
        "From that question to the moment an unconfirmed handoff is recorded as a lead.",
        validate_default=True,
    )
    VERIFY_WITHIN: PositiveDuration = setting(
        "2d", "How long a request waits for its requester's verification.", validate_default=True
    )
    SWEEP_EVERY: PositiveDuration = setting(
        "15s",
        "How often every worker looks for what is due, with or without the broker.",
        validate_default=True,
    )
    ON_UNKNOWN: Literal["retry", "hold"] = setting(
        "retry", "What to do with an introduction when nobody can tell whether the relay accepted it."
    )

    SUSPECT_WITHIN: Duration = setting(
        "10s",
        "An answer that comes sooner than this after its mail, or after a different answer, must be given "
        "again: mail scanners press buttons. 0s turns this off.",
        validate_default=True,
    )

    OPERATORS: Addresses = setting(
        (), "The addresses, comma-separated, whose sign-in shows the operator's page."
    )
    SIGN_IN_WITHIN: PositiveDuration = setting(
        "15m", "How long a sign-in link works, from when it was requested.", validate_default=True
    )

    OPEN_ASKS_PER_ADDRESS: int = setting(
        5, "How many open asks one address may have, across all requesters.", ge=1
    )
    VERIFICATIONS_PER_DAY: int = setting(
        5, "How many verification mails one address may get in 24 hours.", ge=1
    )

    MAILS_PER_ADDRESS_PER_DAY: int = setting(
        50, "How many mails one address may get in 24 hours; the rest wait.", ge=1
    )

    INBOUND_DOMAIN: Domain | None = setting(
        None,
        "The domain whose mail comes to TwoYes. With it, mails come from intro+…@ of it and bounces go to "
        "bounce+…@; without it, replies and bounces go to MAIL_DEFAULT_SENDER.",
    )
    INBOUND_HOST: str = setting("127.0.0.1", "The interface on which the inbound process listens, by LMTP.")
    INBOUND_PORT: Port = setting(8025, "The port on which it listens.")
    INBOUND_MAX_SIZE: int = setting(
        10 * 1024 * 1024,
        "The largest mail that is taken in, in bytes; a larger one is refused.",
        ge=64 * 1024,
    )
    INBOUND_PER_HOUR: int = setting(60, "How many mails one of our addresses takes in an hour.", ge=1)
    INBOUND_KEEP: PositiveDuration = setting(
        "30d", "How long an incoming mail is kept; what became of it stays on record.", validate_default=True
    )
    INBOUND_SECRET: str | None = setting(
        None,
        "The password of POST /inbound, for a provider's webhook. Without it there is no such page.",
        min_length=SHORTEST_SECRET,
    )
    AUTHSERV_ID: str | None = setting(
        None,
        "The name under which our own mail server writes Authentication-Results (RFC 8601). A reply that it "
        "marked as failing DMARC is no answer.",
    )

    DKIM_DOMAIN: Domain | None = setting(None, "The domain that signs; by default the one mails come from.")
    DKIM_SELECTOR: str = setting("twoyes", "The selector of the RSA key: SELECTOR._domainkey.DOMAIN.")
    DKIM_PRIVATE_KEY: RsaKey | None = setting(None, "An RSA key in PEM form; with it every mail is signed.")
    DKIM_ED25519_SELECTOR: str = setting("twoyes-ed25519", "The selector of the Ed25519 key (RFC 8463).")
    DKIM_ED25519_PRIVATE_KEY: Ed25519Key | None = setting(
        None, "An Ed25519 key, its 32 bytes in base64; with it every mail is signed a second time."
    )

    EMBEDDED: bool = setting(False, "Set by `make run`: one machine, and short durations.")
    MAILBOX: bool = setting(False, "Set by `make run` when it catches all mail itself: /mailbox shows it.")
    DATA_DIR: Path = setting(
        "var", "Where the embedded mode keeps its database, mailbox and secret.", validate_default=True
    )

    @property
    def secret_keys(self) -> list[str]:
        """All keys, oldest first and the signing one last, as itsdangerous takes them."""
        return [*self.SECRET_KEY_FALLBACKS, self.SECRET_KEY]


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment.

    Raises SettingsError with a line for each setting that is missing or wrong.
    """
    values = dict(given(environ))
    values.setdefault("PUBLIC_URL", f"http://127.0.0.1:{values.get('PORT', 8000)}")
    values.setdefault("MAIL_DEFAULT_SENDER", f"TwoYes <twoyes@{_mail_domain(values['PUBLIC_URL'])}>")
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error))) from None
    _check_together(settings)
    return settings


def _mail_domain(public_url: str) -> str:
    """The host of the pages; a bare IP address is no mail domain (RFC 5321 4.1.3)."""
    host = urlsplit(public_url).hostname or "localhost"
    return "localhost" if re.fullmatch(r"[\d.]+|.*:.*", host) else host


def given(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The settings that an environment gives, as name and text; an empty one counts as not given."""
    for name in Settings.model_fields:
        path = environ.get(f"{name}_FILE", "")
        if path and environ.get(name):
            raise SettingsError(f"{name}: set {name} or {name}_FILE, not both.")
        if path:
            yield name, _read(name, path)
        elif environ.get(name, "").strip():
            yield name, environ[name].strip()


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE: cannot read {path}: {error}.") from None


def _complaints(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        name = problem["loc"][0]
        if problem["type"] == "missing":
            yield f"{name}: this setting is missing. {Settings.model_fields[str(name)].description}"
        else:
            said = OUR_WORDS.get(problem["type"], "").format_map(problem.get("ctx", {}))
            yield f"{name}: {said or problem['msg'].removeprefix('Value error, ')}."


def _check_together(settings: Settings) -> None:
    if settings.MAIL_USE_TLS and settings.MAIL_USE_SSL:
        raise SettingsError("MAIL_USE_TLS: set MAIL_USE_TLS or MAIL_USE_SSL, not both.")
    for name, keys in (
        ("SECRET_KEY", [settings.SECRET_KEY]),
        ("SECRET_KEY_FALLBACKS", settings.SECRET_KEY_FALLBACKS),
    ):
        if any(_is_placeholder(key) for key in keys):
            raise SettingsError(
                f"{name}: a key here is short or a placeholder. Make one with: "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )


def _is_placeholder(key: str) -> bool:
    return len(key) < SHORTEST_SECRET or len(set(key)) < 6 or bool(PLACEHOLDER.search(key))


def describe() -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and meaning of every setting, for `twoyes settings` and docs/settings.md."""
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "required" if default is PydanticUndefined else "" if default in (None, ()) else str(default)
        yield name, _type_name(name), shown, field.description or ""


def _type_name(name: str) -> str:
    return _TYPE_NAMES[Settings.__annotations__[name]]


_TYPE_NAMES = {
    "str": "text",
    "Sender": "address",
    "str | None": "text",
    "RsaKey | None": "text",
    "Ed25519Key | None": "text",
    "int": "number",
    "Domain | None": "domain",
    "Literal['en', 'de', 'es', 'fr', 'ar']": "en, de, es, fr or ar",
    "bool": "true/false",
    "Path": "folder",
    "Port": "port",
    "BaseUrl": "URL",
    "DatabaseUrl": "URL",
    "BrokerUrl": "URL",
    "Names": "list",
    "Addresses": "list of addresses",
    "Zone": "time zone",
    "Duration": "duration",
    "PositiveDuration": "duration",
    "Durations": "list of durations",
    "Literal['retry', 'hold']": "retry or hold",
}
