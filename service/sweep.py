"""The sweep: everything that is due happens.

Idempotent: it ticks what is due, and a second sweep finds nothing. Beat runs it, every worker runs it on a
timer of its own even while the broker is away, and ``twoyes sweep`` runs it for cron.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from sqlalchemy import select

from service.delivery.deliver import deliver, settle
from service.inbound import store as inbound
from service.introductions import decisions
from service.lifecycle import Tick
from service.settings.clock import Clock
from service.settings.table import Settings
from service.store.context import Context
from service.store.db import Database
from service.store.models import Introduction

BATCH_SIZE = 500
"""How many due introductions one sweep takes up; the next one takes the rest."""

log = logging.getLogger(__name__)


def sweep(db: Database, settings: Settings, clock: Clock) -> None:
    """Process what arrived, tick what is due, settle lost handovers, and deliver every mail that is due."""
    inbound.process_due(db, settings, clock)
    tick_due(db, settings, clock)
    settle(db, settings, clock)
    deliver(db, settings, clock)
    inbound.forget(db, settings, clock)


def tick_due(db: Database, settings: Settings, clock: Clock) -> None:
    """Let time pass for the introductions that it is due to change."""
    with db.reading() as session:
        due = (
            select(Introduction.id)
            .where(Introduction.next_due_at <= clock())
            .order_by(Introduction.next_due_at)
            .limit(BATCH_SIZE)
        )
        ids = list(session.scalars(due))
    tick(db, settings, clock, ids)


def tick(db: Database, settings: Settings, clock: Clock, ids: Sequence[int]) -> None:
    """Let time pass for the given introductions, each in a transaction of its own."""
    for introduction_id in ids:
        try:
            _tick_one(db, settings, clock, introduction_id)
        except Exception:
            # One broken case must not keep the others from what is due to them.
            log.exception("introduction %s could not be ticked", introduction_id)


def _tick_one(db: Database, settings: Settings, clock: Clock, introduction_id: int) -> None:
    with db.transaction() as session:
        introduction = decisions.lock(session, introduction_id)
        # The time is read once the row is ours: whoever had it before may have written a later one.
        context = Context(session, settings, clock())
        if introduction.next_due_at and introduction.next_due_at <= context.now:
            decisions.apply(context, introduction, Tick())


class Sweeper(threading.Thread):
    """A daemon thread that sweeps every SWEEP_EVERY until the process ends."""

    def __init__(self, db: Database, settings: Settings, clock: Clock) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._db, self._settings, self._clock = db, settings, clock

    def run(self) -> None:
        """Sweep for ever; a sweep that fails is logged, and the next one tries again."""
        while True:
            time.sleep(self._settings.SWEEP_EVERY.total_seconds())
            try:
                sweep(self._db, self._settings, self._clock)
            except Exception:
                # The database may be away for a while; the next sweep tries again.
                log.exception("a sweep failed")
