"""Referral or lead, the reason, and the five marks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.lifecycle import Confirm, Reason
from service.lifecycle.ledger import Entry, Facts, Marks, Outcome, judge, marks

from .builders import (
    LINDA,
    NATASHA,
    SIDES,
    TIMING,
    WITHDRAW,
    Story,
    agreed,
    ask_bounced,
    asked,
    followed_up,
    introduced,
    introducing,
    introduction_bounced,
    introduction_reached,
    no,
    unconfirmed,
    yes,
)

ALL = frozenset(SIDES)
FACTS = Facts("a new reception", needs=frozenset({LINDA}), looking=frozenset({LINDA}), endorsed=ALL)


def lead(story: Story) -> Reason | None:
    """The reason, of a case that must be a lead."""
    entry = judge(story.case, FACTS)
    assert entry is not None
    assert entry.outcome is Outcome.LEAD
    return entry.reason


def is_referral(story: Story) -> bool:
    return judge(story.case, FACTS) == Entry(Outcome.REFERRAL, None, Marks(True, True, True, True, True))


def test_a_case_that_was_never_verified_has_no_entry() -> None:
    lapsed, withdrawn = Story(), Story()
    lapsed.wait(TIMING.verify_within)
    withdrawn.meet(WITHDRAW)
    assert judge(lapsed.case, FACTS) is None
    assert judge(withdrawn.case, FACTS) is None


@pytest.mark.parametrize("story", [Story(), asked(), agreed(), introducing(), introduced(), followed_up()])
def test_an_open_case_has_no_entry(story: Story) -> None:
    assert judge(story.case, FACTS) is None


def test_silence_is_a_lead_without_an_answer() -> None:
    story = asked()
    story.meet(yes(LINDA))
    story.wait(TIMING.answer_within)
    assert lead(story) is Reason.NO_ANSWER


def test_a_no_is_a_lead_declined() -> None:
    story = asked()
    story.meet(no(LINDA))
    story.wait(TIMING.answer_within)
    assert lead(story) is Reason.DECLINED


def test_an_address_that_cannot_be_reached_is_a_lead_undeliverable() -> None:
    story = asked()
    story.meet(ask_bounced(NATASHA))
    story.wait(TIMING.answer_within)
    assert lead(story) is Reason.UNDELIVERABLE


def test_a_no_counts_before_an_address_that_cannot_be_reached() -> None:
    story = asked()
    story.meet(ask_bounced(NATASHA), no(LINDA))
    story.wait(TIMING.answer_within)
    assert lead(story) is Reason.DECLINED


def test_an_introduction_accepted_for_one_only_is_a_lead_undeliverable() -> None:
    story = introducing()
    story.meet(introduction_reached(LINDA), introduction_bounced(NATASHA))
    assert lead(story) is Reason.UNDELIVERABLE


def test_an_introduction_that_came_back_is_a_lead_undeliverable() -> None:
    story = introduced()
    story.meet(introduction_bounced(NATASHA))
    story.wait(TIMING.follow_up_after)
    story.wait(TIMING.confirm_within)
    assert lead(story) is Reason.UNDELIVERABLE


def test_a_withdrawal_is_a_lead_withdrawn_even_after_two_yeses() -> None:
    story = agreed()
    story.meet(WITHDRAW)
    assert lead(story) is Reason.WITHDRAWN


def test_a_handoff_that_nobody_confirmed_is_a_lead_unconfirmed() -> None:
    assert lead(unconfirmed()) is Reason.HANDOFF_UNCONFIRMED


def test_a_handoff_that_was_denied_is_a_lead_unconfirmed() -> None:
    story = followed_up()
    story.meet(Confirm(LINDA, False), Confirm(NATASHA, False))
    story.wait(TIMING.confirm_within)
    assert lead(story) is Reason.HANDOFF_UNCONFIRMED


@pytest.mark.parametrize("side", SIDES)
def test_a_confirmation_by_either_side_makes_a_referral_with_all_five_marks(side: Any) -> None:
    story = followed_up()
    story.meet(Confirm(side, True))
    assert is_referral(story)


def test_a_late_confirmation_turns_a_lead_into_a_referral() -> None:
    story = unconfirmed()
    story.meet(Confirm(LINDA, True))
    assert is_referral(story)


def test_an_introduction_that_came_back_but_was_confirmed_is_a_referral_that_was_introduced() -> None:
    story = introduced()
    story.meet(introduction_bounced(NATASHA), Confirm(LINDA, True))
    assert is_referral(story)


def test_the_requester_s_own_confirmation_does_not_make_a_referral() -> None:
    story = followed_up(requester_is=LINDA)
    story.meet(Confirm(LINDA, True))
    assert judge(story.case, FACTS) is None
    story.wait(TIMING.confirm_within)
    assert lead(story) is Reason.HANDOFF_UNCONFIRMED


def test_the_other_side_s_confirmation_makes_a_referral_where_the_requester_is_one_of_the_two() -> None:
    story = unconfirmed(requester_is=LINDA)
    story.meet(Confirm(NATASHA, True))
    assert is_referral(story)


@pytest.mark.parametrize(("need", "marked"), [("a new reception", True), ("", False), (" \n", False)])
def test_the_need_is_identified_when_it_is_named(need: str, marked: bool) -> None:
    assert marks(asked().case, replace(FACTS, need=need)).need_identified is marked


@pytest.mark.parametrize(
    ("needs", "looking", "marked"),
    [
        ({LINDA}, {LINDA}, True),
        ({LINDA}, {NATASHA}, False),
        ({LINDA}, set(), False),
        (ALL, {NATASHA}, True),
        (ALL, set(), False),
    ],
)
def test_it_is_actively_sought_when_somebody_with_the_need_is_looking(
    needs: set[Any], looking: set[Any], marked: bool
) -> None:
    facts = replace(FACTS, needs=frozenset(needs), looking=frozenset(looking))
    assert marks(asked().case, facts).actively_sought is marked


def test_they_were_introduced_when_the_introduction_was_accepted_for_both() -> None:
    story = introducing()
    assert not marks(story.case, FACTS).introduced
    story.meet(introduction_reached(LINDA))
    assert not marks(story.case, FACTS).introduced
    story.meet(introduction_reached(NATASHA))
    assert marks(story.case, FACTS).introduced
    story.meet(introduction_bounced(NATASHA))
    assert not marks(story.case, FACTS).introduced


@pytest.mark.parametrize(
    ("requester_is", "endorsed", "marked"),
    [
        (None, ALL, True),
        (None, {LINDA}, False),
        (None, set(), False),
        (LINDA, {NATASHA}, True),
        (LINDA, {LINDA}, False),
    ],
)
def test_it_is_endorsed_when_the_requester_vouched_for_everybody_else(
    requester_is: Any, endorsed: set[Any], marked: bool
) -> None:
    story = asked(requester_is=requester_is)
    assert marks(story.case, replace(FACTS, endorsed=frozenset(endorsed))).endorsed is marked


def test_both_expect_it_when_both_said_yes() -> None:
    story = asked()
    story.meet(yes(LINDA))
    assert not marks(story.case, FACTS).both_expect_it
    story.meet(yes(NATASHA))
    assert marks(story.case, FACTS).both_expect_it


def test_the_marks_are_five_booleans_by_name() -> None:
    names = ["need_identified", "actively_sought", "introduced", "endorsed", "both_expect_it"]
    assert list(marks(asked().case, FACTS).as_dict()) == names
