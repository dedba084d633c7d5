"""A mail that the relay accepted comes back: for good or for now, to whoever it went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service.delivery.deliver import retry_by_hand
from service.delivery.outcomes import ENOUGH, LockedMail
from service.introductions.by_reply import send_link
from service.lifecycle import ConsentState, Envelope, MailKind, State
from service.store.models import MailState, OutboxMail
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

SPELLED = "Linda@salon.test"
RIGHT = "natasha.orlova@interiors.test"


@contextmanager
def locked(story: Story, mail: OutboxMail) -> Iterator[LockedMail]:
    with story.writing() as context:
        found = LockedMail.of(context, mail.introduction_id, mail.id)
        assert found is not None
        yield found


def bounce(story: Story, kind: MailKind, to: str, *, hard: bool = True) -> str:
    """The newest mail of a kind to an address comes back; answers with what came of it."""
    with locked(story, story.outbox(kind, to)[-1]) as mail:
        return mail.bounced("550 5.1.1 no such user" if hard else "452 4.2.2 mailbox full", hard=hard)


def correct(story: Story, email: str) -> None:
    story.sweep()
    answer = story.post(story.link(RITA, "/r/"), action="correct", side="b", email=email)
    assert answer.status_code == 303
    story.sweep()


def test_an_ask_that_comes_back_is_told_to_the_requester_who_corrects_it_once(story: Story) -> None:
    story.ask()
    assert bounce(story, MailKind.ASK, NATASHA) == "lost"
    assert story.consent(NATASHA).state is ConsentState.UNDELIVERABLE
    assert story.outbox(MailKind.ASK, NATASHA)[0].state is MailState.FAILED
    correct(story, RIGHT)
    assert story.kinds(RITA) == ["verify", "undeliverable"]
    assert story.kinds(RIGHT) == ["ask"]


def test_the_reminder_of_a_corrected_address_stands_below_the_ask_that_went_there(story: Story) -> None:
    story.ask()
    lost = story.mails(NATASHA)[0]["Message-ID"]
    bounce(story, MailKind.ASK, NATASHA)
    correct(story, RIGHT)
    story.sweep(days=3)
    ask, reminder = story.mails(RIGHT)
    assert reminder["In-Reply-To"] == reminder["References"] == ask["Message-ID"]
    assert ask["Message-ID"] != lost


def test_a_second_report_of_the_same_mail_changes_nothing(story: Story) -> None:
    story.ask()
    assert [bounce(story, MailKind.ASK, NATASHA) for _ in range(3)] == ["lost", "known", "known"]
    assert story.events().count("mail came back") == 1
    assert len(story.outbox(MailKind.UNDELIVERABLE)) == 1


@pytest.mark.parametrize("hard", [True, False])
def test_what_comes_back_from_an_address_that_was_corrected_says_nothing_about_the_new_one(
    story: Story, hard: bool
) -> None:
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.ask(reminders="y")
    correct(story, RIGHT)
    with locked(story, story.outbox(MailKind.ASK, NATASHA)[-1]) as mail:
        # As if the relay had taken it, and nobody had known.
        mail.row.state, mail.row.handovers = MailState.SENT, 1
    assert bounce(story, MailKind.ASK, NATASHA, hard=hard) == "noted"
    assert story.consent(RIGHT).state is ConsentState.ASKED
    assert len(story.outbox(MailKind.UNDELIVERABLE)) == 1
    story.sweep(hours=1)
    assert story.kinds(NATASHA) == []


def test_a_reminder_that_comes_back_counts_like_its_ask(story: Story) -> None:
    story.ask()
    story.sweep(days=3)
    assert bounce(story, MailKind.REMINDER, NATASHA) == "lost"
    assert story.consent(NATASHA).state is ConsentState.UNDELIVERABLE
    story.sweep()
    assert story.kinds(RITA) == ["verify", "undeliverable"]


def test_who_has_answered_was_reached_whatever_comes_back(story: Story) -> None:
    story.ask()
    story.answer(NATASHA, "yes")
    story.sweep()
    assert bounce(story, MailKind.ASK, NATASHA) == "lost"
    assert bounce(story, MailKind.RECEIPT, NATASHA) == "lost"
    assert story.consent(NATASHA).state is ConsentState.YES
    assert story.outbox(MailKind.UNDELIVERABLE) == []


def test_a_mail_to_the_requester_that_comes_back_is_an_event_only(story: Story) -> None:
    story.request()
    assert bounce(story, MailKind.VERIFY, RITA) == "lost"
    assert story.introduction().state is State.UNVERIFIED
    assert story.events()[-1] == "mail came back"


def test_a_mail_that_never_left_cannot_come_back(story: Story) -> None:
    story.relay.behave(banner="421 4.3.2 not now")
    story.request()
    assert bounce(story, MailKind.VERIFY, RITA) == "known"
    assert story.outbox(MailKind.VERIFY)[0].state is MailState.RETRY


def test_a_full_mailbox_is_tried_three_times_more_and_then_given_up(story: Story) -> None:
    story.ask()
    asked_at = story.consent(NATASHA).asked_at
    for times in (1, 2, 3):
        assert bounce(story, MailKind.ASK, NATASHA, hard=False) == "again"
        assert story.outbox(MailKind.ASK, NATASHA)[0].bounces == times
        assert story.consent(NATASHA).state is ConsentState.ASKED
        story.sweep(hours=1)
        assert story.kinds(NATASHA) == ["ask"] * (1 + times)
        assert len({mail["Message-ID"] for mail in story.mails(NATASHA)}) == 1
    assert story.consent(NATASHA).asked_at == asked_at
    assert bounce(story, MailKind.ASK, NATASHA, hard=False) == "lost"
    assert story.consent(NATASHA).state is ConsentState.UNDELIVERABLE


def test_a_full_mailbox_is_not_tried_again_at_once_nor_when_the_mail_is_not_wanted(story: Story) -> None:
    story.ask()
    assert bounce(story, MailKind.ASK, NATASHA, hard=False) == "again"
    story.sweep(seconds=30)
    assert story.kinds(NATASHA) == ["ask"]
    story.answer(LINDA, "yes")
    story.sweep()
    assert bounce(story, MailKind.ASK, LINDA, hard=False) == "noted"
    story.sweep(hours=1)
    assert story.kinds(LINDA) == ["ask", "receipt"]


def test_a_mail_that_came_back_for_now_and_would_lose_its_use_is_lost(story: Story) -> None:
    story.ask()
    story.clock.advance(days=6, hours=23, minutes=59, seconds=30)
    assert bounce(story, MailKind.ASK, NATASHA, hard=False) == "lost"


@pytest.mark.parametrize("hard", [True, False])
def test_an_introduction_that_comes_back_is_told_and_still_can_be_confirmed(story: Story, hard: bool) -> None:
    story.introduce()
    assert bounce(story, MailKind.INTRODUCTION, NATASHA, hard=hard) == "lost"
    assert story.consent(NATASHA).envelope is Envelope.FAILED
    story.sweep(days=3)
    assert [kind for kind in story.kinds(RITA) if kind == "undelivered"] == ["undelivered"]
    assert story.kinds(NATASHA).count("introduction") == 1
    assert story.choose(story.link(LINDA, "/f/"), "yes").status_code == 303
    assert story.ledger() == [("referral", None)]
    assert bounce(story, MailKind.INTRODUCTION, LINDA) == "lost"
    assert story.ledger() == [("referral", None)]


def test_an_introduction_that_came_back_and_was_not_confirmed_ends_as_undeliverable(story: Story) -> None:
    story.introduce()
    bounce(story, MailKind.INTRODUCTION, NATASHA)
    story.sweep(days=3)
    story.sweep(days=21)
    assert story.ledger() == [("lead", "undeliverable")]
    assert bounce(story, MailKind.INTRODUCTION, LINDA) == "lost"
    assert story.ledger() == [("lead", "undeliverable")]


def test_an_introduction_that_comes_back_while_the_other_copy_waits_closes_the_case(story: Story) -> None:
    story.relay.behave(refuse={LINDA: "451 4.2.0 later"})
    story.ask()
    story.relay.behave(refuse={})
    story.sweep(hours=1)
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.relay.behave(refuse={LINDA: "451 4.2.0 later"})
    story.sweep(minutes=10)
    assert bounce(story, MailKind.INTRODUCTION, NATASHA) == "lost"
    assert story.introduction().state is State.INTRODUCING
    story.relay.behave(refuse={})
    story.sweep(hours=1)
    assert story.introduction().state is State.CLOSED
    assert story.ledger() == [("lead", "undeliverable")]
    assert "undelivered" in story.kinds(LINDA)


def test_a_report_that_is_quicker_than_the_relay_s_own_word_still_counts(story: Story) -> None:
    story.request()
    story.relay.behave(dot=[None, "451 4.2.0 later"])
    story.verify()
    waiting = [row for row in story.outbox(MailKind.ASK) if row.state is MailState.RETRY]
    assert [bounce(story, MailKind.ASK, row.recipient) for row in waiting] == ["lost"]
    story.sweep(hours=1)
    assert story.outbox(MailKind.ASK, waiting[0].recipient)[0].state is MailState.FAILED
    assert story.consent(waiting[0].recipient).state is ConsentState.UNDELIVERABLE


# The cap on mails per address per day.


@pytest.fixture
def capped(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Story:
    return Story({**environ, "MAILS_PER_ADDRESS_PER_DAY": "2"}, clock, relay)


def test_an_address_gets_so_many_mails_a_day_and_the_rest_the_day_after(capped: Story) -> None:
    story = capped
    for number, spelling in enumerate((LINDA, SPELLED, LINDA)):
        story.ask(a_email=spelling, requester_email=f"ruth{number}@chess.test", b_email=f"b{number}@x.test")
        story.clock.advance(hours=1)
    assert story.kinds(LINDA) + story.kinds(SPELLED) == ["ask", "ask"]
    [held] = [row for row in story.outbox(MailKind.ASK) if row.state is MailState.RETRY]
    assert held.reply == ENOUGH
    # The oldest of the two is a day old by then.
    assert (held.due_at - story.clock()).total_seconds() == 21 * 3600
    assert story.events().count("mail held back") == 1
    story.sweep(hours=20)
    assert story.events().count("mail held back") == 1
    story.sweep(hours=1)
    assert story.kinds(LINDA) + story.kinds(SPELLED) == ["ask"] * 3
    assert held.attempts == 0


def test_somebody_else_s_mails_do_not_count(capped: Story) -> None:
    capped.introduce(cc_requester="")
    # Rita had one, and each of the two an ask and a receipt; the introductions wait for tomorrow.
    assert capped.kinds(RITA) == ["verify"]
    assert capped.kinds(LINDA) == capped.kinds(NATASHA) == ["ask", "receipt"]
    capped.sweep(days=1)
    assert capped.kinds(LINDA)[-1] == capped.kinds(NATASHA)[-1] == "introduction"


def test_the_cap_never_loses_a_mail_that_is_still_of_use(capped: Story) -> None:
    for number in range(4):
        capped.ask(requester_email=f"ruth{number}@chess.test", b_email=f"b{number}@interiors.test")
    assert capped.kinds(LINDA) == ["ask", "ask"]
    capped.sweep(days=1)
    assert capped.kinds(LINDA) == ["ask"] * 4
    assert {row.state for row in capped.outbox(MailKind.ASK, LINDA)} == {MailState.SENT}


def test_a_mail_that_an_operator_tried_again_is_told_only_once(story: Story) -> None:
    story.ask()
    story.answer(NATASHA, "yes")
    story.sweep()
    bounce(story, MailKind.RECEIPT, NATASHA)
    with story.db.transaction() as session:
        retry_by_hand(session, story.outbox(MailKind.RECEIPT, NATASHA)[0].id, story.clock())
    story.sweep()
    assert bounce(story, MailKind.RECEIPT, NATASHA) == "known"
    assert story.events().count("mail came back") == 1


def test_no_link_of_the_new_address_goes_to_the_one_that_was_corrected(story: Story) -> None:
    story.ask()
    story.relay.behave(refuse={NATASHA: "451 4.2.0 later"})
    with locked(story, story.outbox(MailKind.ASK, NATASHA)[0]) as mail:
        assert send_link(mail.context, mail.row)
    story.sweep()
    bounce(story, MailKind.ASK, NATASHA)
    correct(story, RIGHT)
    story.relay.behave(refuse={})
    story.sweep(hours=1)
    assert story.kinds(RIGHT) == ["ask"]
    assert story.kinds(NATASHA) == ["ask"]
    assert [row.state for row in story.outbox(MailKind.UNCLEAR)] == [MailState.SKIPPED]
