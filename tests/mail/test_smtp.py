"""The session with the relay, against a real socket that misbehaves."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from service.mail.smtp import Kind, Outcome, SmtpSession
from service.settings.environment import load
from service.settings.table import Settings
from tests.support.smtp_server import (
    DROP,
    HANG,
    TAKE_AND_DROP,
    TAKE_AND_HANG,
    FaultySmtp,
    ReceivedMail,
    server_context,
)

SENDER = "twoyes@example.org"
ALICE = "alice@example.org"
BOB = "bob@example.org"
ALICE_IN_UTF8 = "ålice@example.org"
MAIL = b"Subject: Would you like to meet Bob?\r\n\r\nHello Alice\r\n"
NEXT_MAIL = b"Subject: next\r\n\r\nHello again\r\n"


def settings_for(relay: FaultySmtp, **more: str) -> Settings:
    return load(
        {
            "SECRET_KEY": "fG7pQ2xV9sLw4TzK",
            "DATABASE_URL": "sqlite:///unused.db",
            **relay.environ,
            **more,
        }
    )


def yes() -> bool:
    return True


def no() -> bool:
    return False


def must_not_be_asked() -> bool:
    pytest.fail("the fence was asked")


def send(session: SmtpSession, recipient: str = ALICE, fence: Callable[[], bool] = yes) -> Outcome:
    return session.send(SENDER, recipient, MAIL, fence)


def taken_from(relay: FaultySmtp) -> list[tuple[tuple[str, ...], bytes]]:
    return [(message.recipients, message.data) for message in relay.messages]


def assert_next_mail_is_taken(session: SmtpSession, relay: FaultySmtp) -> None:
    """The session is clean: one more mail, to one more recipient, arrives as itself."""
    before = len(relay.messages)
    outcome = session.send(SENDER, BOB, NEXT_MAIL, yes)
    assert outcome.kind is Kind.ACCEPTED
    assert relay.messages[before:] == [ReceivedMail(SENDER, (BOB,), NEXT_MAIL)]


def assert_next_mail_is_taken_after(session: SmtpSession, relay: FaultySmtp, **script: None) -> None:
    relay.behave(script)
    assert_next_mail_is_taken(session, relay)


@pytest.fixture
def relay() -> Iterator[FaultySmtp]:
    with FaultySmtp() as server:
        yield server


@pytest.fixture
def session(relay: FaultySmtp) -> Iterator[SmtpSession]:
    with SmtpSession(settings_for(relay)) as open_session:
        yield open_session


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that this process trusts."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return ca


class TestAMailThatIsTaken:
    def test_carries_the_words_of_the_server(self, relay: FaultySmtp, session: SmtpSession) -> None:
        assert send(session) == Outcome(Kind.ACCEPTED, "250 2.0.0 Ok: queued as 1")
        assert relay.messages == [ReceivedMail(SENDER, (ALICE,), MAIL)]

    def test_is_followed_by_others_on_the_same_connection(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        send(session)
        assert_next_mail_is_taken(session, relay)
        assert_next_mail_is_taken(session, relay)
        assert relay.connections == 1

    def test_may_come_from_the_null_sender(self, relay: FaultySmtp, session: SmtpSession) -> None:
        assert session.send("", ALICE, MAIL, yes).kind is Kind.ACCEPTED
        assert relay.messages == [ReceivedMail("", (ALICE,), MAIL)]

    def test_is_reported_with_all_lines_of_the_reply_in_one(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        relay.behave(dot="250 2.0.0 Ok\n250 queued \t as \x07 7")
        assert send(session) == Outcome(Kind.ACCEPTED, "250 2.0.0 Ok queued as 7")
        assert_next_mail_is_taken_after(session, relay, dot=None)

    def test_is_reported_with_a_reply_cut_to_200_characters(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        relay.behave(dot="250 " + "x" * 500)
        assert send(session) == Outcome(Kind.ACCEPTED, "250 " + "x" * 196)

    def test_does_not_wait_for_an_acknowledgement_between_body_and_dot(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        send(session)
        assert session.host is not None
        assert session.host.sock is not None
        assert session.host.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def test_stays_taken_when_quit_fails(self, relay: FaultySmtp) -> None:
        relay.behave(quit="500 never")
        with SmtpSession(settings_for(relay)) as session:
            assert send(session).kind is Kind.ACCEPTED
        relay.behave(quit=DROP)
        with SmtpSession(settings_for(relay)) as session:
            assert send(session).kind is Kind.ACCEPTED
        assert len(relay.messages) == 2
        assert relay.wait_until_idle()

    def test_stays_taken_when_quit_hangs(self, relay: FaultySmtp) -> None:
        relay.behave(quit=HANG)
        started = time.monotonic()
        with SmtpSession(settings_for(relay)) as session:
            assert send(session).kind is Kind.ACCEPTED
        assert time.monotonic() - started < 10

    def test_leaves_no_connection_behind_when_the_session_ends(self, relay: FaultySmtp) -> None:
        with SmtpSession(settings_for(relay)) as session:
            send(session)
        assert relay.wait_until_idle()
        assert relay.verbs[-1] == "QUIT"


class TestTheFence:
    def test_runs_when_the_server_has_the_whole_body_and_not_the_dot(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        seen = []

        def fence() -> bool:
            seen.append((relay.wait_for_body(MAIL), list(relay.messages)))
            return True

        assert send(session, fence=fence).kind is Kind.ACCEPTED
        assert seen == [(MAIL, [])]
        assert relay.messages == [ReceivedMail(SENDER, (ALICE,), MAIL)]

    def test_that_says_no_leaves_the_mail_unsent(self, relay: FaultySmtp, session: SmtpSession) -> None:
        assert send(session, fence=no) == Outcome(Kind.UNWANTED, "not sent: no longer wanted")
        assert relay.wait_until_idle()
        assert relay.messages == []
        assert relay.wire == MAIL
        assert_next_mail_is_taken(session, relay)

    @pytest.mark.parametrize("error", [ConnectionResetError, ValueError, KeyboardInterrupt])
    def test_that_raises_leaves_the_mail_unsent_and_the_error_visible(
        self, relay: FaultySmtp, session: SmtpSession, error: type[BaseException]
    ) -> None:
        def fence() -> bool:
            raise error("the database is away")

        with pytest.raises(error, match="the database is away"):
            send(session, fence=fence)
        assert relay.wait_until_idle()
        assert relay.messages == []
        assert_next_mail_is_taken(session, relay)

    @pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
    def test_is_not_asked_about_a_mail_that_was_refused_before(
        self, relay: FaultySmtp, session: SmtpSession, stage: str
    ) -> None:
        relay.behave({stage: "550 5.7.1 no"})
        send(session, fence=must_not_be_asked)
        assert relay.messages == []


class TestTheBody:
    def arrives(self, relay: FaultySmtp, session: SmtpSession, message: bytes) -> bytes:
        assert session.send(SENDER, ALICE, message, yes).kind is Kind.ACCEPTED
        return relay.messages[-1].data

    def test_has_its_dots_stuffed(self, relay: FaultySmtp, session: SmtpSession) -> None:
        message = b"Subject: dots\r\n\r\n.one\r\n..two\r\nthree.\r\n"
        assert self.arrives(relay, session, message) == message
        assert b"\r\n..one\r\n...two\r\nthree.\r\n" in relay.wire
        assert_next_mail_is_taken(session, relay)

    def test_survives_a_line_that_is_a_lone_dot(self, relay: FaultySmtp, session: SmtpSession) -> None:
        message = b"Subject: dot\r\n\r\nbefore\r\n.\r\nMAIL FROM:<eve@example.org>\r\n"
        assert self.arrives(relay, session, message) == message
        assert len(relay.messages) == 1
        assert_next_mail_is_taken(session, relay)

    @pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
    def test_has_crlf_line_ends_only(self, relay: FaultySmtp, session: SmtpSession, end: bytes) -> None:
        message = end.join([b"Subject: ends", b"", b"one", b".", b".two", b""])
        assert self.arrives(relay, session, message) == b"Subject: ends\r\n\r\none\r\n.\r\n.two\r\n"
        assert relay.wire == b"Subject: ends\r\n\r\none\r\n..\r\n..two\r\n.\r\n"
        assert_next_mail_is_taken(session, relay)

    def test_without_a_last_line_end_gets_one(self, relay: FaultySmtp, session: SmtpSession) -> None:
        assert self.arrives(relay, session, b"Subject: x\r\n\r\nbye") == b"Subject: x\r\n\r\nbye\r\n"

    def test_may_be_empty(self, relay: FaultySmtp, session: SmtpSession) -> None:
        assert self.arrives(relay, session, b"") == b""
        assert_next_mail_is_taken(session, relay)


class TestAnErrorReply:
    @pytest.mark.parametrize(
        ("stage", "reply", "kind"),
        [
            ("mail", "451 4.3.0 try later", Kind.RELAY),
            ("mail", "550 5.1.8 sender refused", Kind.RELAY),
            ("mail", "530 5.7.0 authentication required", Kind.RELAY),
            ("mail", "421 4.3.2 shutting down", Kind.RELAY),
            ("rcpt", "450 4.2.1 greylisted", Kind.RETRY),
            ("rcpt", "550 5.1.1 no such user", Kind.REFUSED),
            ("rcpt", "530 5.7.0 authentication required", Kind.RELAY),
            ("rcpt", "421 4.3.2 shutting down", Kind.RELAY),
            ("data", "451 4.3.0 try later", Kind.RETRY),
            ("data", "554 5.7.1 no", Kind.REFUSED),
            ("data", "530 5.7.0 authentication required", Kind.RELAY),
            ("data", "421 4.3.2 shutting down", Kind.RETRY),
            ("dot", "451 4.3.0 try later", Kind.RETRY),
            ("dot", "554 5.7.1 looks like spam", Kind.REFUSED),
            ("dot", "530 5.7.0 authentication required", Kind.RELAY),
            ("dot", "421 4.3.2 shutting down", Kind.RETRY),
        ],
    )
    @pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
    def test_is_told_as_it_is_and_the_next_mail_starts_clean(
        self, relay: FaultySmtp, session: SmtpSession, stage: str, reply: str, kind: Kind, kept: bool
    ) -> None:
        if kept:
            assert_next_mail_is_taken(session, relay)
        before = list(relay.messages)
        relay.behave({stage: reply})
        assert send(session) == Outcome(kind, reply)
        assert relay.messages == before
        assert_next_mail_is_taken_after(session, relay, **{stage: None})

    @pytest.mark.parametrize("rset", ["500 5.5.1 what?", DROP])
    def test_ends_the_session_when_it_cannot_be_reset(
        self, relay: FaultySmtp, session: SmtpSession, rset: str
    ) -> None:
        relay.behave(rcpt="550 5.1.1 no such user", rset=rset)
        assert send(session) == Outcome(Kind.REFUSED, "550 5.1.1 no such user")
        assert_next_mail_is_taken_after(session, relay, rcpt=None)
        assert relay.connections == 2

    def test_keeps_the_connection_where_a_reset_is_enough(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        relay.behave(rcpt="550 5.1.1 no such user")
        send(session)
        assert_next_mail_is_taken_after(session, relay, rcpt=None)
        assert relay.connections == 1

    def test_to_one_recipient_says_nothing_about_another(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        relay.behave(refuse={BOB: "550 5.1.1 no such user"})
        assert send(session, ALICE).kind is Kind.ACCEPTED
        assert send(session, BOB) == Outcome(Kind.REFUSED, "550 5.1.1 no such user")
        assert taken_from(relay) == [((ALICE,), MAIL)]

    def test_of_many_lines_is_told_in_one(self, relay: FaultySmtp, session: SmtpSession) -> None:
        relay.behave(rcpt="550 5.1.1 no such user\n550 see https://example.org")
        assert send(session) == Outcome(Kind.REFUSED, "550 5.1.1 no such user see https://example.org")
        assert_next_mail_is_taken_after(session, relay, rcpt=None)


class TestALostConnection:
    @pytest.mark.parametrize(
        ("stage", "kind"),
        [("mail", Kind.RELAY), ("rcpt", Kind.RETRY), ("data", Kind.RETRY), ("dot", Kind.UNKNOWN)],
    )
    @pytest.mark.parametrize("fault", [DROP, b"2", b"250-half a", b"hello\r\n"], ids=str)
    def test_is_told_by_when_it_was_lost(
        self, relay: FaultySmtp, session: SmtpSession, stage: str, kind: Kind, fault: bytes
    ) -> None:
        relay.behave({stage: fault})
        outcome = send(session)
        assert outcome.kind is kind
        assert outcome.reply.isprintable()
        assert relay.messages == []
        assert_next_mail_is_taken_after(session, relay, **{stage: None})

    def test_is_unknown_when_the_server_took_the_mail_and_never_said_so(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        relay.behave(dot=TAKE_AND_DROP)
        assert send(session).kind is Kind.UNKNOWN
        assert taken_from(relay) == [((ALICE,), MAIL)]
        assert_next_mail_is_taken_after(session, relay, dot=None)

    def test_in_a_long_body_is_a_retry_that_never_reached_the_fence(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        relay.behave(body=DROP)
        long_mail = MAIL + b"more of the same\r\n" * 1_000_000
        assert session.send(SENDER, ALICE, long_mail, must_not_be_asked).kind is Kind.RETRY
        assert relay.messages == []
        assert_next_mail_is_taken_after(session, relay, body=None)

    def test_in_a_short_body_is_noticed_before_the_dot(self, relay: FaultySmtp, session: SmtpSession) -> None:
        relay.behave(body=DROP)
        assert send(session, fence=relay.wait_until_idle).kind is Kind.RETRY
        assert relay.messages == []
        assert_next_mail_is_taken_after(session, relay, body=None)

    @pytest.mark.parametrize(
        ("reply", "kind"), [("552 5.3.4 too big", Kind.REFUSED), ("452 4.3.1 disk full", Kind.RETRY)]
    )
    def test_is_told_in_the_words_of_a_server_that_spoke_during_the_body(
        self, relay: FaultySmtp, session: SmtpSession, reply: str, kind: Kind
    ) -> None:
        def fence() -> bool:
            relay.wait_for_body(MAIL)
            return True

        relay.behave(body=reply)
        assert send(session, fence=fence) == Outcome(kind, reply)
        assert relay.messages == []
        assert_next_mail_is_taken_after(session, relay, body=None)


class TestAServerThatHangs:
    """Each of these waits for one timeout of a second."""

    @pytest.mark.parametrize(
        ("stage", "kind"),
        [("banner", Kind.RELAY), ("rcpt", Kind.RETRY), ("dot", Kind.UNKNOWN)],
    )
    def test_is_left_after_the_timeout(
        self, relay: FaultySmtp, session: SmtpSession, stage: str, kind: Kind
    ) -> None:
        relay.behave({stage: HANG})
        started = time.monotonic()
        outcome = send(session)
        assert outcome.kind is kind
        assert "timed out" in outcome.reply
        assert 0.9 < time.monotonic() - started < 10
        assert relay.messages == []
        assert_next_mail_is_taken_after(session, relay, **{stage: None})

    def test_after_the_dot_has_a_timeout_of_its_own(self, relay: FaultySmtp) -> None:
        relay.behave(dot=TAKE_AND_HANG)
        settings = settings_for(relay, MAIL_TIMEOUT="30s", MAIL_DATA_TIMEOUT="1s")
        started = time.monotonic()
        with SmtpSession(settings) as session:
            assert send(session).kind is Kind.UNKNOWN
        assert time.monotonic() - started < 10
        assert taken_from(relay) == [((ALICE,), MAIL)]

    def test_at_the_next_mail_is_not_given_the_long_timeout_of_the_dot(self, relay: FaultySmtp) -> None:
        settings = settings_for(relay, MAIL_TIMEOUT="1s", MAIL_DATA_TIMEOUT="30s")
        started = time.monotonic()
        with SmtpSession(settings) as session:
            send(session)
            relay.behave(rcpt=HANG)
            assert send(session).kind is Kind.RETRY
        assert time.monotonic() - started < 10


class TestAKeptSession:
    @pytest.mark.parametrize("parting", [None, "421 4.4.2 idle too long", "451 4.4.2 timeout"])
    def test_reconnects_by_itself_when_the_server_closed_it(
        self, relay: FaultySmtp, session: SmtpSession, parting: str | None
    ) -> None:
        send(session)
        relay.hang_up(parting)
        assert relay.wait_until_idle()
        assert_next_mail_is_taken(session, relay)
        assert (relay.connections, len(relay.messages)) == (2, 2)

    def test_reconnects_by_itself_when_the_server_limits_the_mails_of_a_connection(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        send(session)
        relay.behave(mail=["421 4.7.0 too many mails in this connection"])
        assert_next_mail_is_taken(session, relay)
        assert (relay.connections, len(relay.messages)) == (2, 2)

    def test_tries_once_only(self, relay: FaultySmtp, session: SmtpSession) -> None:
        send(session)
        relay.behave(mail=DROP)
        assert send(session).kind is Kind.RELAY
        assert relay.connections == 2
        assert_next_mail_is_taken_after(session, relay, mail=None)

    def test_is_all_that_is_ever_tried_again(self, relay: FaultySmtp, session: SmtpSession) -> None:
        relay.behave(mail=["550 5.1.8 sender refused"])
        assert send(session).kind is Kind.RELAY
        assert (relay.connections, relay.messages) == (1, [])

    def test_whose_relay_is_gone_says_so(self) -> None:
        with FaultySmtp() as relay:
            session = SmtpSession(settings_for(relay))
            send(session)
        outcome = send(session)
        assert (outcome.kind, len(relay.messages)) == (Kind.RELAY, 1)
        assert "refused" in outcome.reply


class TestARelayInTrouble:
    @pytest.mark.parametrize(
        ("stage", "reply"),
        [
            ("banner", "554 5.3.2 no service here"),
            ("banner", "421 4.3.2 shutting down"),
            ("ehlo", "421 4.3.2 shutting down"),
            ("ehlo", "550 5.7.1 go away"),
            ("auth", "535 5.7.8 bad credentials"),
            ("auth", "454 4.7.0 try later"),
        ],
    )
    def test_is_told_in_its_own_words(self, relay: FaultySmtp, stage: str, reply: str) -> None:
        relay.behave({stage: reply})
        with SmtpSession(settings_for(relay, MAIL_USERNAME="twoyes", MAIL_PASSWORD="secret")) as session:
            assert send(session, fence=must_not_be_asked) == Outcome(Kind.RELAY, reply)
            assert relay.wait_until_idle()
            assert_next_mail_is_taken_after(session, relay, **{stage: None})

    @pytest.mark.parametrize("banner", [DROP, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"2", b"x" * 20_000])
    def test_need_not_even_speak_smtp(self, relay: FaultySmtp, session: SmtpSession, banner: bytes) -> None:
        relay.behave(banner=banner)
        assert send(session).kind is Kind.RELAY
        assert_next_mail_is_taken_after(session, relay, banner=None)

    def test_that_cannot_be_reached_is_told(self) -> None:
        with FaultySmtp() as relay:
            settings = settings_for(relay)
        with SmtpSession(settings) as session:
            outcome = send(session)
        assert outcome.kind is Kind.RELAY
        assert "refused" in outcome.reply

    @pytest.mark.parametrize("server", ["no-such-host.invalid", "a..b"])
    def test_whose_name_leads_nowhere_is_told(self, relay: FaultySmtp, server: str) -> None:
        with SmtpSession(settings_for(relay, MAIL_SERVER=server)) as session:
            assert send(session).kind is Kind.RELAY

    def test_offers_no_login(self, relay: FaultySmtp) -> None:
        relay.behave(ehlo="250 relay.example.org")
        with SmtpSession(settings_for(relay, MAIL_USERNAME="twoyes", MAIL_PASSWORD="secret")) as session:
            assert send(session) == Outcome(Kind.RELAY, "SMTP AUTH extension not supported by server.")
        assert relay.messages == []

    def test_password_is_never_told(self, relay: FaultySmtp) -> None:
        with SmtpSession(settings_for(relay, MAIL_USERNAME="twoyes", MAIL_PASSWORD="pässword")) as session:
            assert send(session) == Outcome(Kind.RELAY, "UnicodeEncodeError")

    def test_lets_us_in_with_the_right_password(self, relay: FaultySmtp) -> None:
        with SmtpSession(settings_for(relay, MAIL_USERNAME="twoyes", MAIL_PASSWORD="secret")) as session:
            assert send(session).kind is Kind.ACCEPTED
        assert relay.logins == [("twoyes", "secret")]


def relay_with(offer: str, context: ssl.SSLContext) -> FaultySmtp:
    return FaultySmtp(tls=context) if offer == "tls" else FaultySmtp(starttls_with=context)


class TestTls:
    @pytest.mark.parametrize(("name", "offer"), [("MAIL_USE_TLS", "starttls_with"), ("MAIL_USE_SSL", "tls")])
    def test_with_the_right_certificate_carries_the_mail(
        self, authority: trustme.CA, name: str, offer: str
    ) -> None:
        with relay_with(offer, server_context(authority, "localhost")) as relay:
            settings = settings_for(relay, **{name: "true"}, MAIL_USERNAME="twoyes", MAIL_PASSWORD="secret")
            with SmtpSession(settings) as session:
                assert send(session).kind is Kind.ACCEPTED
                assert_next_mail_is_taken(session, relay)
                relay.hang_up()
                assert_next_mail_is_taken(session, relay)
            assert relay.logins == [("twoyes", "secret")] * 2

    @pytest.mark.parametrize(("name", "offer"), [("MAIL_USE_TLS", "starttls_with"), ("MAIL_USE_SSL", "tls")])
    def test_with_a_certificate_for_another_name_is_refused(
        self, authority: trustme.CA, name: str, offer: str
    ) -> None:
        with relay_with(offer, server_context(authority, "other.example.org")) as relay:
            settings = settings_for(relay, **{name: "true"}, MAIL_USERNAME="twoyes", MAIL_PASSWORD="secret")
            with SmtpSession(settings) as session:
                outcome = send(session)
            assert outcome.kind is Kind.RELAY
            assert "certificate" in outcome.reply
            assert relay.wait_until_idle()
            assert (relay.messages, relay.logins) == ([], [])

    @pytest.mark.parametrize(("name", "offer"), [("MAIL_USE_TLS", "starttls_with"), ("MAIL_USE_SSL", "tls")])
    def test_with_a_certificate_of_an_unknown_authority_is_refused(self, name: str, offer: str) -> None:
        with relay_with(offer, server_context(trustme.CA(), "localhost")) as relay:
            with SmtpSession(settings_for(relay, **{name: "true"})) as session:
                outcome = send(session)
            assert outcome.kind is Kind.RELAY
            assert "certificate" in outcome.reply
            assert relay.messages == []

    def test_that_is_asked_for_and_not_offered_sends_nothing_in_the_clear(self, relay: FaultySmtp) -> None:
        settings = settings_for(relay, MAIL_USE_TLS="true", MAIL_USERNAME="twoyes", MAIL_PASSWORD="secret")
        with SmtpSession(settings) as session:
            outcome = send(session)
        assert outcome == Outcome(Kind.RELAY, "STARTTLS extension not supported by server.")
        assert (relay.messages, relay.logins) == ([], [])

    def test_that_fails_to_start_is_told(self, authority: trustme.CA) -> None:
        with FaultySmtp(starttls_with=server_context(authority, "localhost")) as relay:
            relay.behave(starttls="454 4.7.0 TLS not available")
            with SmtpSession(settings_for(relay, MAIL_USE_TLS="true")) as session:
                assert send(session) == Outcome(Kind.RELAY, "454 4.7.0 TLS not available")
                assert relay.messages == []
                assert_next_mail_is_taken_after(session, relay, starttls=None)

    def test_that_breaks_in_the_dot_is_unknown(self, authority: trustme.CA) -> None:
        with FaultySmtp(starttls_with=server_context(authority, "localhost")) as relay:
            relay.behave(dot=TAKE_AND_DROP)
            with SmtpSession(settings_for(relay, MAIL_USE_TLS="true")) as session:
                assert send(session).kind is Kind.UNKNOWN
                assert_next_mail_is_taken_after(session, relay, dot=None)


class TestAnAddress:
    @pytest.mark.parametrize(
        "recipient",
        [
            "",
            "ålice\u2028@example.org",
            "ål\u00a0ice@example.org",
            "ål\ud83dice@example.org",
            "Alice <alice@example.org>",
            "alice@example.org\r\nRCPT TO:<eve@example.org>",
        ],
    )
    def test_that_smtp_cannot_say_is_refused(
        self, relay: FaultySmtp, session: SmtpSession, recipient: str
    ) -> None:
        outcome = send(session, recipient, must_not_be_asked)
        assert outcome == Outcome(Kind.REFUSED, "not sent: the recipient is no bare address")
        assert relay.messages == []
        assert_next_mail_is_taken(session, relay)

    def test_with_a_comma_is_not_cut_to_another_one(self, relay: FaultySmtp, session: SmtpSession) -> None:
        send(session, "alice@example.org,bob@example.org")
        assert [message.recipients for message in relay.messages] == [("alice@example.org,bob@example.org",)]

    def test_of_a_sender_that_smtp_cannot_say_is_trouble_of_the_relay(
        self, relay: FaultySmtp, session: SmtpSession
    ) -> None:
        outcome = session.send("TwoYes <twoyes@example.org>", ALICE, MAIL, must_not_be_asked)
        assert outcome == Outcome(Kind.RELAY, "not sent: the sender is no bare ASCII address")
        assert relay.messages == []
        assert_next_mail_is_taken(session, relay)


class TestAnInternationalAddress:
    """RFC 6531: only a relay that offers SMTPUTF8 may be told of one."""

    NAMING = b"To: <" + ALICE_IN_UTF8.encode() + b">\r\n\r\nHello\r\n"

    def test_is_told_to_a_relay_that_offers_to_take_it(self) -> None:
        with FaultySmtp(smtputf8=True) as relay, SmtpSession(settings_for(relay)) as session:
            assert session.send(SENDER, ALICE_IN_UTF8, self.NAMING, yes).kind is Kind.ACCEPTED
            assert relay.messages == [ReceivedMail(SENDER, (ALICE_IN_UTF8,), self.NAMING, smtputf8=True)]
            assert_next_mail_is_taken(session, relay)

    def test_in_a_header_asks_for_as_much_as_in_the_envelope(self) -> None:
        with FaultySmtp(smtputf8=True) as relay, SmtpSession(settings_for(relay)) as session:
            assert session.send(SENDER, BOB, self.NAMING, yes).kind is Kind.ACCEPTED
        assert relay.messages == [ReceivedMail(SENDER, (BOB,), self.NAMING, smtputf8=True)]

    def test_is_asked_for_after_tls_where_the_offer_counts(self, authority: trustme.CA) -> None:
        context = server_context(authority, "localhost")
        with FaultySmtp(starttls_with=context, smtputf8=True) as relay:
            session = SmtpSession(settings_for(relay, MAIL_USE_TLS="true"))
            with session:
                assert session.send(SENDER, ALICE_IN_UTF8, self.NAMING, yes).kind is Kind.ACCEPTED

    @pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
    @pytest.mark.parametrize("recipient", [ALICE_IN_UTF8, BOB])
    def test_is_refused_and_never_said_where_it_is_not_offered(
        self, relay: FaultySmtp, session: SmtpSession, recipient: str, kept: bool
    ) -> None:
        if kept:
            assert_next_mail_is_taken(session, relay)
        before = list(relay.messages)
        outcome = session.send(SENDER, recipient, self.NAMING, must_not_be_asked)
        told = "not sent: the relay does not take international addresses (SMTPUTF8)"
        assert outcome == Outcome(Kind.REFUSED, told)
        assert relay.messages == before
        assert_next_mail_is_taken(session, relay)

    def test_is_the_only_reason_to_use_the_extension(self) -> None:
        with FaultySmtp(smtputf8=True) as relay, SmtpSession(settings_for(relay)) as session:
            assert session.send(SENDER, ALICE, MAIL, yes).kind is Kind.ACCEPTED
        assert relay.messages == [ReceivedMail(SENDER, (ALICE,), MAIL, smtputf8=False)]


class TestTheFaultyServer:
    """The server is a gate: these see it refuse what is wrong."""

    def talk(self, relay: FaultySmtp, *lines: bytes) -> list[bytes]:
        with socket.create_connection(("127.0.0.1", relay.port), timeout=2) as raw:
            answers = raw.makefile("rb")
            answers.readline()
            return [self.ask(raw, line, answers.readline) for line in lines]

    def ask(self, raw: socket.socket, line: bytes, readline: Callable[[], bytes]) -> bytes:
        raw.sendall(line)
        while (answer := readline())[3:4] == b"-":
            pass
        return answer[:3]

    def test_refuses_a_mail_before_the_greeting(self, relay: FaultySmtp) -> None:
        assert self.talk(relay, b"MAIL FROM:<a@b>\r\n") == [b"503"]

    def test_refuses_a_second_transaction_in_the_first(self, relay: FaultySmtp) -> None:
        mail = b"MAIL FROM:<a@b>\r\n"
        assert self.talk(relay, b"EHLO x\r\n", mail, mail) == [b"250", b"250", b"503"]

    def test_does_not_end_a_mail_at_bare_line_feeds(self, relay: FaultySmtp) -> None:
        envelope = [b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n"]
        self.talk(relay, *envelope, b"one\n.\r\ntwo\r\n.\r\n")
        assert [message.data for message in relay.messages] == [b"one\n\r\ntwo\r\n"]

    def test_takes_no_letter_outside_ascii_without_the_option(self) -> None:
        mail, rcpt = "MAIL FROM:<a@b>{}\r\n", f"RCPT TO:<{ALICE_IN_UTF8}>\r\n".encode()
        with FaultySmtp(smtputf8=True) as relay:
            plain = self.talk(relay, b"EHLO x\r\n", mail.format("").encode(), rcpt)
            assert plain == [b"250", b"250", b"553"]
            named = self.talk(relay, b"EHLO x\r\n", mail.format(" SMTPUTF8").encode(), rcpt)
            assert named == [b"250", b"250", b"250"]
            body = [b"DATA\r\n", "To: å\r\n.\r\n".encode()]
            sent = self.talk(relay, b"EHLO x\r\n", mail.format("").encode(), b"RCPT TO:<c@d>\r\n", *body)
            assert sent[-1] == b"554"
        with FaultySmtp() as relay:
            assert self.talk(relay, b"EHLO x\r\n", mail.format(" SMTPUTF8").encode())[-1] == b"555"

    def test_knows_its_stages(self, relay: FaultySmtp) -> None:
        with pytest.raises(TypeError, match="no such stage: rctp"):
            relay.behave(rctp="550 no")
