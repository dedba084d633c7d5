"""What the outbox says, what was delivered and what happens next, for each way a relay can misbehave."""

from __future__ import annotations

import pytest
import trustme
from sqlalchemy import select

from service.delivery import deliver as delivery
from service.lifecycle import MailKind, State
from service.mail.compose import Composed, compose
from service.store import outbox
from service.store.models import Event, Installation, MailState, OutboxMail
from service.store.outbox import claim
from service.sweep import tick_due
from tests.support.smtp_server import DROP, TAKE_AND_DROP, TAKE_AND_HANG, Fault, FaultySmtp, server_context
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

pytestmark = pytest.mark.both_databases

LATER = {"hours": 3}


def agree(story: Story) -> None:
    """Two yeses, everything before the introduction delivered, the hold not yet over."""
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()


def introduction(story: Story, to: str) -> OutboxMail:
    (row,) = story.outbox(MailKind.INTRODUCTION, to)
    return row


def delivered(story: Story, to: str) -> int:
    """How often the relay took the introduction for an address."""
    return story.kinds(to).count("introduction")


@pytest.mark.parametrize(
    "script",
    [
        {"rcpt": "451 4.2.0 greylisted"},
        {"data": "451 4.3.0 busy"},
        {"dot": "452 4.3.1 full"},
        {"rcpt": DROP},
        {"data": DROP},
        {"body": DROP},
    ],
    ids=lambda script: f"{next(iter(script))} {next(iter(script.values()))}",
)
def test_a_passing_trouble_is_tried_again_and_delivered_once(
    story: Story, script: dict[str, str | Fault]
) -> None:
    agree(story)
    story.relay.behave(script)
    story.sweep(minutes=10)
    row = introduction(story, LINDA)
    assert (row.state, row.attempts, delivered(story, LINDA)) == (MailState.RETRY, 1, 0)
    assert row.due_at > story.clock()
    story.relay.behave(dict.fromkeys(script))
    story.sweep(minutes=2)
    assert introduction(story, LINDA).state is MailState.SENT
    assert [delivered(story, who) for who in (LINDA, NATASHA, RITA)] == [1, 1, 1]
    assert story.introduction().state is State.INTRODUCED


@pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
def test_a_refusal_for_good_is_never_tried_again(story: Story, stage: str) -> None:
    agree(story)
    story.relay.behave({stage: "554 5.7.1 no"})
    story.sweep(minutes=10)
    assert introduction(story, LINDA).state is MailState.FAILED
    assert introduction(story, LINDA).reply == "554 5.7.1 no"
    story.relay.behave({stage: None})
    story.sweep(**LATER)
    assert delivered(story, LINDA) == delivered(story, NATASHA) == 0
    assert story.ledger() == [("lead", "undeliverable")]


def test_one_refused_recipient_does_not_hide_the_other(story: Story) -> None:
    agree(story)
    story.relay.behave(refuse={LINDA: "550 5.1.1 gone"})
    story.sweep(minutes=10)
    assert introduction(story, LINDA).state is MailState.FAILED
    assert introduction(story, NATASHA).state is MailState.SENT
    assert (delivered(story, LINDA), delivered(story, NATASHA)) == (0, 1)


@pytest.mark.parametrize(
    "script",
    [
        {"banner": "421 4.3.2 not now"},
        {"banner": "554 5.3.2 no service"},
        {"ehlo": "550 5.7.1 go away"},
        {"mail": "553 5.1.8 sender refused"},
        {"mail": "530 5.7.0 authenticate first"},
    ],
    ids=lambda script: f"{next(iter(script))} {next(iter(script.values()))}",
)
def test_trouble_with_the_relay_pauses_it_and_burns_nobodys_attempts(
    story: Story, script: dict[str, str]
) -> None:
    agree(story)
    story.relay.behave(script)
    story.sweep(minutes=10)
    for row in story.outbox(MailKind.INTRODUCTION):
        assert (row.state, row.attempts, row.lease) in {
            (MailState.RETRY, 0, None),
            (MailState.QUEUED, 0, None),
        }
    with story.db.reading() as session:
        installation = session.get_one(Installation, 1)
        assert installation.relay_failures == 1
        assert installation.relay_paused_until is not None
        assert installation.relay_paused_until > story.clock()
    connections = story.relay.connections
    story.sweep(seconds=1)
    assert story.relay.connections == connections, "a paused relay is left alone"
    story.relay.behave(dict.fromkeys(script))
    story.sweep(minutes=2)
    assert story.introduction().state is State.INTRODUCED
    with story.db.reading() as session:
        assert session.get_one(Installation, 1).relay_failures == 0


def test_a_certificate_that_does_not_fit_pauses_the_relay(
    environ: dict[str, str], clock: HandClock, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{tmp_path}/ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/ca.pem")
    with FaultySmtp(starttls_with=server_context(authority, "elsewhere.test")) as relay:
        story = Story({**environ, **relay.environ, "MAIL_USE_TLS": "1"}, clock, relay)
        story.request()
        assert relay.messages == []
        (row,) = story.outbox(MailKind.VERIFY)
        assert (row.state, row.attempts) == (MailState.RETRY, 0)
        with story.db.reading() as session:
            assert "certificate" in session.get_one(Installation, 1).relay_reply.lower()
        story.db.engine.dispose()


def test_a_failing_quit_after_an_accepted_mail_changes_nothing(story: Story) -> None:
    story.relay.behave(quit="500 5.5.1 what?")
    story.introduce()
    story.sweep(**LATER)
    assert [delivered(story, who) for who in (LINDA, NATASHA, RITA)] == [1, 1, 1]


@pytest.mark.parametrize("fault", [TAKE_AND_DROP, DROP], ids=["taken", "not taken"])
def test_a_connection_that_dies_after_the_dot_is_unknown_and_the_introduction_goes_again(
    story: Story, fault: object
) -> None:
    agree(story)
    story.relay.behave(dot=[fault])  # type: ignore[list-item]
    story.sweep(minutes=10)
    row = introduction(story, LINDA)
    assert (row.state, row.handovers) == (MailState.RETRY, 1)
    assert story.events().count("handover unknown, sent again, possibly doubled") == 1
    story.sweep(minutes=2)
    assert introduction(story, LINDA).handovers == 2
    assert delivered(story, LINDA) == (2 if fault is TAKE_AND_DROP else 1)
    assert len({mail["Message-ID"] for mail in story.mails(LINDA) if "meet" in mail["Subject"]}) == 1
    assert story.introduction().state is State.INTRODUCED


def test_an_unknown_introduction_is_held_where_the_setting_says_so(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "ON_UNKNOWN": "hold"}, clock, relay)
    agree(story)
    relay.behave(dot=[TAKE_AND_DROP])
    story.sweep(minutes=10)
    story.sweep(**LATER)
    row = introduction(story, LINDA)
    assert (row.state, delivered(story, LINDA)) == (MailState.UNKNOWN, 1)
    with story.db.transaction() as session:
        delivery.retry_by_hand(session, row.id, clock())
    story.sweep()
    assert delivered(story, LINDA) == 2
    assert story.introduction().state is State.INTRODUCED
    story.db.engine.dispose()


def test_an_unknown_introduction_that_is_held_ends_as_undeliverable_after_five_days(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "ON_UNKNOWN": "hold"}, clock, relay)
    agree(story)
    relay.behave(dot=[DROP])
    story.sweep(minutes=10)
    story.sweep(days=5)
    assert introduction(story, LINDA).state is MailState.FAILED
    assert story.ledger() == [("lead", "undeliverable")]
    story.db.engine.dispose()


def test_an_unknown_ask_goes_once_more_and_then_never(story: Story) -> None:
    story.request()
    story.relay.behave(dot=[TAKE_AND_DROP, TAKE_AND_DROP, TAKE_AND_DROP, TAKE_AND_DROP])
    story.verify()
    for _ in range(4):
        story.sweep(**LATER)
    for who in (LINDA, NATASHA):
        (row,) = story.outbox(MailKind.ASK, who)
        assert (row.state, row.handovers) == (MailState.UNKNOWN, 2)
        assert story.kinds(who) == ["ask", "ask"]
    assert story.answer(LINDA, "yes").status_code == 303


def test_a_reply_to_the_dot_that_never_comes_is_unknown(story: Story) -> None:
    agree(story)
    story.relay.behave(dot=[TAKE_AND_HANG])
    story.sweep(minutes=10)
    assert introduction(story, LINDA).handovers == 1
    assert introduction(story, LINDA).state is MailState.RETRY


def test_a_sender_that_dies_before_the_fence_loses_and_doubles_nothing(story: Story) -> None:
    agree(story)
    story.clock.advance(minutes=10)
    tick_due(story.db, story.settings, story.clock)
    with story.writing() as context:
        assert claim(context)
    story.sweep(seconds=1)
    # Only the one mail that it had taken waits for its lease.
    assert (delivered(story, LINDA), delivered(story, NATASHA)) == (0, 1)
    story.sweep(**LATER)
    assert [delivered(story, who) for who in (LINDA, NATASHA, RITA)] == [1, 1, 1]
    assert not [name for name in story.events() if "possibly doubled" in name]


def test_a_sender_that_dies_in_the_handover_is_found_out_and_the_mail_goes_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(story)
    # The process dies after the dot: what came of the mail is never written.
    with monkeypatch.context() as death:
        death.setattr(delivery, "_record", lambda *_: None)
        story.sweep(minutes=10)
    assert introduction(story, LINDA).state is MailState.HANDOVER
    assert delivered(story, LINDA) == 1
    story.sweep(minutes=1)
    story.sweep(**LATER)
    assert introduction(story, LINDA).state is MailState.SENT
    assert story.events().count("handover unknown, sent again, possibly doubled") == 2
    assert delivered(story, LINDA) == 2


def test_a_mail_that_cannot_be_rendered_does_not_hold_up_the_others(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.request()
    real = compose

    def broken_for_linda(mail: OutboxMail, *more: object) -> Composed:
        if mail.recipient == LINDA:
            raise KeyError("a template that is broken")
        return real(mail, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as fault:
        fault.setattr(delivery, "compose", broken_for_linda)
        story.verify()
    assert story.kinds(NATASHA) == ["ask"]
    (row,) = story.outbox(MailKind.ASK, LINDA)
    assert row.state is MailState.RETRY
    story.sweep(minutes=5)
    assert story.kinds(LINDA) == ["ask"]


def test_a_paused_relay_is_tried_after_longer_and_longer_pauses(story: Story) -> None:
    story.relay.behave(banner="421 4.3.2 not now")
    story.request()
    pauses = []
    for _ in range(3):
        with story.db.reading() as session:
            paused_until = session.get_one(Installation, 1).relay_paused_until
        assert paused_until is not None
        pauses.append(paused_until - story.clock())
        story.sweep(seconds=(paused_until - story.clock()).total_seconds() + 1)
    assert pauses[0] < pauses[1] < pauses[2]


def test_every_acceptance_and_every_failure_leaves_an_event_with_what_the_relay_said(story: Story) -> None:
    story.request()
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.verify()
    with story.db.reading() as session:
        events = session.scalars(select(Event).order_by(Event.id)).all()
        said = [
            (event.name, event.detail["mail"], event.detail["to"], event.detail["reply"][:3])
            for event in events
            if event.name.startswith("mail")
        ]
    assert ("mail accepted", "verify", "requester", "250") in said
    assert ("mail accepted", "ask", "a", "250") in said
    assert ("mail failed", "ask", "b", "550") in said


def test_a_live_token_rests_neither_in_the_outbox_nor_in_an_event(story: Story) -> None:
    story.introduce()
    tokens = {story.link(who, path).split("/")[2] for who, path in ((LINDA, "/a/"), (RITA, "/r/"))}
    with story.db.reading() as session:
        stored = b"".join(row.body or b"" for row in session.scalars(select(OutboxMail)))
        stored += repr([event.detail for event in session.scalars(select(Event))]).encode()
    assert not [token for token in tokens if token.encode() in stored]


def test_the_pauses_grow_and_the_last_one_repeats(story: Story) -> None:
    steps = [outbox.backoff(story.settings, attempts).total_seconds() / 60 for attempts in range(1, 9)]
    for step, expected in zip(steps, (1, 5, 15, 30, 60, 120, 120, 120), strict=True):
        assert expected * 0.9 <= step <= expected * 1.1
