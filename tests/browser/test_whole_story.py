"""The whole story in a browser, with and without JavaScript: from the form to the referral."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from service.lifecycle import ConsentState, State
from tests.support.story import LINDA, NATASHA, RITA, Story

from .site import visiting
from .walk import choose, fill

pytestmark = pytest.mark.slow


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def page(request: pytest.FixtureRequest, chromium: Browser, story: Story) -> Iterator[Page]:
    with visiting(chromium, story, java_script_enabled=request.param == "with JavaScript") as page:
        yield page


def headline(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


def test_rita_introduces_linda_and_natasha_from_the_form_to_the_referral(page: Page, story: Story) -> None:
    page.goto("/")
    fill(page)
    page.get_by_role("button", name="Preview").click()
    headline(page, "This is what we’ll send.")
    page.get_by_role("button", name="Looks good, continue").click()
    headline(page, "Nearly there: check your inbox.")
    assert story.mails(LINDA) == []
    story.sweep()

    page.goto(story.link(RITA, "/r/"))
    page.get_by_role("button", name="Yes, this is my request").click()
    story.sweep()
    page.reload()
    expect(page.locator(".sides .state")).to_have_text(["asked", "asked"])

    page.goto(story.link(LINDA, "/a/"))
    headline(page, "Rita Quill would like to introduce you to Natasha Orlova.")
    page.get_by_text("Add a phone number or a note").click()
    page.get_by_label("Phone number").fill("+44 20 7946 0958")
    page.get_by_label("Yes, I’m looking now").check()
    page.get_by_label("Yes, introduce us").check()
    page.get_by_role("button", name="Send").click()
    headline(page, "You said yes. Thank you, Linda Marsh.")
    assert story.consent(LINDA).state is ConsentState.YES
    choose(page, "undo")
    headline(page, "Rita Quill would like to introduce you to Natasha Orlova.")
    assert story.consent(LINDA).state is ConsentState.ASKED
    choose(page, "yes")
    headline(page, "You said yes. Thank you, Linda Marsh.")

    page.goto(story.link(NATASHA, "/a/"))
    choose(page, "no")
    headline(page, "You said no, and that’s fine.")
    choose(page, "yes")
    headline(page, "You said yes. Thank you, Natasha Orlova.")
    assert "introduction" not in story.kinds(LINDA)

    story.sweep(minutes=11)
    (introduced,) = [mail for mail in story.mails(LINDA) if mail["Subject"].startswith("Linda Marsh, meet")]
    assert introduced["To"].count("@") == 2
    story.sweep(days=3)
    page.goto(story.link(NATASHA, "/f/"))
    choose(page, "yes")
    headline(page, "Good to hear that you and Linda Marsh are in touch.")
    page.goto(story.link(RITA, "/r/"))
    headline(page, "Linda Marsh and Natasha Orlova are in touch.")
    assert story.introduction().state is State.CONFIRMED
    assert story.ledger() == [("referral", None)]


def test_a_wish_is_found_below_the_answer_and_recorded(page: Page, story: Story) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = False
    story.ask()
    page.goto(story.link(LINDA, "/a/"))
    page.get_by_label("Never contact me again").check()
    page.get_by_role("button", name="Do this").click()
    headline(page, "We won’t write to you again.")
    assert story.consent(LINDA).state is ConsentState.NO


def test_the_link_below_every_mail_leads_to_the_same_wishes(page: Page, story: Story) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = False
    story.ask()
    page.goto(story.link(NATASHA, "/never/"))
    headline(page, "What would you like us to do?")
    page.get_by_label("No more from Rita Quill").check()
    page.get_by_role("button", name="Do this").click()
    headline(page, "We won’t write to you for Rita Quill again.")
    assert story.consent(NATASHA).state is ConsentState.NO


def test_who_has_no_time_now_chooses_when_to_be_asked_again(page: Page, story: Story) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = False
    story.ask()
    page.goto(story.link(LINDA, "/a/"))
    page.get_by_label("Ask me again on Thursday, 5 March 2026").check()
    page.get_by_role("button", name="Do this").click()
    expect(page.get_by_role("status")).to_contain_text("We’ll write to you again on Thursday, 5 March 2026")
    story.sweep(days=4)
    assert story.kinds(LINDA) == ["ask", "reminder"]


def test_a_slip_in_a_detail_comes_back_with_what_was_typed_and_names_the_field(
    page: Page, story: Story
) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = False
    story.ask()
    page.goto(story.link(LINDA, "/a/"))
    page.get_by_text("Add a phone number or a note").click()
    page.get_by_label("Phone number").fill("ask Rita")
    choose(page, "yes")
    expect(page.get_by_role("alert")).to_contain_text("One thing to check")
    phone = page.get_by_label("Phone number")
    expect(phone).to_be_visible()
    expect(phone).to_have_value("ask Rita")
    assert story.consent(LINDA).state is ConsentState.ASKED
