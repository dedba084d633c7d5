"""What every act behind a mailed link costs a person, from the opened page on, with JavaScript off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Frame, Locator, Page, expect

from tests.support.story import LINDA, NATASHA, RITA, Story, text_of

from .site import visiting
from .walk import fill, press, submit

pytestmark = pytest.mark.slow

Opens = Callable[[Page, Story], str]
"""What happened before, and the path that somebody opens then."""


class Typed(NamedTuple):
    """What is typed into a field, and not pressed."""

    label: str
    words: str


class Cost(NamedTuple):
    presses: int
    typed: int
    loads: int


class Act(NamedTuple):
    opens: Opens
    steps: tuple[str | Typed, ...]
    costs: Cost
    shows: str
    """What the page says in the end; `tests/views` holds that it is true."""


def asked(_: Page, story: Story) -> str:
    story.ask()
    return story.link(LINDA, "/a/")


def answered(page: Page, story: Story) -> str:
    asked(page, story)
    story.answer(LINDA, "yes")
    return story.link(LINDA, "/a/")


def suspect(page: Page, story: Story) -> str:
    link = asked(page, story)
    story.post(link, choice="accept")
    return link


def below_a_mail(page: Page, story: Story) -> str:
    asked(page, story)
    return story.link(LINDA, "/never/")


def reported(page: Page, story: Story) -> str:
    link = asked(page, story)
    story.choose(link, "report")
    return link


def introduced(_: Page, story: Story) -> str:
    story.introduce()
    story.sweep(days=3)
    return story.link(NATASHA, "/f/")


def requested(_: Page, story: Story) -> str:
    story.request()
    return story.link(RITA, "/r/")


def requested_here(page: Page, story: Story) -> str:
    page.goto("/")
    fill(page)
    press(page, "action", "preview")
    press(page, "action", "send")
    story.sweep()
    return story.link(RITA, "/r/")


def where_the_form_was(page: Page, story: Story) -> str:
    requested_here(page, story)
    return "/requested"


def verified(page: Page, story: Story) -> str:
    asked(page, story)
    return story.link(RITA, "/r/")


def verified_here(page: Page, story: Story) -> str:
    page.goto(link := requested_here(page, story))
    press(page, "action", "verify")
    return link


def with_a_lost_address(page: Page, story: Story) -> str:
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    return verified(page, story)


def sign_in_asked_here(page: Page, story: Story) -> str:
    asked(page, story)
    page.goto("/desk")
    page.fill("[name=email]", RITA)
    submit(page, "main form button[type=submit]")
    story.sweep()
    return story.link(RITA, "/desk/in/")


def sign_in_asked(page: Page, story: Story) -> str:
    link = sign_in_asked_here(page, story)
    page.context.clear_cookies()
    return link


CODE = Typed("The six digits from our email", "")
"""They are read in the mail."""

ACTS = {
    "yes": Act(asked, ("Yes, introduce us", "Send"), Cost(2, 0, 1), "You said yes."),
    "no": Act(asked, ("No, thank you", "Send"), Cost(2, 0, 1), "You said no, and that’s fine."),
    "yes, from a suspect mailbox": Act(
        suspect,
        ("Yes, introduce us", Typed("Type the word “hello”", "hello"), "Send"),
        Cost(2, 1, 1),
        "You said yes.",
    ),
    "undo": Act(answered, ("Take my answer back", "Send"), Cost(2, 0, 1), "Not yet"),
    "another answer": Act(answered, ("No, thank you", "Send"), Cost(2, 0, 1), "You said no"),
    "later": Act(
        asked,
        ("Ask me again on Thursday, 5 March 2026, 09:00 UTC", "Do this"),
        Cost(2, 0, 1),
        "We’ll write to you again on Thursday, 5 March 2026",
    ),
    "not from this requester": Act(
        asked, ("No more from Rita Quill", "Do this"), Cost(2, 0, 1), "We won’t write to you for Rita Quill"
    ),
    "never again": Act(
        asked, ("Never contact me again", "Do this"), Cost(2, 0, 1), "We won’t write to you again."
    ),
    "never again, below a mail": Act(
        below_a_mail, ("Never contact me again", "Do this"), Cost(2, 0, 1), "We won’t write to you again."
    ),
    "report": Act(asked, ("Report this as abuse", "Do this"), Cost(2, 0, 1), "Thank you for telling us."),
    "take a report back": Act(
        reported, ("Take my report back", "Do this"), Cost(2, 0, 1), "Your report is taken back."
    ),
    "in touch": Act(
        introduced, ("Yes, we’re in touch", "Send"), Cost(2, 0, 1), "Good to hear that you and Linda Marsh"
    ),
    "verify where the form was filled in": Act(
        requested_here, ("Yes, this is my request: ask them",), Cost(1, 0, 1), "What happens next"
    ),
    "verify by the code": Act(
        where_the_form_was, (CODE, "Confirm the request"), Cost(1, 1, 1), "What happens next"
    ),
    "verify elsewhere": Act(
        requested, ("Yes, this is my request: ask them", "Do this"), Cost(2, 0, 1), "What happens next"
    ),
    # The first press unfolds it: what cannot be taken back is not in the way.
    "withdraw where the form was filled in": Act(
        verified_here,
        ("Withdraw this request", "Withdraw it for good"),
        Cost(2, 0, 1),
        "You withdrew this request.",
    ),
    "withdraw elsewhere": Act(
        verified, ("Withdraw it for good", "Do this"), Cost(2, 0, 1), "You withdrew this request."
    ),
    "correct an address": Act(
        with_a_lost_address,
        (Typed("Correct address", "natasha@orlova.test"), "Ask again at this address"),
        Cost(1, 1, 1),
        "Natasha Orlova asked",
    ),
    "sign in where the link was asked for": Act(
        sign_in_asked_here, ("Sign in",), Cost(1, 0, 1), "Linda Marsh and Natasha Orlova"
    ),
    "sign in elsewhere": Act(
        sign_in_asked, ("Yes, sign me in", "Do this"), Cost(2, 0, 1), "Linda Marsh and Natasha Orlova"
    ),
}


@pytest.fixture
def page(chromium: Browser, story: Story) -> Iterator[Page]:
    with visiting(chromium, story, java_script_enabled=False) as page:
        yield page


@pytest.mark.parametrize("name", ACTS)
def test_an_act_costs_this_many_presses_words_and_pages(page: Page, story: Story, name: str) -> None:
    act = ACTS[name]
    # The story's own client plays along, which fills in no hidden field.
    story.app.config["WTF_CSRF_ENABLED"] = False
    page.goto(act.opens(page, story))
    loads: list[Frame] = []
    page.on("framenavigated", lambda frame: loads.append(frame))  # noqa: PLW0108 (see test_answer_page.py)
    for step in act.steps:
        if isinstance(step, str):
            thing(page, step).click()
        else:
            page.get_by_label(step.label).first.fill(step.words or code(story))
    expect(page.locator("main")).to_contain_text(act.shows)
    presses = sum(isinstance(step, str) for step in act.steps)
    assert Cost(presses, len(act.steps) - presses, len(loads)) == act.costs


def thing(page: Page, words: str) -> Locator:
    """The choice, the fold or the button with these words."""
    return page.locator("main :is(.pick, summary, button)").filter(has_text=words, visible=True).last


def code(story: Story) -> str:
    found = re.search(r"\b(\d{3}) (\d{3})\b", text_of(story.mails(RITA)[-1]))
    assert found
    return found[1] + found[2]
