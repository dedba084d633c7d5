"""The story that most tests play: Rita Quill brings Linda (salon) and Natasha (interiors) together."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from service import create_app
from service.introductions import requests
from service.lifecycle import MailKind, State
from service.settings.environment import load
from service.store import context
from service.store.context import Context
from service.store.db import Database
from service.store.models import Consent, Event, Introduction, LedgerEntry, OutboxMail
from service.sweep import sweep
from service.views.requester.forms import RequestForm

from .flowed import unflowed
from .forms import form_with, on_this_site
from .smtp_server import FaultySmtp

SECRET = "qN3v-9sLx0pT7bWm2eRz"
RITA, LINDA, NATASHA = "rita@quill.test", "linda@salon.test", "natasha@interiors.test"
FORM = {
    "requester_name": "Rita Quill",
    "requester_email": RITA,
    "a_name": "Linda Marsh",
    "a_email": LINDA,
    "a_blurb": "Runs the beauty salon on the market square.",
    "a_endorsement": "I have been her customer for ten years.",
    "b_name": "Natasha Orlova",
    "b_email": NATASHA,
    "b_blurb": "Designs interiors for small shops.",
    "b_endorsement": "She did our reading room, and did it well.",
    "need": "A new interior for the salon before spring.",
    "need_of": "a",
    "sought": "yes",
    "order": "together",
    "first_writer": "a",
    "reminders": "y",
    "cc_requester": "y",
    "requester_is": "neither",
}


class HandClock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class Browser(FlaskClient):
    """A client that closes the files of an answer and of a question, whatever the test reads of them."""

    def open(self, *args: Any, buffered: bool = True, **how: Any) -> TestResponse:
        response = super().open(*args, buffered=buffered, **how)
        response.request.environ["wsgi.input"].close()
        return response


MorePages = Callable[[Flask], None]


class Apps:
    """The applications that were used last, each with its engine and the statements that it has compiled.

    To make one, and to have its statements compiled, takes longer than to play a story with it.
    """

    MAX_KEPT = 12

    def __init__(self) -> None:
        self._kept: dict[object, tuple[Flask, dict[str, Any]]] = {}

    def get(self, environ: Mapping[str, str], more_pages: MorePages | None) -> Flask:
        """An application for these settings, which may differ in the relay's port, configured as if new."""
        lasting = frozenset(item for item in environ.items() if item[0] != "MAIL_PORT")
        key = (lasting, more_pages)
        kept = self._kept.pop(key, None)
        app, config = kept or self._make(environ, more_pages)
        self._kept[key] = app, config
        app.config.clear()
        app.config.update(config)
        return app

    def _make(self, environ: Mapping[str, str], more_pages: MorePages | None) -> tuple[Flask, dict[str, Any]]:
        if len(self._kept) == self.MAX_KEPT:
            self._close(next(iter(self._kept)))
        app = create_app(load(environ))
        app.test_client_class = Browser
        if more_pages:
            more_pages(app)
        engine = app.extensions["db"].engine
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _never_wait_for_the_disk)
        return app, dict(app.config)

    def _close(self, key: object) -> None:
        app, _ = self._kept.pop(key)
        app.extensions["db"].engine.dispose()

    def close(self) -> None:
        for key in list(self._kept):
            self._close(key)


APPS = Apps()


def _never_wait_for_the_disk(connection: Any, _: Any) -> None:
    # No test cuts the machine's power.
    connection.execute("PRAGMA synchronous = OFF")


class Story:
    """One service in this process: pages through Flask's client, mail through a relay on a real socket.

    Stories with the same settings, but for the relay's port, take turns with one application.
    ``more_pages`` adds pages to it that a test needs.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: HandClock,
        relay: FaultySmtp,
        more_pages: MorePages | None = None,
    ) -> None:
        self.settings = load(environ)
        self.clock, self.relay = clock, relay
        self.app = APPS.get(environ, more_pages)
        self.app.config.update(SETTINGS=self.settings, CLOCK=clock, WTF_CSRF_ENABLED=False)
        self.db: Database = self.app.extensions["db"]
        self.client: FlaskClient = self.app.test_client()

    # The use cases by themselves

    def writing(self) -> AbstractContextManager[Context]:
        """A transaction of now, for a use case that no page is asked for."""
        return context.writing(self.db, self.settings, self.clock())

    def reading(self) -> AbstractContextManager[Context]:
        """The same to look only."""
        return context.reading(self.db, self.settings, self.clock())

    # Time and mail

    def sweep(self, **by: float) -> None:
        """Let time pass, and do what is due."""
        self.clock.advance(**by)
        sweep(self.db, self.settings, self.clock)

    def mails(self, to: str) -> list[EmailMessage]:
        """What the relay accepted for one address, oldest first."""
        taken = [mail.data for mail in self.relay.messages if mail.recipients == (to,)]
        return [email.message_from_bytes(data, policy=email.policy.default) for data in taken]

    def kinds(self, to: str) -> list[str]:
        """The kinds of the mails that the relay accepted for one address, oldest first."""
        return [mail["Message-ID"].removeprefix("<").split(".")[0] for mail in self.mails(to)]

    def link(self, to: str, path: str = "/[raf]/") -> str:
        """The path of the newest link of a purpose that was mailed to an address."""
        for mail in reversed(self.mails(to)):
            found = re.search(rf"{re.escape(self.settings.PUBLIC_URL)}({path}\S+)", text_of(mail))
            if found:
                return found[1]
        raise AssertionError(f"no link {path} was mailed to {to}")

    # People

    def vouch_for(self, requester: str = RITA) -> None:
        """As if an introduction that they asked for had been confirmed long ago: they are no newcomer."""
        with self.writing() as context:
            asked = RequestForm(MultiDict({**FORM, "requester_email": requester})).to_request()
            confirmed = requests.draft(asked, context.now - timedelta(days=90))
            confirmed.state, confirmed.verified_at = State.CONFIRMED, confirmed.created_at
            context.session.add(confirmed)

    def post(self, path: str, **fields: str) -> TestResponse:
        return self.client.post(on_this_site(path), data=fields)

    def request(self, **changes: str) -> TestResponse:
        """Rita fills in the form and sends it; an empty change leaves a field out."""
        fields = {name: value for name, value in {**FORM, **changes}.items() if value}
        response = self.client.post("/", data={**fields, "action": "send"})
        self.sweep()
        return response

    def verify(self, requester: str = RITA) -> TestResponse:
        response = self.post(self.link(requester, "/r/"), action="verify")
        self.sweep()
        return response

    def ask(self, **changes: str) -> None:
        """A request that is verified, with its asks on their way."""
        assert self.request(**changes).status_code == 303
        assert self.verify(changes.get("requester_email", RITA)).status_code in (200, 303)

    def answer(self, who: str, answer: str, **fields: str) -> TestResponse:
        """Open the newest link to an answer page, choose "yes", "no" or "undo", and press."""
        return self.choose(self.link(who, "/a/"), answer, **fields)

    def choose(self, page: str, choice: str, **fields: str) -> TestResponse:
        """Open a page behind a mailed link, choose, and press; ``fields`` are filled in as well."""
        path, choices = self.fill_in(page, choice, **fields)
        return self.post(path, **choices)

    def fill_in(self, page: str, choice: str, **fields: str) -> tuple[str, dict[str, str]]:
        """Open a page and choose, without a press: where its form is sent to, and what is sent."""
        path = on_this_site(page)
        form, chosen = form_with(self.client.get(path).get_data(as_text=True), path, choice)
        return form.path, form.pressed(None, chosen) | fields

    def introduce(self, **changes: str) -> None:
        """Two yeses, and the hold is over."""
        self.ask(**changes)
        assert self.answer(LINDA, "yes").status_code == 303
        assert self.answer(NATASHA, "yes").status_code == 303
        self.sweep(seconds=self.settings.HOLD_FOR.total_seconds())

    # What is on record

    def introduction(self) -> Introduction:
        """The newest introduction."""
        with self.db.reading() as session:
            return session.scalars(select(Introduction).order_by(Introduction.id.desc())).first()  # type: ignore[return-value]

    def consent(self, email: str) -> Consent:
        with self.db.reading() as session:
            found = select(Consent).where(Consent.email == email).order_by(Consent.id.desc())
            return session.scalars(found).first()  # type: ignore[return-value]

    def outbox(self, kind: MailKind, to: str | None = None) -> list[OutboxMail]:
        with self.db.reading() as session:
            found = select(OutboxMail).where(OutboxMail.kind == kind).order_by(OutboxMail.id)
            return [row for row in session.scalars(found) if to is None or row.recipient == to]

    def ledger(self) -> list[tuple[str, str | None]]:
        """The current entries: outcome and reason."""
        with self.db.reading() as session:
            entries = select(LedgerEntry).where(LedgerEntry.superseded_at.is_(None)).order_by(LedgerEntry.id)
            return [(entry.outcome, entry.reason) for entry in session.scalars(entries)]

    def events(self) -> list[str]:
        with self.db.reading() as session:
            return list(session.scalars(select(Event.name).order_by(Event.id)))


def text_of(mail: EmailMessage) -> str:
    """The text part of a mail, a paragraph a line."""
    part = mail.get_body(("plain",))
    assert part is not None
    return unflowed(str(part.get_content()))
