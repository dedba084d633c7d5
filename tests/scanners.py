"""Programs that read a mailbox and act on its links, and the table of what they get recorded.

``make scanners`` lets each of them loose on every mail with a link (`tests/support/stages.py`): as raw HTML,
with everything that stands there, and in Chromium, where it sees what people see; at once, and after a
while; at one of the two mailboxes, at both, and at the requester's. It fails if one recorded anything that
does not choose: only who makes a visible choice other than the first, and then presses, may record something.

Settings are production's defaults, and only the clock is set by hand.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing.queues import Queue
from random import Random
from typing import Any, Protocol

from playwright.sync_api import Page, sync_playwright

from service.lifecycle import MailKind
from service.store.migrations import migrate
from tests.browser.site import CHROMIUM, FLAGS, serving
from tests.support.forms import Form, forms_of
from tests.support.smtp_server import FaultySmtp
from tests.support.stages import DELAYS, Moment, Stages, changes, rows
from tests.support.story import LINDA, NATASHA, RITA, SECRET, HandClock, Story

ALL, VISIBLE = "all HTML", "visible"
"""What a scanner sees."""
MAILBOXES = {"one": (LINDA,), "both": (LINDA, NATASHA), "requester's": (RITA,)}
SETTINGS = {"SECRET_KEY": SECRET, "REDIS_URL": "redis://127.0.0.1:1/0", "INBOUND_DOMAIN": "in.twoyes.test"}
"""What has no default, and the domain without which no mail says that a reply was not understood."""

TRIES = 40
"""How often chance is given a chance, beside the table."""


@dataclass(frozen=True)
class Seen:
    """A form as a program sees it: the places of its controls among all that it has."""

    form: int
    groups: tuple[tuple[int, ...], ...]
    """Radio buttons of one name, of which one can be chosen."""
    buttons: tuple[int, ...]
    named: tuple[int, ...]
    """The buttons that send a value of their own."""


@dataclass(frozen=True)
class Press:
    """A button of a form, or none where it is sent as it stands, after some choices were made."""

    form: int
    button: int | None
    choices: tuple[int, ...] = ()


class Eyes(Protocol):
    """How a program gets at pages; each answer is the forms that it sees there."""

    def forget(self) -> None:
        """Drop all cookies."""

    def look(self, path: str, method: str = "GET") -> list[Seen]: ...

    def press(self, press: Press) -> list[Seen]: ...


class Raw:
    """Reads HTML, and sees whatever stands in it. It has none of anybody's cookies."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._forms: list[Form] = []
        self.forget()

    def forget(self) -> None:
        self._client = self._story.app.test_client()

    def look(self, path: str, method: str = "GET") -> list[Seen]:
        return self._read(self._client.open(path, method=method, follow_redirects=True))

    def press(self, press: Press) -> list[Seen]:
        form = self._forms[press.form]
        picked = (*press.choices, *([] if press.button is None else [press.button]))
        made = {form.controls[place].name: form.controls[place].value for place in picked}
        fields = {name: value for name, value in (form.as_it_stands() | made).items() if name}
        return self._read(self._client.post(form.path, data=fields, follow_redirects=True))

    def _read(self, page: Any) -> list[Seen]:
        assert page.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, page.request.path
        self._forms = forms_of(page.get_data(as_text=True), page.request.path)
        return [_seen(number, form) for number, form in enumerate(self._forms)]


def _seen(number: int, form: Form) -> Seen:
    groups: dict[str, list[int]] = defaultdict(list)
    for place, control in enumerate(form.controls):
        if control.kind == "radio":
            groups[control.name].append(place)
    buttons = [place for place, control in enumerate(form.controls) if control.kind == "submit"]
    named = [place for place in buttons if form.controls[place].name]
    return Seen(number, tuple(map(tuple, groups.values())), tuple(buttons), tuple(named))


LOOK = """() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    const isSeen = control => {
        if (!control.checkVisibility({opacityProperty: true, visibilityProperty: true})) return false;
        control.scrollIntoView({block: "center"});
        const box = control.getBoundingClientRect();
        if (box.width < 2 || box.height < 2) return false;
        const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return !!top && (control === top || control.contains(top) ||
            [...control.labels].some(label => label.contains(top)));
    };
    return [...document.forms].map((form, number) => {
        const places = what => [...form.elements].flatMap((control, place) =>
            !control.disabled && what(control) && isSeen(control) ? [place] : []);
        const groups = {};
        for (const place of places(control => control.type === "radio"))
            (groups[form.elements[place].name] ??= []).push(place);
        const buttons = places(control => control.type === "submit");
        return {form: number, groups: Object.values(groups), buttons,
                named: buttons.filter(place => form.elements[place].name)};
    }).filter(seen => seen.buttons.length);
}"""
"""Unfold everything, and find what a person can see and get at; nothing of it decides anything."""
CHOOSE = """({form: number, choices}) => {
    const form = document.forms[number];
    for (const place of choices) form.elements[place].click();
    return form.noValidate || form.checkValidity();
}"""
"""Make choices, and tell whether the browser would send the form then."""
PRESS = """({form: number, button}) => {
    const form = document.forms[number];
    if (button === null) form.submit(); else form.elements[button].click();
}"""


class Chromium:
    """Renders pages as people's browsers do, runs what scripts they have, and sees what is visible."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.set_default_timeout(30_000)

    def forget(self) -> None:
        self._page.context.clear_cookies()

    def look(self, path: str, method: str = "GET") -> list[Seen]:
        if method == "HEAD":
            # With this browser's cookies, but not from a page: ours let no script fetch anything.
            self._page.request.head(path)
            return []
        answer = self._page.goto(path)
        assert answer is not None
        assert answer.status < HTTPStatus.INTERNAL_SERVER_ERROR, path
        return self._read()

    def press(self, press: Press) -> list[Seen]:
        if self._page.evaluate(CHOOSE, {"form": press.form, "choices": list(press.choices)}):
            with self._page.expect_navigation():
                self._page.evaluate(PRESS, {"form": press.form, "button": press.button})
        return self._read()

    def _read(self) -> list[Seen]:
        found = self._page.evaluate(LOOK)
        return [
            Seen(
                form["form"],
                tuple(map(tuple, form["groups"])),
                tuple(form["buttons"]),
                tuple(form["named"]),
            )
            for form in found
        ]


Pick = Callable[[Sequence[int], Random], int]
Plan = Callable[[list[Seen], Random], list[Press]]


def first(of: Sequence[int], _: Random) -> int:
    return of[0]


def last(of: Sequence[int], _: Random) -> int:
    return of[-1]


def random(of: Sequence[int], luck: Random) -> int:
    return luck.choice(of)


def nothing(_: list[Seen], __: Random) -> list[Press]:
    return []


def each(page: list[Seen], _: Random) -> list[Press]:
    """Press every button."""
    return [Press(form.form, button) for form in page for button in form.buttons]


def one(pick: Pick) -> Plan:
    """Press one button of the page."""

    def plan(page: list[Seen], luck: Random) -> list[Press]:
        presses = each(page, luck)
        return [presses[pick(range(len(presses)), luck)]] if presses else []

    return plan


def first_named(page: list[Seen], _: Random) -> list[Press]:
    return [Press(form.form, button) for form in page for button in form.named][:1]


def as_it_stands(page: list[Seen], _: Random) -> list[Press]:
    """Send every form without a button."""
    return [Press(form.form, None) for form in page]


def choose(pick: Pick) -> Plan:
    """In every form make a choice of each group, and press its last button, which is the main one."""

    def plan(page: list[Seen], luck: Random) -> list[Press]:
        return [
            Press(form.form, form.buttons[-1], tuple(pick(group, luck) for group in form.groups))
            for form in page
            if form.buttons
        ]

    return plan


@dataclass(frozen=True)
class Scanner:
    """A program with a plan for every page: what it presses there, how often, and how deep it goes on."""

    name: str
    plan: Plan
    method: str = "GET"
    times: int = 1
    pages_deep: int = 1
    may_record: bool = False

    def scan(self, eyes: Eyes, link: str, luck: Random) -> None:
        """Open a link and carry out the plan, from the link anew for each press."""
        page = eyes.look(link, self.method)
        for number in range(len(self.plan(page, luck)) * self.times):
            if number:
                page = eyes.look(link)
            # What was pressed before may have changed the page, so each press is planned where it is made.
            for press in self.plan(page, luck)[number // self.times :][:1]:
                self._follow(eyes, eyes.press(press), luck)

    def _follow(self, eyes: Eyes, page: list[Seen], luck: Random) -> None:
        """Press one thing of what came, and so on: all of it would never come to an end."""
        for _ in range(self.pages_deep - 1):
            if not (presses := self.plan(page, luck)):
                return
            page = eyes.press(luck.choice(presses))


def first_form(plan: Plan) -> Plan:
    """Keep to the first form of every page: on the answer page that is the answer."""
    return lambda page, luck: plan(page[:1], luck)


SCANNERS = [
    Scanner("GET", nothing),
    Scanner("HEAD", nothing, method="HEAD"),
    Scanner("first button", one(first)),
    Scanner("first named button", first_named),
    Scanner("last button", one(last)),
    Scanner("each button", each),
    Scanner("random button", one(random)),
    Scanner("form as it stands", as_it_stands),
    Scanner("first choice, press", choose(first)),
    Scanner("three pages deep", each, pages_deep=3),
    Scanner("first choice, three deep", choose(first), pages_deep=3),
    Scanner("twice", each, times=2),
    Scanner("first choice, twice", choose(first), times=2),
    Scanner("last choice, press", choose(last), may_record=True),
    Scanner("random choice, press", choose(random), may_record=True),
]
"""Only the last two make a choice that is not the first, and may record something."""


@dataclass(frozen=True)
class Cell:
    """What one scanner got recorded at some mailboxes after some time, at all stages together."""

    scanner: str
    sees: str
    delay: str
    mailboxes: str
    recorded: Counter[str]
    introduced: int
    suspect: int
    """How many mailboxes are suspect afterwards."""


class Den:
    """Where scanners are let loose: the stages, and what they see with."""

    def __init__(self, stages: Stages, eyes: Eyes) -> None:
        self._stages, self._eyes = stages, eyes

    def run(
        self, scanner: Scanner, sees: str, seed: int = 1, at: Sequence[str] = tuple(MAILBOXES)
    ) -> Iterator[Cell]:
        """Play every delay at these mailboxes."""
        for delay in dict.fromkeys(moment.delay for moment in self._stages.moments):
            for mailboxes in at:
                luck = Random(f"{seed} {scanner.name} {sees} {delay} {mailboxes}")
                cell = Cell(scanner.name, sees, delay, mailboxes, Counter(), 0, 0)
                yield self._fill(cell, scanner, luck)

    def _fill(self, cell: Cell, scanner: Scanner, luck: Random) -> Cell:
        introduced = suspect = 0
        for moment in self._stages.moments:
            links = [link for who in MAILBOXES[cell.mailboxes] for link in moment.links.get(who, [])]
            if moment.delay == cell.delay and links:
                recorded, suspects = self._scan(moment, scanner, links, luck)
                cell.recorded.update(recorded)
                suspect += suspects
                introduced += bool(recorded) and moment.nobody_agreed and self._is_introduced()
        return Cell(cell.scanner, cell.sees, cell.delay, cell.mailboxes, cell.recorded, introduced, suspect)

    def _scan(
        self, moment: Moment, scanner: Scanner, links: list[str], luck: Random
    ) -> tuple[Counter[str], int]:
        before, story = self._stages.go_to(moment), self._stages.story
        self._eyes.forget()
        for link in links:
            scanner.scan(self._eyes, link, luck)
        after = rows(story.db)
        suspects = [
            key for key, row in after.items() if row.get("suspect_at") and not before[key]["suspect_at"]
        ]
        return changes(before, after), len(suspects)

    def chances(self, scanner: Scanner, seeds: range, pages: str = "") -> Counter[str]:
        """Count how far a scanner comes at both mailboxes that were asked, and what stands in its way.

        ``pages`` begins the paths of those that it opens, for one that keeps away from the rest.
        """
        found: Counter[str] = Counter()
        moment = [moment for moment in self._stages.moments if moment.stage == "asked"][-1]
        links = [link for who in MAILBOXES["both"] for link in moment.links[who] if link.startswith(pages)]
        for seed in seeds:
            recorded, suspects = self._scan(moment, scanner, links, Random(seed))
            found["something recorded"] += bool(recorded)
            found["a mailbox suspect"] += bool(suspects)
            found["contradicted"] += bool(recorded["answer suspect"])
            found["held"] += bool(recorded["both agreed"])
            found["introduced"] += bool(recorded["both agreed"]) and self._is_introduced()
        return +found

    def _is_introduced(self) -> bool:
        """Whether an introduction comes of it once the hold is over."""
        story = self._stages.story
        story.sweep(seconds=story.settings.HOLD_FOR.total_seconds() + 1)
        return bool(story.outbox(MailKind.INTRODUCTION))


# The table


@contextlib.contextmanager
def served() -> Iterator[Story]:
    """A story of its own with production's defaults, on a port of its own."""
    with tempfile.TemporaryDirectory(prefix="twoyes-scanners-") as folder, FaultySmtp() as relay:
        url = f"sqlite:///{folder}/twoyes.db"
        migrate(url)
        with serving({**SETTINGS, "DATABASE_URL": url, **relay.environ}, HandClock(), relay) as story:
            yield story


@contextlib.contextmanager
def dens(delays: Sequence[str]) -> Iterator[dict[str, Den]]:
    """Open a den for each way of seeing; without a Chromium that is reading alone."""
    with contextlib.ExitStack() as stack:
        story = stack.enter_context(served())
        stages = stack.enter_context(Stages(story, delays))
        found = {ALL: Den(stages, Raw(story))}
        if CHROMIUM:
            playwright = stack.enter_context(sync_playwright())
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            stack.callback(chromium.close)
            found[VISIBLE] = Den(stages, Chromium(chromium.new_page(base_url=story.settings.PUBLIC_URL)))
        yield found


@dataclass(frozen=True)
class Chances:
    """How often a scanner that chooses at random came how far, at both mailboxes that were asked."""

    scanner: str
    sees: str
    tries: int
    found: Counter[str]


def take_chances(den: Den, sees: str, seeds: range) -> Iterator[Chances]:
    """Let those choose many times that choose at random: everywhere, and in the answer alone."""
    everywhere = SCANNERS[-1]
    answers = Scanner("random choice in the answer alone", first_form(everywhere.plan), may_record=True)
    yield Chances(everywhere.name, sees, len(seeds), den.chances(everywhere, seeds))
    yield Chances(answers.name, sees, len(seeds), den.chances(answers, seeds, "/a/"))


Job = tuple[int, str]
"""A scanner by its place among them, and what it sees."""


def work(jobs: Queue[Job | None], results: Queue[Any], delays: Sequence[str], seed: int) -> None:
    """Play one job after the other, until there is none. What went wrong is handed back."""
    try:
        with dens(delays) as open_dens:
            while (job := jobs.get()) is not None:
                scanner, sees = SCANNERS[job[0]], job[1]
                for cell in open_dens[sees].run(scanner, sees, seed):
                    results.put(cell)
                if scanner is SCANNERS[-1]:
                    for chances in take_chances(open_dens[sees], sees, range(seed, seed + TRIES)):
                        results.put(chances)
    except Exception as error:  # noqa: BLE001 (it is raised again where the cells are waited for)
        results.put(RuntimeError("".join(traceback.format_exception(error))))
    finally:
        results.put(None)


def play(jobs_wanted: Sequence[Job], delays: Sequence[str], seed: int, processes: int) -> Iterator[Any]:
    """Play these jobs in some processes. Raises RuntimeError where one of them came to grief."""
    spawn = multiprocessing.get_context("spawn")
    jobs, results = spawn.Queue(), spawn.Queue()
    for job in [*jobs_wanted, *[None] * processes]:
        jobs.put(job)
    workers = [
        spawn.Process(target=work, args=(jobs, results, delays, seed), daemon=True) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    at_work = processes
    while at_work:
        match results.get():
            case None:
                at_work -= 1
            case RuntimeError() as error:
                raise error
            case result:
                yield result
    for worker in workers:
        worker.join()


def complaints(cell: Cell) -> list[str]:
    """Say what must not have happened."""
    scanner = next(scanner for scanner in SCANNERS if scanner.name == cell.scanner)
    where = f"{cell.scanner} ({cell.sees}) after {cell.delay}, mailboxes: {cell.mailboxes}"
    found = [] if scanner.may_record or not cell.recorded else [f"{where}: {told(cell.recorded)}"]
    if cell.introduced and not (scanner.may_record and cell.mailboxes == "both"):
        found.append(f"{where}: {cell.introduced} introductions")
    return found


def told(recorded: Counter[str]) -> str:
    return ", ".join(f"{count} × {act}" for act, count in sorted(recorded.items()))


def table(cells: list[Cell], delays: Sequence[str]) -> str:
    """Lay out how much each recorded; a dot is nothing."""
    head = "".join(f"{name:^{8 * len(delays)}}" for name in MAILBOXES)
    after = "".join(f"{delay:>8}" for delay in delays) * len(MAILBOXES)
    lines = [" " * 38 + head, f"{'scanner':<28}{'sees':<10}{after}"]
    by_place = {(cell.scanner, cell.sees, cell.mailboxes, cell.delay): cell for cell in cells}
    for sees in (ALL, VISIBLE):
        for scanner in SCANNERS:
            found = [
                by_place.get((scanner.name, sees, boxes, delay)) for boxes in MAILBOXES for delay in delays
            ]
            counts = "".join(f"{cell.recorded.total() or '.':>8}" for cell in found if cell)
            lines += [f"{scanner.name:<28}{sees:<10}{counts}"] if counts else []
    return "\n".join(lines)


def summary(cells: list[Cell]) -> str:
    """Tell what was recorded, by whom, and what came of it."""
    lines = []
    for scanner in SCANNERS:
        for sees in (ALL, VISIBLE):
            own = [cell for cell in cells if (cell.scanner, cell.sees) == (scanner.name, sees)]
            total = sum((cell.recorded for cell in own), Counter[str]())
            introduced = sum(cell.introduced for cell in own)
            lines += [f"{scanner.name} ({sees}): {told(total)}; introductions: {introduced}"] if total else []
    return "\n".join(lines) or "Nothing was recorded."


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--delays", nargs="+", choices=DELAYS, default=list(DELAYS))
    chosen = parser.parse_args()
    ways = (VISIBLE, ALL) if CHROMIUM else (ALL,)
    jobs = [(place, sees) for sees in ways for place in reversed(range(len(SCANNERS)))]
    cells: list[Cell] = []
    chances: list[Chances] = []
    wanted = len(jobs) * len(chosen.delays) * len(MAILBOXES)
    for result in play(jobs, chosen.delays, chosen.seed, chosen.processes):
        (cells if isinstance(result, Cell) else chances).append(result)
        print(f"\r{len(cells)} of {wanted} cells", end="", file=sys.stderr, flush=True)  # noqa: T201
    say("", table(cells, chosen.delays), "", summary(cells))
    for chance in chances:
        say(f"{chance.tries} × {chance.scanner}, at both ({chance.sees}): {told(chance.found)}")
    if not CHROMIUM:
        say("There is no Chromium here: scanners that see what is visible were left out.")
    wrong = [line for cell in cells for line in complaints(cell)]
    say(*(["", "Must not have been recorded:", *wrong] if wrong else []))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
