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
import queue
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from service.db import Database
from service.lifecycle import ConsentState, MailKind, Role
from service.models import Consent, Event, Introduction, LedgerEntry, MailState, OutboxMail

from .people import Browser, Mailboxes, Page, Taken
from .processes import Broker, Processes, environ, eventually, postgresql
from .smtp_server import FaultySmtp, Step

SETTINGS = {
    "HOLD_FOR": "1s",
    "FOLLOW_UP_AFTER": "1s",
    "CONFIRM_WITHIN": "30s",
    "SWEEP_EVERY": "1s",
    "MAIL_TIMEOUT": "2s",
    "MAIL_DATA_TIMEOUT": "2s",
    "MAIL_BACKOFF": "1s,2s",
}
ANSWER_WITHIN = 60.0
"""Seconds from the verification to the closing moment: long enough for answers that had to wait for a
lease to run out, and short enough for unanswered cases to end within the run."""
LIMIT = 290.0
"""Seconds that a run may take."""
PLANS = {"referral": 50, "unconfirmed": 15, "declined": 12, "undone": 8, "undone late": 8, "silent": 7}
"""What becomes of a case, in hundredths of all: who means to do what."""
KILLS = {"worker": 3, "worker-2": 3, "web": 2, "redis": 2}
"""Whom the hand takes, and how often, compared with the others."""
AT_ONCE = 40
"""How many cases are played at a time."""
CLIENTS = 6
"""How many threads press buttons."""
RISES_WITHIN = 60.0
"""Seconds within which what was killed must work again."""
GIVE_UP = 60.0
"""Seconds after which somebody waits for a mail no longer."""

Ready = Callable[[], bool]
Script = Iterator[Ready]
"""What somebody does: it goes on when what it yielded last is ready."""


@dataclass
class Case:
    """One introduction as the people in it know it."""

    number: int
    plan: str
    actor: Role
    """The side that declines, undoes, stays silent or confirms, as the plan has it."""
    pause: float
    pressed: dict[Role, float] = field(default_factory=dict)
    """When each side pressed yes for the first time."""
    promised: dict[Role, str] = field(default_factory=dict)
    """What a page told each side was recorded last."""
    confirmed: bool = False
    waits_for: list[str] = field(default_factory=list)
    """The links that never came."""

    def __str__(self) -> str:
        return f"case {self.number} ({self.plan})"

    def address(self, who: Role) -> str:
        return f"{who.value}{self.number}@people.test"

    def form(self) -> dict[str, str]:
        return {
            "requester_email": self.address(Role.REQUESTER),
            "a_email": self.address(Role.A),
            "b_email": self.address(Role.B),
        }

    def both_were_told_yes(self) -> bool:
        return list(self.promised.values()) == ["yes", "yes"]


class Person:
    """One of the people of a case. Their script is a generator; any thread may carry it on."""

    def __init__(self, case: Case, who: Role, url: str, boxes: Mailboxes) -> None:
        self.case, self.who, self.boxes = case, who, boxes
        self.browser = Browser(url)
        self.again = 0
        """How often they had to press once more."""
        self.script = self._ask() if who is Role.REQUESTER else self._answer()
        self.ready: Ready = lambda: True

    def go_on(self) -> bool:
        """Do what can be done now; False when there is nothing left to do."""
        self.ready = next(self.script, None)  # type: ignore[assignment]
        return self.ready is not None

    def _ask(self) -> Script:
        yield from self._press(lambda: self.browser.send_form(**self.case.form()))
        if link := (yield from self._link("/r/")):
            yield from self._press(lambda: self.browser.post(link, action="verify"))

    def _answer(self) -> Script:
        case = self.case
        link = yield from self._link("/a/")
        acts = case.actor is self.who
        if not link or (acts and case.plan == "silent"):
            return
        yield from self._say("no" if acts and case.plan == "declined" else "yes", link)
        if acts and case.plan.startswith("undone"):
            yield from self._undo(link)
        elif acts and case.plan == "referral":
            yield from self._confirm()

    def _say(self, answer: str, link: str) -> Script:
        if answer == "yes":
            self.case.pressed[self.who] = time.monotonic()
        page = yield from self._press(lambda: self.browser.post(link, answer=answer))
        if page.status == 303:
            self.case.promised[self.who] = answer

    def _undo(self, link: str) -> Script:
        """Take the yes back at once after the second one, or at about the moment the introduction leaves."""
        yield within(GIVE_UP, self.case.both_were_told_yes)
        if self.case.plan == "undone late":
            yield after(self.case.pause)
        page = yield from self._press(lambda: self.browser.post(f"{link}/undo"))
        # The link is replaced in the same commit: who finds it so had pressed successfully before.
        if page.status == 303 or (page.status == 410 and "replaced" in page.text):
            self.case.promised[self.who] = "undone"

    def _confirm(self) -> Script:
        if link := (yield from self._link("/f/")):
            page = yield from self._press(lambda: self.browser.post(link, answer="yes"))
            self.case.confirmed = page.status == 303

    def _link(self, path: str) -> Iterator[Ready]:
        """Wait for a mail with such a link, and take the link."""
        address = self.case.address(self.who)
        yield within(GIVE_UP, lambda: bool(self.boxes.link(address, path)))
        link = self.boxes.link(address, path)
        if not link:
            self.case.waits_for.append(f"{path} to {self.who}")
        return link

    def _press(self, press: Callable[[], Page]) -> Iterator[Ready]:
        """Press a button, and press it again after a moment when nobody answers."""
        while not (page := press()).came:
            self.again += 1
            yield after(0.3)
        return page


def after(seconds: float) -> Ready:
    return within(seconds, lambda: False)


def within(seconds: float, ready: Ready) -> Ready:
    """Ready when it is, or when the time is over."""
    end = time.monotonic() + seconds
    return lambda: ready() or time.monotonic() >= end


def cases(seed: int, count: int) -> list[Case]:
    random = Random(seed)
    plans, weights = list(PLANS), list(PLANS.values())
    return [
        Case(
            number,
            plan,
            random.choice((Role.A, Role.B)),
            # The hold takes a second, and then the next sweep, or a nudge, lets the introduction leave.
            random.uniform(0.8, 2.2),
        )
        for number, plan in enumerate(random.choices(plans, weights, k=count))
    ]


class Crowd:
    """Everybody, carried on by a few threads; not all cases begin at once."""

    def __init__(
        self, cases: Sequence[Case], url: str, boxes: Mailboxes, progress: Callable[[str], None]
    ) -> None:
        self.cases, self._url, self._boxes, self._progress = cases, url, boxes, progress
        self._left: dict[int, int] = {}
        self._done: queue.SimpleQueue[tuple[Person, bool]] = queue.SimpleQueue()
        self.again = 0

    def perform(self, seconds: float) -> None:
        """Let everybody do what they want to do. Raises AssertionError when the time is over before."""
        end = time.monotonic() + seconds
        coming, waiting, busy = list(reversed(self.cases)), list[Person](), 0
        with ThreadPoolExecutor(CLIENTS) as clients:
            while coming or waiting or busy:
                assert time.monotonic() < end, (
                    f"{len(self._left)} cases are still played, {len(coming)} are to come"
                )
                while coming and len(self._left) < AT_ONCE:
                    waiting += self._begin(coming.pop())
                ready = [person for person in waiting if person.ready()]
                waiting = [person for person in waiting if person not in ready]
                for person in ready:
                    clients.submit(self._carry_on, person)
                busy += len(ready)
                for person, goes_on in self._finished():
                    busy -= 1
                    if goes_on:
                        waiting.append(person)
                    else:
                        self._leave(person, len(coming))

    def _begin(self, case: Case) -> list[Person]:
        people = [Person(case, who, self._url, self._boxes) for who in Role]
        self._left[case.number] = len(people)
        return people

    def _carry_on(self, person: Person) -> None:
        try:
            goes_on = person.go_on()
        except Exception as error:
            person.case.waits_for.append(repr(error))
            goes_on = False
        self._done.put((person, goes_on))

    def _finished(self) -> Iterator[tuple[Person, bool]]:
        with contextlib.suppress(queue.Empty):
            # This wait is also the pause between two looks at everybody.
            yield self._done.get(timeout=0.05)
            while True:
                yield self._done.get_nowait()

    def _leave(self, person: Person, coming: int) -> None:
        self.again += person.again
        self._left[person.case.number] -= 1
        if not self._left[person.case.number]:
            del self._left[person.case.number]
            played = len(self.cases) - coming - len(self._left)
            if played % 25 == 0:
                self._progress(f"{played} cases played")


class Hand(threading.Thread):
    """Kills processes and restarts them, in an order and at a pace that the seed gives."""

    def __init__(self, seed: int, processes: Processes, broker: Broker) -> None:
        super().__init__(name="hand")
        self._random = Random(f"hand {seed}")
        self._processes, self._broker = processes, broker
        self._over = threading.Event()
        self.kills: Counter[str] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._over.wait(self._random.uniform(0.0, 3.0)):
                name = self._random.choices(list(KILLS), list(KILLS.values()))[0]
                self.kills[name.partition("-")[0]] += 1
                self._strike(name, self._random.uniform(0.0, 1.0))
        except BaseException as error:
            self.error = error

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
    """A relay that sometimes takes its time.

    After DATA an undo may overtake the mail; at the dot a worker may be killed in the handover.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random, self._lock = Random(f"relay {seed}"), threading.Lock()

    def next_step(self, stage: str) -> Step:
        with self._lock:
            slow = stage in ("data", "dot") and self._random.random() < 0.1
        if slow:
            self.released.wait(0.3)
        return super().next_step(stage)


class Witness:
    """Looks into the database at the moment the relay takes an introduction: do both yeses stand?"""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.early: list[str] = []

    def __call__(self, mail: Taken) -> None:
        if mail.kind != MailKind.INTRODUCTION:
            return
        yeses = select(func.count()).where(
            Consent.introduction_id == mail.introduction, Consent.state == ConsentState.YES
        )
        with self._db.reading() as session:
            if session.scalar(yeses) != 2:
                self.early.append(f"introduction {mail.introduction} was taken without two standing yeses")


@dataclass
class Report:
    """What a run came to."""

    seed: int
    introductions: int = 0
    early: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Broken promises, wrong ledger entries, doubles without a record, mails that never came."""
    kills: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    doubled: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    again: int = 0
    unheard: int = 0
    seconds: float = 0.0

    @property
    def violations(self) -> list[str]:
        return [*self.early, *self.lost, *self.wrong]

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.introductions} introductions in {self.seconds:.0f} s",
            f"  kill -9: {_counts(self.kills)} (Redis restarted empty each time)",
            f"  ledger: {_counts(self.outcomes)}",
            f"  buttons pressed again: {self.again}; links nobody waited for any more: {self.unheard}",
            f"  mails taken by the relay: {self.taken}; doubled: {_counts(self.doubled)}",
            f"  handovers of which nobody knew the end: {_counts(self.unknown)}",
            f"  early {len(self.early)}, lost {len(self.lost)}, otherwise wrong {len(self.wrong)}",
        ]
        return "\n".join([*lines, *(f"  VIOLATION: {text}" for text in self.violations[:40])])


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"


class Audit:
    """The database and what the relay took, side by side, after everything has ended."""

    def __init__(self, db: Database, boxes: Mailboxes, cases: Sequence[Case], report: Report) -> None:
        self.report, self._cases = report, {case.address(Role.REQUESTER): case for case in cases}
        with db.reading() as session:
            every = select(Introduction).where(Introduction.verified_at.is_not(None))
            self._introductions = list(session.scalars(every.options(selectinload(Introduction.consents))))
            self._outbox = {
                (row.message_id, row.recipient): row for row in session.scalars(select(OutboxMail))
            }
            self._ledger = list(
                session.scalars(select(LedgerEntry).where(LedgerEntry.superseded_at.is_(None)))
            )
            self._unknown = [
                e for e in session.scalars(select(Event)) if e.name.startswith("handover unknown")
            ]
        self._taken: dict[tuple[str, str], list[Taken]] = defaultdict(list)
        for mail in boxes.all():
            self._taken[mail.message_id, mail.recipient].append(mail)

    def __call__(self) -> None:
        self._check_all_were_verified_once()
        for introduction in self._introductions:
            case = self._cases[introduction.requester_address]
            self._check_promises(case, introduction)
            self._check_introduction(case, introduction)
            self._check_ledger(case, introduction)
        self._check_mails()
        self._check_waiting()
        self.report.introductions = len(self._introductions)
        self.report.taken = sum(map(len, self._taken.values()))
        self.report.unknown.update(event.detail["reply"] for event in self._unknown)

    def _check_all_were_verified_once(self) -> None:
        found = Counter(introduction.requester_address for introduction in self._introductions)
        for address, case in self._cases.items():
            if found[address] != 1:
                self._wrong(case, f"verified {found[address]} times")

    def _check_promises(self, case: Case, introduction: Introduction) -> None:
        """Said means saved: what a page called recorded is what stands."""
        words = {"yes": ConsentState.YES, "no": ConsentState.NO, "undone": ConsentState.ASKED}
        for side, promise in case.promised.items():
            state = introduction.consent(side).state
            if state is not words[promise]:
                self._wrong(case, f"{side} was told {promise}, and {state} is on record")
        if case.confirmed and not any(consent.in_touch for consent in introduction.consents):
            self._wrong(case, "a confirmation was lost")

    def _check_introduction(self, case: Case, introduction: Introduction) -> None:
        copies = [self._copies(introduction, address) for address in map(case.address, Role)]
        if not introduction.to_case().both_said_yes:
            if any(copies):
                self.report.early.append(f"{case}: introduced, and not both said yes")
        elif not all(copies):
            self.report.lost.append(f"{case}: the relay took {[len(mails) for mails in copies]} copies")
        elif min(mail.at for mails in copies for mail in mails) < max(case.pressed.values()):
            self.report.early.append(f"{case}: introduced before the second yes was pressed")

    def _copies(self, introduction: Introduction, address: str) -> list[Taken]:
        copies = (mails for (_, recipient), mails in self._taken.items() if recipient == address)
        return [mail for mails in copies for mail in mails if mail.kind == MailKind.INTRODUCTION]

    def _check_ledger(self, case: Case, introduction: Introduction) -> None:
        entries = [entry for entry in self._ledger if entry.introduction_id == introduction.id]
        outcomes = [entry.reason or entry.outcome for entry in entries]
        if outcomes != [_outcome(introduction)]:
            self._wrong(case, f"the ledger says {outcomes}, not {_outcome(introduction)}")
        self.report.outcomes.update(map(str, outcomes))

    def _check_mails(self) -> None:
        """Every mail of the relay is a row of ours, and every second one is on record as possible."""
        for (message_id, recipient), mails in self._taken.items():
            row = self._outbox.get((message_id, recipient))
            if row is None or len(mails) > row.handovers:
                self.report.wrong.append(
                    f"{message_id}: {len(mails)} taken, on record: {row and row.handovers}"
                )
            elif len(mails) > 1:
                self.report.doubled[row.kind] += 1
                if not any(_is_about(event, row) for event in self._unknown):
                    self.report.wrong.append(f"{message_id}: doubled without an event")
        for key, row in self._outbox.items():
            if row.state is MailState.SENT and key not in self._taken:
                self.report.lost.append(f"{row.message_id}: sent on record, never taken by the relay")

    def _check_waiting(self) -> None:
        """A link that never came must have a reason on record: nobody knew, twice, whether it was taken."""
        lost = {row.recipient for row in self._outbox.values() if row.state is MailState.UNKNOWN}
        introduced = {i.requester_address for i in self._introductions if i.introduced_at}
        for address, case in self._cases.items():
            for link in case.waits_for:
                who = Role(link.rpartition(" ")[2]) if link.startswith("/") else None
                no_follow_up = link.startswith("/f/") and address not in introduced
                if who and (no_follow_up or case.address(who) in lost):
                    self.report.unheard += 1
                else:
                    self._wrong(case, f"never came: {link}")

    def _wrong(self, case: Case, what: str) -> None:
        self.report.wrong.append(f"{case}: {what}")


def _outcome(introduction: Introduction) -> str:
    """What the ledger must say, told from the answers that stand, and from nothing else."""
    states = {consent.state for consent in introduction.consents}
    if states == {ConsentState.YES}:
        in_touch = any(consent.in_touch for consent in introduction.consents)
        return "referral" if in_touch else "handoff-unconfirmed"
    return "declined" if ConsentState.NO in states else "no-answer"


def _is_about(event: Event, row: OutboxMail) -> bool:
    same = event.detail["mail"] == row.kind and event.detail["to"] == row.to
    return same and event.introduction_id == row.introduction_id and "possibly doubled" in event.name


def everything_has_ended(db: Database) -> bool:
    """Whether every case that was verified is in the ledger, and no mail has to leave any more."""
    open_cases = select(func.count()).where(
        Introduction.verified_at.is_not(None),
        Introduction.id.not_in(
            select(LedgerEntry.introduction_id).where(LedgerEntry.superseded_at.is_(None))
        ),
    )
    on_the_way = (MailState.QUEUED, MailState.LEASED, MailState.HANDOVER, MailState.RETRY)
    unsent = select(func.count()).where(OutboxMail.state.in_(on_the_way))
    with db.reading() as session:
        return not session.scalar(open_cases) and not session.scalar(unsent)


def play(
    database_url: str, seed: int, count: int, answer_within: float, limit: float, say: Callable[[str], None]
) -> Report:
    """One run; ``limit`` bounds it, in seconds. Raises AssertionError when it does not come to an end."""
    end = time.monotonic() + limit
    report, everybody = Report(seed), cases(seed, count)
    with contextlib.ExitStack() as stack:
        db = Database(database_url)
        stack.callback(db.engine.dispose)
        witness = Witness(db)
        relay, broker = stack.enter_context(SlowRelay(seed)), stack.enter_context(Broker())
        relay.messages = boxes = Mailboxes(witness)
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="twoyes-logs-")))
        processes = stack.enter_context(Processes(logs))
        settings = {**relay.environ, **SETTINGS, "ANSWER_WITHIN": f"{answer_within:.0f}s"}
        processes.environ = environ(database_url, broker.url, settings)
        processes.start("web", "worker", "worker-2", "beat")
        processes.wait_for("web", "worker", "worker-2")
        say(f"everything runs; {count} cases begin")
        hand, crowd = Hand(seed, processes, broker), Crowd(everybody, processes.url, boxes, say)
        with hand:
            crowd.perform(end - time.monotonic() - answer_within)
        say("everybody has done what they wanted to do; the rest is for the clock to bring")
        eventually(lambda: everything_has_ended(db), end - time.monotonic(), "the end of every case")
        report.early, report.kills, report.again = witness.early, hand.kills, crowd.again
        Audit(db, boxes, everybody, report)()
    report.seconds = time.monotonic() - end + limit
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
            report = play(database_url, chosen.seed, chosen.introductions, ANSWER_WITHIN, LIMIT, say)
        except AssertionError as error:
            say(f"VIOLATION: {error}")
            return 1
    print(report)  # noqa: T201
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
