"""Raw SQL against both databases: what must never be is refused by the tables themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from service.lifecycle import MailKind
from tests.support.story import LINDA, NATASHA, Story

pytestmark = pytest.mark.both_databases

INSERT = """
INSERT INTO outbox (introduction_id, kind, "to", recipient, number, about, message_id, tag, body,
                    gate_a, gate_b, state, created_at, due_at, useful_until, attempts, handovers, reply)
SELECT id, 'introduction', :to, :recipient, :number, :about, '<x@twoyes.test>', 'a tag', 'body',
       :gate_a, :gate_b, :state, created_at, created_at, created_at, 0, 0, ''
FROM introductions
"""
GOOD = {
    "to": "a",
    "recipient": LINDA,
    "number": 1,
    "about": "case",
    "gate_a": "a",
    "gate_b": "b",
    "state": "queued",
}


@pytest.fixture
def connection(story: Story) -> Iterator[Connection]:
    with story.db.engine.connect() as connection:
        yield connection


def refuses(connection: Connection, statement: str, **values: object) -> bool:
    """Whether the database refuses a statement; it is rolled back either way."""
    with connection.begin() as transaction:
        try:
            connection.execute(text(statement), values)
        except IntegrityError:
            return True
        finally:
            transaction.rollback()
    return False


@pytest.mark.parametrize("yeses", [(), (LINDA,), (NATASHA,)])
def test_an_introduction_mail_without_two_yeses_is_refused(
    story: Story, connection: Connection, yeses: tuple[str, ...]
) -> None:
    story.ask()
    for who in yeses:
        story.answer(who, "yes")
    assert refuses(connection, INSERT, **GOOD)


@pytest.mark.parametrize(
    "gates",
    [
        {"gate_a": None, "gate_b": None},
        {"gate_a": "a", "gate_b": None},
        {"gate_a": None, "gate_b": "b"},
        {"gate_a": "a", "gate_b": "a"},
        {"gate_a": "b", "gate_b": "b"},
        {"gate_a": "b", "gate_b": "a"},
    ],
)
@pytest.mark.parametrize("state", ["queued", "leased", "handover", "retry", "unknown"])
def test_no_state_and_no_null_lets_an_introduction_past_the_gate(
    story: Story, connection: Connection, gates: dict[str, str | None], state: str
) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    assert refuses(connection, INSERT, **{**GOOD, **gates, "state": state})


def test_with_two_yeses_the_same_statement_is_accepted(story: Story, connection: Connection) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    assert not refuses(connection, INSERT, **GOOD)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"number": 2},
        {"about": "a"},
        {"recipient": "linda@elsewhere.test"},
        {"to": "b", "number": 2},
    ],
)
def test_an_introduction_cannot_be_doubled(
    story: Story, connection: Connection, change: dict[str, object]
) -> None:
    queue_introduction(story)
    assert len(story.outbox(MailKind.INTRODUCTION, LINDA)) == 1
    assert refuses(connection, INSERT, **{**GOOD, **change})


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("state", ["asked", "no", "undeliverable", "waiting"])
def test_a_yes_cannot_be_taken_back_under_an_introduction(
    story: Story, connection: Connection, side: str, state: str
) -> None:
    queue_introduction(story)
    change = "UPDATE consents SET state = :state WHERE side = :side"
    assert refuses(connection, change, state=state, side=side)
    assert refuses(connection, "DELETE FROM consents WHERE side = :side", side=side)


def test_an_introduction_that_was_sent_blocks_nothing(story: Story, connection: Connection) -> None:
    story.introduce()
    assert not refuses(connection, "UPDATE consents SET state = 'asked', answered_at = NULL")


def test_a_side_has_one_consent(story: Story, connection: Connection) -> None:
    story.ask()
    again = """
    INSERT INTO consents (introduction_id, side, name, email, address, blurb, endorsement, phone, line, state,
                          answers, version, tells_requester, corrected, envelope)
    SELECT introduction_id, side, name, email, address, blurb, endorsement, phone, line, state,
           answers, version, tells_requester, corrected, envelope
    FROM consents WHERE side = 'a'
    """
    assert refuses(connection, again)


def test_a_case_has_one_current_ledger_entry(story: Story, connection: Connection) -> None:
    story.ask()
    story.sweep(days=8)
    again = """
    INSERT INTO ledger (introduction_id, outcome, reason, need_identified, actively_sought, introduced,
                        endorsed, both_expect_it, recorded_at)
    SELECT introduction_id, outcome, reason, need_identified, actively_sought, introduced,
           endorsed, both_expect_it, recorded_at
    FROM ledger
    """
    assert len(story.ledger()) == 1
    assert refuses(connection, again)


def test_an_answer_without_the_words_it_was_given_to_is_refused(story: Story, connection: Connection) -> None:
    story.ask()
    assert refuses(connection, "UPDATE consents SET state = 'yes' WHERE side = 'a'")


@pytest.mark.parametrize(
    ("table", "column"),
    [("introductions", "state"), ("consents", "state"), ("outbox", "state"), ("outbox", "kind")],
)
def test_a_word_that_is_not_in_the_list_is_refused(
    story: Story, connection: Connection, table: str, column: str
) -> None:
    story.ask()
    assert refuses(connection, f"UPDATE {table} SET {column} = 'maybe'")


def queue_introduction(story: Story) -> None:
    """Two yeses and the hold is over, but the relay is in trouble: the introduction stays queued."""
    story.ask()
    story.relay.behave(banner="421 4.3.2 not now")
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep(seconds=story.settings.HOLD_FOR.total_seconds() + timedelta(hours=3).total_seconds())
