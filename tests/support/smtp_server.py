"""An SMTP server on a real socket that misbehaves as it is told.

::

    with FaultySmtp(rcpt="550 5.1.1 no such user") as relay:
        settings = load({**environ, **relay.environ})
        ...
        relay.behave(rcpt=None)  # well again
        assert relay.messages == []

A stage of the script (``banner``, ``ehlo``, ``starttls``, ``auth``, ``mail``, ``rcpt``, ``data``, ``body``,
``dot``, ``rset``, ``quit``) is one of:

- ``None``: the right answer;
- text: said in place of the right answer; a line of the text is a line of the reply; after 421 the
  server hangs up;
- bytes: sent as they are, and the server hangs up (a reply that was cut short);
- a `Fault`;
- a list of these: one each time, and the right answer when it is used up.

``body`` comes after the first line of the body, ``dot`` after the final dot. A mail is taken (it is
then in `messages`) when the answer to its dot begins with 2.
"""

from __future__ import annotations

import base64
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Self

import trustme

STAGES = ("banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "rset", "quit")
DOT = b".\r\n"
MAX_WAIT = 60.0
"""Seconds within which what a test waits for must have happened, on a machine that is very busy."""


class Fault(Enum):
    """What a server can do instead of answering."""

    HANG = auto()
    """Say nothing more, until the test ends."""
    DROP = auto()
    """Close the connection without a word."""
    TAKE_AND_HANG = auto()
    """At the dot: take the mail, and say nothing more."""
    TAKE_AND_DROP = auto()
    """At the dot: take the mail, and close the connection without a word."""


HANG, DROP, TAKE_AND_HANG, TAKE_AND_DROP = Fault

Step = str | bytes | Fault | None


@dataclass(frozen=True)
class ReceivedMail:
    """A mail that the server took: its envelope, and its bytes as they were before the dot-stuffing."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    smtputf8: bool = False


class FaultySmtp:
    """A relay on 127.0.0.1, in threads of its own, until the context is left.

    `refuse` holds the answers to single recipients: ``{"bob@example.org": "550 5.1.1 unknown"}``.
    `tls` speaks TLS from the first byte, `starttls_with` offers STARTTLS; see `server_context`.
    `smtputf8` offers SMTPUTF8 (RFC 6531); without the option at MAIL, all but ASCII is refused.
    """

    def __init__(
        self,
        *,
        refuse: Mapping[str, Step] | None = None,
        tls: ssl.SSLContext | None = None,
        starttls_with: ssl.SSLContext | None = None,
        smtputf8: bool = False,
        **script: Step | list[Step],
    ) -> None:
        self.tls = tls
        self.starttls_with = starttls_with
        self.smtputf8 = smtputf8
        self.messages: list[ReceivedMail] = []
        self.connections = 0
        self.logins: list[tuple[str, str]] = []
        self.verbs: list[str] = []
        self.wire = b""
        self.released = threading.Event()
        self.changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._script: dict[str, Step | list[Step]] = {}
        self.refuse: dict[str, Step] = {}
        self.behave(refuse=refuse or {}, **script)
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.relay = self
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self.hang_up()

    @property
    def environ(self) -> dict[str, str]:
        """The settings that lead to this server, with the shortest timeouts there are."""
        return {
            "MAIL_SERVER": "localhost",
            "MAIL_PORT": str(self.port),
            "MAIL_TIMEOUT": "1s",
            "MAIL_DATA_TIMEOUT": "1s",
        }

    def behave(
        self,
        steps: Mapping[str, Step | list[Step]] | None = None,
        /,
        *,
        refuse: Mapping[str, Step] | None = None,
        **script: Step | list[Step],
    ) -> None:
        """Change the script from now on; what is not named stays as it is."""
        script.update(steps or {})
        unknown = set(script) - set(STAGES)
        if unknown:
            raise TypeError(f"no such stage: {', '.join(sorted(unknown))}")
        self._script.update(script)
        if refuse is not None:
            self.refuse = dict(refuse)

    def hang_up(self, parting: str | None = None) -> None:
        """Close every open connection, as a relay does with an idle one; it may say why first."""
        for connection in list(self._open):
            with suppress(OSError):
                if parting:
                    connection.sendall(parting.encode() + b"\r\n")
                connection.shutdown(socket.SHUT_RDWR)

    def wait_for_body(self, ending: bytes) -> bytes:
        """Wait until what the server has of the current body ends so; return all it has, as sent.

        Returns what there is after a minute, for the test to complain about.
        """
        with self.changed:
            self.changed.wait_for(lambda: self.wire.endswith(ending), MAX_WAIT)
            return self.wire

    def wait_until_idle(self) -> bool:
        """Wait until no connection is open; False when one still is after a minute."""
        with self.changed:
            return self.changed.wait_for(lambda: not self._open, MAX_WAIT)

    def opened(self, connection: socket.socket) -> None:
        with self.changed:
            self.connections += 1
            self._open.add(connection)

    def replaced(self, old: socket.socket, new: socket.socket) -> None:
        with self.changed:
            self._open.discard(old)
            self._open.add(new)

    def closed(self, connection: socket.socket) -> None:
        with self.changed:
            self._open.discard(connection)
            self.changed.notify_all()

    def heard(self, wire: bytes) -> None:
        with self.changed:
            self.wire = wire
            self.changed.notify_all()

    def next_step(self, stage: str) -> Step:
        step = self._script.get(stage)
        if isinstance(step, list):
            return step.pop(0) if step else None
        return step


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """A TLS context for a server with a certificate for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    relay: FaultySmtp


class _HangUp(Exception):
    """The conversation is over."""


class _Conversation(socketserver.BaseRequestHandler):
    """One connection, as RFC 5321 has it where the script says nothing else."""

    server: _Server

    def setup(self) -> None:
        self.relay = self.server.relay
        self.connection: socket.socket = self.request
        self.greeted = False
        self.forget_mail()
        self.relay.opened(self.connection)

    def handle(self) -> None:
        # The client is free to leave, and to reject the certificate, at any moment.
        with suppress(_HangUp, OSError):
            self.listen_on(self.relay.tls)
            self.play("banner", "220 relay.example.org ESMTP")
            # STARTTLS puts another file in the place of this one.
            while line := self.lines.readline():
                self.obey(line.decode().rstrip("\r\n"))

    def finish(self) -> None:
        # The file made from the socket would keep it open after a mere close().
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.relay.closed(self.connection)

    def listen_on(self, context: ssl.SSLContext | None) -> None:
        if context is not None:
            plain = self.connection
            secure = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            self.connection = secure
            self.relay.replaced(plain, secure)
            secure.do_handshake()
        self.lines = self.connection.makefile("rb")

    def forget_mail(self) -> None:
        self.sender: str | None = None
        self.international = False
        self.recipients: list[str] = []

    def say(self, text: str) -> None:
        *before, last = text.split("\n")
        lines = [f"{text[:3]}-{line[4:]}" for line in before] + [last]
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
        if text.startswith("421"):
            raise _HangUp

    def play(self, stage: str, right_answer: str) -> str:
        return self.act(self.relay.next_step(stage), right_answer)

    def act(self, step: Step, right_answer: str) -> str:
        """Take this step of the script; return what was said."""
        if step in (HANG, TAKE_AND_HANG):
            self.relay.released.wait()
        if isinstance(step, bytes):
            self.connection.sendall(step)
        if isinstance(step, bytes | Fault):
            raise _HangUp
        answer = step or right_answer
        self.say(answer)
        return answer

    def obey(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        self.relay.verbs.append(verb.upper())
        command = getattr(self, f"do_{verb.lower()}", None)
        if command is None:
            self.say("502 5.5.1 unknown command")
        else:
            command(rest)

    def do_ehlo(self, rest: str) -> None:
        offers = ["250 relay.example.org", "250 AUTH PLAIN"]
        if self.relay.starttls_with and not isinstance(self.connection, ssl.SSLSocket):
            offers.append("250 STARTTLS")
        if self.relay.smtputf8:
            offers += ["250 8BITMIME", "250 SMTPUTF8"]
        self.greeted = self.play("ehlo", "\n".join(offers)).startswith("250")

    def do_starttls(self, rest: str) -> None:
        if self.play("starttls", "220 2.0.0 go ahead").startswith("220"):
            self.greeted = False
            self.listen_on(self.relay.starttls_with)

    def do_auth(self, rest: str) -> None:
        answer = self.play("auth", "235 2.7.0 welcome")
        if answer.startswith("235"):
            _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
            self.relay.logins.append((user, password))

    def do_mail(self, rest: str) -> None:
        if not self.greeted or self.sender is not None:
            self.say("503 5.5.1 bad sequence of commands")
        elif "SMTPUTF8" in rest.split()[1:] and not self.relay.smtputf8:
            self.say("555 5.5.4 unknown option")
        elif self.play("mail", "250 2.1.0 Ok").startswith("2"):
            self.sender = _path(rest)
            self.international = "SMTPUTF8" in rest.split()[1:]

    def do_rcpt(self, rest: str) -> None:
        if self.sender is None:
            self.say("503 5.5.1 bad sequence of commands")
            return
        recipient = _path(rest)
        if not recipient.isascii() and not self.international:
            self.say("553 5.6.7 SMTPUTF8 is needed")
            return
        step = self.relay.refuse.get(recipient) or self.relay.next_step("rcpt")
        if self.act(step, "250 2.1.5 Ok").startswith("2"):
            self.recipients.append(recipient)

    def do_data(self, rest: str) -> None:
        if not self.recipients:
            self.say("503 5.5.1 bad sequence of commands")
        elif self.play("data", "354 go ahead").startswith("3"):
            self.end_mail(self.read_body())
            self.forget_mail()

    def do_rset(self, rest: str) -> None:
        self.forget_mail()
        self.play("rset", "250 2.0.0 Ok")

    def do_quit(self, rest: str) -> None:
        self.play("quit", "221 2.0.0 Bye")
        raise _HangUp

    def read_body(self) -> bytes:
        """Read up to the dot and return the body as sent, without its dot."""
        wire = b""
        self.relay.heard(wire)
        for line in iter(self.lines.readline, b""):
            # Only CRLF.CRLF ends a mail: a server that takes LF.LF too can be smuggled a second one.
            if line == DOT and (not wire or wire.endswith(b"\r\n")):
                self.relay.heard(wire + line)
                return wire
            first, wire = not wire, wire + line
            self.relay.heard(wire)
            if first:
                self.interrupt_body()
        raise _HangUp

    def interrupt_body(self) -> None:
        step = self.relay.next_step("body")
        if step is not None:
            self.act(step, "")

    def end_mail(self, wire: bytes) -> None:
        step = self.relay.next_step("dot")
        if not wire.isascii() and not self.international:
            step = "554 5.6.9 SMTPUTF8 is needed"
        if step in (None, TAKE_AND_HANG, TAKE_AND_DROP) or (isinstance(step, str) and step.startswith("2")):
            self.take(wire)
        self.act(step, f"250 2.0.0 Ok: queued as {len(self.relay.messages)}")

    def take(self, wire: bytes) -> None:
        data = re.sub(rb"(?m)^\.", b"", wire)
        mail = ReceivedMail(self.sender or "", tuple(self.recipients), data, self.international)
        self.relay.messages.append(mail)


def _path(rest: str) -> str:
    """The address in ``FROM:<alice@example.org>``."""
    return rest[rest.index("<") + 1 : rest.index(">")]
