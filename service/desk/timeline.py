"""What happened to an introduction: as its requester may see it, and as the operator sees it. Only reads.

What a requester sees here depends on what `service.overview` says at its top, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.introductions.requests import asked_for_reminder
from service.lifecycle import ConsentState, MailKind, Order, Role
from service.settings.table import Settings
from service.store.models import Event, Introduction, OutboxMail

from .overview import Standing, standing, told_noes


class Told(StrEnum):
    """One line of the timeline that a requester sees."""

    REQUESTED = "requested"
    VERIFIED = "verified"
    LAPSED = "lapsed"
    LOST = "lost"
    CORRECTED = "corrected"
    DECLINED = "declined"
    REMINDED = "reminded"
    REMINDER_DUE = "reminder-due"
    WITHDRAWN = "withdrawn"
    INTRODUCED = "introduced"
    CAME_BACK = "came-back"
    UNDELIVERED = "undelivered"
    FOLLOWED_UP = "followed-up"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Step:
    """Something that happened and may be told; ``name`` is the party that it is about."""

    at: datetime
    what: Told
    name: str = ""


def may_remind(session: Session, settings: Settings, introduction: Introduction, now: datetime) -> bool:
    """Whether the button for the reminder is there: that depends on no answer but one that was told."""
    began, ends = introduction.verified_at, introduction.closes_at
    if not introduction.reminders or not began or not ends or now >= min(began + settings.REMIND_AFTER, ends):
        return False
    # While a no stands nobody is reminded; whether one that was told was taken back must not show.
    is_asked = standing(introduction) in (Standing.ASKED, Standing.UNREACHED)
    return is_asked and not (asked_for_reminder(session, introduction) or told_noes(session, introduction))


def timeline(session: Session, settings: Settings, introduction: Introduction, now: datetime) -> list[Step]:
    """What happened, as the requester may see it, oldest first."""
    steps = [Step(introduction.created_at, Told.REQUESTED)]
    for event in history(session, introduction):
        steps += _told(introduction, event)
    steps += _shared_noes(session, introduction)
    steps += _reminder_due(settings, introduction, steps, now)
    if standing(introduction) is Standing.NOTHING and introduction.closes_at:
        # The closing moment itself: the clock's own event may be a little later where a yes was taken back.
        steps.append(Step(introduction.closes_at, Told.NOTHING))
    return sorted(steps, key=lambda step: step.at)


def history(session: Session, introduction: Introduction) -> list[Event]:
    """Every event, oldest first: for the operator."""
    events = select(Event).where(Event.introduction_id == introduction.id).order_by(Event.id)
    return list(session.scalars(events))


def mails(session: Session, introduction: Introduction) -> list[OutboxMail]:
    """Every mail of an introduction, in the order in which they were queued: for the operator."""
    rows = select(OutboxMail).where(OutboxMail.introduction_id == introduction.id).order_by(OutboxMail.id)
    return list(session.scalars(rows))


PLAIN = {
    "verified": Told.VERIFIED,
    "request lapsed": Told.LAPSED,
    "withdrawn": Told.WITHDRAWN,
    "introduced": Told.INTRODUCED,
    "follow-up queued": Told.FOLLOWED_UP,
    "handoff confirmed": Told.CONFIRMED,
}
"""The events that tell nothing of one side; whatever is neither here nor in `_told` is not shown."""


def _told(introduction: Introduction, event: Event) -> Iterator[Step]:
    own, detail = introduction.requester_is, event.detail
    if event.name in PLAIN:
        yield Step(event.at, PLAIN[event.name])
    elif event.name == "undeliverable":
        yield Step(event.at, Told.LOST, _name(introduction, detail["to"]))
    elif event.name == "address corrected":
        yield Step(event.at, Told.CORRECTED, _name(introduction, detail["side"]))
    elif event.name == "reminder asked for":
        yield Step(event.at, Told.REMINDED)
    elif event.name == "mail came back" and _is_lost_introduction(introduction, event):
        yield Step(event.at, Told.CAME_BACK, _name(introduction, detail["to"]))
    elif event.name == "closed" and introduction.left_at:
        yield Step(event.at, Told.UNCONFIRMED if introduction.introduced_at else Told.UNDELIVERED)
    elif event.name == "answered" and event.actor == own and detail.get("answer") == ConsentState.NO:
        # "Never contact me again", said by a requester who is one of the two.
        yield Step(event.at, Told.WITHDRAWN)


def _is_lost_introduction(introduction: Introduction, event: Event) -> bool:
    is_copy = event.detail.get("to") == Role.REQUESTER
    is_introduction = event.detail.get("mail") == MailKind.INTRODUCTION
    return is_introduction and not is_copy and introduction.introduced_at is not None


def _name(introduction: Introduction, side: str) -> str:
    return introduction.consent(Role(side)).name


def _shared_noes(session: Session, introduction: Introduction) -> Iterator[Step]:
    """Who let the requester know of a no."""
    for mail in told_noes(session, introduction):
        name = introduction.consent(Role(mail.about)).name
        yield Step(mail.sent_at or mail.created_at, Told.DECLINED, name)


def _reminder_due(
    settings: Settings, introduction: Introduction, steps: list[Step], now: datetime
) -> Iterator[Step]:
    """When a reminder was due by the clock, whether or not anybody was left to be reminded.

    Where one is asked after the other, that moment would tell when the first said yes.
    """
    began, ends = introduction.verified_at, introduction.closes_at
    if not introduction.reminders or introduction.order is not Order.TOGETHER or not began or not ends:
        return
    due = began + settings.REMIND_AFTER
    over = (Told.REMINDED, Told.WITHDRAWN, Told.INTRODUCED, Told.UNDELIVERED)
    if due <= now and due < ends and not any(step.what in over and step.at <= due for step in steps):
        yield Step(due, Told.REMINDER_DUE)
