"""The local mailbox: an SMTP server that keeps every mail on disk, and what reads it back.

It stands in for a relay in the embedded mode, so that a newcomer can open the mails TwoYes sends.
Each mail is stored in a Maildir byte for byte as it came, below three lines of our own that say
when it came and for whom: the envelope, which is not in the mail itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ipaddress
import json
import mailbox
import signal
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from service.settings.clock import utc_now

LARGEST = 5 * 1024 * 1024  # bytes; the largest mail of TwoYes is some hundred times smaller


@dataclass(frozen=True)
class CaughtMail:
    """One mail as it was delivered. `rcpt_to` is the envelope's, the rest the mail's."""

    key: str
    received_at: datetime
    rcpt_to: tuple[str, ...]
    subject: str
    sender: str
    to: str
    text: str
    html: str
    raw: bytes


class Catcher:
    """The aiosmtpd handler that stores each mail in a Maildir."""

    def __init__(self, folder: Path) -> None:
        # Maildir makes these only where the folder itself is missing.
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._maildir = mailbox.Maildir(folder)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Store the mail, then accept it; one that cannot be stored is refused for now."""
        content = envelope.original_content or b""
        try:
            self._maildir.add(_label(envelope) + content)
        except OSError as error:
            return f"451 The mail cannot be stored: {error.strerror}"
        return "250 Caught"


def _label(envelope: Envelope) -> bytes:
    # One line of JSON in front of the mail. The mail's own headers come after it and are never
    # read for the envelope, so no mail can lie about where it was sent.
    label = {
        "received_at": utc_now().isoformat(),
        "rcpt_to": envelope.rcpt_tos,
    }
    return b"X-Caught: " + json.dumps(label).encode() + b"\r\n"


def serve(host: str, port: int, folder: Path) -> None:
    """Catch mail until SIGTERM or SIGINT.

    Raises ValueError for a host other than a loopback address: the mailbox page shows every mail
    to whoever can open it, and an open SMTP port would fill the disk.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"the mailbox listens on loopback addresses only, not on {host}")
    asyncio.run(_serve(host, port, Catcher(folder)))


async def _serve(host: str, port: int, catcher: Catcher) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(lambda: _session(catcher), host, port)
    await stopped.wait()
    server.close()


def _session(catcher: Catcher) -> SMTP:
    return SMTP(
        catcher,
        data_size_limit=LARGEST,
        enable_SMTPUTF8=True,
        hostname="localhost",
        ident="TwoYes mailbox",
        loop=asyncio.get_running_loop(),
    )


def read(folder: Path) -> list[CaughtMail]:
    """Every mail in the mailbox, newest first; none when the folder is not there yet."""
    maildir = _open(folder)
    if maildir is None:
        return []
    mails = [mail for key in maildir.keys() if (mail := _get(maildir, key)) is not None]  # noqa: SIM118
    return sorted(mails, key=lambda mail: mail.received_at, reverse=True)


def find(folder: Path, key: str) -> CaughtMail | None:
    """Return the mail of this key, or None. A key is only ever looked up, so it may come from a URL."""
    maildir = _open(folder)
    return _get(maildir, key) if maildir is not None else None


def _open(folder: Path) -> mailbox.Maildir | None:
    return mailbox.Maildir(folder, create=False) if (folder / "cur").is_dir() else None


def _get(maildir: mailbox.Maildir, key: str) -> CaughtMail | None:
    # Whoever empties the folder may take a mail away at any moment.
    with contextlib.suppress(KeyError, FileNotFoundError):
        return _parse(key, maildir.get_bytes(key))
    return None


def _parse(key: str, stored: bytes) -> CaughtMail:
    label, _, raw = stored.partition(b"\n")
    envelope = json.loads(label.removeprefix(b"X-Caught: "))
    message = email.message_from_bytes(raw, policy=email.policy.default)
    return CaughtMail(
        key=key,
        received_at=datetime.fromisoformat(envelope["received_at"]),
        rcpt_to=tuple(envelope["rcpt_to"]),
        subject=str(message["subject"] or ""),
        sender=str(message["from"] or ""),
        to=str(message["to"] or ""),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        raw=raw,
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except LookupError:
        # A charset that Python does not know: show what can be read.
        content = part.get_payload(decode=True)
        return content.decode(errors="replace") if isinstance(content, bytes) else ""
