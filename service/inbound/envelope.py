"""The envelope of a mail: which addresses are ours; whom it is from and to, where only the mail says so."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message
from email.utils import getaddresses

from service.mail import addresses
from service.mail.addresses import NotOwnAddress, Purpose
from service.mail.tokens import BadLink
from service.settings.table import Settings
from service.store.models import canonical

from .reading.parsing import parse_header
from .reading.parsing import sender as from_line

NULL_SENDER = "<>"
"""The sender on record where the envelope names none (RFC 5321 4.5.5); "" is one that nobody told us."""
DELIVERED = ("Delivered-To", "X-Original-To", "X-Envelope-To")
"""What mail servers write when they hand a mail over; no standard names it."""
ADDRESSED = ("To", "Cc")


def purpose(recipient: str, settings: Settings) -> Purpose | None:
    """Return what a bare address of ours is for, or None where mail to it is not taken in."""
    try:
        return addresses.read(recipient, settings).purpose
    except (NotOwnAddress, BadLink):
        return None


def tag(recipient: str, settings: Settings) -> str:
    """Return the tag of the mail that an address of ours names, or "" where it names none."""
    try:
        return addresses.read(recipient, settings).tag
    except (NotOwnAddress, BadLink):
        return ""


def is_ours(recipient: str, settings: Settings) -> bool:
    """Tell whether mail to this bare address is taken in."""
    return purpose(recipient, settings) is not None


def recipients(raw: bytes, settings: Settings) -> list[str]:
    """Return the addresses of ours that this mail was delivered to, or else is addressed to."""
    message = parse_header(raw)
    for names in (DELIVERED, ADDRESSED):
        # One address may stand there in any number of spellings.
        ours = [canonical(address) for address in _addresses(message, names) if is_ours(address, settings)]
        if ours:
            return list(dict.fromkeys(ours))
    return []


def sender(raw: bytes) -> str:
    """Return the envelope sender that the last mail server wrote down, or "" where none did."""
    return next(iter(_addresses(parse_header(raw), ("Return-Path",))), "")


def author(raw: bytes) -> str:
    """Return the address in the From line, or "" where there is not exactly one."""
    return from_line(parse_header(raw))


def bare(written: Iterable[str]) -> list[str]:
    """Return the bare addresses in some header fields; none of a field that nobody can read."""
    # One at a time: newer Pythons give up all of them over a single strange one.
    return [address for value in written for address in _parsed(value) if address]


def _parsed(value: str) -> list[str]:
    try:
        return [address for _, address in getaddresses([value])]
    except Exception:  # noqa: BLE001
        # The standard library's parser has more than one way to fail over a strange address.
        return []


def _addresses(message: Message, names: tuple[str, ...]) -> list[str]:
    return bare(str(value) for name in names for value in message.get_all(name, []))
