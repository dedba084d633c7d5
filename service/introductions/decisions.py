"""The kernel's decisions, written: state, deadline, events, mails and ledger, all in one commit."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import lifecycle
from service.lifecycle import Command, Decision, Envelope, Role, ledger
from service.settings.table import Settings
from service.settings.timing import timing
from service.store import outbox
from service.store.db import nudge
from service.store.models import Event, Introduction, LedgerEntry

FOLLOW = "tasks.responses.follow"


def lock(session: Session, introduction_id: int) -> Introduction:
    """The introduction, its row locked until the transaction ends, read anew."""
    return session.scalars(
        select(Introduction)
        .where(Introduction.id == introduction_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def apply(
    session: Session, settings: Settings, introduction: Introduction, command: Command, now: datetime
) -> Decision:
    """Let the kernel decide and write all of it: state, deadline, events, mails, ledger.

    The caller holds the introduction's lock. Raises a lifecycle.Refused; then nothing was written here.
    """
    before = introduction.to_case()
    decision = lifecycle.decide(before, command, now, timing(settings))
    case = decision.case
    if any(_was_taken_back(before.side(role), case.side(role)) for role in (Role.A, Role.B)):
        outbox.take_back_introduction(session, introduction)
    introduction.take(case)
    introduction.next_due_at = lifecycle.next_due_at(case, timing(settings))
    for event in decision.events:
        write_event(session, introduction, event, now)
    session.flush()
    for mail in decision.mails:
        outbox.enqueue(session, settings, introduction, mail, now)
    _write_ledger(session, introduction, now)
    if introduction.next_due_at and introduction.next_due_at <= now:
        nudge(session, FOLLOW, introduction.id)
    return decision


def _was_taken_back(before: lifecycle.Side, after: lifecycle.Side) -> bool:
    return before.envelope is Envelope.QUEUED and after.envelope is Envelope.NONE


def write_event(session: Session, introduction: Introduction, event: lifecycle.Event, now: datetime) -> None:
    session.add(
        Event(
            introduction_id=introduction.id, at=now, actor=event.actor, name=event.name, detail=event.detail
        )
    )


def _write_ledger(session: Session, introduction: Introduction, now: datetime) -> None:
    """Record what the case has come to; an entry that it supersedes stays in the history."""
    entry = ledger.judge(introduction.to_case(), introduction.facts())
    current = session.scalars(
        select(LedgerEntry).where(
            LedgerEntry.introduction_id == introduction.id, LedgerEntry.superseded_at.is_(None)
        )
    ).first()
    if entry is None or (current and current.says() == entry):
        return
    if current:
        current.superseded_at = now
        session.flush()
    session.add(LedgerEntry.of(introduction.id, entry, now))
