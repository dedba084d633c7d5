"""The answer page on a phone: one screen, two buttons that nobody can mix up, by keyboard, enlarged."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from service.language.free_text import TEXT_LENGTH
from service.lifecycle import ConsentState
from tests.support.story import LINDA, NATASHA, Story

from .site import PHONE, visiting

pytestmark = pytest.mark.slow

LIMIT = 30_000
"""Bytes of the page with everything it fetches, uncompressed."""
TEXTS = ("need", "a_blurb", "b_blurb", "a_endorsement", "b_endorsement")


@pytest.fixture
def asked(story: Story) -> Story:
    story.app.config["WTF_CSRF_ENABLED"] = False
    story.ask()
    return story


def bottom_of(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["y"] + box["height"]


@pytest.mark.parametrize("who", [LINDA, NATASHA])
def test_who_asks_why_what_is_shared_and_both_buttons_stand_on_the_first_screen_of_a_phone(
    page: Page, asked: Story, who: str
) -> None:
    page.goto(asked.link(who, "/a/"))
    top_of_buttons = page.locator(".answers").bounding_box()["y"]  # type: ignore[index]
    for told in ("h1", "blockquote >> nth=0", ".shared p >> nth=0"):
        assert bottom_of(page, told) <= top_of_buttons, told
    for button in (".yes", ".no"):
        assert bottom_of(page, button) <= PHONE["height"], button
    assert page.evaluate("scrollY") == 0


def test_the_buttons_differ_in_place_colour_icon_and_words_and_are_large(page: Page, asked: Story) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    yes, no = page.locator(".yes"), page.locator(".no")
    boxes = [button.bounding_box() for button in (yes, no)]
    assert all(box and box["height"] >= 64 and box["width"] >= 120 for box in boxes)
    assert boxes[0]["x"] + boxes[0]["width"] + 8 <= boxes[1]["x"]  # type: ignore[index]
    grounds = [button.evaluate("one => getComputedStyle(one).backgroundColor") for button in (yes, no)]
    icons = [button.locator("path").get_attribute("d") for button in (yes, no)]
    assert grounds[0] != grounds[1]
    assert icons[0] != icons[1]
    expect(yes).to_have_text("Yes, introduce us")
    expect(no).to_have_text("No, thank you")


def test_enlarged_the_buttons_no_longer_cover_the_text(chromium: Browser, asked: Story) -> None:
    with visiting(chromium, asked, viewport={"width": 320, "height": 370}) as page:
        page.goto(asked.link(LINDA, "/a/"))
        assert page.locator(".answers").evaluate("bar => getComputedStyle(bar).position") == "static"
        page.locator(".no").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You said no, and that’s fine.")


def test_an_answer_is_given_by_keyboard_alone(page: Page, asked: Story) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    tab_to(page, "details:has([name=tell_requester]) > summary")
    page.keyboard.press("Enter")
    tab_to(page, "[name=tell_requester]")
    page.keyboard.press("Space")
    tab_to(page, ".no")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You said no, and that’s fine.")
    answered = asked.consent(LINDA)
    assert (answered.state, answered.tells_requester) == (ConsentState.NO, True)


def tab_to(page: Page, selector: str) -> None:
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def test_enter_in_a_field_is_no_answer(page: Page, asked: Story) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    page.get_by_text("Add a phone number or a note").click()
    page.get_by_label("Phone number").fill("+44 20 7946 0958")
    page.get_by_label("Phone number").press("Enter")
    page.get_by_label("A note of your own").fill("Mornings are best.")
    assert asked.consent(LINDA).state is ConsentState.ASKED
    page.locator(".yes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You said yes. Thank you, Linda Marsh.")
    assert asked.consent(LINDA).phone == "+44 20 7946 0958"


LONGEST = ("كلمة طويلة " * 40)[:TEXT_LENGTH].strip()
"""As much as a requester may write, in letters of two bytes."""


@pytest.mark.parametrize("texts", [{}, dict.fromkeys(TEXTS, LONGEST)], ids=["usual", "longest"])
@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_the_page_and_all_that_it_fetches_weigh_less_than_thirty_kilobytes(
    chromium: Browser, story: Story, language: str, texts: dict[str, str]
) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = False
    story.ask(**texts)
    with visiting(chromium, story) as page:
        got: list[Response] = []
        page.on("response", got.append)
        page.goto(story.link(LINDA, "/a/") + f"?lang={language}", wait_until="networkidle")
        icon = page.locator("link[rel=icon]").get_attribute("href")
        weights = {urlsplit(one.url).path[:8]: len(one.body()) for one in got}
        weights["icon"] = len(page.request.get(icon or "").body())
    assert len(weights) >= 3
    assert sum(weights.values()) < LIMIT, weights
