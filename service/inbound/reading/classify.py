"""Tell what a mail that arrived is. Pure: bytes in, a `Reading` out, and it never raises."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from email.message import Message
from enum import StrEnum

from service.lifecycle import MailKind

from .autoreplies import is_automatic
from .bounces import read_bounce
from .complaints import read_complaint
from .parsing import TRUNCATED, addresses, dmarc_failed, fields, message_ids, parse, sender
from .phrases import Intent
from .replies import read_reply
from .text import one_line


class Category(StrEnum):
    """The categories of mail that arrives."""

    OWN = "own"
    """One of our own mails, come back."""
    BOUNCE = "bounce"
    """A delivery report (RFC 3464), or what `flufl.bounce` knows for one."""
    COMPLAINT = "complaint"
    """A feedback report (RFC 5965)."""
    AUTO_REPLY = "auto-reply"
    """Written by a program (RFC 3834), such as a holiday notice. It never gets an answer."""
    UNREADABLE = "unreadable"
    """Nothing that the parser can read, or made so that it cannot."""
    REPLY = "reply"
    """Written by a person, as far as one can see."""


@dataclass(frozen=True)
class Reading:
    """What one mail is, and what of it counts."""

    category: Category
    sender: str = ""
    """The bare address of its From, or "" where there is not exactly one."""
    intent: Intent = Intent.UNCLEAR
    first_line: str = ""
    """Of a reply: the first line below a salutation, printable and of at most 200 characters."""
    hard: bool = False
    """Of a bounce: whether the address is lost for good. A delay or a full mailbox is soft."""
    delayed: bool = False
    """Of a bounce: the relay is still trying, so nothing has failed yet."""
    status: str = ""
    """Of a bounce: the enhanced status code (RFC 3463), such as ``5.1.1``."""
    diagnostic: str = ""
    """Of a bounce: what the other server said, one printable line of at most 200 characters."""
    dmarc_failed: bool = False
    """Our own mail server marked it as failing DMARC (RFC 8601), or did not mark it where it should have."""
    our_addresses: tuple[str, ...] = ()
    """Of a complaint: the addresses of our domain in the mail that it is about, in small letters."""
    original_ids: tuple[str, ...] = ()
    """Of a complaint: the Message-ID of the mail that it is about."""
    addressed_to: str = ""
    """The one signed address that it is addressed to, or "" where it is addressed to anybody else as well."""
    in_reply_to: tuple[str, ...] = ()
    """The Message-IDs of what it says it replies to; empty where it says nothing."""


def classify(
    raw: bytes,
    domain: str,
    authserv_id: str | None = None,
    *,
    dmarc_required: bool = True,
    null_sender: bool = False,
    own_subject: str = "",
) -> Reading:
    """Read the mail ``raw``, received for a mailbox of ``domain``.

    ``authserv_id`` is the name under which our own mail server writes Authentication-Results; those of any
    other name are not believed, and with ``dmarc_required`` each mail must have one of ours that tells of
    DMARC. ``null_sender`` tells that its envelope names no sender (RFC 5321 4.5.5), and
    ``own_subject`` is the subject of the mail that it may reply to.
    """
    try:
        message = parse(raw)
        failed = dmarc_failed(message, authserv_id, required=dmarc_required)
        common = Reading(Category.REPLY, sender=sender(message), dmarc_failed=failed)
        found = _classify(message, raw, domain, common, own_subject)
    except Exception:  # noqa: BLE001
        # The standard library's parser raises on some rubbish; nothing that it cannot read is an answer.
        found = Reading(Category.UNREADABLE)
    if null_sender and found.category is Category.REPLY:
        return replace(found, category=Category.AUTO_REPLY, intent=Intent.UNCLEAR, first_line="")
    return found


def _classify(message: Message, raw: bytes, domain: str, common: Reading, own_subject: str) -> Reading:
    """Surest first: a report is written by a program too, and a mail of our own looks like a reply."""
    if _is_own(message, domain):
        return replace(common, category=Category.OWN)
    if bounce := read_bounce(message, raw, common.sender):
        return replace(common, category=Category.BOUNCE, **asdict(bounce))
    if complaint := read_complaint(message, domain):
        return replace(common, category=Category.COMPLAINT, **complaint._asdict())
    if is_automatic(message, common.sender):
        return replace(common, category=Category.AUTO_REPLY)
    first_line, intent = read_reply(message, domain, own_subject)
    addressed_to = _addressed_to(message, domain, common.sender)
    return replace(
        common,
        # Whoever writes to other people as well may be answering them, but "stop" is said to us.
        intent=intent if addressed_to or intent is Intent.STOP else Intent.UNCLEAR,
        first_line=one_line(first_line),
        addressed_to=addressed_to,
        in_reply_to=_in_reply_to(message),
    )


def _addressed_to(message: Message, domain: str, sender: str) -> str:
    """Return the one signed address that a mail is addressed to, besides its sender's own."""
    values = [value for name in ("To", "Cc") for value in fields(message, name)]
    if any(TRUNCATED in value for value in values):
        return ""
    others = {address.lower() for address in addresses(values)} - {sender.lower()}
    only = next(iter(others)) if len(others) == 1 else ""
    return only if re.fullmatch(r"intro\+[a-z0-9]+", _our_local_part(only, domain)) else ""


def _in_reply_to(message: Message) -> tuple[str, ...]:
    """In-Reply-To, or else the last of References, which is the mail that was replied to (RFC 5322 3.6.4)."""
    return message_ids(message, "In-Reply-To") or message_ids(message, "References")[-1:]


def _is_own(message: Message, domain: str) -> bool:
    """Tell whether we wrote it: by its sender, or by a Message-ID as `mail.compose` makes them."""
    senders = (_our_local_part(address, domain) for address in addresses(fields(message, "From")))
    ids = re.compile(rf"<({'|'.join(MailKind)})\.[0-9a-f]{{32}}@{re.escape(domain)}>", re.IGNORECASE)
    return any(re.fullmatch(r"(intro|bounce)(\+.*)?", local) for local in senders) or any(
        map(ids.fullmatch, fields(message, "Message-ID"))
    )


def _our_local_part(address: str, domain: str) -> str:
    """Return the local part of an address of our domain, in small letters, or ""."""
    local, _, host = address.lower().rpartition("@")
    return local if host == domain.lower() else ""
