"""Every setting of TwoYes, in one table. ``docs/settings.md`` is written from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticUndefined

from .values import (
    Addresses,
    BaseUrl,
    BrokerUrl,
    DatabaseUrl,
    Domain,
    Duration,
    Durations,
    Ed25519Key,
    Names,
    Port,
    PositiveDuration,
    RsaKey,
    Sender,
    Zone,
)

MIN_SECRET_LENGTH = 16
"""In characters."""


def setting(default: object, meaning: str, **limits: Any) -> Any:
    """Declare one setting; ``limits`` are those of `pydantic.Field`."""
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
    MAIL_USE_TLS: bool = setting(default=False, meaning="Use STARTTLS; the certificate is verified.")
    MAIL_USE_SSL: bool = setting(
        default=False, meaning="Use TLS from the first byte; the certificate is verified."
    )
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
        "A press behind a link that comes sooner than this after its mail must be made again, and of two "
        "different answers within it neither counts: mail scanners press buttons. 0s turns this off.",
        validate_default=True,
    )

    OPERATORS: Addresses = setting(
        (),
        "The addresses, comma-separated, whose sign-in shows the operator's page. They are told by mail when "
        "reports of abuse stop a requester.",
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
        min_length=MIN_SECRET_LENGTH,
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

    EMBEDDED: bool = setting(default=False, meaning="Set by `make run`: one machine, and short durations.")
    MAILBOX: bool = setting(
        default=False, meaning="Set by `make run` when it catches all mail itself: /mailbox shows it."
    )
    DATA_DIR: Path = setting(
        "var", "Where the embedded mode keeps its database, mailbox and secret.", validate_default=True
    )

    @property
    def secret_keys(self) -> list[str]:
        """Return all keys, oldest first and the signing one last, as itsdangerous takes them."""
        return [*self.SECRET_KEY_FALLBACKS, self.SECRET_KEY]


def describe() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and meaning of every setting, for `twoyes settings` and docs/settings.md."""
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "required" if default is PydanticUndefined else "" if default in (None, ()) else str(default)
        yield name, _type_name(name), shown, field.description or ""


def _type_name(name: str) -> str:
    return TYPE_NAMES[Settings.__annotations__[name]]


TYPE_NAMES = {
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
