"""The doctor says what is wrong in one line, with the setting to look at."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from service import dev as embedded
from service.cli import main
from service.operating import probes
from service.operating.doctor import Finding, examine
from service.settings.environment import load
from tests.mail.test_dkim import BOTH
from tests.support.inbound_mail import DOMAIN
from tests.support.processes import Broker
from tests.support.smtp_server import FaultySmtp, server_context


def findings(environ: dict[str, str], **changes: str) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(load({**environ, **changes}))}


def test_where_everything_is_there_nothing_is_wrong(environ: dict[str, str]) -> None:
    with Broker() as broker:
        environ = {**environ, "REDIS_URL": broker.url}
        assert not [finding for finding in findings(environ).values() if finding.failed]
        result = CliRunner(env=environ).invoke(main, ["doctor"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == ["ok"] * 6


def test_a_database_that_is_away_or_not_migrated_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    empty = findings(environ, DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")["database"]
    assert empty.failed
    assert "twoyes migrate" in empty.message
    away = findings(environ, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")["database"]
    assert away.failed
    assert "DATABASE_URL" in away.message


def test_a_file_that_is_not_there_is_told_and_not_made(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "mistyped.db"
    found = findings(environ, DATABASE_URL=f"sqlite:///{path}")["database"]
    assert found.failed
    assert f"no file {path}" in found.message
    assert not path.exists()


def test_a_database_that_takes_the_connection_and_says_nothing_is_away(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # libpq knows no shorter limit.
    monkeypatch.setattr(probes, "TIMEOUT", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = findings(environ, DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/nothing")["database"]
    assert found.failed
    assert "timeout" in found.message


def test_a_broker_that_is_away_is_told(environ: dict[str, str]) -> None:
    broker = findings(environ)["broker"]
    assert broker.failed
    assert "REDIS_URL" in broker.message


@pytest.mark.parametrize(
    ("script", "word"),
    [({"banner": "554 5.3.2 no service"}, "no service"), ({"ehlo": "550 5.7.1 go away"}, "go away")],
    ids=["banner", "ehlo"],
)
def test_a_relay_that_refuses_us_is_told_with_what_it_said(
    environ: dict[str, str], relay: FaultySmtp, script: dict[str, str], word: str
) -> None:
    relay.behave(script)
    found = findings(environ)["relay"]
    assert found.failed
    assert word in found.message
    assert "\n" not in found.message


def test_a_login_that_fails_is_told_without_the_password(environ: dict[str, str], relay: FaultySmtp) -> None:
    relay.behave(auth="535 5.7.8 wrong")
    found = findings(environ, MAIL_USERNAME="twoyes", MAIL_PASSWORD="hush-hush")["relay"]
    assert found.failed
    assert "hush" not in found.message


def test_a_certificate_for_another_name_is_told(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{tmp_path}/ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/ca.pem")
    with FaultySmtp(starttls_with=server_context(authority, "elsewhere.test")) as relay:
        found = findings({**environ, **relay.environ}, MAIL_USE_TLS="1")["relay"]
    assert found.failed
    assert "certificate" in found.message


def test_no_mail_is_sent(environ: dict[str, str], relay: FaultySmtp) -> None:
    assert not findings(environ)["relay"].failed
    assert relay.messages == []
    assert "MAIL" not in relay.verbs


def test_links_that_only_this_machine_can_follow_are_told(environ: dict[str, str]) -> None:
    for address in ("http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"):
        assert findings(environ, PUBLIC_URL=address)["links"].failed
    assert not findings(environ, PUBLIC_URL="http://127.0.0.1:8000", EMBEDDED="1")["links"].failed
    result = CliRunner(env={**environ, "PUBLIC_URL": "http://localhost"}).invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "set PUBLIC_URL" in result.output


def test_a_listener_that_is_not_running_is_told_unless_there_is_a_webhook(
    environ: dict[str, str], relay: FaultySmtp
) -> None:
    off = findings(environ)["inbound"]
    assert not off.failed
    assert "INBOUND_DOMAIN" in off.message
    own = {**environ, "INBOUND_DOMAIN": DOMAIN, "INBOUND_PORT": str(embedded.free_port())}
    away = findings(own)["inbound"]
    assert away.failed
    assert "twoyes listen is not running" in away.message
    assert not findings(own, INBOUND_SECRET="wQ7-hook-secret-0193")["inbound"].failed
    # Anything that greets as mail servers do; the listener itself is in tests/inbound/test_listener.py.
    running = findings(own, INBOUND_PORT=str(relay.port))["inbound"]
    assert not running.failed
    assert "greets us" in running.message
    assert "hook-secret" not in findings(own, INBOUND_SECRET="wQ7-hook-secret-0193")["inbound"].message


def test_it_is_told_who_signs(environ: dict[str, str]) -> None:
    assert "DKIM_PRIVATE_KEY" in findings(environ)["signing"].message
    signed = findings(environ, INBOUND_DOMAIN=DOMAIN, **BOTH)["signing"]
    assert not signed.failed
    assert signed.message.startswith(f"as twoyes and twoyes-ed25519 of {DOMAIN}")
