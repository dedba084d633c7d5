"""Lead or referral?: ten statements that anybody may judge, and what is told of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import pytest

from service.lifecycle.ledger import Marks
from service.views.quiz import MARKS, STATEMENTS, Kind
from tests.conftest import rows
from tests.support.story import Story

from .test_pages import main_of, said

PATH = "/lead-or-referral"
RIGHT = {f"statement-{number}": str(statement.kind) for number, statement in enumerate(STATEMENTS, 1)}


def wrong(*numbers: int) -> dict[str, str]:
    """Answers of which these are wrong."""
    other = {"lead": "referral", "referral": "lead"}
    return RIGHT | {name: other[RIGHT[name]] for name in (f"statement-{number}" for number in numbers)}


def test_there_are_ten_statements_of_both_kinds_and_they_name_only_marks_of_the_ledger() -> None:
    assert len(STATEMENTS) == 10
    assert Counter(statement.kind for statement in STATEMENTS) == {Kind.LEAD: 6, Kind.REFERRAL: 4}
    assert list(MARKS) == [mark.name for mark in fields(Marks)]
    assert {mark for statement in STATEMENTS for mark in statement.lacks} == set(MARKS)


def test_no_statement_contradicts_what_the_ledger_calls_a_referral() -> None:
    """Where both agreed and were introduced, the ledger says referral (docs/design.md, section 1)."""
    for statement in STATEMENTS:
        if statement.kind is Kind.LEAD:
            assert {"introduced", "both_expect_it"} & set(statement.lacks)


def test_the_page_asks_every_statement_as_one_group_of_two_and_needs_no_script(story: Story) -> None:
    page = main_of(story.client.get(PATH))
    assert page.count("<fieldset") == page.count("<legend") == 10
    assert page.count('type="radio"') == 20
    assert "checked" not in page
    assert "<script" not in page
    for statement in STATEMENTS:
        assert str(statement.text) in page


@pytest.mark.parametrize(
    ("answers", "score", "word"),
    [
        (RIGHT, "You got 10 of 10 right", "you know a referral"),
        (wrong(1, 2, 3), "You got 7 of 10 right", "Good judgement."),
        (wrong(1, 2, 3, 4), "You got 6 of 10 right", "easy to mix up"),
        (wrong(*range(1, 11)), "You got 0 of 10 right", "you’re in good company"),
    ],
)
def test_the_score_counts_what_was_judged_rightly_and_is_kind(
    story: Story, answers: dict[str, str], score: str, word: str
) -> None:
    response = story.post(PATH, **answers)
    assert response.status_code == 200
    assert f"<title>{score}" in response.text
    assert score in said(response)
    assert word in said(response)


def test_the_result_tells_of_each_what_it_is_and_what_it_lacks(story: Story) -> None:
    page = story.post(PATH, **wrong(2, 7)).text
    shown = dict(enumerate(page.split('<li class="card')[1:], 1))
    for number, statement in enumerate(STATEMENTS, 1):
        assert str(statement.text) in shown[number]
        assert str(statement.why) in shown[number]
        for mark, (title, _) in MARKS.items():
            assert (f"<li>{title}</li>" in shown[number]) is (mark in statement.lacks)
        assert ("It has all five marks." in shown[number]) is (statement.kind is Kind.REFERRAL)
    assert "A lead, as you said." in shown[1]
    assert "A referral. You said lead." in shown[2]
    assert "A lead. You said referral." in shown[7]
    assert "A referral, as you said." in shown[8]
    for title, meaning in MARKS.values():
        assert f"<dt>{title}</dt><dd>{meaning}</dd>" in page


@pytest.mark.parametrize("answers", [RIGHT, {"statement-1": "lead"}])
def test_the_focus_goes_to_what_came_of_it(story: Story, answers: dict[str, str]) -> None:
    assert f'action="{PATH}#result"' in story.client.get(PATH).text
    [target] = [tag for tag in story.post(PATH, **answers).text.split("<") if 'id="result"' in tag]
    assert 'tabindex="-1"' in target


def test_what_is_left_out_is_named_and_what_was_chosen_stays(story: Story) -> None:
    answers = {**RIGHT, "statement-3": "", "statement-9": "both"}
    response = story.post(PATH, **answers)
    assert response.status_code == 422
    page = response.text
    assert "2 things to check" in page
    assert page.count(" checked") == 8
    for number in (3, 9):
        assert f'href="#statement-{number}-lead"' in page
        assert f'aria-describedby="statement-{number}-error"' in page
    assert page.count("You got") == 0


def test_judging_stores_nothing_and_needs_neither_an_account_nor_a_cookie(story: Story) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = True
    before = rows(story.db)
    responses = [story.client.get(PATH), story.post(PATH, **RIGHT), story.post(PATH)]
    assert [response.status_code for response in responses] == [200, 200, 422]
    assert not any(response.headers.get("Set-Cookie") for response in responses)
    assert rows(story.db) == before


def test_every_page_has_one_quiet_link_to_it(story: Story) -> None:
    footer = story.client.get("/").text.partition("<footer")[2]
    assert footer.count(f'href="{PATH}"') == 1
    assert f'action="{PATH}?lang=de#result"' in story.client.get(f"{PATH}?lang=de").text
