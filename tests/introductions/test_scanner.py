"""A scanner that presses everything in random order: it never produces an introduction."""

from __future__ import annotations

import random

import pytest

from service.lifecycle import ConsentState, MailKind, State
from tests.support.scanner import Scanner
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, HandClock, Story

SEEDS = range(12)


def ask(story: Story, **changes: str) -> None:
    """Rita takes her time, as a person does, and both are asked."""
    story.request(**changes)
    story.clock.advance(minutes=1)
    story.verify()


@pytest.fixture
def suspicious(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Story:
    return Story({**environ, "SUSPECT_WITHIN": "10s", "HOLD_FOR": "0s"}, clock, relay)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_scanner_in_front_of_both_never_produces_an_introduction(suspicious: Story, seed: int) -> None:
    story, luck = suspicious, random.Random(seed)
    ask(story, order=luck.choice(["together", "a_first"]))
    scanners = [Scanner(story, who, luck, answers_only=seed % 4 > 0) for who in (LINDA, NATASHA)]
    for _ in range(6):
        for scanner in scanners:
            scanner.scan()
        story.sweep(seconds=luck.choice([1, 30, 3600]))
    story.sweep(days=15)
    assert story.outbox(MailKind.INTRODUCTION) == []
    assert not {"introduction queued", "introduction handed over"} & set(story.events())
    assert story.introduction().state is State.CLOSED


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_scanner_in_front_of_one_never_says_yes_for_them(suspicious: Story, seed: int) -> None:
    story, luck = suspicious, random.Random(seed)
    ask(story)
    story.clock.advance(minutes=5)
    story.answer(NATASHA, "yes")
    scanner = Scanner(story, LINDA, luck, answers_only=seed % 4 > 0)
    for _ in range(4):
        scanner.scan()
        story.sweep(minutes=1)
        assert story.consent(LINDA).state is not ConsentState.YES
    assert story.outbox(MailKind.INTRODUCTION) == []


def test_the_person_behind_the_scanner_still_says_yes_themselves(suspicious: Story) -> None:
    story = suspicious
    ask(story)
    assert story.answer(LINDA, "yes").status_code == 303
    story.sweep(minutes=1)
    assert story.consent(LINDA).state is ConsentState.ASKED
    assert story.kinds(LINDA) == ["ask", "recheck"]
    story.clock.advance(minutes=1)
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=1)
    assert story.kinds(LINDA)[-1] == "introduction"
