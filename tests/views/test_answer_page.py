"""What the answer page tells before an answer, and above all what it keeps."""

from __future__ import annotations

import html
import re

import pytest

from service.lifecycle import ConsentState, Role
from tests.support.story import LINDA, NATASHA, RITA, Story

SEEN = "See the introduction as it would be sent"
PHONE, LINE = "+44 20 7946 0958", "Mornings are best."


def shown(story: Story, who: str) -> str:
    """The page's text, a space for every run of them."""
    page = story.client.get(story.link(who, "/a/")).text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


def letter(story: Story, who: str) -> str:
    """The introduction as the page shows it."""
    page = story.client.get(story.link(who, "/a/")).text
    assert SEEN in page
    (found,) = re.findall(r'<div class="letter"[^>]*>(.*?)</div>', page, re.DOTALL)
    return html.unescape(re.sub(r"</?strong>", "", found))


@pytest.mark.parametrize("who", [LINDA, NATASHA])
def test_every_word_that_a_yes_agrees_to_stands_on_the_page(story: Story, who: str) -> None:
    story.ask()
    page = shown(story, who)
    story.answer(who, "yes")
    shown_words = story.consent(who).words_shown
    assert shown_words is not None
    agreed = shown_words.splitlines()
    assert len(agreed) >= 8
    for words in agreed:
        assert words.removeprefix("> ") in page


@pytest.mark.parametrize("language", ["en", "de", "ar"])
@pytest.mark.parametrize(("who", "other"), [(LINDA, NATASHA), (NATASHA, LINDA)])
def test_nothing_of_the_others_address_stands_anywhere_on_the_page(
    story: Story, who: str, other: str, language: str
) -> None:
    story.ask()
    page = story.client.get(story.link(who, "/a/") + f"?lang={language}").text
    local, domain = other.split("@")
    assert letter(story, who).count("@") == 1
    assert who in page
    for part in (other, f"{local}@", f"@{domain}", domain, domain.removesuffix(".test") + "."):
        assert part not in page


@pytest.mark.parametrize("also", ["", "yes", "no"])
def test_an_answer_of_the_other_changes_nothing_on_the_page_and_brings_no_phone_or_line(
    story: Story, also: str
) -> None:
    story.ask()
    if also:
        story.answer(NATASHA, also)
    before = story.client.get(story.link(NATASHA, "/a/")).text
    story.answer(LINDA, "yes", phone=PHONE, line=LINE, looking="yes")
    assert story.client.get(story.link(NATASHA, "/a/")).text == before
    assert PHONE not in before
    assert LINE not in before


def test_the_letter_is_the_introduction_but_for_the_others_address_phone_and_line(story: Story) -> None:
    story.ask()
    story.answer(NATASHA, "yes", phone=PHONE, line=LINE)
    mine = letter(story, NATASHA)
    theirs = letter(story, LINDA)
    story.answer(LINDA, "yes")
    story.sweep(minutes=11)
    (sent,) = [mail for mail in story.mails(LINDA) if mail["Subject"].startswith("Linda Marsh, meet")]
    said = " ".join(str(sent.get_body(("plain",)).get_content()).split())  # type: ignore[union-attr]
    hidden = "[known once both have said yes]"
    assert " ".join(mine.split()).replace(hidden, LINDA) == f"{sent['Subject']} {said}"
    assert PHONE in mine
    assert PHONE not in theirs
    assert LINE not in theirs
    assert theirs.count(hidden) == 1


def test_a_requester_who_is_the_other_side_is_masked_as_well(story: Story) -> None:
    story.ask(requester_is="a")
    assert RITA not in letter(story, NATASHA)
    assert "[known once both have said yes]" in letter(story, NATASHA)


def test_once_it_has_left_there_is_no_letter_to_look_at(story: Story) -> None:
    story.introduce()
    assert SEEN not in story.client.get(story.link(LINDA, "/a/")).text


def test_after_an_answer_the_page_says_what_comes_next_and_how_to_take_it_back(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    assert "we’ll email you when there’s news" in shown(story, LINDA)
    assert "Take my answer back" in shown(story, LINDA)
    story.answer(LINDA, "no")
    assert story.consent(LINDA).state is ConsentState.NO
    assert "You can close this page: there’s nothing more for you to do." in shown(story, LINDA)


def test_too_late_and_withdrawn_are_told_in_the_same_words(story: Story) -> None:
    story.ask(requester_email="rob@quill.test")
    story.sweep(days=8)
    late = shown(story, LINDA)
    story.ask()
    story.post(story.link(RITA, "/r/"), action="withdraw")
    assert shown(story, LINDA) == late
    assert "Either the time to answer has run out, or the request was stopped." in late
    assert "Please tell Rita Quill" in late
    assert story.introduction().consent(Role.A).state is ConsentState.ASKED
