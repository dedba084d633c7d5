"""`twoyes listen`: mail comes in by LMTP from a mail server, or by SMTP where TwoYes is the MX itself.

aiosmtpd reads the commands; what it is too kind about is replaced. A line ends with CRLF and with nothing
else, so that no mail can smuggle a second one past a server that reads line ends differently. Every error
of ours is a 451 that says nothing of its inside. Nothing is relayed: a recipient that is not ours is refused
at RCPT. There is no TLS and no login here: that is the work of the mail server in front.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import MISSING, SMTP, Envelope, Session, syntax
from sqlalchemy.exc import SQLAlchemyError

from service.settings.clock import Clock
from service.settings.table import Settings
from service.store.db import Database

from .store import Receipt, Way, is_ours, receive

SESSIONS, OF_ONE_PEER = 50, 25
"""Open connections, in all and from one address; a Postfix in front opens 20 at most by default."""
COMMANDS = 1000
REFUSALS = 20
"""Commands of one session that may be refused for good: more of them is somebody guessing addresses."""
RECIPIENTS = 20
LONGEST_LINE = 16 * 1024
"""Bytes. RFC 5321 4.5.3.1.6 says 1000, and programs are known to write longer ones."""
IDLE, DATA = 300.0, 600.0
"""Seconds that a client may be silent, and that a whole mail may take (RFC 5321 4.5.3.2.7)."""
SESSION = 1800.0
"""Seconds that a session may last, however busy it is: who says NOOP all day takes a place from others."""
PATIENCE = 5.0
"""Seconds that mails under way have after SIGTERM."""

TAKEN = "250 2.0.0 Taken"
LATER = "451 4.3.0 Not now, please try again later"
LONG = "500 5.5.2 This line is too long"
BARE = "550 5.5.2 A line here ends with CR LF, and neither stands alone"
REPLIES = {
    Receipt.STORED: TAKEN,
    Receipt.DUPLICATE: TAKEN,
    Receipt.TOO_MANY: "451 4.7.1 Too many mails for this address, please try again later",
    Receipt.TOO_LARGE: "552 5.3.4 This mail is too large",
    Receipt.UNKNOWN_RECIPIENT: "550 5.1.1 There is no such address here",
}

POSTMASTER = re.compile("<postmaster>", re.IGNORECASE)

log = logging.getLogger(__name__)
# aiosmtpd logs every command, and addresses here hold tokens.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Garbled(Exception):
    """No command can be made of what was said, nor of what follows; the message is the last reply."""


class Refusal(Exception):
    """A mail that was read to its end and cannot be taken; the message is the reply."""


class Door:
    """Who is here, and where mails go: what all sessions of one listener share."""

    def __init__(self, db: Database, settings: Settings, clock: Clock) -> None:
        self.db, self.settings, self.clock = db, settings, clock
        self.sessions: set[StrictSession] = set()

    def has_room_for(self, peer: str) -> bool:
        of_peer = Counter(session.peer for session in self.sessions)[peer]
        return len(self.sessions) < SESSIONS and of_peer < OF_ONE_PEER

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
        sizes = (option[5:] for option in options if option.startswith("SIZE="))
        if any(int(size) > self.settings.INBOUND_MAX_SIZE for size in sizes if size.isdecimal()):
            return REPLIES[Receipt.TOO_LARGE]
        return MISSING

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> Any:
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return "452 4.5.3 Too many recipients, please send the rest again"
        return MISSING if is_ours(address, self.settings) else REPLIES[Receipt.UNKNOWN_RECIPIENT]

    async def store(self, raw: bytes, sender: str, recipients: Sequence[str], way: Way) -> list[str]:
        """A reply for each recipient, given when the mail is stored for it."""
        return [await asyncio.to_thread(self._store, raw, sender, to, way) for to in recipients]

    def _store(self, raw: bytes, sender: str, recipient: str, way: Way) -> str:
        try:
            return REPLIES[receive(self.db, self.settings, raw, sender, recipient, way, self.clock())]
        except SQLAlchemyError as error:
            log.warning("a mail could not be stored: %s", type(error).__name__)
        except Exception:
            log.exception("a mail could not be stored")
        return LATER


class StrictReader:
    """What aiosmtpd reads its commands from: each ends with CRLF, and there are not endlessly many."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._left = COMMANDS

    async def readuntil(self) -> bytes:
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise Garbled(LONG) from None
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise Garbled(BARE)
        self._left -= 1
        return line if self._left > 0 else b"QUIT\r\n"


class StrictSession(SMTP):
    """One SMTP session."""

    way = Way.SMTP
    line_length_limit = LONGEST_LINE

    def __init__(self, door: Door) -> None:
        super().__init__(
            door,
            data_size_limit=None,
            enable_SMTPUTF8=True,
            hostname=door.settings.INBOUND_DOMAIN or "localhost",
            ident="TwoYes",
            timeout=IDLE,
            loop=asyncio.get_running_loop(),
        )
        self._door = door
        self.peer = ""
        self.is_busy = False
        self._refusals_left = REFUSALS
        for command in ("AUTH", "STARTTLS", "EXPN"):
            self._smtp_methods.pop(command, None)

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        if self._door.has_room_for(self.peer):
            self._door.sessions.add(self)
            self._end = self.loop.call_later(SESSION, self.hang_up, "421 4.4.2 This session was too long")
            super().connection_made(transport)
        elif isinstance(transport, asyncio.Transport):
            transport.write(b"421 4.7.0 Too many connections, please try again later\r\n")
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._door.sessions:
            self._door.sessions.remove(self)
            self._end.cancel()
            super().connection_lost(error)

    def eof_received(self) -> bool | None:
        return super().eof_received() if self in self._door.sessions else None

    def _cb_client_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super()._cb_client_connected(reader, writer)
        self._lines = reader
        self._reader = StrictReader(reader)  # type: ignore[assignment]

    def _timeout_cb(self) -> None:
        self.hang_up("421 4.4.2 Nothing was said for too long")

    def hang_up(self, reply: str) -> None:
        """Say a last word. What the client has sent ahead is never looked at."""
        if self.transport is None or self._handler_coroutine is None:
            return
        self._writer.write(reply.encode("ascii") + b"\r\n")
        self._handler_coroutine.cancel()
        self.transport.close()

    async def push(self, status: Any) -> None:
        await super().push(status)
        if str(status).startswith("5"):
            self._refusals_left -= 1
            if self._refusals_left <= 0:
                self.hang_up("421 4.7.0 Too much was refused, goodbye")

    async def handle_exception(self, error: Exception) -> str:
        """The reply to a command that could not be done; nothing of the exception gets into it."""
        if isinstance(error, Garbled):
            self.hang_up(str(error))
            return str(error)
        log.error("an inbound session failed", exc_info=error)
        return LATER

    # The commands

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        try:
            return super()._getaddr(arg)
        except Exception:
            # The standard library's parser has more than one way to fail over a strange address.
            return None, None

    @syntax("RCPT TO: <address>")
    async def smtp_RCPT(self, arg: str | None) -> None:
        domain = self._door.settings.INBOUND_DOMAIN
        if arg and domain:
            # The one address that is taken without a domain (RFC 5321 4.5.1).
            arg = POSTMASTER.sub(f"<postmaster@{domain}>", arg)
        await super().smtp_RCPT(arg)

    @syntax("VRFY <address>")
    async def smtp_VRFY(self, _arg: str) -> None:
        await self.push("252 2.1.5 Send a mail and see")

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:
        envelope = self.envelope
        if envelope is None or await self.check_helo_needed():
            return
        if arg or not envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Name a recipient first")
            return
        self._reset_timeout(DATA)
        await self.push("354 End the mail with <CR><LF>.<CR><LF>")
        sender = (envelope.mail_from or "").removeprefix("<").removesuffix(">")
        recipients, self.is_busy = envelope.rcpt_tos, True
        try:
            replies = await self._door.store(await self._content(), sender, recipients, self.way)
        except Refusal as refusal:
            replies = [str(refusal)] * len(recipients)
        finally:
            self.is_busy = False
        self.envelope = self._create_envelope()
        self._reset_timeout()
        for reply in self.said_of(replies):
            await self.push(reply)

    def said_of(self, replies: list[str]) -> list[str]:
        """SMTP has one reply for all. What is temporary goes first: what was stored is then a duplicate."""
        return [next((reply for digit in "425" for reply in replies if reply.startswith(digit)), LATER)]

    async def _content(self) -> bytes:
        """The mail, read up to its dot whatever it is, so that the client hears what is wrong with it.

        Raises Refusal.
        """
        # One block and no list: a list of the shortest lines takes thirty times the room of the mail.
        content = bytearray()
        size, flaw, begins = 0, "", True
        while True:
            line, ends = await self._line()
            if begins and line == b".\r\n":
                break
            bare = line[:-2] if ends else line
            if b"\n" in bare or b"\r" in bare:
                flaw = flaw or BARE
            elif not ends:
                flaw = flaw or "550 5.6.0 A line of this mail is too long"
            size += len(line)
            if size > self._door.settings.INBOUND_MAX_SIZE:
                flaw = flaw or REPLIES[Receipt.TOO_LARGE]
            if flaw:
                content.clear()
            else:
                # A client doubles a dot that begins a line (RFC 5321 4.5.2).
                content += line.removeprefix(b".")
            begins = ends
        if flaw:
            raise Refusal(flaw)
        return bytes(content)

    async def _line(self) -> tuple[bytes, bool]:
        """The next line, and whether it is one to its end; of a longer one, a piece."""
        try:
            return await self._lines.readuntil(b"\r\n"), True
        except asyncio.LimitOverrunError as error:
            return await self._lines.read(error.consumed), False


class LmtpSession(StrictSession, LMTP):
    """One LMTP session: after the dot, each recipient has a reply of its own (RFC 2033 4.2)."""

    way = Way.LMTP

    def said_of(self, replies: list[str]) -> list[str]:
        return replies


# --- The process ------------------------------------------------------------------------------------


def listen(db: Database, settings: Settings, clock: Clock) -> None:
    """Take mail in on INBOUND_HOST and INBOUND_PORT until SIGTERM or SIGINT.

    Raises OSError when the port cannot be had.
    """
    asyncio.run(_listen(Door(db, settings, clock)))


async def _listen(door: Door) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = await open_door(door)
    click.echo(_greeting(door.settings))
    await stopped.wait()
    server.close()
    await see_out(door)


async def open_door(door: Door) -> asyncio.Server:
    """Listen, in the protocol and on the port that the settings name."""
    settings = door.settings
    session: Callable[[Door], StrictSession] = (
        LmtpSession if settings.INBOUND_PROTOCOL == "lmtp" else StrictSession
    )
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: session(door), settings.INBOUND_HOST, settings.INBOUND_PORT)


async def see_out(door: Door) -> None:
    """Send away who is idle, and wait a while for the mails under way."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while door.sessions and asyncio.get_running_loop().time() < end:
        for session in list(door.sessions):
            if not session.is_busy:
                session.hang_up("421 4.3.2 Closing down, please try again later")
        await asyncio.sleep(0.05)


def _greeting(settings: Settings) -> str:
    where = f"{settings.INBOUND_HOST}:{settings.INBOUND_PORT}"
    if settings.INBOUND_DOMAIN is None:
        return f"Listening on {where}, and refusing every recipient: INBOUND_DOMAIN is not set."
    protocol = settings.INBOUND_PROTOCOL.upper()
    return f"Listening for {protocol} on {where}, for mail to {settings.INBOUND_DOMAIN}."
