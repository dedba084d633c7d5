"""Browser tests on the system's own Chromium. Nothing is downloaded; without one they are left out."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.smtp_server import FaultySmtp
from tests.support.story import RITA, HandClock, Story

from .fonts import environment
from .site import CHROMIUM, FLAGS, serving, visiting

# One line of the report tells of all of them: test_chromium.py.
collect_ignore_glob = [] if CHROMIUM else ["test_[!c]*.py"]


@pytest.fixture(scope="package", params=["DejaVu Sans"])
def font(request: pytest.FixtureRequest) -> str:
    """The sans-serif font of the machine. What depends on how wide it is runs with each of `FONTS`."""
    name: str = request.param
    return name


# Not for the session: while Playwright runs, no other test of the process could use asyncio.
@pytest.fixture(scope="package")
def chromium(font: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    own = environment(font, tmp_path_factory.mktemp("fonts"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, env={**os.environ, **own})
        yield browser
        browser.close()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the databases have in common is tested without a browser."""
    return sqlite_url


@pytest.fixture
def story(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    # One person for the whole walk: the requester runs this TwoYes as well.
    with serving({**environ, "OPERATORS": RITA}, clock, relay) as story:
        yield story


@pytest.fixture
def page(chromium: Browser, story: Story) -> Iterator[Page]:
    """A window as wide as a phone."""
    with visiting(chromium, story) as page:
        yield page
