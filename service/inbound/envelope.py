"""Who a mail was sent by and to, read from the mail itself, where whoever brings it does not say so."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterable
from email.message import Message
from email.utils import getaddresses

from service.settings.table import Settings
from service.store.models import canonical

from .store import is_ours

DELIVERED = ("Delivered-To", "X-Original-To", "X-Envelope-To")
"""What mail servers write when they hand a mail over; no standard names it."""
ADDRESSED = ("To", "Cc")
HEAD = 256 * 1024
"""Bytes of a mail in which these headers are looked for."""


def recipients(raw: bytes, settings: Settings) -> list[str]:
    """The addresses of ours that this mail was delivered to, or else is addressed to."""
    message = _head(raw)
    for names in (DELIVERED, ADDRESSED):
        # One address may stand there in any number of spellings.
        ours = [canonical(address) for address in _addresses(message, names) if is_ours(address, settings)]
        if ours:
            return list(dict.fromkeys(ours))
    return []


def sender(raw: bytes) -> str:
    """The envelope sender that the last mail server wrote down, or "" where none did."""
    return next(iter(_addresses(_head(raw), ("Return-Path",))), "")


def bare(written: Iterable[str]) -> list[str]:
    """The bare addresses in some header fields; none of a field that nobody can read."""
    # One at a time: newer Pythons give up all of them over a single strange one.
    return [address for value in written for address in _of_one(value) if address]


def _of_one(value: str) -> list[str]:
    try:
        return [address for _, address in getaddresses([value])]
    except Exception:
        # The standard library's parser has more than one way to fail over a strange address.
        return []


def _head(raw: bytes) -> Message:
    return email.message_from_bytes(raw[:HEAD], policy=email.policy.compat32)


def _addresses(message: Message, names: tuple[str, ...]) -> list[str]:
    return bare(str(value) for name in names for value in message.get_all(name, []))
