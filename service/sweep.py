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

from service.settings.clock import Clock
from service.settings.table import Settings
from service.store.db import Database
from service.store.models import Introduction

from .delivery import deliver as delivery
from .inbound import store as entry
from .introductions import decisions
from .lifecycle import Tick

AT_ONCE = 500
"""How many due introductions one sweep takes up; the next one takes the rest."""

log = logging.getLogger(__name__)


def sweep(db: Database, settings: Settings, clock: Clock) -> None:
    """Process what arrived, tick what is due, settle lost handovers, and deliver every mail that is due."""
    entry.process_due(db, settings, clock)
    tick_due(db, settings, clock)
    delivery.settle(db, settings, clock)
    delivery.deliver(db, settings, clock)
    entry.forget(db, settings, clock)


def tick_due(db: Database, settings: Settings, clock: Clock) -> None:
    with db.reading() as session:
        due = (
            select(Introduction.id)
            .where(Introduction.next_due_at <= clock())
            .order_by(Introduction.next_due_at)
            .limit(AT_ONCE)
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
        now = clock()
        if introduction.next_due_at and introduction.next_due_at <= now:
            decisions.apply(session, settings, introduction, Tick(), now)


class Sweeper(threading.Thread):
    """A daemon thread that sweeps every SWEEP_EVERY until the process ends."""

    def __init__(self, db: Database, settings: Settings, clock: Clock) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._db, self._settings, self._clock = db, settings, clock

    def run(self) -> None:
        while True:
            time.sleep(self._settings.SWEEP_EVERY.total_seconds())
            try:
                sweep(self._db, self._settings, self._clock)
            except Exception:
                # The database may be away for a while; the next sweep tries again.
                log.exception("a sweep failed")
