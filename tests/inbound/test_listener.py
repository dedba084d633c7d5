"""The listener, spoken to over raw sockets: nothing is smuggled, relayed, lost, or told of our inside."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from service.dev import free_port
from service.inbound import listener
from service.lifecycle import ConsentState
from tests.support.inbound_mail import DOMAIN, POSTMASTER, Listening, asked, inbox, mail
from tests.support.processes import Processes, eventually
from tests.support.processes import environ as process_environ
from tests.support.story import LINDA, Story

ABUSE = f"abuse@{DOMAIN}"
MAIL = mail("Hello").decode()


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN}


@pytest.fixture
def here(story: Story) -> Iterator[Listening]:
    with Listening(story) as listening:
        yield listening


@contextmanager
def outage(story: Story) -> Iterator[None]:
    """The table of mails that arrived is not there for a while."""
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE inbound RENAME TO lost"))
    yield
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE lost RENAME TO inbound"))


# --- A mail ---------------------------------------------------------------------------------------


def test_an_answer_by_lmtp_is_on_record_before_it_is_acknowledged(story: Story, here: Listening) -> None:
    address = asked(story)
    yes = mail("Yes", To=address)
    with smtplib.LMTP("127.0.0.1", here.settings.INBOUND_PORT, timeout=10) as client:
        client.sendmail(LINDA, [address], yes)
        (row,) = inbox(story.db)
        assert (row.raw, row.sender, row.way) == (yes, LINDA, "lmtp")
        client.sendmail(LINDA, [address], yes)
    assert len(inbox(story.db)) == 1
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.YES


def test_a_bounce_has_the_null_sender_and_dots_are_undoubled(story: Story, here: Listening) -> None:
    with here.dial() as line:
        line.hear()
        line.say("LHLO client.test")
        assert line.say("MAIL FROM:<> SIZE=100 BODY=8BITMIME").startswith("250")
        line.say(f"RCPT TO:<{POSTMASTER}>")
        line.say("DATA")
        assert line.say("Subject: x\r\n\r\n..one\r\n...\r\n\0\xff\r\n.").startswith("250 2.0.0")
    (row,) = inbox(story.db)
    assert row.sender == "<>"
    assert row.raw == "Subject: x\r\n\r\n.one\r\n..\r\n\0\xff\r\n".encode()


def test_nothing_is_relayed_and_only_our_addresses_exist(story: Story, here: Listening) -> None:
    with here.dial() as line:
        line.hear()
        line.say("LHLO client.test")
        line.say(f"MAIL FROM:<{LINDA}>")
        for recipient in (LINDA, f"nobody@{DOMAIN}", f"intro+abc@{DOMAIN}", f"{LINDA}@{DOMAIN}", "x"):
            assert line.say(f"RCPT TO:<{recipient}>").startswith("55")
        for strange in (".@[", "<\\@\t[\t"):
            assert line.say(f"RCPT TO:{strange}").startswith("553 5.1.3")
        assert line.say("RCPT TO:<linda@salon.test>").startswith("550 5.1.1")
        assert line.say("DATA").startswith("503")
        assert line.say(f"RCPT TO:<{POSTMASTER.upper()}>").startswith("250")
    assert inbox(story.db) == []


def test_postmaster_needs_no_domain(story: Story, here: Listening) -> None:
    with here.dial() as line:
        line.hear()
        line.say("LHLO client.test")
        line.say(f"MAIL FROM:<{LINDA}>")
        assert line.say("RCPT TO:<abuse>").startswith("55")
        assert line.say("RCPT TO:<Postmaster>").startswith("250")
        line.say("DATA")
        assert line.say(f"{MAIL}\r\n.").startswith("250 2.0.0")
    story.sweep()
    (row,) = inbox(story.db)
    assert (row.recipient, row.outcome) == (POSTMASTER, "for the operator")


def test_a_session_ends_however_busy_it_is(here: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SESSION_TIMEOUT", 0.3)
    monkeypatch.setattr(listener, "MAX_COMMANDS", 10**9)
    with here.dial() as line:
        line.hear()
        replies = iter(lambda: line.say("NOOP"), "")
        last = next(reply for reply in replies if not reply.startswith("250"))
    assert last == "421 4.4.2 This session was too long"


def test_the_size_is_announced_and_a_larger_mail_is_refused(story: Story) -> None:
    with Listening(story, INBOUND_MAX_SIZE="65536") as here, here.dial() as line:
        line.hear()
        line.send("LHLO client.test\r\n")
        announced = [line.replies.readline() for _ in range(6)]
        assert b"250-SIZE 65536\r\n" in announced
        assert not [said for said in announced if b"AUTH" in said or b"STARTTLS" in said]
        line.hear()
        assert line.say(f"MAIL FROM:<{LINDA}> SIZE=65537").startswith("552 5.3.4")
        line.say(f"MAIL FROM:<{LINDA}> SIZE=65536")
        line.say(f"RCPT TO:<{POSTMASTER}>")
        line.say("DATA")
        line.send("x" * 998 + "\r\n")
        assert line.say(("y" * 998 + "\r\n") * 70 + ".").startswith("552 5.3.4")
        assert line.say("NOOP").startswith("250"), "the session goes on"
    assert inbox(story.db) == []


def test_a_line_without_end_is_refused(story: Story, here: Listening) -> None:
    with here.dial() as line:
        line.open(POSTMASTER)
        assert line.say("x" * 200_000 + "\r\n.").startswith("550 5.6.0")
        assert line.say("NOOP " + "x" * 600).startswith("500")
        line.send("NOOP " + "x" * 100_000 + "\r\nNOOP\r\n")
        assert line.hear_all() == [listener.LINE_TOO_LONG]
    assert inbox(story.db) == []


def test_there_are_at_most_twenty_recipients(story: Story, here: Listening) -> None:
    with here.dial() as line:
        line.hear()
        line.say("LHLO client.test")
        line.say(f"MAIL FROM:<{LINDA}>")
        said = [line.say(f"RCPT TO:<{POSTMASTER}>") for _ in range(21)]
    assert [reply[:3] for reply in said] == ["250"] * 20 + ["452"]


# --- Smuggling ------------------------------------------------------------------------------------

SMUGGLED = (
    f"MAIL FROM:<mallory@evil.test>\r\nRCPT TO:<{ABUSE}>\r\nDATA\r\n"
    "Message-ID: <smuggled@evil.test>\r\n\r\nsmuggled\r\n.\r\n"
)


@pytest.mark.parametrize(
    "end", ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\r\n.\r\r\n"]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_other_line_end_ends_a_mail(story: Story, here: Listening, end: str) -> None:
    with here.dial() as line:
        line.open(POSTMASTER)
        line.send(f"{MAIL}x{end}{SMUGGLED}QUIT\r\n")
        said = line.hear_all()
    assert said[0].startswith("550 5.5.2")
    # What stands behind the smuggled mail's own end is a command; what stands before it is not.
    assert [reply[:3] for reply in said[1:]] == ["221"]
    assert inbox(story.db) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("end", ["\n", "\r\r\n", "\rRSET\r\n"])
@pytest.mark.parametrize(
    "command", ["LHLO client.test", "NOOP", f"MAIL FROM:<{LINDA}>", f"RCPT TO:<{POSTMASTER}>", "DATA", "X"]
)
def test_a_command_with_a_bare_line_end_ends_the_session(story: Story, command: str, end: str) -> None:
    commands = ["LHLO client.test", "NOOP", f"MAIL FROM:<{LINDA}>", f"RCPT TO:<{POSTMASTER}>", "DATA"]
    before = commands[: commands.index(command)] if command in commands else []
    with Listening(story) as here, here.dial() as line:
        line.send("".join(f"{said}\r\n" for said in before) + f"{command}{end}")
        line.send("LHLO client.test\r\n" + SMUGGLED + "QUIT\r\n")
        said = line.hear_all()
    assert said[-1].startswith("550 5.5.2")
    assert len(said) == len(before) + 2
    assert inbox(story.db) == []


def test_a_mail_that_ends_as_it_must_is_taken_and_the_next_one_too(story: Story, here: Listening) -> None:
    with here.dial() as line:
        line.open(POSTMASTER)
        line.send(f"{MAIL}.\r\n{SMUGGLED}")
        assert [line.hear()[:3] for _ in range(5)] == ["250", "250", "250", "354", "250"]
    assert [row.recipient for row in inbox(story.db)] == [POSTMASTER, ABUSE]


# --- Trouble of ours ------------------------------------------------------------------------------


def test_a_trouble_of_ours_is_451_and_tells_nothing(story: Story, here: Listening) -> None:
    with here.dial() as line:
        with outage(story):
            line.open(POSTMASTER)
            reply = line.say(f"{MAIL}.")
        assert reply == listener.TRY_LATER
        line.say(f"MAIL FROM:<{LINDA}>")
        line.say(f"RCPT TO:<{POSTMASTER}>")
        line.say("DATA")
        assert line.say(f"{MAIL}.").startswith("250")


# The first of these faults hits asyncio itself, which then leaves the connection to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_an_exception_in_a_command_is_451_and_tells_nothing(story: Story, here: Listening) -> None:
    # The settings are what every command needs; without them each fails in a way of its own.
    with here.dial() as line:
        line.hear()
        here.handler.settings = None  # type: ignore[assignment]
        assert line.say("LHLO client.test") == listener.TRY_LATER
        here.handler.settings = here.settings
        line.say("LHLO client.test")
        here.handler.settings = None  # type: ignore[assignment]
        assert line.say(f"MAIL FROM:<{LINDA}> SIZE=1") == listener.TRY_LATER
        line.say(f"MAIL FROM:<{LINDA}>")
        assert line.say(f"RCPT TO:<{POSTMASTER}>") == listener.TRY_LATER
        here.handler.settings = here.settings
        line.say(f"RCPT TO:<{POSTMASTER}>")
        line.say("DATA")
        here.handler.settings = None  # type: ignore[assignment]
        assert line.say(f"{MAIL}.") == listener.TRY_LATER


# --- LMTP -----------------------------------------------------------------------------------------


def test_by_lmtp_each_recipient_has_a_reply_of_its_own(story: Story) -> None:
    with Listening(story, INBOUND_PER_HOUR="1") as here, here.dial() as line:
        assert line.hear().startswith("220")
        assert line.say("EHLO client.test").startswith("500")
        line.say("LHLO client.test")
        line.say("MAIL FROM:<>")
        line.say(f"RCPT TO:<{POSTMASTER}>")
        line.say("DATA")
        assert line.say(f"{mail(number=7).decode()}.").startswith("250")
        line.say("MAIL FROM:<>")
        said = [line.say(f"RCPT TO:<{to}>")[:3] for to in (ABUSE, LINDA, POSTMASTER, ABUSE)]
        assert said == ["250", "550", "250", "250"]
        line.say("DATA")
        line.send(f"{MAIL}.\r\nNOOP\r\n")
        assert [line.hear()[:9] for _ in range(4)] == ["250 2.0.0", "451 4.7.1", "250 2.0.0", "250 OK"]
    assert [(row.recipient, row.way) for row in inbox(story.db)] == [(POSTMASTER, "lmtp"), (ABUSE, "lmtp")]


@pytest.mark.parametrize("content", ["bare\nline\r\n", "x" * 70_000 + "\r\n", ("y" * 70 + "\r\n") * 1000])
def test_by_lmtp_a_mail_that_cannot_be_taken_is_refused_for_each(story: Story, content: str) -> None:
    with Listening(story, INBOUND_MAX_SIZE="65536") as here, here.dial() as line:
        line.open(POSTMASTER, ABUSE)
        line.send(f"{content}.\r\nNOOP\r\n")
        said = [line.hear()[:3] for _ in range(3)]
    assert said[0] == said[1]
    assert said[0] in ("550", "552")
    assert said[2] == "250"


def test_by_lmtp_a_trouble_of_ours_is_told_for_each(story: Story) -> None:
    with (
        Listening(
            story,
        ) as here,
        here.dial() as line,
        outage(story),
    ):
        line.open(POSTMASTER, ABUSE)
        line.send(f"{MAIL}.\r\nNOOP\r\n")
        assert [line.hear() for _ in range(3)] == [listener.TRY_LATER, listener.TRY_LATER, "250 OK"]


# --- Limits ---------------------------------------------------------------------------------------


def test_one_peer_has_so_many_connections(
    story: Story, here: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_SESSIONS_OF_ONE_PEER", 3)
    lines = [here.dial() for _ in range(3)]
    assert [line.hear()[:3] for line in lines] == ["220"] * 3
    with here.dial() as line:
        assert line.hear_all() == ["421 4.7.0 Too many connections, please try again later"]
    lines.pop().__exit__()
    eventually(lambda: len(here.handler.sessions) == 2, 10, "the end of a session")
    with here.dial() as line:
        assert line.hear().startswith("220")
    for line in lines:
        line.__exit__()


def test_there_are_so_many_connections_in_all(
    story: Story, here: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_SESSIONS", 2)
    lines = [here.dial() for _ in range(2)]
    assert [line.hear()[:3] for line in lines] == ["220"] * 2
    with here.dial() as line:
        assert line.hear_all() == ["421 4.7.0 Too many connections, please try again later"]
    for line in lines:
        line.__exit__()


def test_whoever_is_silent_is_sent_away(
    story: Story, here: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "IDLE_TIMEOUT", 0.2)
    with here.dial() as line:
        assert line.hear().startswith("220")
        assert line.hear_all() == ["421 4.4.2 Nothing was said for too long"]
    monkeypatch.setattr(listener, "IDLE_TIMEOUT", 60)
    monkeypatch.setattr(listener, "DATA_TIMEOUT", 0.2)
    with here.dial() as line:
        line.open(POSTMASTER)
        line.send("Subject: half")
        assert line.hear().startswith("421 4.4.2")
    assert inbox(story.db) == []


def test_whoever_is_refused_too_often_is_sent_away(story: Story, here: Listening) -> None:
    with here.dial() as line:
        line.hear()
        line.say("LHLO client.test")
        line.say(f"MAIL FROM:<{LINDA}>")
        line.send("".join(f"RCPT TO:<user{number}@{DOMAIN}>\r\n" for number in range(100)))
        said = line.hear_all()
    assert [reply[:3] for reply in said] == ["550"] * listener.MAX_REFUSALS + ["421"]


def test_a_session_has_so_many_commands(
    story: Story, here: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_COMMANDS", 5)
    with here.dial() as line:
        line.hear()
        line.send("NOOP\r\n" * 9)
        assert [reply[:3] for reply in line.hear_all()] == ["250"] * 4 + ["221"]


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [b"LHLO x", b"MAIL FROM:<a@b>", b"RCPT TO:<" + POSTMASTER.encode() + b">", b"DATA", b"."]
            ),
            st.sampled_from([b"RSET", b"VRFY \xff", b"HELP x", b"AUTH PLAIN x", b"STARTTLS", b"EXPN a"]),
            st.binary(max_size=20).map(lambda raw: b"MAIL FROM:" + raw),
            st.binary(max_size=20).map(lambda raw: b"RCPT TO:<" + raw),
        ),
        max_size=12,
    )
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whatever_is_said_every_reply_is_one_of_smtp_and_none_tells_of_an_error(
    story: Story, here: Listening, pieces: list[bytes]
) -> None:
    with here.dial() as line:
        line.send(b"\r\n".join(pieces) + b"\r\n.\r\nQUIT\r\n")
        line.socket.shutdown(socket.SHUT_WR)
        said = line.hear_all()
    assert said[0].startswith("220")
    for reply in said:
        assert reply[:3].isdigit()
        assert not reply.startswith("451")
        assert "rror: (" not in reply
    with here.dial() as line:
        assert line.hear().startswith("220")


# --- The process ----------------------------------------------------------------------------------


def test_when_it_is_stopped_a_mail_under_way_is_finished_and_the_idle_are_told(
    story: Story, here: Listening
) -> None:
    with here.dial() as busy, here.dial() as idle:
        busy.open(POSTMASTER)
        idle.hear()
        here.stop()
        assert idle.hear_all() == ["421 4.3.2 Closing down, please try again later"]
        assert busy.say(f"{MAIL}.").startswith("250")
        assert busy.hear().startswith("421")
    assert len(inbox(story.db)) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_line_of_the_procfile_listens_says_so_and_ends_in_order(
    environ: dict[str, str], story: Story, tmp_path: Path
) -> None:
    port = free_port()
    own = {**environ, "INBOUND_PORT": str(port)}
    with Processes(tmp_path) as processes:
        processes.environ = process_environ(environ["DATABASE_URL"], environ["REDIS_URL"], own)
        processes.start("inbound")
        eventually(lambda: "Listening" in processes.said("inbound"), 30, "the listener")
        assert processes.said("inbound") == (
            f"Listening for LMTP on 127.0.0.1:{port}, for mail to {DOMAIN}.\n"
        )
        with smtplib.LMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail(LINDA, [POSTMASTER], mail())
        processes.start("inbound-2")
        eventually(lambda: "Cannot listen" in processes.said("inbound-2"), 30, "the second one's words")
        assert f"127.0.0.1:{port}, see INBOUND_PORT" in processes.said("inbound-2")
        processes.stop("inbound")
        assert "Traceback" not in processes.said("inbound")
    assert len(inbox(story.db)) == 1
