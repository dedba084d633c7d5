"""What a mail that arrived is. Pure: bytes in, a `Reading` out, and it never raises."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from email.message import Message
from enum import StrEnum

from service.lifecycle import MailKind

from .autoreplies import is_automatic
from .bounces import bounce
from .complaints import complaint
from .parsing import CUT, addresses, dmarc_failed, fields, message_ids, one_line, parse, sender
from .replies import heard


class Sort(StrEnum):
    """The sorts of mail that arrive."""

    OWN = "own"
    """One of our own mails, come back."""
    BOUNCE = "bounce"
    """A delivery report (RFC 3464), or what `flufl.bounce` knows for one."""
    COMPLAINT = "complaint"
    """A feedback report (RFC 5965)."""
    AUTO_REPLY = "auto-reply"
    """Written by a program (RFC 3834), such as a holiday notice. It never gets an answer."""
    REPLY = "reply"
    """Written by a person, as far as one can see."""


class Word(StrEnum):
    """What the first line of a reply says, if it says one thing and nothing else."""

    YES = "yes"
    NO = "no"
    STOP = "stop"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Reading:
    """What one mail is, and what of it counts."""

    sort: Sort
    sender: str = ""
    """The bare address of its From, or "" where there is not exactly one."""
    word: Word = Word.UNCLEAR
    said: str = ""
    """The line that was read as a word, or the first one: one printable line of at most 200 characters."""
    hard: bool = False
    """Of a bounce: whether the address is lost for good. A delay or a full mailbox is soft."""
    delayed: bool = False
    """Of a bounce: the relay is still trying, so nothing has failed yet."""
    status: str = ""
    """Of a bounce: the enhanced status code (RFC 3463), such as ``5.1.1``."""
    diagnostic: str = ""
    """Of a bounce: what the other server said, one printable line of at most 200 characters."""
    dmarc_failed: bool = False
    """Our own mail server marked it as failing DMARC (RFC 8601)."""
    ours: tuple[str, ...] = ()
    """Of a complaint: the addresses of our domain in the mail that it is about, in small letters."""
    originals: tuple[str, ...] = ()
    """Of a complaint: the Message-ID of the mail that it is about."""
    to: str = ""
    """The one signed address that it is addressed to, or "" where it is addressed to anybody else as well."""
    replies_to: tuple[str, ...] = ()
    """The Message-IDs of what it says it replies to; empty where it says nothing."""


def read(
    raw: bytes,
    domain: str,
    authserv_id: str | None = None,
    *,
    null_sender: bool = False,
    own_subject: str = "",
) -> Reading:
    """What the mail ``raw`` is, received for a mailbox of ``domain``.

    ``authserv_id`` is the name under which our own mail server writes Authentication-Results; those of any
    other name are not believed. ``null_sender`` tells that its envelope names no sender (RFC 5321 4.5.5), and
    ``own_subject`` is the subject of the mail that it may reply to.
    """
    try:
        message = parse(raw)
        found = _sorted(message, raw, domain, authserv_id, own_subject)
    except Exception:
        # The standard library's parser raises on some rubbish; nothing that it cannot read is an answer.
        found = Reading(Sort.REPLY)
    if null_sender and found.sort is Sort.REPLY:
        return replace(found, sort=Sort.AUTO_REPLY, word=Word.UNCLEAR, said="")
    return found


def _sorted(message: Message, raw: bytes, domain: str, authserv_id: str | None, own_subject: str) -> Reading:
    """Surest first: a report is written by a program too, and a mail of our own looks like a reply."""
    known = Reading(Sort.REPLY, sender=sender(message), dmarc_failed=dmarc_failed(message, authserv_id))
    if _is_own(message, domain):
        return replace(known, sort=Sort.OWN)
    if report := bounce(message, raw, known.sender):
        return replace(known, sort=Sort.BOUNCE, **asdict(report))
    if complained := complaint(message, domain):
        return replace(known, sort=Sort.COMPLAINT, **complained._asdict())
    if is_automatic(message, known.sender):
        return replace(known, sort=Sort.AUTO_REPLY)
    known = replace(known, to=_addressed(message, domain, known.sender), replies_to=_replies_to(message))
    said, word = heard(message, domain, own_subject)
    counts = known.to or word == Word.STOP
    return replace(known, word=Word(word if word and counts else "unclear"), said=one_line(said))


def _addressed(message: Message, domain: str, sender: str) -> str:
    """The one signed address that a mail is addressed to, besides its sender's own.

    Whoever writes to other people as well may be answering them: "yes" then says nothing to us.
    """
    values = [value for name in ("To", "Cc") for value in fields(message, name)]
    if any(CUT in value for value in values):
        return ""
    others = {address.lower() for address in addresses(values)} - {sender.lower()}
    signed = re.compile(rf"intro\+[a-z0-9]+@{re.escape(domain.lower())}")
    return next(iter(others)) if len(others) == 1 and all(map(signed.fullmatch, others)) else ""


def _replies_to(message: Message) -> tuple[str, ...]:
    """In-Reply-To, or else the last of References, which is the mail that was replied to (RFC 5322 3.6.4)."""
    return message_ids(message, "In-Reply-To") or message_ids(message, "References")[-1:]


def _is_own(message: Message, domain: str) -> bool:
    """Whether we wrote it: by its sender, or by a Message-ID as `mailer.compose` makes them."""
    at = re.escape(domain)
    senders = re.compile(rf"(intro|bounce)(\+[^@]*)?@{at}", re.IGNORECASE)
    ids = re.compile(rf"<({'|'.join(MailKind)})\.[0-9a-f]{{32}}@{at}>", re.IGNORECASE)
    return any(map(senders.fullmatch, addresses(fields(message, "From")))) or any(
        map(ids.fullmatch, fields(message, "Message-ID"))
    )
