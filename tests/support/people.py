"""People who use a running service as people do: with a browser, and with what arrives in their mailboxes."""

from __future__ import annotations

import email
import email.policy
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import requests

from .forms import form_with
from .smtp_server import ReceivedMail
from .story import FORM, text_of

CSRF_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)
MAX_WAIT = 60.0
"""Seconds after which a person takes a page for one that does not come."""


@dataclass(frozen=True)
class Taken:
    """A mail that the relay took, for one recipient, and when (seconds of the monotonic clock)."""

    recipient: str
    message_id: str
    at: float
    data: bytes

    @property
    def kind(self) -> str:
        return self.message_id.removeprefix("<").split(".")[0]

    @cached_property
    def text(self) -> str:
        return text_of(email.message_from_bytes(self.data, policy=email.policy.default))


class Mailboxes(list[ReceivedMail]):
    """What a relay took, filed by recipient: ``relay.messages = Mailboxes()``.

    ``witness`` is called with each mail before the relay answers to its dot.
    """

    def __init__(self, witness: Callable[[Taken], None] = lambda _: None) -> None:
        super().__init__()
        self._filed: dict[str, list[Taken]] = defaultdict(list)
        self._lock = threading.Lock()
        self._witness = witness

    def append(self, mail: ReceivedMail) -> None:
        found = MESSAGE_ID.search(mail.data)
        message_id = found[1].decode() if found else ""
        for recipient in mail.recipients:
            taken = Taken(recipient, message_id, time.monotonic(), mail.data)
            self._witness(taken)
            with self._lock:
                super().append(mail)
                self._filed[recipient].append(taken)

    def all(self) -> list[Taken]:
        with self._lock:
            return [mail for mails in self._filed.values() for mail in mails]

    def of(self, recipient: str, kind: str = "") -> list[Taken]:
        """The mails of one recipient, oldest first."""
        with self._lock:
            mails = list(self._filed[recipient])
        return [mail for mail in mails if not kind or mail.kind == kind]

    def link(self, recipient: str, path: str) -> str | None:
        """The path of the newest link of a purpose (``/r/``, ``/a/`` or ``/f/``) that somebody has."""
        for mail in reversed(self.of(recipient)):
            if found := re.search(rf"https?://[^/\s]+({path}\S+)", mail.text):
                return found[1]
        return None


@dataclass(frozen=True)
class Page:
    """What came of pressing a button; status 0 when nobody answered."""

    status: int
    text: str = ""

    @property
    def came(self) -> bool:
        """Whether this is an answer. A person who got none, or an error, presses again."""
        return 0 < self.status < 500


class Browser:
    """One person's browser."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        # A proxy named in the environment must not see, or swallow, what goes to this machine.
        self._session.trust_env = False
        self._session.headers["Connection"] = "close"

    def get(self, path: str) -> Page:
        return self._fetch("GET", path)

    def post(self, path: str, **fields: str) -> Page:
        return self._fetch("POST", path, fields)

    def choose(self, path: str, choice: str, **fields: str) -> Page:
        """Open a page behind a mailed link, choose, and press."""
        return self.press(self.get(path), path, choice, **fields)

    def press(self, page: Page, path: str, choice: str, **fields: str) -> Page:
        """Choose on a page that is open, and press."""
        form, chosen = form_with(page.text, path, choice)
        return self.post(form.path, **(form.pressed(None, chosen) | fields))

    def send_form(self, **changes: str) -> Page:
        """Open the form, fill it in, and send it."""
        form = self.get("/")
        token = CSRF_TOKEN.search(form.text)
        if not token:
            return Page(0)
        return self.post("/", **{**FORM, **changes, "csrf_token": token[1], "action": "send"})

    def _fetch(self, method: str, path: str, fields: dict[str, str] | None = None) -> Page:
        try:
            answer = self._session.request(
                method, self._url + path, data=fields, timeout=MAX_WAIT, allow_redirects=False
            )
        except requests.RequestException:
            return Page(0)
        return Page(answer.status_code, answer.text)
