"""Whether there are a browser and fonts to test with; where REQUIRE_BROWSER is set they have to be there."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page

from tests.support.story import Story

from .fonts import FONTS
from .site import CHROMIUM

pytestmark = pytest.mark.slow


def left_out(reason: str) -> None:
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_there_is_a_chromium_for_the_browser_tests() -> None:
    if CHROMIUM is None:
        left_out(
            "no chromium, chromium-browser or google-chrome on the PATH: the browser tests were left out"
        )


@pytest.mark.skipif(CHROMIUM is None, reason="there is no browser to show it")
@pytest.mark.parametrize("font", FONTS, indirect=True)
def test_the_pages_are_laid_out_in_this_font(page: Page, story: Story, font: str) -> None:
    page.goto("/")
    devtools = page.context.new_cdp_session(page)
    devtools.send("DOM.enable")
    devtools.send("CSS.enable")
    root = devtools.send("DOM.getDocument")["root"]["nodeId"]
    heading = devtools.send("DOM.querySelector", {"nodeId": root, "selector": "h1"})["nodeId"]
    fonts = devtools.send("CSS.getPlatformFontsForNode", {"nodeId": heading})["fonts"]
    if [found["familyName"] for found in fonts] != [font]:
        left_out(f"no {font} on this machine: the pages were not seen in it")
