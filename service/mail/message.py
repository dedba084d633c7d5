"""Flask-Mail's Message with a fixed Message-ID and headers that nobody can break out of.

What Flask-Mail 0.10 writes is replaced: it makes a new Message-ID for every rebuilt message, lets a
line break through in cc and extra headers, and puts recipients in a random order. The standard
library's own folding was seen to swallow an address behind a long display name, so headers are
encoded and folded here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

import flask_mail

from .flowed import flowed

LONGEST_HEADER = 150
# Unicode's categories Cc, Cs, Zl and Zp: whatever could begin another line, and halves of letters.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# All but the spaces that keep French punctuation with its word.
SPACES = re.compile(r"[^\S\u00a0\u202f]+")
# Without "=" nothing in it can be taken for an encoded word.
PLAIN = re.compile(r"[A-Za-z0-9 !#$%&'*+/?^_`{|}~.,:;@()-]*")
# What may stand in a header as it is (RFC 5322 3.4.1, without quoted strings). It is stricter than what a
# setting may be, since a comma or a second "@" would make two recipients of one. A domain is kept in ASCII
# (IDNA); a local part may hold any letter, which then needs SMTPUTF8 (RFC 6531).
HEADER_ADDRESS = re.compile(r"[a-zA-Z0-9_.!#$%&'*+/=?^`{|}~\u0080-\U0010ffff-]+@[a-zA-Z0-9_.:\[\]-]+")
# 39 bytes are 52 letters of base64, so that a line with one encoded word and a header's name stays
# below the 76 of RFC 2047, section 2.
ENCODED_BYTES = 39
QUOTABLE = 60
# With the longest header's name, and what stands around the two.
ONE_LINE = 64


@dataclass(frozen=True)
class Address:
    """A mailbox: a display name, which may be anything, and a bare address."""

    name: str
    email: str

    def header(self) -> str:
        if not HEADER_ADDRESS.fullmatch(self.email) or not self.email.isprintable():
            raise ValueError("not a bare address")
        phrase = _phrase(one_line(self.name))
        if len(phrase) > 30 or (phrase and len(phrase) + len(self.email) > ONE_LINE):
            return f"{phrase}\r\n <{self.email}>"
        return f"{phrase} <{self.email}>".lstrip()


class FixedMessage(flask_mail.Message):
    """A message of two parts, text and HTML: the same bytes each time it is written with the same ``at``.

    ``at`` is its Date.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - these are the parts of a mail.
        self,
        message_id: str,
        sender: Address,
        to: list[Address],
        subject: str,
        text: str,
        html: str,
        at: datetime,
        cc: list[Address] | None = None,
        reply_to: list[Address] | None = None,
        more: dict[str, str] | None = None,
    ) -> None:
        super().__init__(
            subject=one_line(subject),
            recipients=[address.email for address in to],
            cc=[address.email for address in cc or []],
            sender=sender.email,
            body=text,
            html=html,
        )
        self._written_at = at.astimezone(UTC)
        self._more = more or {}
        self.msgId = message_id
        self._people = {"From": [sender], "To": to, "Cc": cc or [], "Reply-To": reply_to or []}

    def as_bytes(self) -> bytes:
        """Write the whole mail: CRLF, and lines of at most 78 but where an address is longer.

        All of it is 7-bit but an address outside ASCII in a header, which is UTF-8 (RFC 6532).
        """
        headers = "".join(f"{name}: {value}\r\n" for name, value in self._headers())
        return headers.encode() + self._parts().as_bytes()

    def as_string(self) -> str:
        return self.as_bytes().decode()

    def _headers(self) -> Iterator[tuple[str, str]]:
        for name, people in self._people.items():
            if people:
                yield name, ",\r\n ".join(person.header() for person in people)
        yield "Subject", _unstructured(self.subject)
        yield "Date", format_datetime(self._written_at)
        yield "Message-ID", one_line(self.msgId)
        yield from self._more.items()
        # RFC 3834: an out-of-office reply to one of these would reach nobody. Exchange looks at the other.
        yield "Auto-Submitted", "auto-generated"
        yield "X-Auto-Response-Suppress", "All"

    def _parts(self) -> EmailMessage:
        parts = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
        flow = {"format": "flowed", "delsp": "no"}
        parts.set_content(_encodable(flowed(self.body or "")), cte="quoted-printable", params=flow)
        parts.add_alternative(_encodable(self.html or ""), subtype="html", cte="quoted-printable")
        parts.set_boundary(f"=_{re.sub(r'[^A-Za-z0-9]', '', self.msgId)[:40]}_twoyes")
        return parts


def one_line(text: str) -> str:
    """Put text on one line, without anything invisible that could begin another."""
    return SPACES.sub(" ", CONTROL.sub(" ", text)).strip(" ")


def _phrase(name: str) -> str:
    """Write a display name: quoted while that is plain and short, else in encoded words (RFC 2047)."""
    name = _shortened(name)
    if not name:
        return ""
    if len(name) <= QUOTABLE and name.isascii() and name.isprintable() and "=?" not in name:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return _encoded(name)


def _unstructured(text: str) -> str:
    text = _shortened(text)
    return text if PLAIN.fullmatch(text) and len(text) <= QUOTABLE else _encoded(text)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_HEADER else text[: LONGEST_HEADER - 1] + "…"


def _encoded(text: str) -> str:
    words = (base64.b64encode(chunk).decode() for chunk in _chunks(text))
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in words)


def _chunks(text: str) -> Iterator[bytes]:
    """Cut text into pieces for one encoded word each; no letter is cut in two (RFC 2047, section 5)."""
    chunk = b""
    for letter in text:
        encoded = letter.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > ENCODED_BYTES:
            yield chunk
            chunk = b""
        chunk += encoded
    if chunk:
        yield chunk


def _encodable(text: str) -> str:
    """Half of a surrogate pair cannot be written in UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")
