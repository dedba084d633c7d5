"""The pages behind mailed links by keyboard and for screen readers, with JavaScript off."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from service.lifecycle import ConsentState
from tests.support.story import LINDA, Story

from .site import visiting

pytestmark = pytest.mark.slow


@pytest.fixture
def page(chromium: Browser, story: Story) -> Iterator[Page]:
    with visiting(chromium, story, java_script_enabled=False) as page:
        yield page


@pytest.fixture
def asked(story: Story) -> Story:
    story.app.config["WTF_CSRF_ENABLED"] = False
    story.ask()
    return story


def tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def chosen(page: Page) -> str:
    value: str = page.locator("[name=choice]:checked").input_value()
    return value


STOP = """() => {
    const at = document.activeElement
    if (at === document.body) return ''
    return at.type === 'radio' ? `${at.name}: ${at.value}` : at.innerText || at.name
}"""


def test_tab_leads_through_the_answer_page_in_the_order_in_which_it_is_read(page: Page, asked: Story) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    stops: list[str] = []
    while "English" not in stops:
        page.keyboard.press("Tab")
        stops.append(page.evaluate(STOP))
    assert stops[2:-1] == [
        "What Rita Quill wrote about you",
        "looking: yes",
        "See the introduction as it would be sent",
        "Add a phone number or a note",
        "If your answer is no",
        "choice: nothing",
        "Send",
        "choice: nothing",
        "Do this",
    ]


@pytest.mark.parametrize(("path", "count"), [("/a/", 3), ("/never/", 4)])
def test_arrow_keys_lead_round_the_choices_and_never_to_the_one_for_programs(
    page: Page, asked: Story, path: str, count: int
) -> None:
    page.goto(asked.link(LINDA, path))
    tab_to(page, ".pick [value=nothing]")
    values = [choice.get_attribute("value") for choice in page.locator(".pick [name=choice]").all()[:count]]
    for key, round_ in (("ArrowDown", values[1:] + values[:1]), ("ArrowUp", values[::-1])):
        for expected in round_:
            page.keyboard.press(key)
            assert chosen(page) == expected


@pytest.mark.parametrize("path", ["/a/", "/never/"])
def test_what_is_there_for_programs_takes_no_focus_and_no_screen_reader_hears_of_it(
    page: Page, asked: Story, path: str
) -> None:
    page.goto(asked.link(LINDA, path))
    decoys = page.locator(".decoys :is(input, button), form > [disabled]").all()
    assert decoys
    for decoy in decoys:
        decoy.evaluate("one => one.focus()")
        assert page.evaluate("document.activeElement === document.body")
    assert "Leave this alone" not in page.locator("body").aria_snapshot()


def test_a_program_that_presses_the_hidden_button_is_known_for_one(page: Page, asked: Story) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    with page.expect_navigation():
        page.locator(".answer .decoys button").evaluate("decoy => decoy.click()")
    assert asked.consent(LINDA).suspect_at is not None
    assert page.locator(".answers [name=word]").is_visible()


def test_a_screen_reader_hears_what_each_group_is_about_and_the_meaning_of_a_choice_after_its_name(
    page: Page, asked: Story
) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    expect(page.locator("main")).to_match_aria_snapshot("""
        - group "Your answer":
          - radio "Not yet"
          - radio "Yes, introduce us"
          - radio "No, thank you"
          - button "Send"
        - heading "Other options"
        - group "Other options":
          - radio "None of these"
          - radio /Ask me again on/
          - radio /Ask me again on/
          - radio /Ask me again on/
          - radio "No more from Rita Quill"
          - radio "Never contact me again"
          - radio "Report this as abuse"
        - button "Do this"
    """)
    report = page.get_by_role("radio", name="Report this as abuse", exact=True)
    expect(report).to_have_accessible_description(re.compile("^Is this unwanted, .*who reported it\\.$"))


def test_an_answer_is_given_by_keyboard_alone(page: Page, asked: Story) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    tab_to(page, "details:has([name=tell_requester]) > summary")
    page.keyboard.press("Enter")
    tab_to(page, "[name=tell_requester]")
    page.keyboard.press("Space")
    tab_to(page, ".pick [value=nothing]")
    page.keyboard.press("ArrowUp")
    tab_to(page, ".answers .main")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You said no, and that’s fine.")
    answered = asked.consent(LINDA)
    assert (answered.state, answered.tells_requester) == (ConsentState.NO, True)


def test_enter_in_a_field_sends_nothing(page: Page, asked: Story) -> None:
    link = asked.link(LINDA, "/a/")
    asked.post(link, choice="accept")
    page.goto(link)
    page.get_by_text("Add a phone number or a note").click()
    page.get_by_role("radio", name="Yes, introduce us").check()
    for field in ("[name=phone]", ".answers [name=word]", ".plain [name=word]"):
        page.locator(field).fill("1")
        page.locator(field).press("Enter")
    page.get_by_label("A note of your own").fill("Mornings are best.")
    assert page.locator("[name=phone]").input_value() == "1"
    assert asked.consent(LINDA).state is ConsentState.ASKED


def test_enter_on_a_choice_sends_it_and_is_no_sign_of_a_program(page: Page, asked: Story) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    tab_to(page, ".pick [value=nothing]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Please choose first")
    tab_to(page, ".pick [value=nothing]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You said yes. Thank you, Linda Marsh.")
    answered = asked.consent(LINDA)
    assert (answered.state, answered.suspect_at) == (ConsentState.YES, None)


@pytest.mark.parametrize("button", ["Send", "Do this"])
def test_a_press_without_a_choice_leads_to_what_is_missing(page: Page, asked: Story, button: str) -> None:
    page.goto(asked.link(LINDA, "/a/"))
    page.get_by_role("button", name=button).click()
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text("Please choose first, then press the button.")
    expect(notice).to_be_focused()
    expect(notice).to_be_in_viewport()
    page.keyboard.press("Shift+Tab")
    assert asked.consent(LINDA).state is ConsentState.ASKED
