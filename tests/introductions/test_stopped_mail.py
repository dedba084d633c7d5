"""One click in a mail program (RFC 8058) stops mail until its person answers, and is no answer itself."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from service.lifecycle import ConsentState, MailKind, State
from service.store.models import MailState, Suppression
from service.store.suppressions import is_suppressed
from tests.conftest import rows
from tests.introductions.test_wishes import reply
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story
from tests.views.test_answer_page import shown

RUTH = "ruth@chess.test"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
STOPPED = "Your email program told us to stop writing to you, so we have."


def one_click(story: Story, who: str, kind: str = "application/x-www-form-urlencoded") -> TestResponse:
    """What a mail program sends when somebody presses its own button: no cookie, nothing from a page."""
    path = urlsplit(story.link(who, "/never/")).path
    return story.app.test_client(use_cookies=False).post(path, data=ONE_CLICK, content_type=kind)


def is_stopped(story: Story, email: str) -> bool:
    with story.db.reading() as session:
        return is_suppressed(session, email)


def by_one_click(story: Story) -> list[bool]:
    with story.db.reading() as session:
        return list(session.scalars(select(Suppression.one_click)))


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_stops_mail_at_once_and_answers_nothing(story: Story, kind: str) -> None:
    story.ask()
    pressed = one_click(story, LINDA, kind)
    assert pressed.status_code == 200
    assert "Set-Cookie" not in pressed.headers
    assert "This is no answer to anything that’s open." in pressed.text
    assert by_one_click(story) == [True]
    linda = story.consent(LINDA)
    assert (linda.state, linda.method, linda.answers) == (ConsentState.ASKED, None, 0)
    story.sweep(days=5)
    assert story.kinds(LINDA) == ["ask"]
    assert story.kinds(NATASHA) == ["ask", "reminder"]
    assert story.kinds(RITA) == ["verify"]
    assert story.introduction().state is State.ASKING
    story.sweep(days=3)
    assert story.ledger() == [("lead", "no-answer")]
    assert story.kinds(LINDA) == ["ask"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"List-Unsubscribe": "one-click"},
        {"List-Unsubscribe": ""},
        {"list-unsubscribe": "One-Click"},
        {**ONE_CLICK, "word": "hello"},
        {"List-Unsubscribe": ["One-Click", "One-Click"]},
    ],
)
def test_another_body_records_nothing_and_shows_the_page(story: Story, body: dict[str, object]) -> None:
    story.ask()
    path, before = urlsplit(story.link(LINDA, "/never/")).path, rows(story.db)
    page = story.client.post(path, data=body)
    assert page.status_code == 422
    assert "Never contact me again" in page.text
    assert rows(story.db) == before


def test_one_click_is_on_record_once_and_names_its_side(story: Story) -> None:
    story.ask()
    for _ in range(2):
        assert one_click(story, LINDA).status_code == 200
    assert story.events().count("mail stopped by one click") == 1
    assert by_one_click(story) == [True]


@pytest.mark.parametrize("how", ["yes", "no", "reply", "later", "undo"])
def test_whatever_its_person_does_later_lifts_it(story: Story, how: str) -> None:
    story.ask()
    if how == "undo":
        story.answer(LINDA, "yes")
    one_click(story, LINDA)
    assert STOPPED in shown(story, LINDA)
    if how == "reply":
        reply(story, LINDA, yes=True)
    elif how == "later":
        page = story.link(LINDA, "/a/")
        moment = story.client.get(page).text.partition('value="later-')[2].partition('"')[0]
        assert story.choose(page, f"later-{moment}").status_code == 303
    else:
        assert story.answer(LINDA, how).status_code == 303
    assert not is_stopped(story, LINDA)
    assert "mail started again" in story.events()
    story.sweep(days=5 if how == "later" else 0)
    assert story.kinds(LINDA)[-1] == ("reminder" if how == "later" else "receipt")
    assert STOPPED not in shown(story, LINDA)


def test_two_answers_that_contradict_each_other_lift_nothing(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "SUSPECT_WITHIN": "10s"}, clock, relay)
    story.request()
    clock.advance(minutes=1)
    story.verify()
    clock.advance(minutes=1)
    story.answer(LINDA, "yes")
    one_click(story, LINDA)
    clock.advance(seconds=5)
    story.answer(LINDA, "no")
    assert story.consent(LINDA).state is ConsentState.ASKED
    assert is_stopped(story, LINDA)
    story.db.engine.dispose()


def test_what_was_held_back_meanwhile_leaves_once_it_is_lifted(story: Story) -> None:
    story.ask()
    story.ask(requester_email=RUTH, b_email="dora@chess.test")
    one_click(story, LINDA)
    story.sweep(days=4)
    held = story.outbox(MailKind.REMINDER, LINDA)
    assert [(row.state, row.reply) for row in held] == [(MailState.SKIPPED, "this address is suppressed")] * 2
    assert story.kinds(LINDA) == ["ask", "ask"]
    # The newest link to an answer page is Ruth's; the reminder of Rita's case is still wanted.
    story.answer(LINDA, "yes")
    story.sweep()
    assert story.kinds(LINDA)[:2] == ["ask", "ask"]
    assert sorted(story.kinds(LINDA)[2:]) == ["receipt", "reminder"]


def test_an_ask_that_is_held_back_tells_nobody_and_leaves_once_it_is_lifted(story: Story) -> None:
    story.ask(requester_email=RUTH, b_email="dora@chess.test")
    story.ask(order="b_first")
    one_click(story, LINDA)
    story.answer(NATASHA, "yes")
    story.sweep()
    assert [row.state for row in story.outbox(MailKind.ASK, LINDA)] == [MailState.SENT, MailState.SKIPPED]
    assert "undeliverable" not in story.kinds(RITA)
    story.answer(LINDA, "no")
    story.sweep()
    assert sorted(story.kinds(LINDA)) == ["ask", "ask", "receipt"]
    assert story.consent(LINDA).state is ConsentState.ASKED


@pytest.mark.parametrize("first", ["one click", "never"])
def test_never_again_is_more_than_one_click_whichever_comes_first(story: Story, first: str) -> None:
    story.ask()
    path, fields = story.fill_in(story.link(LINDA, "/a/"), "yes")
    if first == "one click":
        one_click(story, LINDA)
    assert story.choose(story.link(LINDA, "/never/"), "never").status_code == 200
    one_click(story, LINDA)
    assert by_one_click(story) == [False]
    assert story.post(path, **fields).status_code == 409
    assert STOPPED not in shown(story, LINDA)


def test_a_wish_for_less_mail_does_not_start_mail_again(story: Story) -> None:
    story.ask()
    one_click(story, LINDA)
    assert story.choose(story.link(LINDA, "/a/"), "not-from").status_code == 200
    assert is_stopped(story, LINDA)


def test_nobody_new_may_ask_who_stopped_mail_until_they_answer(story: Story) -> None:
    story.ask()
    one_click(story, LINDA)
    story.request(requester_email=RUTH, b_email="dora@chess.test")
    assert story.verify(RUTH).status_code == 409
    story.answer(LINDA, "no")
    assert story.verify(RUTH).status_code == 303


def test_an_introduction_stays_away_from_who_stopped_mail_after_their_yes(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    one_click(story, LINDA)
    assert story.consent(LINDA).state is ConsentState.YES
    assert STOPPED in shown(story, LINDA)
    story.sweep(minutes=10)
    story.sweep()
    # Both agreed, so the other side's copy goes its way, and everybody else is told that one did not arrive.
    assert "introduction" not in story.kinds(LINDA)
    assert story.kinds(NATASHA) == ["ask", "receipt", "introduction", "undelivered"]
    assert story.ledger() == [("lead", "undeliverable")]
    assert "couldn’t be delivered" in shown(story, LINDA)


def test_an_answer_before_it_leaves_brings_the_introduction_to_both(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    one_click(story, LINDA)
    story.answer(NATASHA, "yes")
    assert story.answer(LINDA, "yes").status_code == 303
    story.sweep(minutes=10)
    assert "introduction" in story.kinds(LINDA)
    assert "introduction" in story.kinds(NATASHA)


def test_the_word_on_the_handoff_lifts_it_too(story: Story) -> None:
    story.introduce()
    story.sweep(days=3)
    one_click(story, LINDA)
    assert is_stopped(story, LINDA)
    assert story.choose(story.link(LINDA, "/f/"), "yes").status_code in (200, 303)
    assert not is_stopped(story, LINDA)
