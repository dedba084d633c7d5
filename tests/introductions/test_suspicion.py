"""Two answers that contradict each other within seconds: neither counts, and the party is asked once more.

What a press that comes too soon after its mail does is in `tests/introductions/test_presses.py`.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from service.desk import overview
from service.language import languages
from service.lifecycle import ConsentState, MailKind, State
from service.store.models import MailState
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story, text_of
from tests.views.test_pages import said


@pytest.fixture
def wary(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Story:
    return Story({**environ, "SUSPECT_WITHIN": "10s", "HOLD_FOR": "0s"}, clock, relay)


def ask(story: Story, **changes: str) -> None:
    """Rita takes her time, and the asks arrive."""
    story.request(**changes)
    story.clock.advance(minutes=5)
    assert story.verify().status_code == 303


def answer(story: Story, who: str, said: str, *, after: float, **fields: str) -> TestResponse:
    story.clock.advance(seconds=after)
    return story.answer(who, said, **fields)


def contradict(story: Story, who: str) -> None:
    """Answer yes and no in one breath, a minute after the last mail, with the word if one is asked for."""
    assert answer(story, who, "yes", after=60, word="hello").status_code == 303
    assert answer(story, who, "no", after=1, word="hello").status_code == 303


@pytest.mark.parametrize("after", [0, 9.9])
@pytest.mark.parametrize("said", ["yes", "no"])
def test_an_answer_right_after_its_mail_is_not_recorded_and_no_mail_tells_of_it(
    wary: Story, said: str, after: float
) -> None:
    ask(wary)
    page = answer(wary, LINDA, said, after=after, line="Call me.")
    assert page.status_code == 422
    assert "very quick" in page.text
    linda = wary.consent(LINDA)
    assert (linda.state, linda.words_shown, linda.line) == (ConsentState.ASKED, None, "")
    assert (linda.suspects, linda.suspect_at) == (0, None)
    wary.sweep(seconds=10)
    assert wary.kinds(LINDA) == ["ask"]
    assert answer(wary, LINDA, said, after=0).status_code == 303
    assert wary.consent(LINDA).state == said


def test_a_different_answer_right_after_the_first_takes_the_introduction_back(wary: Story) -> None:
    ask(wary)
    answer(wary, LINDA, "yes", after=60)
    answer(wary, NATASHA, "yes", after=60)
    wary.sweep(seconds=9)
    assert wary.introduction().state is State.AGREED
    answer(wary, NATASHA, "no", after=0.9)
    assert wary.consent(NATASHA).state is ConsentState.ASKED
    assert wary.introduction().hold_until is None
    wary.sweep(days=1)
    assert wary.outbox(MailKind.INTRODUCTION) == []
    assert wary.kinds(NATASHA)[-1] == "recheck"
    assert wary.consent(NATASHA).suspect_at is not None
    assert wary.consent(LINDA).suspect_at is None


def test_whoever_is_asked_once_more_types_a_word_as_well(wary: Story) -> None:
    ask(wary)
    contradict(wary, LINDA)
    wary.sweep()
    wary.clock.advance(minutes=1)
    page = wary.answer(LINDA, "yes")
    assert page.status_code == 422
    assert "type the word “hello”" in page.text
    assert wary.consent(LINDA).state is ConsentState.ASKED
    assert wary.answer(LINDA, "yes", word="hello").status_code == 303
    assert wary.consent(LINDA).state is ConsentState.YES


def test_the_moment_that_is_promised_counts_with_the_hold_that_is_kept(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "SUSPECT_WITHIN": "2h", "HOLD_FOR": "10m"}, clock, relay)
    # Where every press of the first two hours is suspect, people take their time.
    story.request()
    story.clock.advance(hours=2)
    assert story.verify().status_code == 303
    assert answer(story, LINDA, "yes", after=7200).status_code == 303
    story.sweep()
    closes_at = story.introduction().closes_at
    assert closes_at is not None
    promised = languages.moment(closes_at + timedelta(hours=2), story.settings.TIMEZONE)
    assert promised in text_of(story.mails(LINDA)[-1])
    assert promised in said(story.client.get(story.link(LINDA, "/a/")))
    assert promised in said(story.client.get(story.link(RITA, "/r/")))
    with story.db.reading() as session:
        introduction = session.merge(story.introduction(), load=False)
        due = overview.next_step(introduction, story.settings, story.clock())
    assert due is not None
    assert languages.moment(due.at, story.settings.TIMEZONE) == promised
    story.db.engine.dispose()


def test_a_hold_of_nothing_lasts_for_as_long_as_a_press_is_suspect(wary: Story) -> None:
    ask(wary)
    answer(wary, LINDA, "yes", after=60)
    answer(wary, NATASHA, "yes", after=0)
    wary.sweep(seconds=9)
    assert wary.outbox(MailKind.INTRODUCTION) == []
    wary.sweep(seconds=1)
    assert wary.kinds(LINDA)[-1] == wary.kinds(NATASHA)[-1] == "introduction"


def test_a_repeated_press_gives_a_contradiction_its_time_again(wary: Story) -> None:
    ask(wary)
    answer(wary, LINDA, "yes", after=60)
    answer(wary, NATASHA, "yes", after=0)
    answer(wary, NATASHA, "yes", after=9)
    wary.clock.advance(seconds=5)
    answer(wary, NATASHA, "no", after=0)
    wary.sweep(minutes=1)
    assert wary.outbox(MailKind.INTRODUCTION) == []


def test_yes_undo_yes_in_one_breath_leaves_no_yes(wary: Story) -> None:
    ask(wary)
    answer(wary, LINDA, "yes", after=60)
    assert answer(wary, LINDA, "undo", after=0).status_code == 303
    wary.sweep()
    answer(wary, LINDA, "yes", after=1)
    assert wary.consent(LINDA).state is ConsentState.ASKED


def test_one_side_is_asked_once_more_three_times_at_most(wary: Story) -> None:
    ask(wary)
    for _ in range(5):
        contradict(wary, LINDA)
        wary.sweep()
    assert wary.kinds(LINDA) == ["ask", "recheck", "recheck", "recheck"]
    assert wary.consent(LINDA).suspects == 5
    assert wary.events().count("answer suspect") == 5


def test_whoever_contradicted_themselves_is_asked_once_more_and_not_reminded_as_well(wary: Story) -> None:
    ask(wary)
    contradict(wary, LINDA)
    wary.sweep(days=3)
    assert wary.kinds(LINDA) == ["ask", "recheck"]
    assert wary.kinds(NATASHA) == ["ask", "reminder"]


def test_a_question_that_was_answered_meanwhile_is_not_asked_once_more(wary: Story) -> None:
    ask(wary)
    wary.relay.behave(banner="421 4.3.2 not now")
    contradict(wary, LINDA)
    wary.sweep()
    answer(wary, LINDA, "yes", after=60, word="hello")
    wary.relay.behave(banner=None)
    wary.sweep(hours=3)
    assert wary.kinds(LINDA) == ["ask", "receipt"]
    assert [row.state for row in wary.outbox(MailKind.RECHECK)] == [MailState.SKIPPED]


def test_a_press_is_too_soon_after_the_reminder_as_well(wary: Story) -> None:
    ask(wary)
    wary.sweep(days=3)
    reminder = wary.outbox(MailKind.REMINDER, LINDA)[0]
    mailed_at = wary.consent(LINDA).mailed_at
    assert mailed_at is not None
    assert mailed_at >= (reminder.sent_at or wary.clock())
    assert "reminder handed over" in wary.events()
    answer(wary, LINDA, "yes", after=3)
    assert wary.consent(LINDA).state is ConsentState.ASKED


def test_a_request_verified_elsewhere_before_its_mail_could_be_read_is_not_verified(wary: Story) -> None:
    wary.request()
    wary.client = wary.app.test_client()
    assert wary.choose(wary.link(RITA, "/r/"), "verify").status_code == 422
    assert wary.introduction().state is State.UNVERIFIED
    wary.clock.advance(seconds=10)
    assert wary.choose(wary.link(RITA, "/r/"), "verify").status_code == 303
    assert wary.introduction().state is State.ASKING


def test_two_answers_about_the_handoff_in_one_breath_leave_the_first(wary: Story) -> None:
    ask(wary)
    answer(wary, LINDA, "yes", after=60)
    answer(wary, NATASHA, "yes", after=0)
    wary.sweep(seconds=10)
    wary.sweep(days=3)
    link = wary.link(LINDA, "/f/")
    assert wary.choose(link, "yes").status_code == 422
    assert wary.consent(LINDA).in_touch is None
    wary.clock.advance(seconds=10)
    assert wary.choose(link, "no").status_code == 303
    wary.clock.advance(seconds=9)
    assert wary.choose(link, "yes").status_code == 422
    assert wary.introduction().state is State.INTRODUCED
    wary.clock.advance(seconds=1)
    assert wary.choose(link, "yes").status_code == 303
    assert wary.ledger() == [("referral", None)]


def test_with_suspicion_off_everything_counts_at_once(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "no")
    story.answer(LINDA, "yes")
    assert story.consent(LINDA).state is ConsentState.YES
    assert story.consent(LINDA).suspects == 0
    assert story.kinds(RITA) == ["verify"]


@pytest.mark.parametrize(("first", "second"), [("yes", "no"), ("no", "yes")])
def test_two_different_answers_in_one_breath_are_none_however_old_the_mail_is(
    wary: Story, first: str, second: str
) -> None:
    ask(wary)
    answer(wary, LINDA, first, after=3600)
    assert wary.consent(LINDA).state == first
    answer(wary, LINDA, second, after=1)
    assert wary.consent(LINDA).state is ConsentState.ASKED
    answer(wary, LINDA, second, after=10, word="hello")
    assert wary.consent(LINDA).state == second
