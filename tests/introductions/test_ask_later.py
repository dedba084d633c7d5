"""Ask me later: who has not answered chooses when they are written to again, and nobody else hears of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from service.lifecycle import ConsentState, MailKind
from service.store.models import Event
from service.store.suppressions import suppress
from tests.conftest import rows
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story
from tests.views.test_answer_page import shown

PROMISE = "We’ll write to you again on"


def offered(story: Story, who: str) -> list[str]:
    """The moments to choose from, as the page writes them."""
    return re.findall(r'name="choice" value="later-([^"]*)"', story.client.get(story.link(who, "/a/")).text)


def ask_later(story: Story, who: str, at: str) -> int:
    return story.post(story.link(who, "/a/") + "/options", choice=f"later-{at}").status_code


def said_no_later(story: Story) -> bool:
    """Whether nothing of a wish for later is on record."""
    return all(consent.remind_at is None for consent in story.introduction().consents)


def test_who_asks_for_later_is_told_when_and_gets_the_one_reminder_then(story: Story) -> None:
    story.ask()
    assert PROMISE not in shown(story, LINDA)
    moments = offered(story, LINDA)
    assert len(moments) == 3
    at = datetime.fromtimestamp(int(moments[2]), UTC)
    assert at == story.clock() + timedelta(days=5)
    assert ask_later(story, LINDA, moments[2]) == 303
    words = "Saturday, 7 March 2026, 09:00 UTC"
    assert f"{PROMISE} {words}. You can still answer before then." in shown(story, LINDA)
    story.sweep(days=4, hours=23)
    assert story.kinds(LINDA) == ["ask"]
    assert story.kinds(NATASHA) == ["ask", "reminder"]
    story.sweep(hours=1)
    assert story.kinds(LINDA) == ["ask", "reminder"]
    assert "This is our only reminder." in story.mails(LINDA)[-1].as_string()
    assert PROMISE not in shown(story, LINDA)
    assert offered(story, LINDA) == []
    assert story.answer(LINDA, "yes").status_code == 303
    story.sweep(days=3)
    assert story.kinds(LINDA).count("reminder") == 1


def test_it_comes_where_the_requester_allowed_no_reminder(story: Story) -> None:
    story.ask(reminders="")
    ask_later(story, LINDA, offered(story, LINDA)[0])
    story.sweep(days=6)
    assert story.kinds(LINDA) == ["ask", "reminder"]
    assert story.kinds(NATASHA) == ["ask"]


def test_pressed_again_it_moves(story: Story) -> None:
    story.ask(reminders="")
    first, second, third = offered(story, LINDA)
    for moment in (third, first, second):
        assert ask_later(story, LINDA, moment) == 303
    assert shown(story, LINDA).count(PROMISE) == 1
    story.sweep(days=2)
    assert story.kinds(LINDA) == ["ask"]
    story.sweep(days=2)
    assert story.kinds(LINDA) == ["ask", "reminder"]


def test_an_answer_before_leaves_no_reminder_even_if_it_is_taken_back(story: Story) -> None:
    story.ask()
    ask_later(story, LINDA, offered(story, LINDA)[0])
    story.answer(LINDA, "yes")
    assert PROMISE not in shown(story, LINDA)
    story.answer(LINDA, "undo")
    story.sweep()
    assert PROMISE not in shown(story, LINDA)
    story.sweep(days=6)
    assert "reminder" not in story.kinds(LINDA)


def test_it_comes_and_looks_the_same_while_a_no_of_the_other_stands(story: Story) -> None:
    story.ask()
    ask_later(story, LINDA, offered(story, LINDA)[0])
    before = shown(story, LINDA)
    story.answer(NATASHA, "no")
    assert shown(story, LINDA) == before
    story.sweep(days=2)
    assert story.kinds(LINDA) == ["ask", "reminder"]
    assert PROMISE not in shown(story, LINDA)
    assert offered(story, LINDA) == []


def test_neither_the_other_side_nor_the_requester_sees_anything_of_it_and_the_operator_does(
    story: Story,
) -> None:
    story.ask()
    pages = (story.link(NATASHA, "/a/"), story.link(RITA, "/r/"))
    before = [story.client.get(page).text for page in pages]
    mails = [story.kinds(who) for who in (NATASHA, RITA)]
    moment = offered(story, LINDA)[1]
    ask_later(story, LINDA, moment)
    story.sweep()
    assert [story.client.get(page).text for page in pages] == before
    assert [story.kinds(who) for who in (NATASHA, RITA)] == mails
    with story.db.reading() as session:
        event = session.scalars(select(Event).where(Event.name == "later asked for")).one()
    assert event.actor == "a"
    assert event.detail == {"at": datetime.fromtimestamp(int(moment), UTC).isoformat()}


@pytest.mark.parametrize(
    "nonsense", ["", "soon", "-1", "1e9", "٣", "9" * 11, "9" * 5000, "2026-03-04", "1\0"]
)
def test_a_moment_that_no_page_of_ours_sends_is_refused(story: Story, nonsense: str) -> None:
    story.ask()
    before = rows(story.db)
    assert ask_later(story, LINDA, nonsense) == 400
    assert rows(story.db) == before


@pytest.mark.parametrize("days", [-9999, -1, 0, 7, 365, 50_000])
def test_a_moment_that_is_past_or_after_the_end_is_refused(story: Story, days: int) -> None:
    story.ask()
    before = rows(story.db)
    at = int((story.clock() + timedelta(days=days)).timestamp())
    assert ask_later(story, LINDA, str(at)) == 409
    assert rows(story.db) == before


@pytest.mark.parametrize(
    ("what", "status"),
    [("answered", 409), ("taken back", 409), ("reminded", 409), ("closed", 410), ("withdrawn", 410)],
)
def test_where_it_is_too_late_nothing_is_offered_or_taken(story: Story, what: str, status: int) -> None:
    story.ask()
    moment = offered(story, LINDA)[-1]
    if what in ("answered", "taken back"):
        story.answer(LINDA, "yes")
    if what == "taken back":
        story.answer(LINDA, "undo")
    if what == "withdrawn":
        story.post(story.link(RITA, "/r/"), action="withdraw")
    story.sweep(days={"reminded": 4, "closed": 8}.get(what, 0))
    assert offered(story, LINDA) == []
    assert ask_later(story, LINDA, moment) == status
    assert said_no_later(story)


def test_a_replaced_or_broken_link_asks_for_nothing(story: Story) -> None:
    story.ask()
    old, moment = story.link(LINDA, "/a/"), offered(story, LINDA)[0]
    story.answer(LINDA, "yes")
    story.answer(LINDA, "undo")
    choice = f"later-{moment}"
    assert story.post(old + "/options", choice=choice).status_code == 410
    assert story.post("/a/x/options", choice=choice).status_code == 404


def test_who_is_left_alone_is_offered_no_later_and_none_is_taken(story: Story) -> None:
    story.ask()
    moment = offered(story, LINDA)[0]
    with story.writing() as context:
        # Only the list, without the no that comes with it.
        suppress(context, LINDA)
    assert offered(story, LINDA) == []
    assert ask_later(story, LINDA, moment) == 409
    assert said_no_later(story)


def test_a_scanner_cannot_ask_for_later(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> None:
    story = Story({**environ, "SUSPECT_WITHIN": "10s"}, clock, relay)
    story.request()
    story.clock.advance(minutes=1)
    story.verify()
    moment = offered(story, LINDA)[0]
    story.clock.advance(seconds=9)
    response = story.post(story.link(LINDA, "/a/") + "/options", choice=f"later-{moment}")
    assert response.status_code == 422
    assert "please choose and press once more" in response.text
    assert said_no_later(story)
    story.clock.advance(seconds=1)
    assert ask_later(story, LINDA, moment) == 303
    assert story.consent(LINDA).state is ConsentState.ASKED
    story.db.engine.dispose()


def test_moments_are_offered_in_the_language_and_the_zone_of_the_page(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "TIMEZONE": "Europe/Berlin"}, clock, relay)
    story.ask(a_language="de")
    assert "Dienstag, 3. März 2026, 10:00 Uhr CET" in shown(story, LINDA)
    story.db.engine.dispose()


def test_where_minutes_are_left_minutes_are_offered(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "ANSWER_WITHIN": "10m", "REMIND_AFTER": "3m"}, clock, relay)
    story.ask(reminders="")
    start = int(story.clock().timestamp())
    assert [(int(moment) - start) / 60 for moment in offered(story, LINDA)] == [2, 5, 7]
    ask_later(story, LINDA, offered(story, LINDA)[0])
    story.sweep(minutes=2)
    assert len(story.outbox(MailKind.REMINDER, LINDA)) == 1
    story.db.engine.dispose()
