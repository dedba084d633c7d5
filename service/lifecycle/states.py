"""The words of the lifecycle: states, reasons, roles and kinds of mail."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an introduction stands."""

    UNVERIFIED = "unverified"
    ASKING = "asking"
    AGREED = "agreed"
    INTRODUCING = "introducing"
    INTRODUCED = "introduced"
    CONFIRMED = "confirmed"
    CLOSED = "closed"


class ConsentState(StrEnum):
    """Where one side's consent stands; `WAITING` is a side that is asked after the other."""

    WAITING = "waiting"
    ASKED = "asked"
    YES = "yes"
    NO = "no"
    UNDELIVERABLE = "undeliverable"


class Reason(StrEnum):
    """Why a case ended as a lead."""

    NO_ANSWER = "no-answer"
    DECLINED = "declined"
    UNDELIVERABLE = "undeliverable"
    WITHDRAWN = "withdrawn"
    HANDOFF_UNCONFIRMED = "handoff-unconfirmed"


class Role(StrEnum):
    """Who a mail goes to, or who did something: one of the two sides, or the requester."""

    A = "a"
    B = "b"
    REQUESTER = "requester"


class Order(StrEnum):
    TOGETHER = "together"
    A_FIRST = "a_first"
    B_FIRST = "b_first"


class Envelope(StrEnum):
    """What became of one side's copy of the introduction."""

    NONE = "none"
    QUEUED = "queued"
    ACCEPTED = "accepted"
    FAILED = "failed"


class MailKind(StrEnum):
    """Every mail that TwoYes sends; each has a folder of this name in templates/email/."""

    VERIFY = "verify"
    ASK = "ask"
    REMINDER = "reminder"
    RECEIPT = "receipt"
    RECHECK = "recheck"
    UNCLEAR = "unclear"
    DECLINED = "declined"
    UNDELIVERABLE = "undeliverable"
    INTRODUCTION = "introduction"
    UNDELIVERED = "undelivered"
    FOLLOW_UP = "follow_up"
    NOT_COME_ABOUT = "not_come_about"
    SUMMARY = "summary"
    SIGN_IN = "sign_in"
    """The one kind that belongs to no introduction, so the kernel never hears of it."""


PAGE = "page"
"""The method of an answer given by a button."""
NEVER = "never"
"""The method of an answer given by "never contact me again", or by a report of abuse."""
REPLY = "reply"
"""The method of an answer given by a reply to one of our mails."""
ABOUT_THE_ANSWER, ABOUT_THE_HANDOFF, ABOUT_THE_END = 1, 2, 3
"""The rounds of `MailKind.UNCLEAR`: the link once more before the introduction, once more after it, and a
word to somebody who replies when it is too late."""
