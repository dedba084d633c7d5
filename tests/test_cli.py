"""The `twoyes` command, run as a person runs it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from service.cli import main
from service.lifecycle import MailKind, State
from service.models import MailState

from .smtp_server import DROP, FaultySmtp
from .story import LINDA, NATASHA, HandClock, Story


@pytest.fixture
def runner(environ: dict[str, str]) -> CliRunner:
    return CliRunner(env=environ)


def test_the_ledger_is_a_json_list_of_what_every_introduction_came_to(
    story: Story, runner: CliRunner
) -> None:
    story.introduce()
    story.sweep(days=3)
    story.sweep(days=21)
    story.post(story.link(LINDA, "/f/"), answer="yes")
    (entry,) = json.loads(runner.invoke(main, ["ledger", "--json"]).output)
    assert entry["introduction"] == story.introduction().id
    assert (entry["outcome"], entry["reason"]) == ("referral", None)
    assert entry["recorded_at"] == story.clock().isoformat()
    assert entry["marks"] == {
        "need_identified": True,
        "actively_sought": False,
        "introduced": True,
        "endorsed": True,
        "both_expect_it": True,
    }
    history = json.loads(runner.invoke(main, ["ledger", "--json", "--history"]).output)
    assert [(entry["outcome"], entry["reason"]) for entry in history] == [
        ("lead", "handoff-unconfirmed"),
        ("referral", None),
    ]


def test_the_ledger_is_a_table_where_nobody_asks_for_json(story: Story, runner: CliRunner) -> None:
    story.ask()
    story.answer(LINDA, "no")
    story.sweep(days=7)
    printed = runner.invoke(main, ["ledger"]).output
    assert "declined" in printed
    assert "introduction" in printed


def test_an_unknown_mail_is_listed_and_retried_by_hand(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp, runner: CliRunner
) -> None:
    story = Story({**environ, "ON_UNKNOWN": "hold"}, clock, relay)
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    relay.behave(dot=[DROP])
    story.sweep(minutes=10)
    (row,) = [row for row in story.outbox(MailKind.INTRODUCTION) if row.state is MailState.UNKNOWN]
    assert f" {row.id} " in runner.invoke(main, ["mails"]).output
    assert "queued again" in runner.invoke(main, ["mails", "retry", str(row.id)]).output
    (row,) = story.outbox(MailKind.INTRODUCTION, row.recipient)
    assert row.state is MailState.QUEUED
    again = runner.invoke(main, ["mails", "retry", str(row.id)])
    assert again.exit_code == 1
    assert "left alone" in again.output
    assert runner.invoke(main, ["mails", "retry", "999"]).output.strip() == "There is no mail 999."
    story.db.engine.dispose()


def test_a_failed_ask_of_a_case_that_went_on_is_not_retried(story: Story, runner: CliRunner) -> None:
    story.request()
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.verify()
    (row,) = story.outbox(MailKind.ASK, NATASHA)
    refused = runner.invoke(main, ["mails", "retry", str(row.id)])
    assert refused.exit_code == 1
    assert "not wanted any more" in refused.output


def test_one_sweep_from_the_command_line_does_what_is_due(story: Story, runner: CliRunner) -> None:
    # The command's clock is the real one, later than the story's: the request has lapsed by then.
    story.request()
    assert runner.invoke(main, ["sweep"]).exit_code == 0
    assert story.introduction().state is State.CLOSED


def test_wrong_settings_end_the_command_with_their_names(runner: CliRunner) -> None:
    wrong = runner.invoke(main, ["sweep"], env={"SECRET_KEY": "short", "HOLD_FOR": "10m"})
    assert wrong.exit_code == 2
    assert wrong.output.startswith("SECRET_KEY: ")


def test_a_database_that_was_not_migrated_gets_a_sentence(runner: CliRunner, tmp_path: object) -> None:
    empty = runner.invoke(main, ["ledger"], env={"DATABASE_URL": f"sqlite:///{tmp_path}/empty.db"})
    assert empty.exit_code == 1
    assert "Was it migrated?" in empty.output
    assert "Traceback" not in empty.output
