"""A reply to a mail of the local mailbox, written as a mail program would."""

from __future__ import annotations

import email
import email.policy
import secrets
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from typing import NamedTuple

from .mailbox import CaughtMail


class Reply(NamedTuple):
    """A mail, and the envelope that it would be sent with."""

    raw: bytes
    sender: str
    recipients: tuple[str, ...]
    message_id: str


def answers_to(mail: CaughtMail) -> tuple[str, ...]:
    """The bare addresses that a reply to this mail goes to (RFC 5322 3.6.2)."""
    headers = _headers(mail)
    to = headers["reply-to"] or headers["from"]
    return tuple(address for _, address in getaddresses([str(to or "")]) if address)


def write(mail: CaughtMail, text: str, at: datetime) -> Reply:
    """The reply of whoever this mail went to, with the mail quoted below (RFC 5322 3.6.4 for the headers)."""
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


def _headers(mail: CaughtMail) -> EmailMessage:
    return email.message_from_bytes(mail.raw, policy=email.policy.default)


def _quoted(text: str) -> str:
    return "".join(f"> {line}".rstrip() + "\n" for line in text.splitlines())
