"""Kill processes while introductions are answered, and look afterwards whether anything was lost or early.

``make faults SEED=1`` plays 300 introductions against real processes: web, two workers, beat,
PostgreSQL, Redis and a relay. People fill in the form, open their mails and press the buttons; who finds
no answer presses again. Meanwhile a hand, drawn from the seed, kills workers and web with SIGKILL and
restarts Redis empty. At the end the database and what the relay really took must tell one story.

The seed fixes what people do and what the hand does next, not how the processes interleave: a run can
be repeated, not replayed.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from service.store.db import Database
from tests.support.people import Mailboxes
from tests.support.processes import Broker, Processes, environ, eventually, postgresql
from tests.support.smtp_server import DROP, FaultySmtp, Step

from .audit import Audit, Report, Witness, everything_has_ended
from .crowd import Crowd, Town, cases

SETTINGS = {
    "HOLD_FOR": "1s",
    "FOLLOW_UP_AFTER": "1s",
    "CONFIRM_WITHIN": "30s",
    "SWEEP_EVERY": "1s",
    "MAIL_TIMEOUT": "2s",
    "MAIL_DATA_TIMEOUT": "2s",
    "MAIL_BACKOFF": "1s,2s",
}
VICTIMS = ("worker", "worker-2", "web", "redis")
"""Whom the hand takes: each once, in an order of the seed, and then each once again."""
CHANCES = {"data": (0.2, 0.0), "dot": (0.1, 0.3)}
"""How often the relay takes its time at a stage, and how often it then forgets the mail."""
RISES_WITHIN = 60.0
"""Seconds within which what was killed must work again."""


class Hand(threading.Thread):
    """Kills processes and restarts them, in an order and at a pace that the seed gives."""

    def __init__(self, seed: int, processes: Processes, broker: Broker, seconds: float) -> None:
        super().__init__(name="hand")
        self._until = time.monotonic() + seconds
        self._random = Random(f"hand {seed}")
        self._processes, self._broker = processes, broker
        self._over = threading.Event()
        self.kills: Counter[str] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for name in self._victims():
                if self._over.wait(self._random.uniform(0.0, 1.5)) or time.monotonic() > self._until:
                    return
                self.kills[name.partition("-")[0]] += 1
                self._strike(name, self._random.uniform(0.0, 1.0))
        except BaseException as error:  # noqa: BLE001 (it is raised again where the run ends)
            self.error = error

    def _victims(self) -> Iterator[str]:
        while True:
            yield from self._random.sample(VICTIMS, len(VICTIMS))

    def _strike(self, name: str, pause: float) -> None:
        if name == "redis":
            self._broker.kill()
            self._over.wait(pause)
            self._broker.start()
            return
        self._processes.kill(name)
        self._over.wait(pause)
        self._processes.start(name)
        # Most often it may stand up again first: otherwise nobody would ever work on a slow machine.
        if self._random.random() < 0.8:
            eventually(lambda: self._over.is_set() or self._processes.is_up(name), RISES_WITHIN, name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Rest after the current stroke; everything runs then."""
        self._over.set()
        self.join()
        if self.error:
            raise self.error


class SlowRelay(FaultySmtp):
    """A relay that sometimes takes its time, and then sometimes loses what it was given.

    After DATA an undo may overtake the mail. At the dot a worker may be killed in the handover, and nobody
    can know whether the relay took the mail: most often it did, and now and then it did not.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random, self._lock = Random(f"relay {seed}"), threading.Lock()

    def next_step(self, stage: str) -> Step:
        with self._lock:
            slow, forgets = (self._random.random() < chance for chance in CHANCES.get(stage, (0.0, 0.0)))
        if slow:
            self.released.wait(0.3)
        return DROP if slow and forgets else super().next_step(stage)


@dataclass(frozen=True)
class Run:
    """How much is played, and for how long; durations in seconds."""

    seed: int
    introductions: int = 300
    at_once: int = 40
    answer_within: int = 60
    """Long enough for answers that had to wait until a lease ran out; unanswered cases end after it."""
    limit: float = 290.0


def play(database_url: str, run: Run, say: Callable[[str], None]) -> Report:
    """Play it. Raises AssertionError when it does not come to an end within its limit."""
    end = time.monotonic() + run.limit
    report, everybody = Report(run.seed), cases(run.seed, run.introductions)
    with contextlib.ExitStack() as stack:
        db = Database(database_url)
        stack.callback(db.engine.dispose)
        witness = Witness(db)
        relay, broker = stack.enter_context(SlowRelay(run.seed)), stack.enter_context(Broker())
        relay.messages = boxes = Mailboxes(witness)
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="twoyes-logs-")))
        processes = stack.enter_context(Processes(logs))
        settings = {**relay.environ, **SETTINGS, "ANSWER_WITHIN": f"{run.answer_within}s"}
        processes.environ = environ(database_url, broker.url, settings)
        processes.start("web", "worker", "worker-2", "beat")
        processes.wait_for("web", "worker", "worker-2")
        say(f"everything runs; {run.introductions} cases begin")
        # The last third of the time is left to those who are slow, so that a run comes to its end.
        hand = Hand(run.seed, processes, broker, run.limit * 2 / 3 - run.answer_within)
        crowd = Crowd(everybody, run.at_once, Town(processes.url, boxes, witness.is_leaving), say)
        with hand:
            crowd.perform(end - time.monotonic() - run.answer_within)
        say("everybody has done what they wanted to do; the rest is for the clock to bring")
        eventually(lambda: everything_has_ended(db), end - time.monotonic(), "the end of every case")
        report.early, report.kills, report.again = witness.early, hand.kills, crowd.again
        Audit(db, boxes, everybody, report)()
    report.seconds = time.monotonic() - end + run.limit
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--introductions", type=int, default=300)
    chosen = parser.parse_args()
    # Ended from outside, the processes must go as well, and that is what leaving the contexts does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)  # noqa: T201

    with postgresql() as database_url:
        try:
            report = play(database_url, Run(chosen.seed, chosen.introductions), say)
        except AssertionError as error:
            say(f"VIOLATION: {error}")
            return 1
    print(report)  # noqa: T201
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
