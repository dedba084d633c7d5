"""The effects that a mail which arrived can have; `handling` decides which."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    """What a mail that arrived came to."""

    ANSWERED_YES = "answered yes"
    ANSWERED_NO = "answered no"
    IN_TOUCH = "in touch"
    NOT_IN_TOUCH = "not in touch"
    SUPPRESSED = "suppressed"
    LINK_SENT = "link sent"
    """Not read as an answer; the person got one mail with the link, or the word that it is too late."""
    NOT_UNDERSTOOD = "not understood"
    """Not read as an answer, and the link was sent before, or leads to nothing any more."""
    OTHER_SENDER = "other sender"
    DMARC_FAILED = "dmarc failed"
    TOO_LATE = "too late"
    """An answer that cannot count any more; the person got one mail, as above."""
    BOUNCED = "bounced"
    BOUNCED_FOR_NOW = "bounced for now"
    DELAYED = "delayed"
    AUTO_REPLY = "auto-reply"
    OWN = "own mail"
    FOR_THE_OPERATOR = "for the operator"
    UNREADABLE = "unreadable"
    """Our parser could not read it. It is kept as it came; the person got one mail with the link."""
    NO_EFFECT = "no effect"
    """A bounce or a complaint without a signature of ours, or to an address that takes none like it."""
