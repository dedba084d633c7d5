"""The kernel's decisions, written: state, deadline, events, mails and ledger, all in one commit."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import lifecycle
from service.lifecycle import Command, Decision, Envelope, Role, ledger
from service.settings.timing import timing
from service.store import outbox
from service.store.context import Context
from service.store.db import nudge
from service.store.models import Event, Introduction, LedgerEntry

from . import mails

FOLLOW = "tasks.responses.follow"


def lock(session: Session, introduction_id: int) -> Introduction:
    """Lock an introduction's row until the transaction ends, and read it anew."""
    return session.scalars(
        select(Introduction)
        .where(Introduction.id == introduction_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def apply(context: Context, introduction: Introduction, command: Command) -> None:
    """Let the kernel decide about a locked introduction, and write what it decided.

    Raises a lifecycle.Refused; then nothing was written here.
    """
    write(context, introduction, decide(context, introduction, command))


def decide(context: Context, introduction: Introduction, command: Command) -> Decision:
    """Let the kernel decide about a locked introduction; nothing is written. Raises a lifecycle.Refused."""
    return lifecycle.decide(introduction.to_case(), command, context.now, timing(context.settings))


def write(context: Context, introduction: Introduction, decision: Decision) -> None:
    """Write all of a decision: state, deadline, events, mails, ledger.

    The introduction is still as it was when the kernel decided about it.
    """
    before, after = introduction.to_case(), decision.case
    if any(_was_taken_back(before.side(role), after.side(role)) for role in (Role.A, Role.B)):
        outbox.take_back_introduction(context.session, introduction)
    introduction.take(after)
    introduction.next_due_at = lifecycle.next_due_at(after, timing(context.settings))
    for event in decision.events:
        write_event(context, introduction, event)
    context.session.flush()
    for mail in decision.mails:
        mails.enqueue(context, introduction, mail)
    _write_ledger(context, introduction)
    if introduction.next_due_at and introduction.next_due_at <= context.now:
        nudge(context.session, FOLLOW, introduction.id)


def write_event(context: Context, introduction: Introduction, event: lifecycle.Event) -> None:
    """Add a line to an introduction's history."""
    row = Event(
        introduction_id=introduction.id,
        at=context.now,
        actor=event.actor,
        name=event.name,
        detail=event.detail,
    )
    context.session.add(row)


def _was_taken_back(before: lifecycle.Side, after: lifecycle.Side) -> bool:
    return before.envelope is Envelope.QUEUED and after.envelope is Envelope.NONE


def _write_ledger(context: Context, introduction: Introduction) -> None:
    """Record what the case has come to; an entry that it supersedes stays in the history."""
    entry = ledger.judge(introduction.to_case(), introduction.facts())
    current = context.session.scalars(
        select(LedgerEntry).where(
            LedgerEntry.introduction_id == introduction.id, LedgerEntry.superseded_at.is_(None)
        )
    ).first()
    if entry is None or (current and current.says() == entry):
        return
    if current:
        current.superseded_at = context.now
        context.session.flush()
    context.session.add(LedgerEntry.of(introduction.id, entry, context.now))
