"""Behind a mailed link a choice and a press decide; a decoy, an empty choice or haste decide nothing."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from service.language.languages import LANGUAGES
from service.lifecycle import ConsentState
from service.store.models import Consent
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

WORDS = {"en": "hello", "de": "hallo", "es": "hola", "fr": "bonjour", "ar": "مرحبا"}


@pytest.fixture
def wary(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Story:
    """A story in which both were asked an hour ago, with production's SUSPECT_WITHIN."""
    story = Story({name: value for name, value in environ.items() if name != "SUSPECT_WITHIN"}, clock, relay)
    story.request()
    clock.advance(minutes=1)
    story.verify()
    clock.advance(hours=1)
    return story


def press(story: Story, who: str, choice: str, **fields: str) -> TestResponse:
    """What a form sends when nobody looked at what it is: the seal as it stands, and these fields."""
    path, filled_in = story.fill_in(story.link(who, "/a/"), "yes")
    return story.post(path, **{**filled_in, "choice": choice, **fields})


def unanswered(consent: Consent) -> bool:
    return consent.state is ConsentState.ASKED and consent.words_shown is None and consent.answers == 0


@pytest.mark.parametrize("said", ["yes", "no"])
def test_a_choice_and_a_press_are_an_answer(wary: Story, said: str) -> None:
    assert wary.answer(LINDA, said).status_code == 303
    assert wary.consent(LINDA).state == said
    assert wary.consent(LINDA).suspect_at is None


def test_a_press_without_a_choice_decides_nothing_and_says_so(wary: Story) -> None:
    page = press(wary, LINDA, "")
    assert page.status_code == 422
    assert "Please choose first" in page.text
    assert unanswered(wary.consent(LINDA))
    assert wary.consent(LINDA).suspect_at is None


def test_the_first_choice_does_nothing_and_is_no_mistake(wary: Story) -> None:
    page = press(wary, LINDA, "nothing")
    assert page.status_code == 200
    assert "Nothing has been recorded." in page.text
    assert unanswered(wary.consent(LINDA))


@pytest.mark.parametrize(
    "fields", [{"choice": "accept"}, {"choice": "yes", "confirm": "yes"}, {"confirm": ""}]
)
@pytest.mark.parametrize("where", ["answer", "options"])
def test_whoever_uses_a_decoy_is_a_program_and_makes_the_mailbox_suspect(
    wary: Story, fields: dict[str, str], where: str
) -> None:
    path = wary.link(LINDA, "/a/") + ("/options" if where == "options" else "")
    page = wary.post(path, **fields)
    assert page.status_code == 422
    linda = wary.consent(LINDA)
    assert unanswered(linda)
    assert linda.suspect_at == wary.clock()
    assert wary.consent(NATASHA).suspect_at is None
    wary.clock.advance(hours=1)
    wary.post(path, **fields)
    assert wary.consent(LINDA).suspect_at == linda.suspect_at
    assert wary.events().count("mailbox suspect") == 1


@pytest.fixture
def suspect(wary: Story) -> Story:
    """A program used a decoy behind Linda's link."""
    press(wary, LINDA, "accept")
    assert wary.consent(LINDA).suspect_at
    return wary


@pytest.mark.parametrize("choice", ["yes", "no"])
@pytest.mark.parametrize("typed", ["", "yes", "hell"])
def test_behind_the_link_of_a_suspect_mailbox_a_choice_and_a_press_are_not_enough(
    suspect: Story, choice: str, typed: str
) -> None:
    page = suspect.answer(LINDA, choice, word=typed)
    assert page.status_code == 422
    assert "type the word “hello”" in page.text
    assert unanswered(suspect.consent(LINDA))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_word_counts_in_the_language_of_the_page(suspect: Story, language: str) -> None:
    page = suspect.client.get(suspect.link(LINDA, "/a/"), query_string={"lang": language})
    assert WORDS[language] in page.text
    assert suspect.answer(LINDA, "yes", word=f" “{WORDS[language].upper()}” ").status_code == 303
    assert suspect.consent(LINDA).state is ConsentState.YES


def test_whoever_can_reply_is_told_that_a_reply_answers_too(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    for more, offered in (({}, False), ({"INBOUND_DOMAIN": "in.twoyes.test"}, True)):
        story = Story({**environ, **more}, clock, relay)
        story.ask()
        assert "reply to our email" not in story.client.get(story.link(LINDA, "/a/")).text
        page = press(story, LINDA, "accept").text
        assert ("reply to our email with yes or no" in page) is offered
        story.post(story.link(RITA, "/r/"), action="withdraw")


def test_a_decoy_counts_against_whoever_types_the_word_as_well(suspect: Story) -> None:
    assert press(suspect, LINDA, "yes", confirm="yes", word="hello").status_code == 422
    assert unanswered(suspect.consent(LINDA))


def test_nobody_else_and_no_other_case_is_suspect(suspect: Story) -> None:
    assert suspect.answer(NATASHA, "yes").status_code == 303
    suspect.clock.advance(days=8)
    suspect.sweep()
    suspect.ask()
    suspect.clock.advance(hours=1)
    assert suspect.answer(LINDA, "yes").status_code == 303


def test_a_press_that_is_too_soon_gets_the_same_page_again(wary: Story) -> None:
    wary.sweep(days=3)
    assert wary.kinds(LINDA)[-1] == "reminder"
    wary.clock.advance(seconds=9.9)
    page = wary.answer(LINDA, "yes")
    assert page.status_code == 422
    assert "very quick" in page.text
    assert 'value="yes"' in page.text
    assert "checked" not in page.text.partition('class="answers')[2].partition("</form>")[0]
    assert unanswered(wary.consent(LINDA))
    wary.clock.advance(seconds=0.1)
    assert wary.answer(LINDA, "yes").status_code == 303


def test_the_receipt_of_an_answer_makes_no_later_press_too_soon(wary: Story) -> None:
    wary.answer(LINDA, "yes")
    wary.sweep(seconds=1)
    assert wary.kinds(LINDA)[-1] == "receipt"
    assert wary.answer(LINDA, "undo").status_code == 303
    assert wary.consent(LINDA).state is ConsentState.ASKED


def test_a_contradiction_counts_as_one_although_a_receipt_was_mailed_between(wary: Story) -> None:
    wary.answer(LINDA, "yes")
    wary.sweep(seconds=1)
    assert wary.answer(LINDA, "no").status_code == 303
    assert wary.consent(LINDA).state is ConsentState.ASKED
    assert wary.consent(LINDA).suspect_at == wary.clock()


def test_whoever_is_at_a_corrected_address_is_not_suspect_for_what_was_pressed_at_the_old_one(
    suspect: Story,
) -> None:
    with suspect.writing() as context:
        consent = context.session.get(Consent, suspect.consent(LINDA).id)
        assert consent
        consent.state = ConsentState.UNDELIVERABLE
    suspect.post(
        suspect.link(RITA, "/r/"), action="correct", choice="correct", side="a", email="l@salon.test"
    )
    assert suspect.consent("l@salon.test").suspect_at is None


@pytest.mark.parametrize("choice", ["maybe", "report", "later-1", "YES"])
def test_a_choice_that_is_not_on_the_form_is_refused(wary: Story, choice: str) -> None:
    assert press(wary, LINDA, choice).status_code == 400
    assert unanswered(wary.consent(LINDA))
