"""The `twoyes` command, run as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import dkim
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from honcho.environ import parse_procfile
from sqlalchemy import update

from service.cli import main
from service.inbound.store import Delivery, Way, receive
from service.introductions import wishes
from service.lifecycle import MailKind, Role, State
from service.mail.signing import sign
from service.operating.dns import rsa_public_key
from service.settings.environment import load
from service.settings.table import describe
from service.store.models import InboundMail, MailState
from tests.mail.test_dkim import BOTH, PEM, RSA
from tests.support.inbound_mail import DOMAIN, POSTMASTER, asked, mail
from tests.support.smtp_server import DROP, FaultySmtp
from tests.support.story import LINDA, NATASHA, HandClock, Story

ROOT = Path(__file__).parents[1]


@pytest.fixture
def runner(environ: dict[str, str]) -> CliRunner:
    return CliRunner(env=environ)


def test_the_version_is_that_of_the_package_that_is_installed() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"twoyes {version('twoyes')}\n"


def test_the_ledger_is_a_json_list_of_what_every_introduction_came_to(
    story: Story, runner: CliRunner
) -> None:
    story.introduce()
    story.sweep(days=3)
    story.sweep(days=21)
    story.choose(story.link(LINDA, "/f/"), "yes")
    (entry,) = json.loads(runner.invoke(main, ["ledger", "--json"]).output)
    assert entry["introduction"] == story.introduction().id
    assert (entry["outcome"], entry["reason"]) == ("referral", None)
    assert entry["recorded_at"] == story.clock().isoformat()
    assert entry["marks"] == {
        "need_identified": True,
        "actively_sought": False,
        "introduced": True,
        "endorsed": True,
        "both_expect_it": True,
    }
    history = json.loads(runner.invoke(main, ["ledger", "--json", "--history"]).output)
    assert [(entry["outcome"], entry["reason"]) for entry in history] == [
        ("lead", "handoff-unconfirmed"),
        ("referral", None),
    ]


def test_the_ledger_is_a_table_where_nobody_asks_for_json(story: Story, runner: CliRunner) -> None:
    story.ask()
    story.answer(LINDA, "no")
    story.sweep(days=7)
    printed = runner.invoke(main, ["ledger"]).output
    assert "declined" in printed
    assert "introduction" in printed


def test_an_unknown_mail_is_listed_and_retried_by_hand(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp, runner: CliRunner
) -> None:
    story = Story({**environ, "ON_UNKNOWN": "hold"}, clock, relay)
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    relay.behave(dot=[DROP])
    story.sweep(minutes=10)
    (row,) = [row for row in story.outbox(MailKind.INTRODUCTION) if row.state is MailState.UNKNOWN]
    assert f" {row.id} " in runner.invoke(main, ["mails"]).output
    assert "queued again" in runner.invoke(main, ["mails", "retry", str(row.id)]).output
    (row,) = story.outbox(MailKind.INTRODUCTION, row.recipient)
    assert row.state is MailState.QUEUED
    again = runner.invoke(main, ["mails", "retry", str(row.id)])
    assert again.exit_code == 1
    assert "left alone" in again.output
    assert runner.invoke(main, ["mails", "retry", "999"]).output.strip() == "There is no mail 999."
    story.db.engine.dispose()


def test_a_failed_ask_of_a_case_that_went_on_is_not_retried(story: Story, runner: CliRunner) -> None:
    story.request()
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.verify()
    (row,) = story.outbox(MailKind.ASK, NATASHA)
    refused = runner.invoke(main, ["mails", "retry", str(row.id)])
    assert refused.exit_code == 1
    assert "not wanted any more" in refused.output


def test_one_sweep_from_the_command_line_does_what_is_due(story: Story, runner: CliRunner) -> None:
    # The command's clock is the real one, later than the story's: the request has lapsed by then.
    story.request()
    assert runner.invoke(main, ["sweep"]).exit_code == 0
    assert story.introduction().state is State.CLOSED


def test_wrong_settings_end_the_command_with_their_names(runner: CliRunner) -> None:
    wrong = runner.invoke(main, ["sweep"], env={"SECRET_KEY": "short", "HOLD_FOR": "10m"})
    assert wrong.exit_code == 2
    assert wrong.output.startswith("SECRET_KEY: ")


@pytest.mark.parametrize("process", ["web", "worker", "beat"])
def test_a_wrong_setting_ends_a_process_with_its_name_alone(process: str) -> None:
    line = parse_procfile((ROOT / "Procfile").read_text()).processes[process]
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "DATABASE_URL": "foo", "PORT": "0"}
    ended = subprocess.run(
        line, shell=True, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 4
    assert "DATABASE_URL: write postgresql://" in ended.stderr
    assert "SECRET_KEY: this setting is missing" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_was_not_migrated_gets_a_sentence(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    empty = runner.invoke(main, ["ledger"], env={"DATABASE_URL": f"sqlite:///{tmp_path}/empty.db"})
    assert empty.exit_code == 1
    assert "Has it been migrated?" in empty.output
    assert "Traceback" not in empty.output


@pytest.mark.parametrize("command", ["ledger", "mails", "received", "reports", "doctor"])
def test_a_file_that_is_not_there_is_told_and_not_made(
    runner: CliRunner, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "mistyped.db"
    missing = runner.invoke(main, [command], env={"DATABASE_URL": f"sqlite:///{path}"})
    assert missing.exit_code == 1
    assert f"no file {path}" in missing.output
    assert "see DATABASE_URL" in missing.output
    assert not path.exists()
    wrong = runner.invoke(main, [command], env={"DATABASE_URL": "foo"})
    assert (wrong.exit_code, wrong.output.partition(": write ")[0]) == (2, "DATABASE_URL")


# --- Mail that arrives ----------------------------------------------------------------------------


@pytest.fixture
def with_domain(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    environ["INBOUND_DOMAIN"] = DOMAIN


def bring(story: Story, raw: bytes, recipient: str) -> None:
    """A mail arrives, and waits to be read."""
    receive(story.db, story.settings, Delivery(raw, LINDA, recipient, Way.LMTP), story.clock())


@pytest.mark.usefixtures("with_domain")
def test_what_arrived_is_listed_without_tokens_and_senders(story: Story, runner: CliRunner) -> None:
    address = asked(story)
    bring(story, mail("Yes", To=address), address)
    story.sweep()
    bring(story, mail(number=2), POSTMASTER)
    listed = runner.invoke(main, ["received"]).output
    raw = runner.invoke(main, ["received", "--json"]).output
    for output in (listed, raw):
        assert address.partition("+")[2].partition("@")[0] not in output
        assert LINDA not in output
    assert "answered yes" in listed
    newest, oldest = json.loads(raw)
    assert (newest["attempts"], oldest["attempts"]) == (0, 1)
    assert (newest["for"], newest["outcome"], newest["way"]) == ("postmaster", "waiting", "lmtp")
    assert (oldest["for"], oldest["outcome"], oldest["id"]) == ("intro", "answered yes", 1)
    assert len(json.loads(runner.invoke(main, ["received", "--json", "--limit", "1"]).output)) == 1


@pytest.mark.usefixtures("with_domain")
def test_a_mail_is_printed_as_it_arrived_while_it_is_kept(story: Story, runner: CliRunner) -> None:
    raw = mail("Please take \x1b[2J me off your list. \xe9", number=2)
    bring(story, raw, POSTMASTER)
    assert runner.invoke(main, ["received", "show", "1"]).stdout_bytes == raw
    with story.db.transaction() as session:
        session.execute(update(InboundMail).values(raw=None))
    for number in ("1", "7"):
        gone = runner.invoke(main, ["received", "show", number])
        assert (gone.exit_code, gone.output) == (
            1,
            f"There is no mail {number}, or it is no longer kept.\n",
        )


def test_what_arrived_is_never_less_than_one_mail_and_counts_its_attempts(runner: CliRunner) -> None:
    assert runner.invoke(main, ["received", "--limit", "-1"]).exit_code == 2
    assert runner.invoke(main, ["received", "show", "9" * 30]).exit_code == 2


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("ledger", "The ledger is empty: no introduction has ended yet."),
        ("mails", "No mail has failed, and none is in doubt."),
        ("received", "No mail has arrived yet."),
        ("reports", "No open reports."),
    ],
)
def test_where_there_is_nothing_it_is_said(story: Story, runner: CliRunner, command: str, said: str) -> None:
    assert runner.invoke(main, [command]).output == f"{said}\n"


def test_mail_is_another_word_for_mails(story: Story, runner: CliRunner) -> None:
    listed = runner.invoke(main, ["mail", "preview"])
    assert listed.exit_code == 0
    assert listed.output == runner.invoke(main, ["mails", "preview"]).output
    assert "preview" in runner.invoke(main, ["mail", "--help"]).output
    assert "  mail " not in runner.invoke(main, ["--help"]).output


def test_no_name_of_a_setting_is_cut_at_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["settings"], standalone_mode=False)
    printed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {name for name, *_ in describe()} <= printed


@pytest.mark.usefixtures("with_domain")
def test_a_mail_that_waits_is_as_old_as_healthz_says(story: Story) -> None:
    assert story.client.get("/healthz").json["oldest_inbound_mail"] is None  # type: ignore[index]
    bring(story, mail(), POSTMASTER)
    story.clock.advance(seconds=90)
    assert story.client.get("/healthz").json["oldest_inbound_mail"] == 90  # type: ignore[index]
    story.sweep()
    assert story.client.get("/healthz").json["oldest_inbound_mail"] is None  # type: ignore[index]


def test_a_requester_whom_reports_stop_is_named(story: Story, runner: CliRunner) -> None:
    for number in range(3):
        person = f"b{number}@interiors.test"
        story.ask(b_email=person)
        assert "stopped" not in runner.invoke(main, ["reports"]).output
        with story.writing() as context:
            introduction = context.session.merge(story.introduction(), load=False)
            wishes.report(context, introduction, Role.B, person)
    told = "rita@quill.test is stopped: reported by 3 persons in 3 cases.\n"
    assert runner.invoke(main, ["reports"]).output.endswith(told)


def test_a_report_stands_until_it_is_dismissed(story: Story, runner: CliRunner) -> None:
    story.ask()
    with story.writing() as context:
        introduction = context.session.merge(story.introduction(), load=False)
        wishes.report(context, introduction, Role.A, LINDA)
    listed = runner.invoke(main, ["reports"]).output
    assert " 1 " in listed
    assert "rita@quill.test" in listed
    assert "dismissed" in runner.invoke(main, ["reports", "dismiss", "1"]).output
    assert "rita@quill.test" not in runner.invoke(main, ["reports"]).output
    for number in ("1", "7"):
        again = runner.invoke(main, ["reports", "dismiss", number])
        assert (again.exit_code, again.output) == (1, f"There is no open report {number}.\n")


@pytest.mark.usefixtures("with_domain")
def test_the_dns_records_are_those_that_our_signatures_are_checked_with(
    environ: dict[str, str], runner: CliRunner, clock: HandClock
) -> None:
    printed = runner.invoke(main, ["dns"], env=BOTH).output
    records = {
        line.split(" TXT ")[0]: line.split(" TXT ")[1] for line in printed.splitlines() if "TXT" in line
    }
    texts = {name: value[1:-1].replace('" "', "").encode() for name, value in records.items()}
    assert all(len(string) <= 255 for value in records.values() for string in value[1:-1].split('" "'))
    signed = sign(f"From: intro@{DOMAIN}\r\n\r\nx\r\n".encode(), clock(), load({**environ, **BOTH}))
    checked = dkim.DKIM(signed)
    for index in (0, 1):
        assert checked.verify(idx=index, dnsfunc=lambda name, timeout=5: texts.get(name.decode()))
    assert f"{DOMAIN}. MX 10 twoyes.test." in printed
    assert texts[f"_dmarc.{DOMAIN}."].startswith(b"v=DMARC1; p=none")
    assert texts[f"{DOMAIN}."] == b"v=spf1 a:localhost -all"
    assert "Do not publish this: MAIL_SERVER is localhost" in printed
    assert "PRIVATE" not in printed
    public = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert rsa_public_key(PEM) == public


@pytest.mark.parametrize(
    ("server", "spf"),
    [
        ("192.0.2.7", "ip4:192.0.2.7"),
        ("2001:db8::7", "ip6:2001:db8::7"),
        ("[2001:db8::7]", "ip6:2001:db8::7"),
        ("smtp.example.org", "a:smtp.example.org"),
    ],
)
def test_a_relay_is_named_in_spf_as_what_it_is(runner: CliRunner, server: str, spf: str) -> None:
    public = {"MAIL_DEFAULT_SENDER": "us@example.org", "PUBLIC_URL": "https://example.org"}
    printed = runner.invoke(main, ["dns"], env={**public, "MAIL_SERVER": server}).output
    assert f'"v=spf1 {spf} -all"' in printed
    assert "Do not publish" not in printed


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"MAIL_SERVER": "::1"}, "MAIL_SERVER is ::1"),
        ({"PUBLIC_URL": "http://127.0.0.1:8000"}, "PUBLIC_URL is 127.0.0.1"),
        ({"MAIL_DEFAULT_SENDER": "twoyes@localhost"}, "the domain is localhost"),
    ],
)
def test_records_of_this_machine_alone_are_marked(runner: CliRunner, env: dict[str, str], named: str) -> None:
    public = {
        "MAIL_DEFAULT_SENDER": "us@example.org",
        "PUBLIC_URL": "https://example.org",
        "MAIL_SERVER": "smtp.example.org",
    }
    printed = runner.invoke(main, ["dns"], env={**public, **env}).output
    assert printed.count("; Do not publish this: ") == 1
    assert named in printed
