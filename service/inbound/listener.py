"""`twoyes listen`: mail comes in by LMTP (RFC 2033) from the mail server in front.

aiosmtpd reads the commands; what it is too lenient about is replaced. A line ends with CRLF and with nothing
else, so that no mail can smuggle a second one past a server that reads line ends differently. Every error
of ours is a 451 that says nothing of its inside. Nothing is relayed: a recipient that is not ours is refused
at RCPT. There is no TLS and no login here: that is the work of the mail server in front.

Two private names of aiosmtpd are used, and no others:

- ``_reader``, what it reads commands from, replaced by a `StrictReader`: it takes a bare LF for a line end.
- ``_getaddr``, its parser of addresses, which raises on some strange ones; the reply would be temporary then,
  and the mail server would send the same address again for days.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import MISSING, SMTP, Envelope, Session, syntax
from sqlalchemy.exc import SQLAlchemyError

from service.settings.clock import Clock
from service.settings.table import Settings
from service.store.db import Database

from .envelope import NULL_SENDER, purpose
from .room import max_size
from .store import Delivery, Receipt, Way, receive

MAX_SESSIONS, MAX_SESSIONS_OF_ONE_PEER = 50, 25
"""Open connections, in all and from one address; a Postfix in front opens 20 at most by default."""
MAX_COMMANDS = 1000
MAX_REFUSALS = 20
"""Commands of one session that may be refused for good: more of them is somebody guessing addresses."""
MAX_RECIPIENTS = 20
MAX_LINE = 16 * 1024
"""Bytes. RFC 5321 4.5.3.1.6 says 1000, and programs are known to write longer ones."""
IDLE_TIMEOUT, DATA_TIMEOUT = 300.0, 600.0
"""Seconds that a client may be silent, and that a whole mail may take (RFC 5321 4.5.3.2.7)."""
SESSION_TIMEOUT = 1800.0
"""Seconds that a session may last, however busy it is: who says NOOP all day takes a place from others."""
SHUTDOWN_TIMEOUT = 5.0
"""Seconds that mails under way have after SIGTERM."""

TAKEN = "250 2.0.0 Taken"
TRY_LATER = "451 4.3.0 Not now, please try again later"
LINE_TOO_LONG = "500 5.5.2 This line is too long"
BARE_LINE_END = "550 5.5.2 A line here ends with CR LF, and neither stands alone"
UNKNOWN_COMMAND = "500 5.5.1 There is no such command here"
REPLIES = {
    Receipt.STORED: TAKEN,
    Receipt.DUPLICATE: TAKEN,
    Receipt.TOO_MANY: "451 4.7.1 Too many mails for this address, please try again later",
    Receipt.TOO_MUCH: "452 4.2.2 There is no room for this mail now, please try again later",
    Receipt.TOO_LARGE: "552 5.3.4 This mail is too large",
    Receipt.UNKNOWN_RECIPIENT: "550 5.1.1 There is no such address here",
}

POSTMASTER = re.compile("<postmaster>", re.IGNORECASE)

log = logging.getLogger(__name__)
# aiosmtpd logs every command, and addresses here hold tokens.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class EndOfSession(Exception):
    """Nothing more is read from this client; the message is the last reply."""


class Refusal(Exception):
    """A mail that was read to its end and cannot be taken; the message is the reply."""


class Handler:
    """Answer what aiosmtpd asks its handler, and keep what all sessions of one listener share."""

    def __init__(self, db: Database, settings: Settings, clock: Clock) -> None:
        self.db, self.settings, self.clock = db, settings, clock
        self.hostname = settings.INBOUND_DOMAIN or "localhost"
        self.sessions: set[LmtpSession] = set()

    def has_room_for(self, peer: str) -> bool:
        of_peer = Counter(session.peer for session in self.sessions)[peer]
        return len(self.sessions) < MAX_SESSIONS and of_peer < MAX_SESSIONS_OF_ONE_PEER

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, host: str, replies: list[str]
    ) -> list[str]:
        """Announce how large a mail may be (RFC 1870), and that addresses in UTF-8 are understood."""
        session.host_name = host
        size = self.settings.INBOUND_MAX_SIZE
        return [replies[0], f"250-SIZE {size}", "250-PIPELINING", "250-ENHANCEDSTATUSCODES", *replies[1:]]

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _address: str, options: list[str]
    ) -> Any:
        size = _announced(options)
        return REPLIES[Receipt.TOO_LARGE] if size and size > self.settings.INBOUND_MAX_SIZE else MISSING

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> Any:
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients, please send the rest again"
        of = purpose(address, self.settings)
        if of is None:
            return REPLIES[Receipt.UNKNOWN_RECIPIENT]
        # Not every address takes as much as the largest; whoever said how much it is need not send it.
        too_large = _announced(envelope.mail_options) > max_size(of, self.settings)
        return REPLIES[Receipt.TOO_LARGE] if too_large else MISSING

    async def store(self, raw: bytes, sender: str, recipients: Sequence[str]) -> list[str]:
        """Store a mail; a reply for each recipient, given when it is stored for that one."""
        return [await asyncio.to_thread(self._store, raw, sender, recipient) for recipient in recipients]

    def _store(self, raw: bytes, sender: str, recipient: str) -> str:
        try:
            delivery = Delivery(raw, sender, recipient, Way.LMTP)
            return REPLIES[receive(self.db, self.settings, delivery, self.clock())]
        except SQLAlchemyError as error:
            log.warning("a mail could not be stored: %s", type(error).__name__)
        except Exception:
            log.exception("a mail could not be stored")
        return TRY_LATER


def _announced(options: Sequence[str]) -> int:
    """Return how large the client says that its mail is (RFC 1870), or 0."""
    sizes = (option[5:] for option in options if option.upper().startswith("SIZE="))
    return max((int(size) for size in sizes if size.isdecimal()), default=0)


class StrictReader:
    """Read commands for aiosmtpd: each ends with CRLF, comes in time, and there are not endlessly many."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._commands_left = MAX_COMMANDS
        self.has_ended = False

    async def readuntil(self) -> bytes:
        """Read the next command. Raises EndOfSession for what is none, and for silence."""
        if self.has_ended:
            # aiosmtpd ends a session by this; what the client has sent ahead is never looked at.
            raise asyncio.CancelledError
        try:
            async with asyncio.timeout(IDLE_TIMEOUT):
                line = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise EndOfSession(LINE_TOO_LONG) from None
        except TimeoutError:
            raise EndOfSession("421 4.4.2 Nothing was said for too long") from None
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise EndOfSession(BARE_LINE_END)
        self._commands_left -= 1
        return line if self._commands_left > 0 else b"QUIT\r\n"


class LmtpSession(LMTP):
    """One LMTP session."""

    line_length_limit = MAX_LINE

    def __init__(self, handler: Handler) -> None:
        super().__init__(
            handler,
            data_size_limit=None,
            enable_SMTPUTF8=True,
            hostname=handler.hostname,
            ident="TwoYes",
            # Our own limits on time come first, and say why.
            timeout=2 * SESSION_TIMEOUT,
            loop=asyncio.get_running_loop(),
        )
        self._handler = handler
        self.peer = ""
        self.is_busy = False
        self._refusals_left = MAX_REFUSALS

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._lines = self._reader
        self._commands = StrictReader(self._lines)
        self._reader = self._commands  # type: ignore[assignment]
        self._end = self.loop.call_later(SESSION_TIMEOUT, self.hang_up, "421 4.4.2 This session was too long")
        if self._handler.has_room_for(self.peer):
            self._handler.sessions.add(self)
        else:
            self.hang_up("421 4.7.0 Too many connections, please try again later")

    def connection_lost(self, error: Exception | None) -> None:
        self._handler.sessions.discard(self)
        self._end.cancel()
        super().connection_lost(error)

    def hang_up(self, reply: str) -> None:
        """Say a last word, whatever the session is at."""
        if isinstance(self.transport, asyncio.Transport) and not self._commands.has_ended:
            self._commands.has_ended = True
            self.transport.write(reply.encode("ascii") + b"\r\n")
            self.transport.close()

    async def push(self, status: Any) -> None:
        """Say a reply. Raises EndOfSession after too many refusals."""
        await super().push(status)
        if str(status).startswith("5") and not self._commands.has_ended:
            self._refusals_left -= 1
            if self._refusals_left <= 0:
                raise EndOfSession("421 4.7.0 Too much was refused, goodbye")

    async def handle_exception(self, error: Exception) -> str:
        """Return the reply to a command that could not be done; nothing of the exception gets into it."""
        if isinstance(error, EndOfSession):
            self._commands.has_ended = True
            return str(error)
        log.error("an inbound session failed", exc_info=error)
        return TRY_LATER

    # The commands

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        try:
            return super()._getaddr(arg)
        except Exception:  # noqa: BLE001
            # The standard library's parser has more than one way to fail over a strange address.
            return None, None

    async def _refuse_command(self, arg: str) -> None:  # noqa: ARG002 aiosmtpd passes it
        await self.push(UNKNOWN_COMMAND)

    smtp_AUTH = smtp_STARTTLS = smtp_EXPN = _refuse_command

    @syntax("RCPT TO: <address>")
    async def smtp_RCPT(self, arg: str | None) -> None:
        domain = self._handler.settings.INBOUND_DOMAIN
        if arg and domain:
            # The one address that is taken without a domain (RFC 5321 4.5.1).
            arg = POSTMASTER.sub(f"<postmaster@{domain}>", arg)
        await super().smtp_RCPT(arg)

    @syntax("VRFY <address>")
    async def smtp_VRFY(self, _arg: str) -> None:
        await self.push("252 2.1.5 Send a mail and see")

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:
        """Take a mail; after its dot, each recipient has a reply of its own (RFC 2033 4.2)."""
        envelope = self.envelope
        if envelope is None or await self.check_helo_needed("LHLO"):
            return
        if arg or not envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Name a recipient first")
            return
        await self.push("354 End the mail with <CR><LF>.<CR><LF>")
        self.is_busy = True
        try:
            replies = await self._take(envelope)
        finally:
            self.is_busy = False
        self.envelope = Envelope()
        for reply in replies:
            await self.push(reply)

    async def _take(self, envelope: Envelope) -> list[str]:
        """Read a mail and store it; the reply for each recipient. Raises EndOfSession for one without end."""
        sender = (envelope.mail_from or "").removeprefix("<").removesuffix(">") or NULL_SENDER
        try:
            async with asyncio.timeout(DATA_TIMEOUT):
                content = await self._content()
        except Refusal as refusal:
            return [str(refusal)] * len(envelope.rcpt_tos)
        except TimeoutError:
            raise EndOfSession("421 4.4.2 This mail took too long") from None
        return await self._handler.store(content, sender, envelope.rcpt_tos)

    async def _content(self) -> bytes:
        """Read the mail up to its dot whatever it is, so that the client hears what is wrong with it.

        Raises Refusal.
        """
        # One block and no list: a list of the shortest lines takes thirty times the room of the mail.
        content = bytearray()
        size, flaw, begins = 0, "", True
        while True:
            line, ends = await self._line()
            if begins and line == b".\r\n":
                break
            size += len(line)
            flaw = flaw or self._flaw(line, ends=ends, size=size)
            if flaw:
                content.clear()
            else:
                # A client doubles a dot that begins a line (RFC 5321 4.5.2).
                content += line.removeprefix(b".")
            begins = ends
        if flaw:
            raise Refusal(flaw)
        return bytes(content)

    def _flaw(self, line: bytes, *, ends: bool, size: int) -> str:
        """Return the reply to a mail with this line, which brings it to this size, or "" where it is fine."""
        bare = line[:-2] if ends else line
        if b"\n" in bare or b"\r" in bare:
            return BARE_LINE_END
        if not ends:
            return "550 5.6.0 A line of this mail is too long"
        return REPLIES[Receipt.TOO_LARGE] if size > self._handler.settings.INBOUND_MAX_SIZE else ""

    async def _line(self) -> tuple[bytes, bool]:
        """Read the next line, and whether it is one to its end; of a longer one, a piece."""
        try:
            return await self._lines.readuntil(b"\r\n"), True
        except asyncio.LimitOverrunError as error:
            return await self._lines.read(error.consumed), False


# --- The process ------------------------------------------------------------------------------------


def listen(db: Database, settings: Settings, clock: Clock) -> None:
    """Take mail in on INBOUND_HOST and INBOUND_PORT until SIGTERM or SIGINT.

    Raises OSError when the port cannot be had.
    """
    asyncio.run(_listen(Handler(db, settings, clock)))


async def _listen(handler: Handler) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = await start_server(handler)
    click.echo(_greeting(handler.settings))
    await stopped.wait()
    server.close()
    await close_sessions(handler)


async def start_server(handler: Handler) -> asyncio.Server:
    """Listen on the port that the settings name. Raises OSError when it cannot be had."""
    settings = handler.settings
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: LmtpSession(handler), settings.INBOUND_HOST, settings.INBOUND_PORT
    )


async def close_sessions(handler: Handler) -> None:
    """Send away who is idle, and wait SHUTDOWN_TIMEOUT for the mails under way."""
    end = asyncio.get_running_loop().time() + SHUTDOWN_TIMEOUT
    while handler.sessions and asyncio.get_running_loop().time() < end:
        for session in list(handler.sessions):
            if not session.is_busy:
                session.hang_up("421 4.3.2 Closing down, please try again later")
        await asyncio.sleep(0.05)


def _greeting(settings: Settings) -> str:
    where = f"{settings.INBOUND_HOST}:{settings.INBOUND_PORT}"
    if settings.INBOUND_DOMAIN is None:
        return f"Listening on {where}, and refusing every recipient: INBOUND_DOMAIN is not set."
    return f"Listening for LMTP on {where}, for mail to {settings.INBOUND_DOMAIN}."
