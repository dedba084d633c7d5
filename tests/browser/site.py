"""The service on a port of its own, and a browser that looks at it.

::

    with serving(environ, HandClock(), relay) as story, visiting(chromium, story) as page:
        page.goto("/")
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request
from werkzeug.serving import WSGIRequestHandler, make_server

from service.dev import LOOPBACK, free_port
from tests.support.smtp_server import FaultySmtp
from tests.support.story import HandClock, Story

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# A container has no user namespaces to build Chromium's sandbox from, and little shared memory.
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage")
PHONE = {"width": 360, "height": 740}


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (werkzeug's own name)
        """Say nothing: tokens are in the paths."""


@contextmanager
def serving(environ: Mapping[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """A story whose pages a browser can open, at its own PUBLIC_URL."""
    port = free_port()
    story = Story({**environ, "PUBLIC_URL": f"http://{LOOPBACK}:{port}"}, clock, relay)
    story.app.config["WTF_CSRF_ENABLED"] = True
    server = make_server(LOOPBACK, port, story.app, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield story
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        story.db.engine.dispose()


@contextmanager
def visiting(chromium: Browser, story: Story, **how: Any) -> Iterator[Page]:
    """A window of a browser without a past, closed in the end. ``how`` is Playwright's `new_context`.

    Raises AssertionError if a page fetched something from elsewhere, or met its own policy.
    """
    how = {"viewport": PHONE, "locale": "en-GB", "reduced_motion": "reduce"} | how
    context = chromium.new_context(base_url=story.settings.PUBLIC_URL, **how)
    context.set_default_timeout(10_000)
    fetched: list[str] = []
    refused: list[str] = []
    context.on("request", lambda request: fetched.append(_address(request)))
    context.on("console", lambda message: refused.extend(_refusals(message)))
    try:
        yield context.new_page()
    finally:
        context.close()
    own = (f"{story.settings.PUBLIC_URL}/", "data:")
    assert [url for url in fetched if not url.startswith(own)] == []
    assert refused == []


def _address(request: Request) -> str:
    return request.url


def _refusals(message: ConsoleMessage) -> list[str]:
    return [message.text] if "Content Security Policy" in message.text else []
