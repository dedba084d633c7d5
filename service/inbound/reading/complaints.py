"""Read feedback reports of mailbox providers (RFC 5965): somebody pressed "this is spam"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from typing import NamedTuple

from .parsing import addresses, children, fields, message_ids, text_of
from .word_lists import entries, phrases

NO_COMPLAINT = phrases("reports", "no_complaint")
SENDER_HEADERS = entries("reports", "sender_headers")
MAILTO = re.compile(r"(?i)<mailto:([^?<>\s]+)")


class Complaint(NamedTuple):
    """What tells which mail of ours is meant."""

    our_addresses: tuple[str, ...]
    """The addresses of our domain in that mail, in small letters."""
    original_ids: tuple[str, ...]
    """Its Message-ID."""


def read_complaint(message: Message, domain: str) -> Complaint | None:
    """Return what the mail that is complained about says of itself, or None where it is no complaint.

    Some providers take the addresses out of it, but leave its Message-ID or the way to unsubscribe.
    """
    reports = [part for part in children(message) if part.get_content_type() == "message/feedback-report"]
    feedback = [inner for part in reports for inner in children(part)]
    kinds = [kind.lower() for part in feedback for kind in fields(part, "Feedback-Type")]
    if not kinds or NO_COMPLAINT.issuperset(kinds):
        return None
    values = [value for part in feedback for value in fields(part, "Original-Mail-From")]
    originals = list(_originals(message))
    for original in originals:
        values += [value for name in SENDER_HEADERS for value in fields(original, name)]
        values += [way for value in fields(original, "List-Unsubscribe") for way in MAILTO.findall(value)]
    named = (address.lower() for value in values for address in addresses([value]))
    ours = dict.fromkeys(address for address in named if address.endswith(f"@{domain.lower()}"))
    ids = dict.fromkeys(found for original in originals for found in message_ids(original, "Message-ID"))
    return Complaint(tuple(ours), tuple(ids))


def _originals(message: Message) -> Iterator[Message]:
    """Yield the mail complained about, or its header."""
    for part in children(message):
        if part.get_content_type() in ("message/rfc822", "message/rfc822-headers"):
            yield from children(part)
        elif part.get_content_type() == "text/rfc822-headers":
            yield message_from_string(text_of(part))
