"""Every page of the walk: with axe in light and dark, by keyboard, from right to left, never sideways."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.support.story import Story

from .fonts import FONTS, in_each_font
from .site import PHONE, visiting
from .walk import walk

pytestmark = pytest.mark.slow

GRAVE = ("serious", "critical")

CONTROLS = """() => [...document.querySelectorAll('a[href], button, summary, input, select, textarea')]
    .filter(control => control.type !== 'hidden' && control.tabIndex >= 0 && control.checkVisibility())
    // One Tab reaches a whole group of radio buttons, the arrow keys the rest.
    .filter(control => control.type !== 'radio' || control.checked
        || (!document.querySelector(`[name="${control.name}"]:checked`)
            && control === document.querySelector(`[name="${control.name}"]`)))
    .map((control, number) => { control.dataset.number = number; return control.outerHTML.slice(0, 120) })"""
FOCUSED = """() => {
    const control = document.activeElement, style = getComputedStyle(control);
    if (control === document.body || control.dataset.number === undefined) return null;
    const box = control.getBoundingClientRect();
    const above = document.elementFromPoint(box.x + Math.min(box.width / 2, 40), box.y + box.height / 2);
    return {
        number: Number(control.dataset.number),
        isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        isSeen: box.bottom > 0 && box.top < innerHeight
            && (control.contains(above) || !!above?.contains(control)),
    }
}"""
WIDER = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""


def test_axe_finds_nothing_serious_on_any_page_in_light_or_dark(page: Page, story: Story) -> None:
    found = {}
    for name in walk(page, story):
        # What the policy of the pages forbids to scripts of theirs, the driver of the browser may do.
        page.evaluate(AXE_SCRIPT)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            result = page.evaluate("axe.run({resultTypes: ['violations']})")
            assert result["passes"]
            if grave := [_in_short(one) for one in result["violations"] if one["impact"] in GRAVE]:
                found[name, scheme] = grave
    assert found == {}


def _in_short(violation: Any) -> tuple[str, list[str]]:
    return violation["id"], [node["html"] for node in violation["nodes"]]


@in_each_font
def test_every_control_of_every_page_is_reached_by_tab_and_seen_to_be(page: Page, story: Story) -> None:
    for name in walk(page, story):
        missed = set(range(len(controls := page.evaluate(CONTROLS))))
        assert controls
        # A date is four stops by itself.
        for _ in range(4 * len(controls)):
            if not missed:
                break
            page.keyboard.press("Tab")
            if focused := page.evaluate(FOCUSED):
                control = controls[focused["number"]]
                assert focused["isMarked"], f"{name}: no mark around {control}"
                assert focused["isSeen"], f"{name}: something covers {control}"
                missed.discard(focused["number"])
        assert [controls[number] for number in missed] == [], name


# English in each font, and the two languages with the longest words in the widest.
@pytest.mark.parametrize(
    ("font", "language"),
    [*((font, "en") for font in FONTS), (FONTS[0], "de"), (FONTS[0], "fr")],
    indirect=["font"],
)
def test_no_page_scrolls_sideways_on_a_phone_or_at_twice_the_size(
    chromium: Browser, story: Story, language: str
) -> None:
    found = {}
    with visiting(chromium, story, locale=language) as page:
        for name in walk(page, story, language):
            # At 200 % a window of 640 pixels is 320 pixels wide (WCAG 2.2, 1.4.10).
            for width in (320, 360, 768):
                page.set_viewport_size({"width": width, "height": 740})
                if wider := page.evaluate(WIDER):
                    found[name, width] = wider
            page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert found == {}


def test_every_page_in_arabic_runs_from_right_to_left(chromium: Browser, story: Story) -> None:
    wide = {"width": 1280, "height": 900}
    with visiting(chromium, story, locale="ar", viewport=wide) as page:
        for name in walk(page, story, "ar"):
            assert page.evaluate("getComputedStyle(document.body).direction") == "rtl", name
            assert page.locator("html").get_attribute("lang") == "ar", name
            brand = page.locator(".brand").bounding_box()
            assert brand is not None
            assert brand["x"] > wide["width"] / 2, name
            if name == "form":
                assert left_of(page, ".side-a") > left_of(page, ".side-b")
            if name == "answer":
                assert left_of(page, ".answers [value=nothing]") > left_of(page, ".answers [value=yes]")
            assert page.evaluate(WIDER) == 0, name


def left_of(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"]
