"""The settings as the environment gives them (https://12factor.net/config).

``<NAME>_FILE`` names a file to read the value from instead, which is how container platforms hand over
secrets. A setting that is wrong stops the start with its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from .table import MIN_SECRET_LENGTH, Settings

PLACEHOLDER_SECRET = re.compile(
    r"change.?(me|this|it)|replace.?(me|this|it)|your.?secret|placeholder|insecure", re.IGNORECASE
)
REMOVED = {
    "INBOUND_PROTOCOL": "remove it; the listener speaks LMTP only, behind a mail server (docs/production.md)"
}
"""Settings that once were, each with what to do instead: one left behind must not be ignored in silence."""
ERROR_MESSAGES = {
    "int_parsing": "write a whole number",
    "bool_parsing": "write true or false",
    "literal_error": "write {expected}",
    "greater_than_equal": "write {ge} or more",
    "less_than_equal": "write {le} or less",
    "string_too_short": "write {min_length} characters or more",
    "too_short": "write at least one",
}
"""What to write instead, by the type of pydantic's error."""


class SettingsError(Exception):
    """One or more settings are wrong; the message has one line for each, with its name."""


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment.

    Raises SettingsError with a line for each setting that is missing or wrong, or no longer there.
    """
    if removed := [f"{name}: {instead}." for name, instead in REMOVED.items() if environ.get(name)]:
        raise SettingsError("\n".join(removed))
    values = dict(read_environment(environ))
    values.setdefault("PUBLIC_URL", f"http://127.0.0.1:{values.get('PORT', 8000)}")
    values.setdefault("MAIL_DEFAULT_SENDER", f"TwoYes <twoyes@{_mail_domain(values['PUBLIC_URL'])}>")
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_error_lines(error))) from None
    _check_combinations(settings)
    return settings


def _mail_domain(public_url: str) -> str:
    """Return the host of the pages; a bare IP address is no mail domain (RFC 5321 4.1.3)."""
    host = urlsplit(public_url).hostname or "localhost"
    return "localhost" if re.fullmatch(r"[\d.]+|.*:.*", host) else host


def read_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each setting that an environment gives; an empty one counts as not given.

    Raises SettingsError when NAME and NAME_FILE are both given, or the file cannot be read.
    """
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


def _error_lines(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        name = problem["loc"][0]
        if problem["type"] == "missing":
            yield f"{name}: this setting is missing. {Settings.model_fields[str(name)].description}"
        else:
            message = ERROR_MESSAGES.get(problem["type"], "").format_map(problem.get("ctx", {}))
            yield f"{name}: {message or problem['msg'].removeprefix('Value error, ')}."


def _check_combinations(settings: Settings) -> None:
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
    return len(key) < MIN_SECRET_LENGTH or len(set(key)) < 6 or bool(PLACEHOLDER_SECRET.search(key))
