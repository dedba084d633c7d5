"""Every mail comes in by one door: it is stored before it is acknowledged, and has its effect once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from service.inbound import store as entry
from service.inbound.store import FAILED, MAX_ATTEMPTS, Delivery, Receipt, Way, message_id
from service.lifecycle import ConsentState
from service.settings.environment import load
from tests.support.inbound_mail import DOMAIN, POSTMASTER, asked, inbox, mail
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, HandClock, Story

pytestmark = pytest.mark.both_databases


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN}


def bring(story: Story, raw: bytes, recipient: str = POSTMASTER, sender: str = LINDA) -> Receipt:
    return entry.receive(story.db, story.settings, Delivery(raw, sender, recipient, Way.LMTP), story.clock())


def test_a_mail_is_on_record_with_its_envelope_when_it_is_acknowledged(story: Story) -> None:
    raw = mail("Hello")
    assert bring(story, raw, POSTMASTER.upper()) is Receipt.STORED
    (row,) = inbox(story.db)
    assert (row.raw, row.size, row.way) == (raw, len(raw), "lmtp")
    assert (row.sender, row.recipient, row.message_id) == (LINDA, POSTMASTER, "<1@salon.test>")
    assert (row.received_at, row.processed_at, row.outcome) == (story.clock(), None, "")


def test_its_number_is_what_the_task_is_nudged_with(story: Story) -> None:
    nudged: list[dict[str, list[int]]] = []
    story.db._nudge = nudged.append
    bring(story, mail())
    bring(story, mail())
    assert nudged == [{"tasks.inbound.process": [inbox(story.db)[0].id]}]


def test_the_same_mail_for_the_same_address_is_taken_and_not_stored_again(story: Story) -> None:
    assert bring(story, mail()) is Receipt.STORED
    assert bring(story, mail("sent again by a server that did not hear us")) is Receipt.DUPLICATE
    assert bring(story, mail(), f"abuse@{DOMAIN}") is Receipt.STORED
    assert bring(story, mail(number=2)) is Receipt.STORED
    assert [row.message_id for row in inbox(story.db)] == ["<1@salon.test>"] * 2 + ["<2@salon.test>"]


def test_of_the_same_mail_brought_by_eight_at_once_one_is_stored(story: Story) -> None:
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: bring(story, mail()), range(8)))
    assert sorted(receipts) == [*[Receipt.DUPLICATE] * 7, Receipt.STORED]
    assert len(inbox(story.db)) == 1


def test_only_addresses_of_ours_are_taken(story: Story) -> None:
    address = asked(story)
    stranger = address.replace(address[10], "7" if address[10] != "7" else "6", 1)
    for recipient in ("linda@salon.test", f"nobody@{DOMAIN}", stranger, "", "\0", f"intro+@{DOMAIN}"):
        assert bring(story, mail(), recipient) is Receipt.UNKNOWN_RECIPIENT
    assert inbox(story.db) == []
    for number, recipient in enumerate((address, address.upper(), f"intro@{DOMAIN}", f"abuse@{DOMAIN}")):
        assert bring(story, mail(number=number), recipient) is Receipt.STORED


def test_without_a_domain_nothing_is_taken(environ: dict[str, str], story: Story) -> None:
    story.settings = load({**environ, "INBOUND_DOMAIN": ""})
    assert bring(story, mail(), "postmaster@") is Receipt.UNKNOWN_RECIPIENT
    assert bring(story, mail(), "postmaster@None") is Receipt.UNKNOWN_RECIPIENT


def test_a_mail_may_be_as_large_as_the_setting_says(environ: dict[str, str], story: Story) -> None:
    story.settings = load({**environ, "INBOUND_MAX_SIZE": "65536"})
    raw = mail().ljust(65536, b"x")
    assert bring(story, raw + b"x") is Receipt.TOO_LARGE
    assert bring(story, raw) is Receipt.STORED


def test_an_address_takes_so_many_mails_an_hour_and_then_more(environ: dict[str, str], story: Story) -> None:
    story.settings = load({**environ, "INBOUND_PER_HOUR": "2"})
    assert [bring(story, mail(number=number)) for number in range(3)] == [
        Receipt.STORED,
        Receipt.STORED,
        Receipt.TOO_MANY,
    ]
    assert bring(story, mail(number=0)) is Receipt.DUPLICATE
    assert bring(story, mail(number=2), f"abuse@{DOMAIN}") is Receipt.STORED
    story.clock.advance(hours=1)
    assert bring(story, mail(number=2)) is Receipt.STORED


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Message-ID: <a@b>\r\n\r\n", "<a@b>"),
        (b"MESSAGE-Id:\n\t<a@b>\nTo: c\n\n", "<a@b>"),
        (b"From: x\nmessage-id : <a b@c>\n", "<a b@c>"),
        (b"Message-ID: <first@b>\r\nMessage-ID: <second@b>\r\n\r\n", "<first@b>"),
        (b"Message-ID: <a@b>", "<a@b>"),
    ],
)
def test_the_message_id_is_read_however_it_is_written(raw: bytes, expected: str) -> None:
    assert message_id(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"From: x\r\n\r\nMessage-ID: <in-the-body@b>\r\n",
        b"Message-ID:\r\n\r\n",
        b"Message-ID: <" + b"a" * 300 + b">\r\n\r\n",
        b"Message-ID: <\xff\xfe@b>\r\n\r\n",
        b"Message-ID: <a\0@b>\r\n\r\n",
        b"X-Message-ID: <a@b>\r\n\r\n",
    ],
)
def test_a_mail_without_a_usable_message_id_is_known_by_its_bytes(raw: bytes) -> None:
    known = message_id(raw)
    assert known.startswith("sha256:")
    assert known == message_id(raw)
    assert known != message_id(raw + b"x")


ADDRESSES = st.one_of(
    st.text(),
    st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.text(max_size=8).map(lambda text: f"{text}@{DOMAIN}"),
    st.from_regex(r"(intro|bounce|stop)\+[a-z2-7]{0,40}@in\.twoyes\.test", fullmatch=True),
    st.just(POSTMASTER),
)
RAW = st.one_of(st.binary(max_size=2000), st.binary(max_size=300).map(lambda raw: b"Message-ID: " + raw))


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(raw=RAW, sender=ADDRESSES, recipient=ADDRESSES)
def test_whatever_arrives_has_a_defined_outcome_and_is_stored_or_refused(
    story: Story, raw: bytes, sender: str, recipient: str
) -> None:
    before = len(inbox(story.db))
    story.clock.advance(hours=1)
    receipt = bring(story, raw, recipient, sender)
    stored = inbox(story.db)[before:]
    assert (receipt is Receipt.STORED) == (len(stored) == 1)
    if stored:
        assert stored[0].raw == raw
        entry.process_due(story.db, story.settings, story.clock)
        assert all(row.processed_at and row.outcome not in ("", FAILED) for row in inbox(story.db))


# --- Processing -------------------------------------------------------------------------------------


def test_a_mail_has_its_effect_once_however_often_it_is_processed(story: Story) -> None:
    address = asked(story)
    bring(story, mail(To=address), address)
    (row,) = inbox(story.db)
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda _: entry.process(story.db, story.settings, story.clock, [row.id]), range(4)):
            pass
    assert story.consent(LINDA).state is ConsentState.YES
    assert story.consent(LINDA).answers == 1
    (row,) = inbox(story.db)
    assert row.processed_at == story.clock()
    with story.db.transaction() as session:
        session.execute(text("UPDATE inbound SET outcome = 'read once'"))
    entry.process(story.db, story.settings, story.clock, [row.id])
    assert inbox(story.db)[0].outcome == "read once"
    bring(story, mail(To=address), address)
    story.sweep()
    assert story.consent(LINDA).answers == 1


def test_a_sweep_processes_what_no_nudge_has_reached(story: Story) -> None:
    address = asked(story)
    bring(story, mail(To=address), address)
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.YES


def test_what_is_broken_on_our_side_is_tried_again_with_growing_pauses(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    address = asked(story)
    bring(story, mail(To=address), address)
    bring(story, mail("Hello"))
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE outbox RENAME TO lost"))
    with caplog.at_level(logging.ERROR):
        entry.process_due(story.db, story.settings, story.clock)
    row, other = inbox(story.db)
    assert (row.attempts, row.processed_at) == (1, None)
    assert other.outcome == "for the operator", "one mail held up another"
    assert f"inbound mail {row.id} could not be processed" in caplog.text
    assert LINDA not in caplog.text
    assert address.partition("@")[0] not in caplog.text
    entry.process_due(story.db, story.settings, story.clock)
    assert inbox(story.db)[0].attempts == 1, "it did not wait"
    story.clock.advance(seconds=30)
    entry.process_due(story.db, story.settings, story.clock)
    assert inbox(story.db)[0].attempts == 2
    story.clock.advance(seconds=30)
    entry.process_due(story.db, story.settings, story.clock)
    assert inbox(story.db)[0].attempts == 2, "the second pause is no longer than the first"
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE lost RENAME TO outbox"))
    story.clock.advance(seconds=30)
    entry.process_due(story.db, story.settings, story.clock)
    assert story.consent(LINDA).state is ConsentState.YES


def test_after_ten_attempts_it_is_left_to_the_operator(story: Story) -> None:
    address = asked(story)
    bring(story, mail(To=address), address)
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE outbox RENAME TO lost"))
    for _ in range(MAX_ATTEMPTS + 2):
        entry.process_due(story.db, story.settings, story.clock)
        story.clock.advance(hours=12)
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE lost RENAME TO outbox"))
    (row,) = inbox(story.db)
    assert (row.attempts, row.outcome) == (MAX_ATTEMPTS, FAILED)
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.ASKED


def test_an_old_mail_is_forgotten_and_still_known(story: Story) -> None:
    bring(story, mail("Hello"))
    story.sweep(days=29, hours=23)
    assert inbox(story.db)[0].raw is not None
    story.sweep(hours=1)
    (row,) = inbox(story.db)
    assert (row.raw, row.sender, row.outcome) == (None, "", "for the operator")
    assert bring(story, mail("Hello")) is Receipt.DUPLICATE


def test_a_mail_that_is_not_processed_yet_is_never_forgotten(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "INBOUND_KEEP": "1m"}, clock, relay)
    bring(story, mail("Hello"))
    clock.advance(hours=1)
    entry.forget(story.db, story.settings, story.clock)
    assert inbox(story.db)[0].raw is not None
    story.db.engine.dispose()
