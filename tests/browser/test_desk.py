"""The requester's desk, the ledger and the operator's page in a browser, with and without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from service.lifecycle import Reason, State
from tests.support.season import confirmed
from tests.support.story import LINDA, NATASHA, Story

from .site import visiting
from .walk import press, sign_in, submit, unfold

pytestmark = pytest.mark.slow


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def page(request: pytest.FixtureRequest, chromium: Browser, story: Story) -> Iterator[Page]:
    with visiting(chromium, story, java_script_enabled=request.param == "with JavaScript") as page:
        yield page


def play(story: Story, *endings: object) -> None:
    """Let the story's own client play, which fills in no hidden field."""
    story.app.config["WTF_CSRF_ENABLED"] = False
    for ending in endings:
        ending(story)  # type: ignore[operator]
    story.app.config["WTF_CSRF_ENABLED"] = True


def arrive(page: Page, story: Story) -> None:
    for _ in sign_in(page, story):
        pass


def test_rita_signs_in_finds_an_introduction_withdraws_it_and_signs_out(page: Page, story: Story) -> None:
    play(story, confirmed, lambda story: story.ask(b_name="Nadia Orlova", b_email="nadia@interiors.test"))
    arrive(page, story)
    expect(page.locator(".cases > li")).to_have_count(2)
    page.get_by_label("Search in names, addresses and needs").fill("nadia")
    submit(page, "[role=search] button")
    expect(page.locator(".cases > li")).to_have_count(1)
    page.get_by_role("link", name="Linda Marsh and Nadia Orlova").click()
    expect(page.locator(".sides .state")).to_have_text(["asked", "asked"])
    unfold(page)
    press(page, "action", "withdraw")
    expect(page.get_by_role("heading", level=1)).to_have_text("You withdrew this request.")
    assert (story.introduction().state, story.introduction().reason) == (State.CLOSED, Reason.WITHDRAWN)

    unfold(page)
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto("/desk")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to your desk.")


def test_rita_corrects_an_address_and_sends_the_reminder(page: Page, story: Story) -> None:
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    play(story, Story.ask)
    arrive(page, story)
    expect(page.locator(".cases .badge")).to_have_text("An address couldn’t be reached")
    page.get_by_role("link", name="Linda Marsh and Natasha Orlova").click()
    unfold(page)
    page.locator("main [name=email]").fill("natasha@orlova.test")
    press(page, "action", "correct")
    story.sweep()
    assert story.kinds("natasha@orlova.test") == ["ask"]
    press(page, "action", "remind")
    expect(page.locator("main")).to_contain_text("You asked for the reminder.")
    story.sweep()
    assert story.kinds(LINDA) == ["ask", "reminder"]


def test_the_ledger_shows_a_referral_and_exports_what_it_shows(
    page: Page, story: Story, tmp_path: Path
) -> None:
    play(story, confirmed)
    arrive(page, story)
    page.get_by_role("link", name="Ledger").click()
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your ledger")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as JSON").click()
    download.value.save_as(tmp_path / "ledger.json")
    assert '"referral"' in json.dumps(json.loads((tmp_path / "ledger.json").read_text()))


def test_the_operator_sends_a_failed_mail_once_more(page: Page, story: Story) -> None:
    play(story, lambda story: story.ask())
    story.relay.behave(rcpt="550 5.7.1 not here")
    play(story, lambda story: story.answer(LINDA, "yes"))
    story.sweep()
    story.relay.behave(rcpt=None)
    arrive(page, story)
    page.get_by_role("link", name="Operator").click()
    press(page, "action", "retry")
    expect(page.locator("main")).to_contain_text("is queued again")
    story.sweep()
    assert story.kinds(LINDA) == ["ask", "receipt"]
