"""Tell mail that a program wrote: RFC 3834, and what was usual before and beside it."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from .bounces import is_mailer_daemon
from .parsing import MAX_TEXT, field, fields, leaves, text_of
from .text import clean
from .word_lists import any_pattern, entries, phrases

HEADERS = entries("auto_replies", "headers")
PRECEDENCE = phrases("auto_replies", "precedence")
SENDERS = re.compile(rf"(?i)({any_pattern('auto_replies', 'senders')})")
SUBJECTS = re.compile(any_pattern("auto_replies", "subjects"))


def is_automatic(message: Message, sender: str) -> bool:
    """Tell whether a program wrote it. A wrong yes here costs a reply, a wrong no may start a loop."""
    return (
        _says_so(message)
        or is_mailer_daemon(sender)
        or SENDERS.match(sender) is not None
        or message.get_content_type() == "multipart/report"
        or SUBJECTS.match(subject_of(message).casefold()) is not None
        or any(_answers_an_invitation(part) for part in leaves(message))
    )


def _says_so(message: Message) -> bool:
    """RFC 3834 5 and 2, and the fields of servers that are older or think otherwise."""
    submitted = [re.split(r"[\s;(]", value.lower())[0] for value in fields(message, "Auto-Submitted")]
    return (
        any(value not in ("", "no") for value in submitted)
        or any(value.replace(" ", "") == "<>" for value in fields(message, "Return-Path"))
        or any(value.lower() in PRECEDENCE for value in fields(message, "Precedence"))
        or any(value.lower() not in ("", "no") for value in fields(message, "X-Autoreply"))
        or any(message[name] is not None for name in HEADERS)
    )


def subject_of(message: Message) -> str:
    """Return the subject as one reads it."""
    return clean(decoded(field(message, "Subject")))


def decoded(value: str) -> str:
    """Return a field with its encoded words (RFC 2047) read, or as it is where they cannot be."""
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _answers_an_invitation(part: Message) -> bool:
    """Tell a calendar's "accepted" (RFC 5546 3.2.3), which a click wrote and not a hand."""
    if part.get_content_type() != "text/calendar":
        return False
    return re.search(r"(?im)^METHOD:(REPLY|COUNTER)", text_of(part)[:MAX_TEXT]) is not None
