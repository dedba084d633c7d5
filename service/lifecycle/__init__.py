"""The kernel, pure: what may happen to an introduction, and what follows from it.

No Flask, no SQL, no clock. A command meets a `Case` at a time ``now``, and `decide` answers with
the case as it is afterwards, the events to write and the mails to queue; `next_due_at` tells when time
alone will change it next. This is the only place that decides a state. The rules are in docs/design.md.
"""

from .case import Case, Side, Timing
from .commands import (
    Accepted,
    Answer,
    AskLater,
    Command,
    Confirm,
    Correct,
    Decision,
    Event,
    Failed,
    HandedOver,
    Mail,
    RemindNow,
    Tick,
    Undo,
    Verify,
    Withdraw,
)
from .due import next_due_at
from .later import may_ask_later, moments_for_later
from .refusals import (
    AlreadyLeft,
    AlreadyVerified,
    CaseClosed,
    NoReminder,
    NotAgreed,
    NotAsked,
    NotCorrectable,
    NothingToUndo,
    NotIntroduced,
    NotLater,
    Refused,
    TooSoon,
    VerificationLapsed,
)
from .relevance import still_wanted
from .rules import ASKING_MAILS, decide
from .states import NEVER, PAGE, REPLY, About, ConsentState, Envelope, MailKind, Order, Reason, Role, State

__all__ = [
    "ASKING_MAILS",
    "NEVER",
    "PAGE",
    "REPLY",
    "About",
    "Accepted",
    "AlreadyLeft",
    "AlreadyVerified",
    "Answer",
    "AskLater",
    "Case",
    "CaseClosed",
    "Command",
    "Confirm",
    "ConsentState",
    "Correct",
    "Decision",
    "Envelope",
    "Event",
    "Failed",
    "HandedOver",
    "Mail",
    "MailKind",
    "NoReminder",
    "NotAgreed",
    "NotAsked",
    "NotCorrectable",
    "NotIntroduced",
    "NotLater",
    "NothingToUndo",
    "Order",
    "Reason",
    "Refused",
    "RemindNow",
    "Role",
    "Side",
    "State",
    "Tick",
    "Timing",
    "TooSoon",
    "Undo",
    "VerificationLapsed",
    "Verify",
    "Withdraw",
    "decide",
    "may_ask_later",
    "moments_for_later",
    "next_due_at",
    "still_wanted",
]
