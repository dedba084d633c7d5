"""`make screenshots`: the story played once more in a browser, for the pictures in docs/images/."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from service.store.migrations import migrate
from tests.support.season import confirmed, silence, unconfirmed, withdrawn
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, SECRET, HandClock, Story

from .site import CHROMIUM, FLAGS, serving, visiting
from .walk import answer, ask, fill, follow_up, sign_in

IMAGES = Path(__file__).parents[2] / "docs" / "images"
ON_A_PHONE = {"answer": "answer", "said yes": "answered"}
"""Stops of the walk, and the pictures taken there."""
ENDINGS = (silence, confirmed, unconfirmed, confirmed, withdrawn, confirmed)
DESK = {"width": 1000, "height": 720}
LETTER = {"width": 700, "height": 720}


def main() -> None:
    if CHROMIUM is None:
        sys.exit("There is no chromium, chromium-browser or google-chrome on the PATH to take pictures with.")
    with (
        tempfile.TemporaryDirectory() as folder,
        FaultySmtp() as relay,
        sync_playwright() as playwright,
        serving(environ(folder, relay), HandClock(), relay) as story,
    ):
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in pictures(chromium, story):
            print(f"docs/images/{name}.png")  # noqa: T201
        chromium.close()


def environ(folder: str, relay: FaultySmtp) -> dict[str, str]:
    database = f"sqlite:///{folder}/twoyes.db"
    migrate(database)
    return {
        "SECRET_KEY": SECRET,
        "DATABASE_URL": database,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SUSPECT_WITHIN": "0s",
        **relay.environ,
    }


def pictures(chromium: Browser, story: Story) -> Iterator[str]:
    """Take every picture, and tell its name."""
    with visiting(chromium, story, viewport=DESK) as page:
        page.goto("/")
        fill(page)
        yield take(page, "form")
    with visiting(chromium, story, device_scale_factor=1.5) as page:
        for stop in walked(page, story):
            if stop in ON_A_PHONE:
                page.evaluate("document.activeElement.blur()")
                yield take(page, ON_A_PHONE[stop], whole=False)
    with visiting(chromium, story, viewport=LETTER) as page:
        page.set_content(introduction(story))
        yield take(page, "introduction")
    with visiting(chromium, story, viewport=DESK) as page:
        for _ in sign_in(page, story):
            pass
        yield take(page, "desk", whole=False)
        page.goto("/desk/ledger?period=all")
        yield take(page, "ledger")


def walked(page: Page, story: Story) -> Iterator[str]:
    """The story, and a few that ended otherwise, so that the ledger has something to tell."""
    yield from ask(page, story)
    yield from answer(page, story)
    yield from follow_up(page, story)
    # They are played by the story's own client, which fills in no hidden field.
    story.app.config["WTF_CSRF_ENABLED"] = False
    for ending in ENDINGS:
        ending(story)
    story.app.config["WTF_CSRF_ENABLED"] = True


def introduction(story: Story) -> str:
    """The introduction as a mail program shows it, from the mail that arrived."""
    mail, *_ = [mail for mail in story.mails(LINDA) if mail["Subject"].startswith("Linda Marsh, meet")]
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def take(page: Page, name: str, whole: bool = True) -> str:
    page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)
    return name


if __name__ == "__main__":
    main()
