"""Feedback reports of mailbox providers (RFC 5965): somebody pressed "this is spam"."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_string
from email.message import Message

from .parsing import addresses, children, fields, text_of

NO_COMPLAINT = {"not-spam", "auth-failure", "dmarc"}
"""Kinds of feedback that nobody complains with (RFC 5965 7.3, RFC 6591)."""
NAMING_US = ("From", "Sender", "Reply-To", "Return-Path")


def complaint(message: Message, domain: str) -> tuple[str, ...] | None:
    """Our addresses in the mail that is complained about, or None where it is no complaint."""
    reports = [part for part in children(message) if part.get_content_type() == "message/feedback-report"]
    feedback = [inner for part in reports for inner in children(part)]
    kinds = [kind.lower() for part in feedback for kind in fields(part, "Feedback-Type")]
    if not kinds or set(kinds) <= NO_COMPLAINT:
        return None
    values = [value for part in feedback for value in fields(part, "Original-Mail-From")]
    for original in _originals(message):
        values += [value for name in NAMING_US for value in fields(original, name)]
    named = (address.lower() for value in values for address in addresses([value]))
    return tuple(dict.fromkeys(address for address in named if address.endswith(f"@{domain.lower()}")))


def _originals(message: Message) -> Iterator[Message]:
    """The mail complained about, or its header."""
    for part in children(message):
        if part.get_content_type() in ("message/rfc822", "message/rfc822-headers"):
            yield from children(part)
        elif part.get_content_type() == "text/rfc822-headers":
            yield message_from_string(text_of(part))
