"""A mail scanner of the worst kind: it opens every link of every mail and presses every button it finds."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from .story import Story, text_of


@dataclass
class Press:
    """One button with everything its form would send."""

    path: str
    fields: dict[str, str]


@dataclass
class Pressable(HTMLParser):
    """Every button on a page, whichever form it stands in; fields keep what they hold."""

    page: str
    presses: list[Press] = field(default_factory=list)
    _action: str | None = None
    _fields: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            posts = given.get("method", "get").lower() == "post"
            self._action, self._fields = (urljoin(self.page, given.get("action", "")) if posts else None), {}
        if tag == "input" and given.get("type") == "hidden":
            self._fields[given.get("name", "")] = given.get("value", "")
        if tag == "button" and self._action is not None:
            named = {given["name"]: given.get("value", "")} if "name" in given else {}
            self.presses.append(Press(urlsplit(self._action).path, {**self._fields, **named}))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._action = None


class Scanner:
    """Works through the mails to one address, a few seconds after they arrive or a good while later.

    ``answers_only`` leaves out the wishes, such as "never contact me again": one of those would end it all.
    """

    def __init__(self, story: Story, address: str, luck: random.Random, answers_only: bool) -> None:
        self._story, self._address, self._luck, self._answers_only = story, address, luck, answers_only
        self._seen = 0

    def scan(self) -> None:
        """Open and press whatever came since the last time."""
        mails = self._story.mails(self._address)
        for mail in mails[self._seen :]:
            self._story.clock.advance(seconds=self._luck.choice([0, 1, 4, 9, 60, 600]))
            links = re.findall(r"http://twoyes\.test(/\S+)", text_of(mail))
            self._luck.shuffle(links)
            for link in links:
                self._press_everything(link)
        self._seen = len(mails)

    def _press_everything(self, link: str) -> None:
        presses = self._buttons(link)
        self._luck.shuffle(presses)
        for press in presses:
            self._story.clock.advance(seconds=self._luck.choice([0, 0, 1]))
            answer = self._story.client.post(press.path, data=press.fields)
            if answer.status_code == 303:
                # It follows the redirect as a browser does, and tries one of the buttons that are new there.
                self._press_one_of(self._buttons(answer.headers["Location"]))

    def _press_one_of(self, presses: list[Press]) -> None:
        if presses:
            press = self._luck.choice(presses)
            self._story.client.post(press.path, data=press.fields)

    def _buttons(self, link: str) -> list[Press]:
        page = self._story.client.get(urlsplit(link).path)
        found = Pressable(link)
        found.feed(page.get_data(as_text=True))
        return [press for press in found.presses if not (self._answers_only and "wish" in press.fields)]
