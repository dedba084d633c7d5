"""The answer page on a phone: one screen, no choice made beforehand, nothing covered, enlarged, light."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from service.language.free_text import TEXT_LENGTH
from tests.support.story import LINDA, NATASHA, Story

from .fonts import in_each_font
from .site import PHONE, visiting
from .walk import choose, unfold

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
@in_each_font
def test_who_asks_why_what_is_shared_the_choices_and_the_button_stand_on_the_first_screen_of_a_phone(
    page: Page, asked: Story, who: str
) -> None:
    page.goto(asked.link(who, "/a/"))
    top_of_choices = page.locator(".answers").bounding_box()["y"]  # type: ignore[index]
    for told in ("h1", "blockquote >> nth=0", ".shared p >> nth=0"):
        assert bottom_of(page, told) <= top_of_choices, told
    for control in (
        ".answers [value=nothing]",
        ".answers [value=yes]",
        ".answers [value=no]",
        ".answers .main",
    ):
        assert bottom_of(page, control) <= PHONE["height"], control
    assert page.evaluate("scrollY") == 0


TARGETS = """() => [...document.querySelectorAll('main label, main button, main summary')]
    .filter(target => target.checkVisibility() && target.control?.type !== 'text')
    .filter(target => target.getBoundingClientRect().height < 44 || target.getBoundingClientRect().width < 44)
    .map(target => target.outerHTML.slice(0, 120))"""


@in_each_font
def test_whatever_can_be_pressed_is_as_large_as_a_thumb(page: Page, asked: Story) -> None:
    for path in ("/a/", "/never/"):
        page.goto(asked.link(LINDA, path))
        assert page.evaluate(TARGETS) == []


MARKS = """pick => {
    const {boxShadow, borderColor} = getComputedStyle(pick), dot = pick.control
    return {boxShadow, borderColor, isNative: getComputedStyle(dot).appearance !== 'none'}
}"""


def test_no_choice_is_made_beforehand_and_one_that_is_made_is_marked_by_more_than_its_colour(
    page: Page, asked: Story
) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    assert page.locator("[name=choice]:checked").count() == 0
    yes = page.locator(".answers .pick", has_text="Yes, introduce us")
    before = yes.evaluate(MARKS)
    yes.click()
    page.mouse.move(0, 0)
    after = yes.evaluate(MARKS)
    # The frame doubles, and the browser draws its own dot, which needs nothing of the style.
    assert (before["boxShadow"], after["boxShadow"] == "none") == ("none", False)
    assert after["isNative"]
    assert page.locator("[name=choice]:checked").count() == 1


@in_each_font
def test_enlarged_the_choices_no_longer_cover_the_text(chromium: Browser, asked: Story) -> None:
    with visiting(chromium, asked, viewport={"width": 320, "height": 370}) as page:
        page.goto(asked.link(LINDA, "/a/"))
        assert page.locator(".answers").evaluate("bar => getComputedStyle(bar).position") == "static"
        choose(page, "no")
        expect(page.get_by_role("heading", level=1)).to_have_text("You said no, and that’s fine.")


COVERED = """() => {
    const control = document.activeElement, bar = document.querySelector('.at-hand')
    if (control === document.body || bar.contains(control)) return null
    const box = control.getBoundingClientRect(), edge = bar.getBoundingClientRect()
    return box.bottom > edge.top && box.top < edge.bottom ? control.outerHTML.slice(0, 120) : null
}"""


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_the_choices_at_the_lower_edge_cover_nothing_that_has_the_focus(
    page: Page, asked: Story, language: str
) -> None:
    page.goto(asked.link(LINDA, "/a/") + f"?lang={language}")
    assert page.locator(".at-hand").evaluate("bar => getComputedStyle(bar).position") == "sticky"
    unfold(page)
    for key in ["Tab"] * 30 + ["Shift+Tab"] * 30:
        page.keyboard.press(key)
        assert page.evaluate(COVERED) is None


def test_a_press_on_a_choice_at_the_lower_edge_leaves_the_text_where_it_is(page: Page, asked: Story) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    page.locator(".answers .pick").last.click()
    page.keyboard.press("ArrowUp")
    assert page.evaluate("scrollY") == 0


def test_where_an_answer_stands_or_a_word_must_be_typed_the_choices_stand_below_the_text(
    page: Page, asked: Story
) -> None:
    asked.answer(LINDA, "yes")
    link = asked.link(NATASHA, "/a/")
    asked.post(link, choice="accept")
    for page_of in (asked.link(LINDA, "/a/"), link):
        page.goto(page_of)
        assert page.locator(".answers").evaluate("one => getComputedStyle(one).position") == "static"
    assert bottom_of(page, ".answers [name=word]") < bottom_of(page, ".answers .main")


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
        # Playwright asks its listeners for an attribute that a builtin method does not have.
        page.on("response", lambda response: got.append(response))  # noqa: PLW0108
        page.goto(story.link(LINDA, "/a/") + f"?lang={language}", wait_until="networkidle")
        icon = page.locator("link[rel=icon]").get_attribute("href")
        weights = {urlsplit(one.url).path[:8]: len(one.body()) for one in got}
        weights["icon"] = len(page.request.get(icon or "").body())
    assert len(weights) >= 3
    assert sum(weights.values()) < LIMIT, weights
