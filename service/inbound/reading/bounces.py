"""Read delivery reports: the standard ones (RFC 3464, RFC 6533), and those that `flufl.bounce` knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_string
from email.message import Message

from flufl.bounce import all_failures

from .parsing import children, field, leaves, parse, text_of
from .text import one_line
from .word_lists import any_pattern

DAEMONS = re.compile(rf"(?i)^({any_pattern('reports', 'mailer_daemons')})$")
STATUS = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
FULL = re.compile(rf"(?i){any_pattern('reports', 'mailbox_full')}")
RETURNED = re.compile(rf"(?i){any_pattern('reports', 'returned_mail')}")
MAX_REPORT, MAX_LINE = 60_000, 500
"""Bytes of a report, and of each line, that are searched for a form that is no standard: some of the
patterns take quadratic time on a long line."""


@dataclass(frozen=True)
class Bounce:
    """What became of the one mail that a report is about."""

    hard: bool
    delayed: bool
    status: str
    diagnostic: str


def is_mailer_daemon(address: str) -> bool:
    """Tell whether a mail server writes under this address."""
    return DAEMONS.match(address.partition("@")[0]) is not None


def read_bounce(message: Message, raw: bytes, sender: str) -> Bounce | None:
    """Return what the report says, or None where it is none or reports no failure."""
    blocks = [block for part in children(message) for block in _recipients(part)]
    if blocks:
        return _standard(blocks)
    if is_mailer_daemon(sender) or message["X-Failed-Recipients"]:
        return _unstandard(message, raw)
    return None


def _recipients(part: Message) -> list[Message]:
    """Return the blocks of a delivery report that each speak of one recipient (RFC 3464 2.3)."""
    kind = part.get_content_type()
    if kind == "message/delivery-status":
        blocks = children(part)
    elif kind == "message/global-delivery-status":
        blocks = [message_from_string(text) for text in _inside(part).split("\n\n")]
    else:
        blocks = []
    return [block for block in blocks if field(block, "Action")]


def _inside(part: Message) -> str:
    """Return the content of a part that the parser took for a message."""
    inner = next(iter(children(part)), part)
    return str(inner).replace("\r\n", "\n").lstrip()


def _standard(blocks: list[Message]) -> Bounce | None:
    """Lost for good only if every way that the mail took is: one recipient may be expanded to many."""
    by_action: dict[str, list[Message]] = {}
    for block in blocks:
        by_action.setdefault(field(block, "Action").split()[0].lower(), []).append(block)
    # Some servers write "error", which RFC 3464 does not know.
    failed = by_action.get("failed", []) + by_action.get("error", [])
    if failed:
        first, elsewhere = failed[0], len(failed) < len(blocks)
        hard = not elsewhere and all(_is_hard(_status(block), _diagnostic(block)) for block in failed)
        return Bounce(hard, delayed=False, status=_status(first), diagnostic=one_line(_diagnostic(first)))
    for first in by_action.get("delayed", []):
        diagnostic = one_line(_diagnostic(first))
        return Bounce(hard=False, delayed=True, status=_status(first), diagnostic=diagnostic)
    return None


def _diagnostic(block: Message) -> str:
    """Return the words of the other server, without the name of the protocol before them."""
    return re.sub(r"^[\w.-]{1,20}\s*;\s*", "", field(block, "Diagnostic-Code"))


def _status(block: Message) -> str:
    """Return the status; where it says no more than its class, the one in the words of the other server."""
    status = STATUS.search(field(block, "Status"))
    quoted = STATUS.search(_diagnostic(block))
    if status and not (quoted and status[0].endswith(".0.0") and quoted[0][0] == status[0][0]):
        return status[0]
    return quoted[0] if quoted else ""


def _is_hard(status: str, diagnostic: str) -> bool:
    """Class 5 is for good (RFC 3463 2), except a mailbox that is full today (X.2.2)."""
    if status.endswith(".2.2") or FULL.search(diagnostic):
        return False
    return not status.startswith("4")


def _unstandard(message: Message, raw: bytes) -> Bounce | None:
    """Read a report of a server that has a form of its own.

    The sender must be a mail server: some of the patterns would find a failure in what people write.
    """
    begin = b"\n".join(line.rstrip(b"\r")[:MAX_LINE] for line in raw[:MAX_REPORT].split(b"\n"))
    try:
        delayed, failed = all_failures(parse(begin))
    except Exception:  # noqa: BLE001
        # Its detectors rely on parts that a broken mail does not have.
        return None
    if not (delayed or failed):
        return None
    text = _report_text(message)
    status = STATUS.search(text)
    code = status[0] if status else ""
    diagnostic = next((line for line in text.splitlines() if code and code in line), _first_line(text))
    return Bounce(bool(failed) and _is_hard(code, text), not failed, code, one_line(diagnostic))


def _report_text(message: Message) -> str:
    """Return what the report itself says, without the mail that it sends back."""
    text = next((text_of(part) for part in leaves(message) if part.get_content_maintype() == "text"), "")
    lines = text[:20_000].splitlines()
    ends = (at for at, line in enumerate(lines) if line.startswith("---") and RETURNED.search(line))
    return "\n".join(lines[: next(ends, len(lines))])


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")
