"""Replies to mails of the local mailbox: written as a mail program would, sent to the listener by LMTP."""

from __future__ import annotations

import email
import email.policy
import secrets
import smtplib
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from enum import StrEnum
from typing import NamedTuple

from service.settings.table import Settings

from .mailbox import CaughtMail

TIMEOUT = 10.0
"""Seconds."""


class Reply(NamedTuple):
    """A mail, and the envelope that it would be sent with."""

    raw: bytes
    sender: str
    recipients: tuple[str, ...]
    message_id: str


def answers_to(mail: CaughtMail) -> tuple[str, ...]:
    """Return the bare addresses that a reply to this mail goes to (RFC 5322 3.6.2)."""
    headers = _headers(mail)
    to = headers["reply-to"] or headers["from"]
    return tuple(address for _, address in getaddresses([str(to or "")]) if address)


def write(mail: CaughtMail, text: str, at: datetime) -> Reply:
    """Write the reply of whoever this mail went to, with the mail quoted below (headers: RFC 5322 3.6.4)."""
    sender, headers = mail.rcpt_to[0], _headers(mail)
    original = str(headers["message-id"] or "")
    reply = EmailMessage(policy=email.policy.SMTP)
    reply["From"] = sender
    reply["To"] = ", ".join(answers_to(mail))
    reply["Subject"] = mail.subject if mail.subject.lower().startswith("re:") else f"Re: {mail.subject}"
    reply["Date"] = format_datetime(at)
    reply["Message-ID"] = f"<{secrets.token_hex(16)}@{sender.rpartition('@')[2]}>"
    reply["In-Reply-To"] = original
    reply["References"] = f"{headers['references'] or ''} {original}".strip()
    reply.set_content(f"{text}\n\nOn {at:%a, %d %b %Y at %H:%M}, {mail.sender} wrote:\n{_quoted(mail.text)}")
    return Reply(reply.as_bytes(), sender, answers_to(mail), reply["Message-ID"])


class NotTaken(StrEnum):
    """Why a reply was not taken by the listener."""

    REFUSED = "refused"
    TRY_LATER = "try again later"
    NO_LISTENER = "no listener"


def send(reply: Reply, recipient: str, settings: Settings) -> NotTaken | None:
    """Hand a reply to the listener as the mail server in front of it does; None where it was taken."""
    try:
        # One recipient: `smtplib` reads a single reply after the dot, and LMTP has one for each of them.
        with smtplib.LMTP(settings.INBOUND_HOST, settings.INBOUND_PORT, timeout=TIMEOUT) as listener:
            listener.sendmail(reply.sender, [recipient], reply.raw)
    except smtplib.SMTPRecipientsRefused as refusal:
        code, _ = refusal.recipients[recipient]
        return _reason(code)
    except smtplib.SMTPResponseException as refusal:
        return _reason(refusal.smtp_code)
    except OSError:
        return NotTaken.NO_LISTENER
    return None


def _reason(code: int) -> NotTaken:
    return NotTaken.REFUSED if code >= 500 else NotTaken.TRY_LATER


def _headers(mail: CaughtMail) -> EmailMessage:
    return email.message_from_bytes(mail.raw, policy=email.policy.default)


def _quoted(text: str) -> str:
    return "".join(f"> {line}".rstrip() + "\n" for line in text.splitlines())
