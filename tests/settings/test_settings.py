"""The settings: what is read, and what stops the start with its name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from service.settings.environment import SettingsError, load
from service.settings.table import describe
from service.settings.values import format_duration, parse_duration
from tests.support.story import SECRET

GOOD = {"SECRET_KEY": SECRET, "DATABASE_URL": "sqlite:///x.db"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("14d", 1209600), ("6h", 21600), ("10m", 600), ("2s", 2), ("0s", 0)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("text", ["", "10", "m", "-1s", "1.5h", "1 day", "9999999999999d", "1y"])
def test_anything_else_is_refused_with_the_settings_name(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
    if text:
        with pytest.raises(SettingsError, match=r"^HOLD_FOR: .*duration"):
            load({**GOOD, "HOLD_FOR": text})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("MAIL_PORT", "70000"),
        ("TRUSTED_PROXIES", "-1"),
        ("MAIL_USE_TLS", "maybe"),
        ("ON_UNKNOWN", "panic"),
        ("PUBLIC_URL", "twoyes.example.org"),
        ("TIMEZONE", "Mars/Base"),
        ("MAIL_DEFAULT_SENDER", "TwoYes"),
        ("MAIL_DEFAULT_SENDER", "TwoYes <grüße@example.org>"),
        ("ANSWER_WITHIN", "0s"),
        ("MAIL_BACKOFF", "1m,soon"),
    ],
)
def test_a_bad_setting_stops_the_start_with_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: "):
        load({**GOOD, name: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "http", "write a whole number."),
        ("PORT", "0", "write 1 or more."),
        ("MAIL_PORT", "70000", "write 65535 or less."),
        ("MAIL_USE_TLS", "maybe", "write true or false."),
        ("ON_UNKNOWN", "panic", "write 'retry' or 'hold'."),
        ("INBOUND_SECRET", "short", "write 16 characters or more."),
        ("MAIL_BACKOFF", ",", "write at least one."),
    ],
)
def test_what_is_wrong_is_said_in_our_own_words(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({**GOOD, name: value})
    assert str(caught.value) == f"{name}: {said}"


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "foo", "postgresql+psycopg2://x/y", "postgres://h:port/d", "sqlite+aiosqlite:///x"]
)
def test_a_database_that_is_not_supported_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: write postgresql://") as caught:
        load({**GOOD, "DATABASE_URL": url})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["foo", "http://h/0", "amqp://h", "redis://", "redis://h:port/0", "redis://[::1/0", "unix://"]
)
def test_a_broker_that_is_not_supported_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^REDIS_URL: write redis://") as caught:
        load({**GOOD, "REDIS_URL": url})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://h", "redis://:password@h:6379/1", "rediss://[::1]:6380/0", "redis+socket:///run/r.sock"]
)
def test_a_broker_that_celery_understands_is_taken(url: str) -> None:
    assert load({**GOOD, "REDIS_URL": url}).REDIS_URL == url
    assert load({**GOOD, "REDIS_URL": "unix:///run/r.sock"}).REDIS_URL == "redis+socket:///run/r.sock"


def test_every_bad_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"PORT": "x", "HOLD_FOR": "soon"})
    named = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert named == ["SECRET_KEY", "DATABASE_URL", "PORT", "HOLD_FOR"]


def test_a_setting_that_is_no_longer_there_stops_the_start_with_what_to_do_instead() -> None:
    with pytest.raises(SettingsError, match=r"^INBOUND_PROTOCOL: remove it; .*LMTP"):
        load({**GOOD, "INBOUND_PROTOCOL": "smtp"})


@pytest.mark.parametrize("secret", ["short", "change-me-change-me-change-me", "aaaaaaaaaaaaaaaaaaaaaaaa"])
def test_a_placeholder_secret_stops_the_start(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"^SECRET_KEY: .*placeholder"):
        load({**GOOD, "SECRET_KEY": secret})
    with pytest.raises(SettingsError, match=r"^SECRET_KEY_FALLBACKS: "):
        load({**GOOD, "SECRET_KEY_FALLBACKS": f"{SECRET},{secret}"})
    with pytest.raises(SettingsError, match=r"^SECRET_KEY: "):
        load({**GOOD, "SECRET_KEY": secret, "EMBEDDED": "1"})


def test_a_missing_secret_stops_the_start_with_its_name() -> None:
    with pytest.raises(SettingsError, match=r"^SECRET_KEY: this setting is missing"):
        load({"DATABASE_URL": "sqlite:///x.db"})


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    settings = load({"DATABASE_URL": "sqlite:///x.db", "SECRET_KEY_FILE": str(tmp_path / "key")})
    assert settings.SECRET_KEY == SECRET


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^SECRET_KEY_FILE: cannot read .*missing"):
        load({"DATABASE_URL": "sqlite:///x.db", "SECRET_KEY_FILE": str(tmp_path / "missing")})


def test_a_value_and_a_file_for_it_are_refused_together(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    with pytest.raises(SettingsError, match="not both"):
        load({**GOOD, "SECRET_KEY_FILE": str(tmp_path / "key")})


def test_starttls_and_tls_from_the_first_byte_are_refused_together() -> None:
    with pytest.raises(SettingsError, match="MAIL_USE_TLS or MAIL_USE_SSL"):
        load({**GOOD, "MAIL_USE_TLS": "1", "MAIL_USE_SSL": "1"})


def test_the_public_address_and_the_sender_follow_from_the_port_and_the_host() -> None:
    assert load({**GOOD, "PORT": "8123"}).PUBLIC_URL == "http://127.0.0.1:8123"
    assert load({**GOOD, "PORT": "8123"}).MAIL_DEFAULT_SENDER == "TwoYes <twoyes@localhost>"
    settings = load({**GOOD, "PUBLIC_URL": "https://twoyes.example.org/"})
    assert settings.PUBLIC_URL == "https://twoyes.example.org"
    assert settings.MAIL_DEFAULT_SENDER == "TwoYes <twoyes@twoyes.example.org>"


def test_a_platforms_database_url_gets_the_driver() -> None:
    assert load({**GOOD, "DATABASE_URL": "postgres://u:p@h/d"}).DATABASE_URL == "postgresql+psycopg://u:p@h/d"


def test_an_empty_setting_is_not_set() -> None:
    assert load({**GOOD, "MAIL_USERNAME": "", "PORT": " "}).MAIL_USERNAME is None


def test_every_setting_has_a_type_and_a_meaning() -> None:
    for name, kind, _, meaning in describe():
        assert kind, name
        assert meaning.endswith("."), name
