"""What can meet a case, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .case import Case
from .states import PAGE, About, MailKind, Role


@dataclass(frozen=True)
class Verify:
    """The requester pressed the button behind their link."""


@dataclass(frozen=True)
class Answer:
    """A party answered; ``tell_requester`` is their wish to let the requester know of a no at once.

    ``evidence`` goes into the event: what shows that it was said.
    """

    side: Role
    yes: bool
    method: str = PAGE
    tell_requester: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Undo:
    """A party takes their answer back."""

    side: Role


@dataclass(frozen=True)
class AskLater:
    """A party who has not answered wants its one reminder at a moment of its own choice."""

    side: Role
    at: datetime


@dataclass(frozen=True)
class Withdraw:
    """The requester takes the whole request back."""


@dataclass(frozen=True)
class Correct:
    """The requester corrects an address that could not be reached."""

    side: Role


@dataclass(frozen=True)
class RemindNow:
    """The requester wants the one reminder that they allowed to leave now, for whoever may have it."""


@dataclass(frozen=True)
class HandedOver:
    """A mail is about to be handed to the relay: the fence."""

    to: Role
    kind: MailKind = MailKind.INTRODUCTION


@dataclass(frozen=True)
class Accepted:
    """The relay ``server`` accepted a mail, or (``certain=False``) nobody can know whether it did."""

    kind: MailKind
    to: Role
    reply: str = ""
    certain: bool = True
    server: str = ""


@dataclass(frozen=True)
class Failed:
    """A mail was refused for good, was given up, or ``came_back``. A skipped mail has not failed."""

    kind: MailKind
    to: Role
    reply: str = ""
    came_back: bool = False


@dataclass(frozen=True)
class Confirm:
    """A party answers the follow-up: are the two in touch? ``evidence`` goes into the event."""

    side: Role
    in_touch: bool
    method: str = PAGE
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


Command = (
    Verify
    | Answer
    | Undo
    | AskLater
    | Withdraw
    | Correct
    | RemindNow
    | HandedOver
    | Accepted
    | Failed
    | Confirm
    | Tick
)


@dataclass(frozen=True)
class Event:
    """One line of the history. ``actor`` is a role, or ``clock`` or ``relay``."""

    name: str
    actor: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Mail:
    """A mail to queue. ``due_at`` None means at once; ``number`` counts those of one kind about one thing."""

    kind: MailKind
    to: Role
    number: int = 1
    about: About = About.CASE
    due_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """What a command comes to."""

    case: Case
    events: tuple[Event, ...] = ()
    mails: tuple[Mail, ...] = ()

    def then(self, case: Case, *more: Event | Mail) -> Decision:
        """Carry this decision on: another case, and more events and mails."""
        events = tuple(item for item in more if isinstance(item, Event))
        mails = tuple(item for item in more if isinstance(item, Mail))
        return Decision(case, self.events + events, self.mails + mails)
