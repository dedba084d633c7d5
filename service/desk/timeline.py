"""What happened to an introduction: as its requester may see it, and as the operator sees it. Only reads.

What a requester sees here depends on what `service.desk.overview` says at its top, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from service.introductions.requests import asked_for_reminder
from service.lifecycle import ConsentState, MailKind, Order, Role
from service.settings.table import Settings
from service.store.models import Consent, Event, Introduction, OutboxMail

from .overview import Status, disclosed_noes, status


class EntryKind(StrEnum):
    """What an entry of the requester's timeline is about."""

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
class TimelineEntry:
    """Something that happened and may be disclosed; ``name`` is the party that it is about."""

    at: datetime
    kind: EntryKind
    name: str = ""


def may_remind(session: Session, settings: Settings, introduction: Introduction, now: datetime) -> bool:
    """Tell whether the button for the reminder is there: that depends on no answer that is not disclosed."""
    verified_at, closes_at = introduction.verified_at, introduction.closes_at
    if not introduction.reminders or not verified_at or not closes_at:
        return False
    if now >= min(verified_at + settings.REMIND_AFTER, closes_at):
        return False
    # While a no stands nobody is reminded; whether one that was disclosed was taken back must not show.
    is_asked = status(introduction) in (Status.ASKED, Status.UNREACHED)
    return is_asked and not (
        asked_for_reminder(session, introduction) or disclosed_noes(session, introduction)
    )


def timeline(
    session: Session, settings: Settings, introduction: Introduction, now: datetime
) -> list[TimelineEntry]:
    """Return what happened, as the requester may see it, oldest first."""
    entries = [TimelineEntry(introduction.created_at, EntryKind.REQUESTED)]
    for event in history(session, introduction):
        entries += _entries(introduction, event)
    entries += _disclosed_noes(session, introduction)
    entries += _reminder_due(settings, introduction, entries, now)
    if status(introduction) is Status.NOTHING and introduction.closes_at:
        # The closing moment itself: the clock's own event may be a little later where a yes was taken back.
        entries.append(TimelineEntry(introduction.closes_at, EntryKind.NOTHING))
    return sorted(entries, key=lambda entry: entry.at)


def agreed(introduction: Introduction) -> list[Consent]:
    """Return the sides whose yes to an ask may be shown with its words: those of who were introduced."""
    if introduction.introduced_at is None:
        return []
    return [side for side in introduction.consents if side.side is not introduction.requester_is]


def history(session: Session, introduction: Introduction) -> list[Event]:
    """Return every event, oldest first: for the operator."""
    events = select(Event).where(Event.introduction_id == introduction.id).order_by(Event.id)
    return list(session.scalars(events))


def mails(session: Session, introduction: Introduction) -> list[OutboxMail]:
    """Return every mail of an introduction, in the order in which they were queued: for the operator."""
    rows = select(OutboxMail).where(OutboxMail.introduction_id == introduction.id).order_by(OutboxMail.id)
    return list(session.scalars(rows.options(undefer(OutboxMail.sent_text))))


NEUTRAL_EVENTS = {
    "verified": EntryKind.VERIFIED,
    "request lapsed": EntryKind.LAPSED,
    "withdrawn": EntryKind.WITHDRAWN,
    "introduced": EntryKind.INTRODUCED,
    "follow-up queued": EntryKind.FOLLOWED_UP,
    "handoff confirmed": EntryKind.CONFIRMED,
}
"""The events that tell nothing of one side; whatever is neither here nor in `_entries` is not shown."""


def _entries(introduction: Introduction, event: Event) -> Iterator[TimelineEntry]:
    detail = event.detail
    if event.name in NEUTRAL_EVENTS:
        yield TimelineEntry(event.at, NEUTRAL_EVENTS[event.name])
    elif event.name == "undeliverable":
        yield TimelineEntry(event.at, EntryKind.LOST, _name(introduction, detail["to"]))
    elif event.name == "address corrected":
        yield TimelineEntry(event.at, EntryKind.CORRECTED, _name(introduction, detail["side"]))
    elif event.name == "reminder asked for":
        yield TimelineEntry(event.at, EntryKind.REMINDED)
    elif event.name == "mail came back" and _is_lost_introduction(introduction, event):
        yield TimelineEntry(event.at, EntryKind.CAME_BACK, _name(introduction, detail["to"]))
    elif event.name == "closed" and introduction.left_at:
        kind = EntryKind.UNCONFIRMED if introduction.introduced_at else EntryKind.UNDELIVERED
        yield TimelineEntry(event.at, kind)
    elif event.name == "answered" and _is_own_no(introduction, event):
        # "Never contact me again", said by a requester who is one of the two.
        yield TimelineEntry(event.at, EntryKind.WITHDRAWN)


def _is_own_no(introduction: Introduction, event: Event) -> bool:
    return event.actor == introduction.requester_is and event.detail.get("answer") == ConsentState.NO


def _is_lost_introduction(introduction: Introduction, event: Event) -> bool:
    is_copy = event.detail.get("to") == Role.REQUESTER
    is_introduction = event.detail.get("mail") == MailKind.INTRODUCTION
    return is_introduction and not is_copy and introduction.introduced_at is not None


def _name(introduction: Introduction, side: str) -> str:
    return introduction.consent(Role(side)).name


def _disclosed_noes(session: Session, introduction: Introduction) -> Iterator[TimelineEntry]:
    """Yield who let the requester know of a no."""
    for mail in disclosed_noes(session, introduction):
        name = introduction.consent(Role(mail.about)).name
        yield TimelineEntry(mail.sent_at or mail.created_at, EntryKind.DECLINED, name)


def _reminder_due(
    settings: Settings, introduction: Introduction, entries: list[TimelineEntry], now: datetime
) -> Iterator[TimelineEntry]:
    """Yield when a reminder was due by the clock, whether or not anybody was left to be reminded.

    Where one is asked after the other, that moment would tell when the first said yes.
    """
    verified_at, closes_at = introduction.verified_at, introduction.closes_at
    if not introduction.reminders or introduction.order is not Order.TOGETHER:
        return
    if not verified_at or not closes_at:
        return
    due = verified_at + settings.REMIND_AFTER
    final = (EntryKind.REMINDED, EntryKind.WITHDRAWN, EntryKind.INTRODUCED, EntryKind.UNDELIVERED)
    if (
        due <= now
        and due < closes_at
        and not any(entry.kind in final and entry.at <= due for entry in entries)
    ):
        yield TimelineEntry(due, EntryKind.REMINDER_DUE)
