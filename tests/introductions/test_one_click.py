"""What one click costs: its token is read once, its introduction locked once, and the kernel decides once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from service import lifecycle
from service.introductions import decisions
from service.lifecycle import ConsentState, State
from service.mail.tokens import Tokens
from tests.support.desk import sign_in_for_tests
from tests.support.story import LINDA, NATASHA, RITA, Story

ONCE = {"reads": 1, "locks": 1, "decides": 1}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each was called; the real functions still run."""
    counted: Counter[str] = Counter()

    def count(home: Any, name: str, what: str) -> None:
        real: Callable[..., object] = getattr(home, name)

        def counting(*given: object, **named: object) -> object:
            counted[what] += 1
            return real(*given, **named)

        monkeypatch.setattr(home, name, counting)

    # What every purpose is read by; the pages hold on to the public methods themselves.
    count(Tokens, "_read", "reads")
    count(decisions, "lock", "locks")
    count(lifecycle, "decide", "decides")
    return counted


def test_a_yes_on_the_answer_page(story: Story, calls: Counter[str]) -> None:
    story.ask()
    path, filled_in = story.fill_in(story.link(LINDA, "/a/"), "yes")
    calls.clear()
    assert story.post(path, **filled_in).status_code == 303
    assert calls == ONCE
    assert story.consent(LINDA).state is ConsentState.YES


def test_a_look_at_the_answer_page_locks_and_decides_nothing(story: Story, calls: Counter[str]) -> None:
    story.ask()
    link = story.link(LINDA, "/a/")
    calls.clear()
    assert story.client.get(link).status_code == 200
    assert calls == {"reads": 1}


def test_the_requesters_first_click(story: Story, calls: Counter[str]) -> None:
    story.request()
    link = story.link(RITA, "/r/")
    calls.clear()
    assert story.post(link, action="verify").status_code == 303
    assert calls == ONCE
    assert story.introduction().state is State.ASKING


def test_a_corrected_address(story: Story, calls: Counter[str]) -> None:
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.ask()
    link = story.link(RITA, "/r/")
    calls.clear()
    assert story.post(link, action="correct", side="b", email="natasha@shops.test").status_code == 303
    assert calls == ONCE


def test_a_button_of_the_desk_needs_no_token(story: Story, calls: Counter[str]) -> None:
    story.ask()
    sign_in_for_tests(story.client, story, RITA)
    page = f"/desk/introductions/{story.introduction().id}"
    calls.clear()
    assert story.post(page, action="withdraw").status_code == 303
    assert calls == {"locks": 1, "decides": 1}
    assert story.introduction().state is State.CLOSED
