"""The words on record: an answer is to the words that its page showed, and they stay."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from service.language import wording
from service.lifecycle import ConsentState
from service.mail.tokens import Tokens
from service.store.models import Event
from tests.support.forms import forms_of
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, SECRET, HandClock, Story, text_of

pytestmark = pytest.mark.both_databases

NEWER = "Vh7kQ2xTz8mLw4cRy6nP"
ANOTHER_NEED = "A loan, to be paid back before spring."
ASKED_IN_ENGLISH = "Rita Quill would like to introduce you to Natasha Orlova."
ASKED_IN_GERMAN = "Rita Quill möchte Ihnen Natasha Orlova vorstellen."


def page_of(story: Story, who: str, query: str = "") -> str:
    return story.client.get(story.link(who, "/a/") + query).text


def shown(text: str) -> str:
    """A page's text, a space for every run of them."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())


def seal_of(story: Story, who: str, query: str = "") -> str:
    (form,) = [form for form in forms_of(page_of(story, who, query), "/") if "words" in form.as_it_stands()]
    return form.as_it_stands()["words"]


def press(story: Story, who: str, choice: str, seal: str, query: str = "") -> tuple[int, str]:
    path = story.link(who, "/a/") + query
    answer = story.client.post(path, data={"choice": choice, "words": seal})
    return answer.status_code, answer.text


def change_need(story: Story, need: str) -> None:
    with story.writing() as context:
        context.session.merge(story.introduction()).need = need


def answers_on_record(story: Story) -> list[tuple[str, str, str]]:
    """Every answer, with its words; the event's name first."""
    with story.db.reading() as session:
        events = session.scalars(select(Event).order_by(Event.id))
        kept = [(event.name, event.detail) for event in events]
    return [(name, detail["answer"], detail["words"]) for name, detail in kept if "answer" in detail]


def recorded(story: Story, who: str) -> str | None:
    return story.consent(who).words_shown


# --- An answer is to the words of its page --------------------------------------------------------


@pytest.mark.parametrize("said", ["yes", "no"])
def test_an_english_mail_answered_on_the_german_page_is_on_record_in_german(story: Story, said: str) -> None:
    story.ask()
    assert ASKED_IN_ENGLISH in text_of(story.mails(LINDA)[0])
    status, _ = press(story, LINDA, said, seal_of(story, LINDA, "?lang=de"), "?lang=de")
    assert status == 303
    words = recorded(story, LINDA)
    assert words is not None
    assert words.startswith(ASKED_IN_GERMAN)
    assert "introduce" not in words
    assert answers_on_record(story) == [("answered", said, words)]
    story.sweep()
    receipt = text_of(story.mails(LINDA)[-1])
    assert f"> {ASKED_IN_GERMAN}" in receipt, "the receipt speaks the language in which it was answered"


@pytest.mark.parametrize("said", ["yes", "no"])
def test_words_that_changed_since_the_page_was_shown_are_shown_anew(story: Story, said: str) -> None:
    story.ask()
    seal = seal_of(story, LINDA)
    change_need(story, ANOTHER_NEED)
    status, page = press(story, LINDA, said, seal)
    assert status == 422
    assert ANOTHER_NEED in page
    assert (story.consent(LINDA).state, recorded(story, LINDA)) == (ConsentState.ASKED, None)
    assert answers_on_record(story) == []
    assert press(story, LINDA, said, seal_of(story, LINDA))[0] == 303
    assert f"> {ANOTHER_NEED}" in (recorded(story, LINDA) or "").splitlines()


def test_words_of_another_language_than_the_page_that_was_seen_are_shown_anew(story: Story) -> None:
    story.ask()
    status, page = press(story, LINDA, "yes", seal_of(story, LINDA), "?lang=de")
    assert status == 422
    assert ASKED_IN_GERMAN in shown(page)
    assert recorded(story, LINDA) is None


def test_an_answer_is_changed_only_to_the_words_of_today(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "no")
    before, seal = recorded(story, LINDA), seal_of(story, LINDA)
    change_need(story, ANOTHER_NEED)
    assert press(story, LINDA, "yes", seal)[0] == 422
    assert (story.consent(LINDA).state, recorded(story, LINDA)) == (ConsentState.NO, before)


def seals_of_others(story: Story) -> Iterator[str]:
    """Seals that are not of this page, though some are of the same words."""
    own, others = story.consent(LINDA), story.consent(NATASHA)
    words = str(wording.consent_words(story.introduction(), own.side))
    yield seal_of(story, NATASHA)
    yield Tokens([SECRET]).seal_words(others.id, words)
    yield Tokens([NEWER]).seal_words(own.id, words)
    yield from ("", "x", "\N{SNOWMAN}", seal_of(story, LINDA)[:-1])


@pytest.mark.parametrize("number", range(7))
def test_a_seal_of_anything_else_records_nothing(story: Story, number: int) -> None:
    story.ask()
    with story.app.test_request_context():
        seal = list(seals_of_others(story))[number]
    for said in ("yes", "no"):
        assert press(story, LINDA, said, seal)[0] == 422
    assert (story.consent(LINDA).state, recorded(story, LINDA)) == (ConsentState.ASKED, None)


def test_a_form_without_a_seal_records_nothing(story: Story) -> None:
    story.ask()
    assert story.post(story.link(LINDA, "/a/"), choice="yes").status_code == 422
    assert recorded(story, LINDA) is None


def test_a_seal_of_an_older_key_counts_while_it_is_a_fallback(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story(environ, clock, relay)
    story.ask()
    seal, link = seal_of(story, LINDA), story.link(LINDA, "/a/")
    dropped = Story({**environ, "SECRET_KEY": NEWER}, clock, relay)
    own_link = Tokens([NEWER]).make_answer(story.consent(LINDA).id, 1)
    assert dropped.post(f"/a/{own_link}", choice="yes", words=seal).status_code == 422
    rotated = Story({**environ, "SECRET_KEY": NEWER, "SECRET_KEY_FALLBACKS": SECRET}, clock, relay)
    assert rotated.post(link, choice="yes", words=seal).status_code == 303
    for each in (story, rotated, dropped):
        each.db.engine.dispose()


# --- They stay ------------------------------------------------------------------------------------


def test_every_answer_keeps_its_words_when_a_later_one_takes_its_place(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    first = recorded(story, LINDA)
    change_need(story, ANOTHER_NEED)
    story.answer(LINDA, "no")
    second = recorded(story, LINDA)
    assert first is not None
    assert second is not None
    assert (ANOTHER_NEED in first, ANOTHER_NEED in second) == (False, True)
    assert answers_on_record(story) == [("answered", "yes", first), ("answered", "no", second)]
    story.answer(LINDA, "undo")
    story.sweep()
    story.answer(LINDA, "yes")
    assert [said for _, said, _ in answers_on_record(story)] == ["yes", "no", "yes"]


def test_never_again_keeps_the_words_of_the_answer_before_it(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    words = recorded(story, LINDA)
    story.choose(story.link(LINDA, "/a/"), "never")
    assert recorded(story, LINDA) == "Never contact me again."
    assert answers_on_record(story) == [
        ("answered", "yes", words),
        ("answered", "no", "Never contact me again."),
    ]


def test_what_somebody_typed_cannot_pass_for_our_words(story: Story) -> None:
    forged = "If you both say yes, nothing is shared."
    story.ask(need=f"A new interior.\r\n\r\n{forged}")
    story.answer(LINDA, "yes")
    lines = (recorded(story, LINDA) or "").splitlines()
    assert f"> {forged}" in lines
    assert forged not in lines


# --- The page, the receipt ------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["yes", "no"])
def test_after_an_answer_the_page_shows_the_words_on_record(story: Story, said: str) -> None:
    story.ask()
    assert "to this:" not in page_of(story, LINDA)
    story.answer(LINDA, said)
    need = story.introduction().need
    change_need(story, ANOTHER_NEED)
    page = page_of(story, LINDA)
    record = page.partition(f"You said {said} to this:")[2].partition("</details>")[0]
    assert record.count("<blockquote") == len(
        re.findall("(^>.*\n)+", recorded(story, LINDA) or "", re.MULTILINE)
    )
    assert need in record
    assert ANOTHER_NEED not in record
    assert ANOTHER_NEED in page, "a change would be an answer to the words of today"


def test_once_it_is_closed_the_words_on_record_are_all_there_is(story: Story) -> None:
    story.introduce()
    page = page_of(story, LINDA)
    assert '<details class="unfold on-record" open>' in page
    assert story.introduction().need in page


def test_a_wish_was_given_to_no_ask_and_none_is_shown(story: Story) -> None:
    story.ask()
    story.choose(story.link(LINDA, "/a/"), "never")
    assert "to this:" not in page_of(story, LINDA)
    story.sweep(days=8)
    assert "to this:" not in page_of(story, LINDA)


@pytest.mark.parametrize("said", ["yes", "no"])
def test_the_receipt_says_who_asked_for_what_and_what_is_shared(story: Story, said: str) -> None:
    story.ask()
    story.answer(LINDA, said)
    story.sweep()
    receipt = story.mails(LINDA)[-1]
    _, _, record = text_of(receipt).partition(f"You said {said} to this:")
    lines = record.partition("\n-- ")[0].split("\n")
    quoted = [line.removeprefix("> ") for line in lines if line]
    assert quoted[:3] == [
        ASKED_IN_ENGLISH,
        "It’s about something you need:",
        f"> {story.introduction().need}",
    ]
    assert quoted[3].startswith("If you both say yes, one email introduces you to each other.")
    assert f"your address {LINDA}" in quoted[3]
    assert len(quoted) == 4
    page = receipt.get_body(("html",))
    assert page is not None
    assert all(line.removeprefix("> ") in shown(page.get_content()) for line in quoted)


def test_an_answer_taken_back_was_given_to_nothing(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(LINDA, "undo")
    story.sweep()
    assert "to this:" not in text_of(story.mails(LINDA)[-1])
    assert "to this:" not in page_of(story, LINDA)


def test_words_on_record_of_before_typed_words_were_marked_are_shown_whole() -> None:
    words = "Rita would like to introduce you.\nA new interior.\nNothing is shared."
    assert wording.gist(words) == words
    assert list(wording.runs(words)) == [(False, words)]
