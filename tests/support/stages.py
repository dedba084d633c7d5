"""Where the story stands when each kind of mail with a link arrives, to be gone back to again and again.

::

    with Stages(story) as stages:
        for moment in stages.moments:
            before = stages.go_to(moment)
            ...
            assert changes(before, rows(story.db)) == []
"""

from __future__ import annotations

import html
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Self

from sqlalchemy import inspect

from service.inbound import store
from service.inbound.store import Delivery, Way
from service.lifecycle import MailKind
from service.store.db import Database
from service.store.models import Base

from .inbound_mail import mail as reply
from .story import LINDA, NATASHA, RITA, Story

DELAYS = {"0 s": 0, "15 s": 15, "60 s": 60, "10 min": 600, "1 day": 86_400}
"""Seconds from the mail to whoever opens it."""
LINKLESS = {MailKind.INTRODUCTION, MailKind.NOT_COME_ABOUT, MailKind.DECLINED, MailKind.UNDELIVERED} | {
    MailKind.STOPPED
}
"""The kinds of mail that hold no link, or one to a page behind the sign-in alone."""
SIGNS = {("events", "mailbox suspect"), ("consents", "suspect_at"), ("introductions", "suspect_at")} | {
    ("sign_ins", "suspect_at")
}
"""What a press may leave behind that decided nothing: events by their name, and columns."""

Rows = dict[tuple[str, tuple[Any, ...]], dict[str, Any]]
"""Every row, by its table and its key."""


@dataclass(frozen=True)
class Moment:
    """A stage at a delay: the database, the clock, and the links that were mailed to each address."""

    stage: str
    delay: str
    now: datetime
    links: dict[str, list[str]]
    saved: Path
    rows: Rows

    @property
    def nobody_agreed(self) -> bool:
        """Whether no yes of a person stands here: an introduction would be the work of programs alone."""
        return self.stage in ("asked", "contradicted", "taken back")


def requested(story: Story) -> None:
    """Somebody filled in the form in Rita's name, and nobody has confirmed it."""
    story.request()


def asked(story: Story) -> None:
    story.request()
    story.clock.advance(minutes=1)
    story.verify()


def asked_twice(story: Story) -> None:
    """Both are asked, and replied at once with something that nobody can read as an answer."""
    asked(story)
    for number, who in enumerate((LINDA, NATASHA)):
        to = parseaddr(story.mails(who)[-1]["Reply-To"])[1]
        mail = Delivery(reply("Who is she?", number, who, To=to), who, to, Way.LMTP)
        store.receive(story.db, story.settings, mail, story.clock())
    story.sweep()


def half_agreed(story: Story) -> None:
    """Natasha said yes, and Linda is reminded."""
    asked(story)
    answered_by(story, NATASHA, "yes")
    story.sweep(days=3)


def answered(story: Story) -> None:
    asked(story)
    answered_by(story, LINDA, "yes")
    answered_by(story, NATASHA, "no")


def agreed(story: Story) -> None:
    """Both said yes within a minute, and the hold has begun."""
    asked(story)
    answered_by(story, LINDA, "yes")
    answered_by(story, NATASHA, "yes")


def taken_back(story: Story) -> None:
    answered(story)
    answered_by(story, LINDA, "undo")
    answered_by(story, NATASHA, "undo")


def contradicted(story: Story) -> None:
    """Both answered yes and no within seconds, and are asked once more."""
    answered(story)
    story.clock.advance(minutes=1)
    for who, answers in ((LINDA, ("no", "yes")), (NATASHA, ("yes", "no"))):
        for answer in answers:
            story.answer(who, answer)
    story.sweep()


def reported(story: Story) -> None:
    """Both reported the request as abuse, which they can take back where they did it."""
    asked(story)
    story.clock.advance(seconds=30)
    for who in (LINDA, NATASHA):
        assert story.choose(story.link(who, "/a/"), "report").status_code == 200
    story.sweep()


def unreachable(story: Story) -> None:
    """Linda's address was refused, and Rita may correct it."""
    story.relay.refuse[LINDA] = "550 5.1.1 no such user"
    asked(story)
    story.sweep()
    story.relay.refuse.clear()


def introduced(story: Story) -> None:
    """Both are asked whether they are in touch."""
    agreed(story)
    story.sweep(minutes=10)
    story.sweep(days=3)


def summed_up(story: Story) -> None:
    """Nobody confirmed the handoff, and Rita reads so."""
    introduced(story)
    story.sweep(days=21)


def signing_in(story: Story) -> None:
    asked(story)
    story.post("/desk/sign-in", email=RITA)
    story.sweep()


def answered_by(story: Story, who: str, answer: str) -> None:
    """Answer as a person does, who takes a minute."""
    story.clock.advance(seconds=30)
    assert story.answer(who, answer).status_code == 303
    story.sweep()


STAGES: dict[str, tuple[Callable[[Story], None], set[MailKind]]] = {
    "requested": (requested, {MailKind.VERIFY}),
    "asked": (asked_twice, {MailKind.ASK, MailKind.UNCLEAR}),
    "half agreed": (half_agreed, {MailKind.REMINDER, MailKind.RECEIPT}),
    "answered": (answered, {MailKind.RECEIPT}),
    "agreed": (agreed, {MailKind.RECEIPT}),
    "taken back": (taken_back, {MailKind.RECEIPT}),
    "contradicted": (contradicted, {MailKind.RECHECK}),
    "reported": (reported, {MailKind.ASK}),
    "unreachable": (unreachable, {MailKind.UNDELIVERABLE}),
    "introduced": (introduced, {MailKind.FOLLOW_UP}),
    "summed up": (summed_up, {MailKind.SUMMARY}),
    "signing in": (signing_in, {MailKind.SIGN_IN}),
}
"""How each is come to, and the mails whose links are opened there."""


class Stages:
    """Every stage at every delay, on the SQLite database of a story."""

    def __init__(self, story: Story, delays: Sequence[str] = tuple(DELAYS)) -> None:
        self.story, self._delays = story, delays
        self._folder = tempfile.TemporaryDirectory(prefix="twoyes-stages-")
        self._live = Path(str(story.db.engine.url.database))
        self.moments: list[Moment] = []

    def __enter__(self) -> Self:
        began, empty = self.story.clock.now, self._save("empty")
        for stage, (play, kinds) in STAGES.items():
            _copy(empty, self._live)
            self.story.clock.now = began
            self.story.relay.messages.clear()
            self._play(play)
            arrived, links = self.story.clock.now, self._links(kinds)
            played = self._save(stage)
            for delay in self._delays:
                _copy(played, self._live)
                self.story.clock.now = arrived
                self.story.sweep(seconds=DELAYS[delay])
                saved = self._save(f"{stage}, {delay}")
                now = self.story.clock.now
                self.moments.append(Moment(stage, delay, now, links, saved, rows(self.story.db)))
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def go_to(self, moment: Moment) -> Rows:
        """Make everything as it was then, and give every row."""
        _copy(moment.saved, self._live)
        self.story.clock.now = moment.now
        return moment.rows

    def _play(self, play: Callable[[Story], None]) -> None:
        # The story's people fill in no hidden field; whoever comes afterwards has to.
        protected = self.story.app.config["WTF_CSRF_ENABLED"]
        self.story.app.config["WTF_CSRF_ENABLED"] = False
        play(self.story)
        self.story.app.config["WTF_CSRF_ENABLED"] = protected

    def _save(self, name: str) -> Path:
        path = Path(self._folder.name, f"{name}.db")
        _copy(self._live, path)
        return path

    def _links(self, kinds: set[MailKind]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for who in (LINDA, NATASHA, RITA):
            for kind, mail in zip(self.story.kinds(who), self.story.mails(who), strict=True):
                if kind in kinds:
                    found.setdefault(who, []).extend(links(mail, self.story.settings.PUBLIC_URL))
        return {who: list(dict.fromkeys(paths)) for who, paths in found.items()}


def links(mail: EmailMessage, site: str) -> Iterator[str]:
    """List the paths of all links of a mail to us: in its headers, its text and its HTML."""
    parts = [str(part.get_content()) for part in mail.walk() if part.get_content_maintype() == "text"]
    for text in (str(mail.get("List-Unsubscribe", "")), *parts):
        for path in re.findall(rf"{re.escape(site)}(/[^\s\"<>,]+)", html.unescape(text)):
            yield str(path)


def rows(db: Database) -> Rows:
    """Read every row of every table."""
    found: Rows = {}
    with db.reading() as session:
        for table in Base.metadata.sorted_tables:
            keys = [column.name for column in inspect(table).primary_key]
            for row in session.execute(table.select()).mappings():
                found[table.name, tuple(row[key] for key in keys)] = dict(row)
    return found


def changes(before: Rows, after: Rows) -> Counter[str]:
    """Count what was recorded in between: the new events, what has none, and else whatever row is another."""
    acts: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for key in before.keys() | after.keys():
        table, old, new = key[0], before.get(key, {}), after.get(key, {})
        if table == "events":
            acts[_act(new)] += 1 if not old else 0
            continue
        changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        columns.update(f"{table}.{name}" for name in changed if (table, name) not in SIGNS)
    acts = +Counter({act: count for act, count in acts.items() if ("events", act) not in SIGNS})
    without_event = {name: count for name, count in columns.items() if name in WITHOUT_EVENT}
    return acts + Counter({WITHOUT_EVENT[name]: count for name, count in without_event.items()}) or columns


WITHOUT_EVENT = {
    "consents.language": "language",
    "introductions.requester_language": "language",
    "sign_ins.language": "language",
    "sign_ins.used_at": "sign-in used",
    "introductions.code_attempts": "code tried",
    "suppressions.created_at": "suppressed",
}
"""What is recorded in a column alone."""


def _act(event: dict[str, Any]) -> str:
    """Name an event, and an answer with its word."""
    answer = (event.get("detail") or {}).get("answer")
    return f"{event.get('name')}: {answer}" if answer else str(event.get("name"))


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
