"""Linda (side a) runs a beauty salon, Natasha (side b) designs interiors, and Rita knows them both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.lifecycle import (
    Accepted,
    Answer,
    AskLater,
    Case,
    Command,
    Confirm,
    Correct,
    Decision,
    Failed,
    HandedOver,
    Mail,
    MailKind,
    Order,
    RemindNow,
    Role,
    Tick,
    Timing,
    Undo,
    Verify,
    Withdraw,
    decide,
)

LINDA, NATASHA, RITA = Role.A, Role.B, Role.REQUESTER
SIDES = (LINDA, NATASHA)

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

TIMING = Timing(
    answer_within=7 * DAY,
    remind_after=3 * DAY,
    hold_for=10 * MINUTE,
    follow_up_after=3 * DAY,
    confirm_within=21 * DAY,
    verify_within=2 * DAY,
)

SUSPECT_WITHIN = timedelta(seconds=10)
SUSPICIOUS = replace(TIMING, suspect_within=SUSPECT_WITHIN)
"""Like `TIMING`, and an answer that is too quick for a person is asked once more."""

VERIFY, WITHDRAW, REMIND_NOW, TICK = Verify(), Withdraw(), RemindNow(), Tick()


def yes(side: Role, **more: Any) -> Answer:
    return Answer(side, yes=True, **more)


def no(side: Role, **more: Any) -> Answer:
    return Answer(side, yes=False, **more)


def never(side: Role) -> Answer:
    return Answer(side, yes=False, method="never")


def ask_reached(side: Role) -> Accepted:
    return Accepted(MailKind.ASK, side)


def ask_bounced(side: Role) -> Failed:
    return Failed(MailKind.ASK, side)


def introduction_reached(side: Role, *, certain: bool = True) -> Accepted:
    return Accepted(MailKind.INTRODUCTION, side, certain=certain)


def introduction_bounced(side: Role) -> Failed:
    return Failed(MailKind.INTRODUCTION, side)


def every_command() -> Iterable[Command]:
    """Every command, in every form that the kernel could tell apart."""
    yield from (VERIFY, WITHDRAW, REMIND_NOW, TICK)
    for side in SIDES:
        yield from (yes(side), no(side), no(side, tell_requester=True), never(side))
        yield yes(side, method="reply")
        yield from (Undo(side), Correct(side), Confirm(side, True), Confirm(side, False))
        # The second is the very end of an ordered case, when it is too late for a question.
        yield from (AskLater(side, START + days * DAY) for days in (5, 14))
    for role in Role:
        yield HandedOver(role)
        for kind in (MailKind.ASK, MailKind.INTRODUCTION, MailKind.RECEIPT):
            yield Accepted(kind, role)
            yield Failed(kind, role)
    for side in SIDES:
        yield introduction_reached(side, certain=False)
        yield HandedOver(side, MailKind.ASK)
        yield Accepted(MailKind.FOLLOW_UP, side)
        yield Failed(MailKind.REMINDER, side, came_back=True)
    yield Accepted(MailKind.VERIFY, RITA)


class Story:
    """A case and what happened to it: meet() a command, wait(), and look at what was queued."""

    def __init__(self, timing: Timing = TIMING, order: str = "together", **about: Any) -> None:
        self.timing = timing
        self.now = START
        self.case = Case(START, order=Order(order), **about)
        self.mails: list[Mail] = []
        self.events: list[str] = []

    def meet(self, *commands: Command) -> Decision:
        """Play the commands one after the other at this moment; answers the last decision."""
        for command in commands:
            decision = decide(self.case, command, self.now, self.timing)
            self.case = decision.case
            self.mails += decision.mails
            self.events += [event.name for event in decision.events]
        return decision

    def wait(self, duration: timedelta) -> Decision:
        """Let time pass in one jump, and tick."""
        self.now += duration
        return self.meet(TICK)

    def queued(self, kind: MailKind, to: Role | None = None) -> list[Mail]:
        return [mail for mail in self.mails if mail.kind is kind and to in (None, mail.to)]


def verified(**about: Any) -> Story:
    """Rita has verified her request; the asks are queued."""
    story = Story(**about)
    story.meet(VERIFY)
    return story


def asked(**about: Any) -> Story:
    """Whoever is to be asked at first was reached."""
    story = verified(**about)
    for mail in story.queued(MailKind.ASK):
        story.meet(ask_reached(mail.to))
    return story


def agreed(**about: Any) -> Story:
    """Both have said yes, and the hold runs."""
    story = asked(**about)
    first = NATASHA if story.case.order is Order.B_FIRST else LINDA
    second = NATASHA if first is LINDA else LINDA
    for side in (first, second):
        if side is not story.case.requester_is:
            story.meet(ask_reached(side), yes(side))
    return story


def introducing(**about: Any) -> Story:
    """The hold has passed, and the introduction is queued for both."""
    story = agreed(**about)
    story.wait(TIMING.hold_for)
    return story


def introduced(**about: Any) -> Story:
    """Both were introduced to each other."""
    story = introducing(**about)
    for side in SIDES:
        story.meet(HandedOver(side), introduction_reached(side))
    return story


def followed_up(**about: Any) -> Story:
    """Both were asked whether they are in touch."""
    story = introduced(**about)
    story.wait(TIMING.follow_up_after)
    return story


def unconfirmed(**about: Any) -> Story:
    """Nobody said that they are in touch, and the case is closed as a lead."""
    story = followed_up(**about)
    story.wait(TIMING.confirm_within)
    return story
