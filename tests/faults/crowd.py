"""Many people at once: what each means to do with an introduction, and how all of them get to do it."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from service.lifecycle import Role
from tests.support.people import Browser, Mailboxes, Page

PLANS = {"referral": 50, "unconfirmed": 15, "declined": 11, "undone": 6, "undone late": 12, "silent": 6}
"""What becomes of a case, in hundredths of all: who means to do what."""
CLIENTS = 6
"""How many threads press buttons."""
GIVE_UP = 60.0
"""Seconds after which somebody waits for a mail no longer."""

Ready = Callable[[], bool]
Answer = TypeVar("Answer")
Script = Generator[Ready, None, Answer]
"""What somebody does: it goes on when what it yielded last is ready, and answers at its end."""


@dataclass
class Case:
    """One introduction as the people in it know it."""

    number: int
    plan: str
    actor: Role
    """The side that declines, undoes, stays silent or confirms, as the plan has it."""
    pressed: dict[Role, float] = field(default_factory=dict)
    """When each side pressed yes for the first time."""
    promised: dict[Role, str] = field(default_factory=dict)
    """What a page told each side was recorded last."""
    confirmed: bool = False
    waits_for: list[str] = field(default_factory=list)
    """The links that never came."""
    history: str = ""

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

    def said_no(self) -> bool:
        return "no" in self.promised.values()

    def both_were_told_yes(self) -> bool:
        return list(self.promised.values()) == ["yes", "yes"]


@dataclass(frozen=True)
class Town:
    """Where people live: the service's address, their mailboxes, and what only the test can see."""

    url: str
    boxes: Mailboxes
    is_leaving: Callable[[str], bool]
    """Whether the introduction for this address is in a worker's hands, and not yet handed over."""


class Person:
    """One of the people of a case. Their script is a generator; any thread may carry it on."""

    def __init__(self, case: Case, who: Role, town: Town) -> None:
        self.case, self.who, self.town = case, who, town
        self.browser = Browser(town.url)
        self.again = 0
        """How often they had to press once more."""
        self.script = self._ask() if who is Role.REQUESTER else self._answer()
        self.ready: Ready = lambda: True

    def go_on(self) -> bool:
        """Do what can be done now; False when there is nothing left to do."""
        try:
            self.ready = next(self.script)
        except StopIteration:
            return False
        return True

    def _ask(self) -> Script[None]:
        page = yield from self._press(lambda: self.browser.send_form(**self.case.form()))
        self._expect_redirect(page, "the form")
        if link := (yield from self._link("/r/")):
            page = yield from self._press(lambda: self.browser.post(link, action="verify"))
            self._expect_redirect(page, "the verification")

    def _expect_redirect(self, page: Page, what: str) -> None:
        """Anything else is a refusal that nobody here asked for; the report names it."""
        if page.status != 303:
            self.case.waits_for.append(f"{what} was answered with {page.status}: {page.text[-300:]!r}")

    def _answer(self) -> Script[None]:
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

    def _say(self, answer: str, link: str) -> Script[None]:
        if answer == "yes":
            self.case.pressed[self.who] = time.monotonic()
        page = yield from self._choose(link, answer)
        if page.status == 303:
            self.case.promised[self.who] = answer

    def _undo(self, link: str) -> Script[None]:
        """Take the yes back at once after the second one, or at the moment the introduction leaves."""
        yield within(GIVE_UP, self.case.both_were_told_yes)
        if self.case.plan == "undone late":
            yield within(GIVE_UP, lambda: self.town.is_leaving(self.case.address(self.who)))
        page = yield from self._choose(link, "undo")
        # The link is replaced in the same commit: who finds it so had pressed successfully before.
        if page.status == 303 or (page.status == 410 and "replaced" in page.text):
            self.case.promised[self.who] = "undone"

    def _confirm(self) -> Script[None]:
        yield within(GIVE_UP, self.case.both_were_told_yes)
        if link := (yield from self._link("/f/")):
            page = yield from self._choose(link, "yes")
            self.case.confirmed = page.status == 303

    def _link(self, path: str) -> Script[str | None]:
        """Wait for a mail with such a link, and take the link. After a no, nobody waits for an ask."""
        address, case = self.case.address(self.who), self.case
        yield within(GIVE_UP, lambda: bool(self.town.boxes.link(address, path)) or case.said_no())
        link = self.town.boxes.link(address, path)
        if not link and not case.said_no():
            self.case.waits_for.append(f"{path} to {self.who}")
        return link

    def _choose(self, link: str, choice: str) -> Script[Page]:
        """Open a page, choose, and press; whoever finds no such choice there, or an error, stays on it."""
        page = yield from self._press(lambda: self.browser.get(link))
        if f'name="choice" value="{choice}"' not in page.text:
            return page
        # Pressed again, it sends what it sent before, as a browser's own button does.
        return (yield from self._press(lambda: self.browser.press(page, link, choice)))

    def _press(self, press: Callable[[], Page]) -> Script[Page]:
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
        Case(number, plan, random.choice((Role.A, Role.B)))
        for number, plan in enumerate(random.choices(plans, weights, k=count))
    ]


class Crowd:
    """Everybody, carried on by a few threads; not all cases begin at once."""

    def __init__(self, cases: Sequence[Case], at_once: int, town: Town, say: Callable[[str], None]) -> None:
        self.cases, self._at_once, self._town, self._say = cases, at_once, town, say
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
                    f"cases {sorted(self._left)} are still played, {len(coming)} are to come; "
                    f"waiting: {[(p.case.number, p.who.value, p.again) for p in waiting]}, busy: {busy}"
                )
                while coming and len(self._left) < self._at_once:
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
        people = [Person(case, who, self._town) for who in Role]
        self._left[case.number] = len(people)
        return people

    def _carry_on(self, person: Person) -> None:
        try:
            goes_on = person.go_on()
        except Exception as error:  # noqa: BLE001 (whatever it is stands in the report)
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
                self._say(f"{played} cases played")
