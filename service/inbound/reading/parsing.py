"""Turn bytes into a message, and its header fields into plain text, whatever the bytes are."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageDefect
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import Compat32
from email.utils import getaddresses

from .text import ADDRESS

MAX_FIELD = 8_000
"""Characters of a header field that are kept. The standard library takes quadratic time on longer ones."""
MAX_HEADER, MAX_WORK, WORK_OF_A_PART = 200_000, 2_000_000, 50
"""Bytes of the header; lines times boundaries, as each line is held against each boundary; and the work of a
part, in lines. Of a mail with more, only the beginning of the header is read; 30 MB of files are below."""
MAX_TEXT = 200_000
"""Bytes of a text part that are read; a longer one is not a reply that could be understood."""
TRUNCATED = "\0"
"""Stands at the end of a field that was longer; what was cut off may have said anything."""
DMARC = re.compile(r"(?i)(?<![\w.=@-])dmarc(?![\w.-])")
DMARC_PASSED = re.compile(DMARC.pattern + r"(\s*/\s*\d+)?\s*=\s*(pass|none|temperror|permerror)(?![\w-])")
"""Only "fail" is a failure; whatever is neither that nor one of these is taken for one."""
DMARC_RESULT = re.compile(r"(?i);\s*dmarc(\s*/\s*\d+)?\s*=\s*[a-z]+\s*(?=[;\s]|$)")
"""A result where a field of our server can have one: at the beginning of a clause."""
GROUP_OR_ROUTE = re.compile(r"[:;]|<\s*@")
"""In an address outside of quoted strings and comments (RFC 5322, 3.4 and 4.4)."""
STRANGE_CODECS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}


class _Forgiving(Compat32):
    """Header fields as text of a bounded length; UTF-8 in them is taken as such (RFC 6532)."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        kept = value[:MAX_FIELD].encode("ascii", "surrogateescape").decode("utf-8", "replace")
        return name, kept + TRUNCATED if len(value) > MAX_FIELD else kept


def parse_header(raw: bytes) -> Message:
    """Return a message's header alone: whatever is nested in its body costs nothing."""
    return BytesHeaderParser(policy=_Forgiving()).parsebytes(raw[:MAX_HEADER])


def parse(raw: bytes) -> Message:
    """Return the message; of one that would cost too much, the header only."""
    begins = raw[:MAX_HEADER]
    # A part, or a block of a delivery report, begins after one of these.
    parts = sum(map(raw.count, (b"\n\n", b"\n\r\n", b"\n--")))
    work = raw.count(b"\n") * (1 + raw.lower().count(b"boundary")) + parts * WORK_OF_A_PART
    if work > MAX_WORK or (len(begins) < len(raw) and not re.search(rb"\n\r?\n", begins)):
        message = parse_header(raw)
        message.defects.append(MessageDefect("only its beginning was read"))
        return message
    return message_from_bytes(raw, policy=_Forgiving())


def fields(message: Message, name: str) -> list[str]:
    """Return all fields of that name, each on one line."""
    return [" ".join(str(value).split()) for value in message.get_all(name, [])]


def field(message: Message, name: str) -> str:
    """Return the first field of that name on one line, or ""."""
    return next(iter(fields(message, name)), "")


def children(message: Message) -> list[Message]:
    """Return the parts directly inside."""
    inside = message.get_payload()
    return [part for part in inside if isinstance(part, Message)] if isinstance(inside, list) else []


def leaves(message: Message) -> Iterator[Message]:
    """Yield every part that is not a container. A message inside is somebody else's words, and left out."""
    if message.get_content_maintype() == "message":
        return
    if message.is_multipart():
        for part in children(message):
            yield from leaves(part)
    else:
        yield message


def addresses(values: list[str]) -> list[str]:
    """Return the bare addresses in some fields; what is none is "" there, so that it still counts as one."""
    return [address if re.fullmatch(ADDRESS, address) else "" for _name, address in getaddresses(values)]


def sender(message: Message) -> str:
    """Return the bare address of the one mailbox in the one From field (RFC 5322 3.6.2), or "".

    A group and a route are refused: programs differ over whose address they name, a check of DMARC as well.
    """
    values = fields(message, "From")
    if len(values) != 1 or TRUNCATED in values[0] or GROUP_OR_ROUTE.search(_unquoted(values[0])):
        return ""
    found = addresses(values)
    return found[0] if len(found) == 1 else ""


def _unquoted(value: str) -> str:
    """Leave out the quoted strings and the comments of a field, in which every character may stand."""
    return re.sub(r'"(?:[^"\\]|\\.)*"|\([^()]*\)', " ", value)


def message_ids(message: Message, name: str) -> tuple[str, ...]:
    """Return the Message-IDs in some fields, in their order."""
    return tuple(found for value in fields(message, name) for found in re.findall(r"<[^<>\s]+>", value))


def dmarc_failed(message: Message, authserv_id: str | None, *, required: bool) -> bool:
    """Tell whether a field of our own mail server says so (RFC 8601 2.2), or may be saying so.

    Where a result is ``required``, a mail without one has failed as well. The field is searched and not
    parsed: a stranger chooses what its comments and quoted strings hold, and must not be able to hide a
    failure, or the name of our server, in one.
    """
    if authserv_id is None:
        return False
    ours = re.compile(rf"(?<![\w.-]){re.escape(authserv_id)}(?![\w.-])", re.IGNORECASE)
    values = [value for value in fields(message, "Authentication-Results") if ours.search(value)]
    if any(TRUNCATED in value or _may_have_failed(value.replace("\\", "")) for value in values):
        return True
    return required and not any(ours.match(value) and _holds_result(value) for value in values)


def _may_have_failed(results: str) -> bool:
    return len(DMARC.findall(results)) > len(DMARC_PASSED.findall(results))


def _holds_result(results: str) -> bool:
    """Tell whether a result stands outside of every quoted string and comment; in doubt none does."""
    plain = _unquoted(results)
    return not re.search(r'["()\\]', plain) and DMARC_RESULT.search(plain) is not None


def text_of(part: Message) -> str:
    """Return the text of a part, in the charset that it names or else in the likeliest."""
    payload = part.get_payload(decode=True)
    content = payload[: 4 * MAX_TEXT] if isinstance(payload, bytes) else b""
    for charset in (part.get_content_charset("utf-8"), "utf-8", "cp1252"):
        try:
            if codecs.lookup(charset).name.replace("_", "-") not in STRANGE_CODECS:
                return content.decode(charset)
        except (LookupError, ValueError):
            continue
    return content.decode("latin-1")
