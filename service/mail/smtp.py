"""A session with the SMTP relay: Flask-Mail's connection, with its traps closed.

Flask-Mail 0.10 keeps the names of the settings. What it does on the wire is replaced, because it has
no timeouts, does not verify certificates, drops a refused recipient and raises when QUIT fails after
an accepted mail. Nothing here is logged: commands and replies hold addresses.
"""

from __future__ import annotations

import re
import selectors
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from socket import IPPROTO_TCP, TCP_NODELAY, socket
from types import TracebackType
from typing import Self

import flask_mail

from service.settings.table import Settings

LONGEST_REPLY = 200
# "Authentication required" and "credentials invalid" (RFC 4954 6) accuse the session, never the mail.
AUTHENTICATION_TROUBLE = (530, 535)
CLOSING = 421
# Everything else could end the command or the path early; quotes and commas do no harm, unlike in a header.
ENVELOPE_ADDRESS = re.compile(r"[!-;=?-~\u0080-\U0010ffff]*")
NO_SMTPUTF8 = "not sent: the relay does not take international addresses (SMTPUTF8)"

Reply = tuple[int, bytes]


class Kind(StrEnum):
    """What became of a mail, sorted by what to do next."""

    ACCEPTED = "accepted"
    """The relay took the mail: 2xx to the final dot."""
    RETRY = "retry"
    """Not now: 4xx at RCPT, DATA or the dot, or the connection was lost before the dot."""
    REFUSED = "refused"
    """Never: 5xx at RCPT, DATA or the dot, or a recipient that this relay cannot be told."""
    RELAY = "relay"
    """The relay itself is in trouble, or it refuses us or our sender. This mail is not to blame."""
    UNWANTED = "unwanted"
    """The fence said no: nothing was sent."""
    UNKNOWN = "unknown"
    """The connection was lost between the dot and its reply: the relay may have the mail, or not."""


@dataclass(frozen=True)
class Outcome:
    """What became of one mail to one recipient.

    `reply` is what the server said, such as ``250 2.0.0 Ok: queued as 4XyZ``, or a short description
    of the network error: one printable line of at most 200 characters. It may name the recipient.
    """

    kind: Kind
    reply: str


class SmtpSession(flask_mail.Connection):
    """A session with the relay that is kept over many mails. Not for use by two threads at once.

    It connects when the first mail is sent, and again when the relay closed it between two mails.
    Leaving the context says QUIT and ignores what comes of it.
    """

    def __init__(self, settings: Settings) -> None:
        mail = flask_mail.Mail()
        mail.state = mail.init_mail(settings.model_dump())
        super().__init__(mail)
        self.timeout = settings.MAIL_TIMEOUT.total_seconds()
        self.data_timeout = settings.MAIL_DATA_TIMEOUT.total_seconds()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        # Everything that was accepted is accepted: a QUIT that fails changes nothing (RFC 5321 4.1.1.10).
        with suppress(OSError):
            if self.host is not None:
                self.host.quit()
        self._drop()

    # Flask-Mail's send() takes its own Message, with many recipients and no fence. Its callers must
    # fail here rather than send past the fence.
    def send(  # type: ignore[override]
        self, sender: str, recipient: str, message: bytes, fence: Callable[[], bool]
    ) -> Outcome:
        """Send one mail to one recipient; network and SMTP errors become an Outcome.

        `sender` and `recipient` are bare addresses, the sender's in ASCII (an empty one is the null
        sender); `message` is the whole mail, with any kind of line end and a 7-bit body. `fence` is
        called once the relay has the whole body and before the dot that hands it over (RFC 5321
        4.1.1.4): it returns whether the mail may still go. What it raises is raised, and the mail is
        not sent. A mail to or naming an address outside ASCII needs a relay with SMTPUTF8 (RFC 6531);
        by any other it is refused.
        """
        try:
            _check_envelope(sender, recipient)
            self._begin(sender, international=not (recipient.isascii() and message.isascii()))
            self._name_recipient(recipient)
            self._send_body(message)
            if not fence():
                self._drop()
                return Outcome(Kind.UNWANTED, "not sent: no longer wanted")
            return self._send_dot()
        except _Stop as stop:
            return stop.outcome
        except BaseException:
            # An interrupted transaction must not be continued by the next mail.
            self._drop()
            raise

    def configure_host(self) -> smtplib.SMTP:
        """Connect, greet, begin TLS and log in, as the settings say.

        Raises OSError (smtplib's errors are OSErrors) or ValueError, with the connection closed.
        """
        host = self._connect()
        try:
            self._introduce(host)
        except BaseException:
            host.close()
            raise
        return host

    def _connect(self) -> smtplib.SMTP:
        server, port = self.mail.server, self.mail.port
        if self.mail.use_ssl:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(server, port, timeout=self.timeout, context=context)
        return smtplib.SMTP(server, port, timeout=self.timeout)

    def _introduce(self, host: smtplib.SMTP) -> None:
        # Body and dot are two small writes: Nagle's algorithm would hold the dot back until the
        # server's delayed acknowledgement of the body, some 40 ms a mail (RFC 1122 4.2.3.4).
        _socket(host).setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        _greet(host)
        if self.mail.use_tls:
            host.starttls(context=ssl.create_default_context())
            # What was said before TLS is void, the greeting too (RFC 3207 4.2).
            _greet(host)
        if self.mail.username and self.mail.password:
            host.login(self.mail.username, self.mail.password)
        # What is not ASCII was checked against the relay's offer before it is said.
        host.command_encoding = "utf-8"

    def _begin(self, sender: str, international: bool) -> None:
        """Open a transaction. A kept session that has gone bad gets one fresh connection."""
        was_kept = self.host is not None
        try:
            self._say_mail_from(sender, international)
        except _Stop:
            if not was_kept:
                raise
            # Relays say goodbye to an idle session with 421, 451 or nothing at all; only a fresh
            # session tells such a goodbye from a refused sender.
            self._drop()
            self._say_mail_from(sender, international)

    def _say_mail_from(self, sender: str, international: bool) -> None:
        with self._loss_is(Kind.RELAY):
            host = self._host()
            if international and not host.has_extn("smtputf8"):
                raise _Stop(Kind.REFUSED, NO_SMTPUTF8)
            # The body is 7-bit, so BODY=8BITMIME has nothing to say (RFC 6531 3.4, RFC 6152).
            option = " SMTPUTF8" if international else ""
            # smtplib's mail() and rcpt() would re-parse the address and cut it at a comma.
            code, text = host.docmd("MAIL", f"FROM:<{sender}>{option}")
        if code // 100 != 2:
            raise self._failure(Kind.RELAY, (code, text))

    def _name_recipient(self, recipient: str) -> None:
        with self._loss_is(Kind.RETRY):
            code, text = self._host().docmd("RCPT", f"TO:<{recipient}>")
        if code // 100 != 2:
            kind = Kind.RELAY if code == CLOSING else _kind(code, otherwise=Kind.RETRY)
            raise self._failure(kind, (code, text))

    def _send_body(self, message: bytes) -> None:
        with self._loss_is(Kind.RETRY):
            code, text = self._host().docmd("DATA")
        if code // 100 != 3:
            raise self._failure(_kind(code, otherwise=Kind.RETRY), (code, text))
        with self._loss_is(Kind.RETRY):
            self._host().send(_as_body(message))
        self._stop_if_server_spoke()

    def _stop_if_server_spoke(self) -> None:
        """Notice a server that gave up during the body.

        It owes us silence until the dot. A small body fits into the kernel's buffers, so sending it to
        a dead connection succeeds; without this look the loss would be noticed after the dot only,
        where it is Kind.UNKNOWN and may end in a second copy.
        """
        with self._loss_is(Kind.RETRY):
            if not _is_readable(_socket(self._host())):
                return
            code, text = self._host().getreply()
        # The server is still reading a body: RSET would become a part of it.
        self._drop()
        raise _Stop(_kind(code, otherwise=Kind.RETRY), _line(code, text))

    def _send_dot(self) -> Outcome:
        self._stop_if_server_spoke()
        with self._loss_is(Kind.UNKNOWN):
            host = self._host()
            _socket(host).settimeout(self.data_timeout)
            host.send(b".\r\n")
            code, text = host.getreply()
            _socket(host).settimeout(self.timeout)
        if code // 100 != 2:
            raise self._failure(_kind(code, otherwise=Kind.UNKNOWN), (code, text))
        return Outcome(Kind.ACCEPTED, _line(code, text))

    def _host(self) -> smtplib.SMTP:
        if self.host is None:
            self.host = self.configure_host()
        return self.host

    @contextmanager
    def _loss_is(self, kind: Kind) -> Iterator[None]:
        """End the mail with this kind when the connection is lost, late or cannot be made."""
        try:
            yield
        except (OSError, ValueError) as error:
            self._drop()
            raise _Stop(kind, _describe(error)) from None

    def _failure(self, kind: Kind, reply: Reply) -> _Stop:
        code, text = reply
        self._make_clean(code)
        return _Stop(kind, _line(code, text))

    def _make_clean(self, code: int) -> None:
        """Leave no half of a transaction, and no session that is out of step, to the next mail."""
        try:
            if code == CLOSING or code // 100 not in (4, 5) or self._host().rset()[0] != 250:
                self._drop()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        """Close without QUIT: without its dot a mail is discarded (RFC 5321 4.1.1.10, 3.8)."""
        host, self.host = self.host, None
        if host is not None:
            with suppress(OSError):
                host.close()


class _Stop(Exception):
    """Ends the mail under way with an outcome. Never leaves this module."""

    def __init__(self, kind: Kind, reply: str) -> None:
        self.outcome = Outcome(kind, _printable(reply))


def _check_envelope(sender: str, recipient: str) -> None:
    if not sender.isascii() or not _is_sayable(sender):
        raise _Stop(Kind.RELAY, "not sent: the sender is no bare ASCII address")
    if not recipient or not _is_sayable(recipient):
        raise _Stop(Kind.REFUSED, "not sent: the recipient is no bare address")


def _is_sayable(address: str) -> bool:
    return bool(ENVELOPE_ADDRESS.fullmatch(address)) and address.isprintable()


def _greet(host: smtplib.SMTP) -> None:
    code, text = host.ehlo()
    if code != 250:
        raise smtplib.SMTPHeloError(code, text)


def _kind(code: int, otherwise: Kind) -> Kind:
    """Tell what an error reply means; the first digit decides (RFC 5321 4.2.1)."""
    if code in AUTHENTICATION_TROUBLE:
        return Kind.RELAY
    return {4: Kind.RETRY, 5: Kind.REFUSED}.get(code // 100, otherwise)


def _as_body(message: bytes) -> bytes:
    """Write the mail as it goes over the wire, up to its final dot (RFC 5321 2.3.8 and 4.5.2)."""
    body = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", body)


def _socket(host: smtplib.SMTP) -> socket:
    if host.sock is None:
        raise smtplib.SMTPServerDisconnected("not connected")
    return host.sock


def _is_readable(connection: socket) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


def _describe(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException) and isinstance(error.smtp_error, bytes):
        return _line(error.smtp_code, error.smtp_error)
    if isinstance(error, OSError):
        return str(error) or type(error).__name__
    # A ValueError such as UnicodeEncodeError may quote the password.
    return type(error).__name__


def _line(code: int, text: bytes) -> str:
    if not 200 <= code <= 599:
        return "the server's answer is no SMTP reply"
    return _printable(f"{code} {text.decode('utf-8', 'replace')}")


def _printable(text: str) -> str:
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(visible.split())[:LONGEST_REPLY]
