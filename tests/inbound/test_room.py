"""How much mail is kept: of one mail, a sender, a case, an hour and in all, and what is said at the door."""

from __future__ import annotations

import base64
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.inbound import store as entry
from service.inbound.store import Delivery, Receipt, Way
from service.lifecycle import ConsentState, MailKind
from service.mail import addresses
from service.mail.addresses import Purpose
from service.settings.environment import load
from tests.support.inbound_mail import DOMAIN, POSTMASTER, Listening, asked, inbox, mail, reply_address
from tests.support.story import LINDA, NATASHA, HandClock, Story

pytestmark = pytest.mark.both_databases

STRANGER = "mallory@evil.test"
KIB, MIB = 1024, 1024 * 1024
SECRET = "a-secret-of-the-provider"


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN, "INBOUND_SECRET": SECRET}


def bring(story: Story, size: int, recipient: str, number: int, sender: str = STRANGER) -> Receipt:
    raw = mail(number=number, sender=sender).ljust(size, b"x")
    return entry.receive(story.db, story.settings, Delivery(raw, sender, recipient, Way.LMTP), story.clock())


def limit(story: Story, environ: dict[str, str], **limits: int) -> None:
    story.settings = load({**environ, **{name: str(value) for name, value in limits.items()}})


def address_of(story: Story, purpose: Purpose, who: str = LINDA) -> str:
    """The address for a purpose in the ask that somebody got."""
    with story.db.reading() as session:
        ask = session.merge(story.outbox(MailKind.ASK, who)[-1], load=False)
        return addresses.signed(purpose, ask, story.settings)


def test_each_kind_of_address_takes_as_much_as_it_needs(story: Story) -> None:
    story.ask()
    sizes = {
        address_of(story, Purpose.INTRO): MIB,
        address_of(story, Purpose.STOP): 256 * KIB,
        address_of(story, Purpose.BOUNCE, NATASHA): 10 * MIB,
        POSTMASTER: 256 * KIB,
    }
    for number, (recipient, size) in enumerate(sizes.items()):
        assert bring(story, size + 1, recipient, number) is Receipt.TOO_LARGE
        assert bring(story, size, recipient, number, sender="<>") is Receipt.STORED


def test_of_twelve_times_ten_megabytes_of_a_stranger_one_is_kept(story: Story) -> None:
    """What was stored in 15 seconds by whoever had one token."""
    story.ask()
    bounce, large = address_of(story, Purpose.BOUNCE), 10_000_000
    receipts = [bring(story, large, bounce, number, sender="<>") for number in range(12)]
    assert Counter(receipts) == {Receipt.STORED: 1, Receipt.TOO_MUCH: 11}
    assert {bring(story, large, reply_address(story), number) for number in range(12)} == {Receipt.TOO_LARGE}
    assert sum(row.size for row in inbox(story.db)) == large


def test_one_person_s_bytes_leave_the_others_of_a_case_theirs(story: Story, environ: dict[str, str]) -> None:
    story.ask()
    limit(story, environ, INBOUND_BYTES_PER_CASE=300 * KIB)
    bounce = address_of(story, Purpose.BOUNCE)
    assert [bring(story, 50 * KIB, bounce, number, "<>") for number in range(3)] == [
        Receipt.STORED,
        Receipt.STORED,
        Receipt.TOO_MUCH,
    ]
    assert bring(story, 50 * KIB, reply_address(story), 4, LINDA) is Receipt.TOO_MUCH, (
        "the other address of hers"
    )
    natasha = reply_address(story, NATASHA)
    raw = mail(sender=NATASHA, number=9, To=natasha)
    delivery = Delivery(raw, NATASHA, natasha, Way.LMTP)
    assert entry.receive(story.db, story.settings, delivery, story.clock()) is Receipt.STORED
    story.sweep()
    assert story.consent(NATASHA).state is ConsentState.YES


def test_of_many_at_once_no_more_are_kept_than_there_is_room_for(
    story: Story, environ: dict[str, str]
) -> None:
    story.ask()
    limit(story, environ, INBOUND_BYTES_PER_CASE=300 * KIB)
    bounce = address_of(story, Purpose.BOUNCE)
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda number: bring(story, 50 * KIB, bounce, number, "<>"), range(8)))
    assert Counter(receipts) == {Receipt.STORED: 2, Receipt.TOO_MUCH: 6}


def test_a_sender_has_so_many_bytes_a_day_over_all_addresses(story: Story, environ: dict[str, str]) -> None:
    address = asked(story)
    limit(story, environ, INBOUND_BYTES_PER_SENDER=100 * KIB)
    assert bring(story, 50 * KIB, POSTMASTER, 1) is Receipt.STORED
    assert bring(story, 50 * KIB, address, 2, STRANGER.upper()) is Receipt.STORED
    assert bring(story, 50 * KIB, f"abuse@{DOMAIN}", 3) is Receipt.TOO_MUCH
    assert bring(story, 50 * KIB, f"abuse@{DOMAIN}", 3, "somebody@else.test") is Receipt.STORED
    story.clock.advance(hours=24)
    assert bring(story, 50 * KIB, f"abuse@{DOMAIN}", 4) is Receipt.STORED


def test_where_no_envelope_is_told_the_from_line_is_the_sender(story: Story, environ: dict[str, str]) -> None:
    limit(story, environ, INBOUND_BYTES_PER_SENDER=100 * KIB)
    receipts = []
    for number in range(3):
        raw = mail(number=number, sender=f"Mallory <{STRANGER}>").ljust(50 * KIB, b"x")
        delivery = Delivery(raw, "", POSTMASTER, Way.WEBHOOK)
        receipts.append(entry.receive(story.db, story.settings, delivery, story.clock()))
    assert receipts == [Receipt.STORED, Receipt.STORED, Receipt.TOO_MUCH]


def test_whoever_forges_somebody_s_address_does_not_shut_them_out(
    story: Story, environ: dict[str, str]
) -> None:
    address = asked(story)
    limit(story, environ, INBOUND_BYTES_PER_SENDER=100 * KIB)
    receipts = [bring(story, 50 * KIB, POSTMASTER, number, LINDA) for number in range(3)]
    assert receipts[-1] is Receipt.TOO_MUCH
    raw = mail(number=9, To=address)
    delivery = Delivery(raw, LINDA, address, Way.LMTP)
    assert entry.receive(story.db, story.settings, delivery, story.clock()) is Receipt.STORED
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.YES


def test_what_is_open_to_everybody_has_a_quarter_of_the_hour(story: Story, environ: dict[str, str]) -> None:
    address = asked(story)
    limit(story, environ, INBOUND_BYTES_PER_HOUR=MIB)
    for number in range(2):
        assert bring(story, 128 * KIB, POSTMASTER, number, f"{number}@evil.test") is Receipt.STORED
    assert bring(story, KIB, f"abuse@{DOMAIN}", 3, "3@evil.test") is Receipt.TOO_MUCH
    assert bring(story, 700 * KIB, address, 4, LINDA) is Receipt.STORED
    assert bring(story, 700 * KIB, reply_address(story, NATASHA), 5, NATASHA) is Receipt.TOO_MUCH
    story.clock.advance(hours=1)
    assert bring(story, KIB, POSTMASTER, 6) is Receipt.STORED
    assert bring(story, 700 * KIB, reply_address(story, NATASHA), 7, NATASHA) is Receipt.STORED


def test_what_is_forgotten_makes_room(story: Story, environ: dict[str, str], clock: HandClock) -> None:
    limit(story, environ, INBOUND_BYTES=MIB)
    assert bring(story, 200 * KIB, POSTMASTER, 1) is Receipt.STORED
    clock.advance(days=10)
    assert bring(story, 200 * KIB, POSTMASTER, 2) is Receipt.TOO_MUCH
    assert bring(story, 200 * KIB, POSTMASTER, 1) is Receipt.DUPLICATE
    story.sweep(days=20)
    assert bring(story, 200 * KIB, POSTMASTER, 2) is Receipt.STORED


def test_what_would_never_fit_is_refused_for_good(story: Story, environ: dict[str, str]) -> None:
    story.ask()
    limit(story, environ, INBOUND_BYTES_PER_CASE=300 * KIB)
    assert bring(story, 101 * KIB, address_of(story, Purpose.BOUNCE), 1, "<>") is Receipt.TOO_LARGE


def test_the_listener_says_which_is_for_good_and_which_is_for_now(story: Story) -> None:
    address = asked(story)
    with Listening(story, INBOUND_BYTES_PER_SENDER="65536") as here, here.dial() as line:
        line.hear()
        line.say("LHLO client.test")
        line.say(f"MAIL FROM:<{STRANGER}> SIZE={2 * MIB}")
        assert line.say(f"RCPT TO:<{address}>").startswith("552 5.3.4")
        line.say("RSET")
        for number, reply in enumerate(("250 ", "452 4.2.2")):
            line.say(f"MAIL FROM:<{STRANGER}> SIZE=100")
            assert line.say(f"RCPT TO:<{POSTMASTER}>").startswith("250 ")
            line.say("DATA")
            line.send(mail("x\r\n" * 12_000, number=number, sender=STRANGER) + b".\r\n")
            assert line.hear().startswith(reply)


def test_the_webhook_says_so_as_well(story: Story, environ: dict[str, str]) -> None:
    limit(story, environ, INBOUND_BYTES_PER_SENDER=100 * KIB)
    story.app.config["SETTINGS"] = story.settings
    secret = base64.b64encode(f"any:{SECRET}".encode()).decode()
    said = []
    for number, size in enumerate((60 * KIB, 60 * KIB, 300 * KIB)):
        answer = story.client.post(
            "/inbound",
            query_string={"recipient": POSTMASTER, "sender": STRANGER},
            data=mail(number=number, sender=STRANGER).ljust(size, b"x"),
            headers={"Authorization": f"Basic {secret}", "Content-Type": "message/rfc822"},
        )
        said.append((answer.status_code, answer.get_json()["outcome"]))
    assert said == [(200, "stored"), (429, "too much"), (406, "too large")]
