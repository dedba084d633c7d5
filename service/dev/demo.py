"""`twoyes demo`: four stories played through HTTP and SMTP, and the ledger that they end in.

The demo starts an instance of its own, on a port and on data of its own, so it disturbs nothing. It
acts like the people would: it fills in the form, opens the mails, follows the links, chooses and presses the
buttons; nothing is done behind the service's back.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import requests
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from service.operating import probes, records
from service.settings.table import Settings
from service.store.db import Database

from . import LOOPBACK, CannotRun, free_port
from .mailbox import CaughtMail, read

RITA = "rita@quill.test"
SHORT_DURATIONS = {
    "ANSWER_WITHIN": "20s",
    "HOLD_FOR": "1s",
    "FOLLOW_UP_AFTER": "1s",
    "CONFIRM_WITHIN": "10s",
    "SWEEP_EVERY": "1s",
    # These people answer as soon as their mail is there, which only a program does in earnest.
    "SUSPECT_WITHIN": "0s",
}
STEP_TIMEOUT = 60.0
"""Seconds that any one step may take; each is done in a second or two."""
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]+)"')
"""What a form sends without anybody's doing."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Person:
    """One of the two parties of a story."""

    name: str
    email: str
    blurb: str


LINDA = Person("Linda Marsh", "linda@salon.test", "Runs the beauty salon on the market square.")
NATASHA = Person("Natasha Orlova", "natasha@interiors.test", "Designs interiors for small shops.")
OMAR = Person("Omar Haddad", "omar@bicycles.test", "Repairs and sells bicycles.")
PETRA = Person("Petra Lind", "petra@photos.test", "Takes photographs for catalogues.")
SVEN = Person("Sven Dahl", "sven@bakery.test", "Bakes sourdough and wants a second shop.")
TILDA = Person("Tilda Voss", "tilda@leases.test", "Finds and lets shop premises.")
UMA = Person("Uma Rao", "uma@yoga.test", "Teaches yoga in the old mill.")
VIKTOR = Person("Viktor Hahn", "viktor@books.test", "Keeps the books of small studios.")


class Stage:
    """Where the stories are played: one running instance, its form and its mailbox."""

    def __init__(self, url: str, mailbox: Path, console: Console) -> None:
        self._url, self._mailbox, self._console = url, mailbox, console
        self._opened: set[str] = set()

    def title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        self._console.print(f"  {text}", highlight=False, soft_wrap=True)

    def request(self, a: Person, b: Person, need: str) -> None:
        """Rita fills in the form, looks at the preview, sends it, and confirms her address."""
        browser = requests.Session()
        fields = _fields(a, b, need)
        self._send(browser, "/", {**fields, "action": "preview"})
        self._send(browser, "/", {**fields, "action": "send"})
        self.say(f"Rita asks to bring {a.name} and {b.name} together: {need}")
        # In the browser that she filled in the form with, one press is enough.
        self._send(browser, self._link(RITA, "/r/", "confirm"), {"action": "verify"})
        self.say("Rita confirms her address; both are asked.")

    def answer(self, person: Person, answer: str, looking: str = "") -> None:
        fields = {"choice": answer, "looking": looking}
        self._send(requests.Session(), self._link(person.email, "/a/"), fields)
        self.say(f"{person.name} says {answer}{', and is looking now' if looking else ''}.")

    def confirm(self, person: Person) -> None:
        self._send(requests.Session(), self._link(person.email, "/f/"), {"choice": "yes"})
        self.say(f"{person.name} confirms: we are in touch.")

    def mail(self, to: str, subject: str) -> CaughtMail:
        """Wait for a mail to somebody whose subject holds these words."""
        mail = self.until(f"a mail to {to}", lambda: self._find(to, lambda m: subject in m.subject))
        self.say(f"[green]mail[/green] to {to}: “{mail.subject}”")
        return mail

    def until(self, what: str, found: Callable[[], Found | None]) -> Found:
        """Wait, with a spinner, until something is found. Raises CannotRun if it never is."""
        end = time.monotonic() + STEP_TIMEOUT
        columns = SpinnerColumn(), TextColumn("waiting for {task.description}"), TimeElapsedColumn()
        quiet = not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=quiet) as progress:
            progress.add_task(what, total=None)
            while (result := found()) is None:
                if time.monotonic() > end:
                    raise CannotRun(
                        f"The demo gave up: there was no sign of {what} for {STEP_TIMEOUT:.0f} seconds."
                    )
                time.sleep(0.1)
        return result

    def _link(self, to: str, path: str, subject: str = "") -> str:
        """Open the newest unopened mail to somebody that has such a link, and take the link."""
        pattern = rf"{re.escape(self._url)}({path}\S+)"

        def fits(mail: CaughtMail) -> bool:
            fresh = mail.key not in self._opened and subject in mail.subject
            return fresh and bool(re.search(pattern, mail.text))

        mail = self.until(f"a mail to {to}", lambda: self._find(to, fits))
        self._opened.add(mail.key)
        self.say(f"[green]mail[/green] to {to}: “{mail.subject}”")
        found = re.search(pattern, mail.text)
        return found[1] if found else ""

    def _find(self, to: str, fits: Callable[[CaughtMail], bool]) -> CaughtMail | None:
        return next((mail for mail in read(self._mailbox) if to in mail.rcpt_to and fits(mail)), None)

    def _send(self, browser: requests.Session, path: str, fields: dict[str, str]) -> None:
        """Open a page, fill in its form, and press its button."""
        page = browser.get(f"{self._url}{path}", timeout=STEP_TIMEOUT).text
        sent = dict(HIDDEN.findall(page)) | fields
        response = browser.post(f"{self._url}{path}", data=sent, timeout=STEP_TIMEOUT)
        if not response.ok:
            page = path.split("/")[1] or "the form"
            raise CannotRun(f"The demo was refused by {page}: {response.status_code}.")


def play() -> None:
    """Start an instance, play the four stories, print the ledger, and stop the instance."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="twoyes-demo-") as folder:
        environ = _environ(Path(folder))
        console.print("Starting a TwoYes of the demo's own …")
        with _running(environ, Path(folder) / "log"):
            stage = Stage(f"http://{LOOPBACK}:{environ['PORT']}", Path(folder) / "mailbox", console)
            _play_stories(stage)
            stage.until("the ledger", lambda: _ledger_is_complete(environ) or None)
            console.print("\n[bold]The ledger[/bold] (twoyes ledger)")
            subprocess.run([_twoyes(), "ledger"], env=environ, check=True)


def _play_stories(stage: Stage) -> None:
    stage.title("1. A referral")
    stage.request(LINDA, NATASHA, "A new interior for the salon before spring.")
    stage.answer(LINDA, "yes", looking="yes")
    stage.answer(NATASHA, "yes")
    stage.mail(LINDA.email, ", meet ")
    stage.confirm(NATASHA)
    stage.title("2. Introduced, but nobody confirms")
    stage.request(UMA, VIKTOR, "Somebody to put two years of receipts in order.")
    stage.answer(UMA, "yes")
    stage.answer(VIKTOR, "yes")
    stage.mail(VIKTOR.email, ", meet ")
    stage.title("3. Declined")
    stage.request(OMAR, PETRA, "Photographs of forty bicycles for a catalogue.")
    stage.answer(OMAR, "yes")
    stage.answer(PETRA, "no")
    stage.say("Nobody is told before the closing moment: a no is private.")
    stage.title("4. Never answered")
    stage.request(SVEN, TILDA, "A second shop near the station.")
    stage.say("Neither of the two answers.")
    stage.title("Deadlines pass")


def _fields(a: Person, b: Person, need: str) -> dict[str, str]:
    return {
        "requester_name": "Rita Quill",
        "requester_email": RITA,
        "a_name": a.name,
        "a_email": a.email,
        "a_blurb": a.blurb,
        "a_endorsement": "I have known them for years and trust them.",
        "b_name": b.name,
        "b_email": b.email,
        "b_blurb": b.blurb,
        "b_endorsement": "They did good work for me.",
        "need": need,
        "need_of": "a",
        "sought": "yes",
        "order": "together",
        "first_writer": "a",
        "reminders": "y",
        "cc_requester": "y",
        "requester_is": "neither",
    }


def _environ(folder: Path) -> dict[str, str]:
    """Make the demo's own environment: whatever is set for another instance does not reach it."""
    ours = {name for field in Settings.model_fields for name in (field, f"{field}_FILE")}
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    return {
        **environ,
        **SHORT_DURATIONS,
        "DATA_DIR": str(folder),
        "PORT": str(free_port()),
        "DATABASE_URL": f"sqlite:///{folder / 'twoyes.db'}",
    }


@contextlib.contextmanager
def _running(environ: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w+") as output:
        process = subprocess.Popen([_twoyes(), "run"], env=environ, stdout=output, stderr=output)
        try:
            _await_health(process, environ, log)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def _await_health(process: subprocess.Popen[bytes], environ: dict[str, str], log: Path) -> None:
    end = time.monotonic() + STEP_TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        if probes.is_healthy(LOOPBACK, int(environ["PORT"])):
            return
        time.sleep(0.2)
    raise CannotRun(f"The demo's instance did not start. It said:\n{log.read_text()}")


def _ledger_is_complete(environ: dict[str, str]) -> bool:
    db = Database(environ["DATABASE_URL"])
    with db.reading() as session:
        complete = len(records.ledger(session)) == 4
    db.engine.dispose()
    return complete


def _twoyes() -> str:
    return str(Path(sys.executable).with_name("twoyes"))
