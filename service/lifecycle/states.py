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
    """Whom of the two is asked first."""

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
    STOPPED = "stopped"
    """Tells an operator that reports stopped a requester. Like the one above it belongs to no introduction,
    so the kernel never hears of them."""


class About(StrEnum):
    """What a mail is about, where its kind and its reader leave that open.

    A mail to the requester can be about one side; a mail about an unclear reply is about the answer, the
    handoff, or the end, which came before the reply.
    """

    CASE = "case"
    A = "a"
    B = "b"
    ANSWER = "answer"
    HANDOFF = "handoff"
    END = "end"


PAGE = "page"
"""The method of an answer given by a button."""
NEVER = "never"
"""The method of an answer given by "never contact me again", or by a report of abuse."""
REPLY = "reply"
"""The method of an answer given by a reply to one of our mails."""
