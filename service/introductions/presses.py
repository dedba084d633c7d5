"""Whether a person acts behind a mailed link, or a program that scans mail and presses what it finds.

No single press decides anything: a page asks for a choice, of which none is made beforehand, and then for a
press. Its first choice does nothing. Before that stand a choice and a button that nobody sees, hears or
reaches with the keyboard: whoever uses one of them is a program, and from then on the mailbox is suspect for
this case: behind its links a word must be typed as well, or the answer given by mail (docs/threat-model.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from service import lifecycle
from service.lifecycle import Role
from service.settings.timing import timing
from service.store.context import Context
from service.store.models import Consent, Introduction, SignIn

from . import decisions

NOTHING = "nothing"
"""The first choice of every form behind a mailed link."""


class Undecided(StrEnum):
    """Why a press decided nothing."""

    NO_CHOICE = "no choice"
    NOTHING = "nothing"
    WORD_MISSING = "word missing"
    TOO_SOON = "too soon"
    WORDS_CHANGED = "words changed"


@dataclass(frozen=True)
class Press:
    """What a form behind a mailed link was sent with: ``choice`` is "" where none was made."""

    choice: str
    used_decoy: bool = False
    typed_word: bool = False


Mailbox = Consent | Introduction | SignIn
"""The row that stands for whoever reads a mailed link: a party, a requester, or somebody who signs in."""


def undecided(context: Context, mailbox: Mailbox, press: Press) -> Undecided | None:
    """Tell why a press decides nothing, or None where it is a person's; the mailbox's row is locked.

    The use of a decoy is written, so the caller's transaction must be committed either way.
    """
    if press.used_decoy:
        _suspect(context, mailbox)
        return Undecided.WORD_MISSING
    if not press.choice:
        return Undecided.NO_CHOICE
    if press.choice == NOTHING:
        return Undecided.NOTHING
    if mailbox.suspect_at and not press.typed_word:
        return Undecided.WORD_MISSING
    return Undecided.TOO_SOON if _is_too_soon(context, mailbox) else None


def mailbox_of(introduction: Introduction, reader: Role) -> Consent | Introduction:
    """Give the row that stands for the mailbox of a reader of one introduction."""
    return introduction if reader is Role.REQUESTER else introduction.consent(reader)


def _is_too_soon(context: Context, mailbox: Mailbox) -> bool:
    """Tell whether a press follows its mail sooner than a person reads it.

    Whoever pressed a moment ago has a receipt for it by now: whether this press contradicts that one is for
    the kernel to judge, and if it does, neither counts.
    """
    durations = timing(context.settings)
    if isinstance(mailbox, Consent) and durations.is_too_soon(context.now, mailbox.touched_at):
        return False
    return durations.is_too_soon(context.now, mailbox.mailed_at)


def _suspect(context: Context, mailbox: Mailbox) -> None:
    if mailbox.suspect_at:
        return
    mailbox.suspect_at = context.now
    if isinstance(mailbox, Consent):
        decisions.write_event(context, mailbox.introduction, lifecycle.Event("mailbox suspect", mailbox.side))
    elif isinstance(mailbox, Introduction):
        decisions.write_event(context, mailbox, lifecycle.Event("mailbox suspect", Role.REQUESTER))
