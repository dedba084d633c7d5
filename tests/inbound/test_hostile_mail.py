"""What a hostile reading of mail in both directions found."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import select

from service.inbound import envelope, handling, listener
from service.inbound import store as entry
from service.inbound.effects import Effect
from service.inbound.reading.classify import classify
from service.inbound.store import Delivery, Receipt, Way
from service.introductions import decisions
from service.lifecycle import ConsentState, MailKind
from service.store.models import OutboxMail
from tests.support.inbound_mail import DOMAIN, POSTMASTER, asked, inbox, mail
from tests.support.story import FORM, LINDA, SECRET, Story


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN, "INBOUND_SECRET": "a-secret-of-the-provider"}


def bring(story: Story, raw: bytes, recipient: str) -> Receipt:
    return entry.receive(story.db, story.settings, Delivery(raw, LINDA, recipient, Way.LMTP), story.clock())


# --- A wrong yes ------------------------------------------------------------------------------------


def test_a_yes_that_waited_to_be_read_does_not_replace_a_later_no(story: Story) -> None:
    address = asked(story)
    bring(story, mail("Yes", To=address), address)
    story.clock.advance(minutes=30)
    assert story.answer(LINDA, "no").status_code == 303
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.NO
    assert inbox(story.db)[0].outcome == Effect.TOO_LATE


def test_of_two_replies_that_are_processed_the_wrong_way_round_the_no_stands(story: Story) -> None:
    address = asked(story)
    bring(story, mail("Yes", number=1, To=address), address)
    story.clock.advance(seconds=1)
    bring(story, mail("No", number=2, To=address), address)
    story.clock.advance(seconds=1)
    first, second = (row.id for row in inbox(story.db))
    entry.process(story.db, story.settings, story.clock, [second, first])
    assert story.consent(LINDA).state is ConsentState.NO


def test_a_no_counts_even_where_a_yes_was_read_while_it_waited(story: Story) -> None:
    address = asked(story)
    bring(story, mail("No", To=address), address)
    story.clock.advance(minutes=1)
    assert story.answer(LINDA, "yes").status_code == 303
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.NO


# --- Locks ------------------------------------------------------------------------------------------


def test_a_mail_that_is_processed_waits_for_the_introduction_before_it_holds_a_mail_of_ours(
    story: Story,
) -> None:
    address = asked(story)
    signed = [taken.sender for taken in story.relay.messages if taken.recipients == (LINDA,)][-1]
    raw = b"From: mailer-daemon@salon.test\r\nMessage-ID: <9@x>\r\n" + REPORT
    assert address
    bring(story, raw, signed)
    ask = story.outbox(MailKind.ASK, LINDA)[0]
    assert ask.introduction_id is not None
    with ThreadPoolExecutor(1) as pool:
        with story.db.transaction() as session:
            decisions.lock(session, ask.introduction_id)
            working = pool.submit(
                entry.process, story.db, story.settings, story.clock, [inbox(story.db)[0].id]
            )
            if story.db.engine.dialect.name == "postgresql":
                _until_somebody_waits(story)
                held = select(OutboxMail).where(OutboxMail.id == ask.id).with_for_update(nowait=True)
                assert session.scalars(held).one_or_none() is not None, (
                    "whoever records a delivery locks in this order too"
                )
        working.result(30)
    assert inbox(story.db)[0].outcome == Effect.BOUNCED


REPORT = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    b"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; mx.salon.test\r\n\r\n"
    b"Final-Recipient: rfc822; linda@salon.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
)


def _until_somebody_waits(story: Story) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    for _ in range(200):
        with story.db.engine.connect() as connection:
            if connection.exec_driver_sql(waiting).scalar():
                return
        threading.Event().wait(0.05)
    raise AssertionError("nobody waits for the introduction")


# --- What a stranger can cost -----------------------------------------------------------------------


def test_an_address_that_is_open_to_all_takes_no_large_mail(story: Story) -> None:
    large = mail("x" * 70 + "\r\n" + "y" * 300_000)
    for who in ("postmaster", "abuse", "intro"):
        assert bring(story, large, f"{who}@{DOMAIN}") is Receipt.TOO_LARGE
        assert bring(story, mail("Hello"), f"{who}@{DOMAIN}") is Receipt.STORED
    assert bring(story, large, asked(story)) is Receipt.STORED


def test_a_mail_of_short_lines_takes_no_more_memory_than_one_of_long_lines(story: Story) -> None:
    size = 1_000_000

    async def take() -> int:
        session = listener.LmtpSession(listener.Handler(story.db, story.settings, story.clock))
        session._lines = asyncio.StreamReader(limit=2**16)
        session._lines.feed_data(b"\r\n" * (size // 2) + b".\r\n")
        tracemalloc.start()
        try:
            assert len(await session._content()) == size
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert asyncio.run(take()) < 6 * size


@pytest.mark.parametrize(
    "field",
    ["(" * 9_000, '"' * 9_000, "<" * 9_000, "[" * 9_000, "\\" * 9_000, "=?utf-8?b?" * 900, "a:" * 4_000],
)
def test_no_address_field_makes_a_way_in_stumble(story: Story, field: str) -> None:
    raw = mail(To=field, Return_Path=field, Delivered_To=field)
    response = story.client.post("/inbound", data=raw, headers=provider())
    assert (response.status_code, response.get_json()) == (406, {"outcome": "unknown recipient"})
    response = story.client.post("/inbound", data=mail(), headers={**provider(), "X-Envelope-To": field})
    assert response.status_code == 406


def test_one_address_in_many_spellings_is_one_recipient(story: Story) -> None:
    names = [f"{'P' if n & 1 else 'p'}{'O' if n & 2 else 'o'}stmaster@{DOMAIN}" for n in range(4)]
    assert envelope.recipients(mail(To=", ".join(names)), story.settings) == [POSTMASTER]


def test_a_request_that_is_nested_too_deep_is_unreadable(story: Story) -> None:
    deep = b"[" * 200_000
    response = story.client.post("/inbound", data=deep, headers=provider("application/json"))
    assert (response.status_code, response.get_json()) == (400, {"outcome": "unreadable"})


def provider(kind: str = "message/rfc822") -> dict[str, str]:
    secret = base64.b64encode(b"provider:a-secret-of-the-provider").decode()
    return {"Authorization": f"Basic {secret}", "Content-Type": kind}


PARTS = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
NASTY = {
    "parts": PARTS + b"--b\r\n\r\nyes\r\n" * 800_000,
    "blocks": PARTS
    + b"--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    + b"Action: failed\n\n" * 600_000,
    "fields": PARTS + b"--b\r\n" + b"a:\n" * 2_400_000,
}


@pytest.mark.parametrize("name", NASTY)
def test_no_mail_keeps_a_worker_busy(name: str) -> None:
    began = time.process_time()
    assert classify(b"From: linda@salon.test\r\n" + NASTY[name], DOMAIN).intent == "unclear"
    assert time.process_time() - began < 12


# --- What can be inferred ---------------------------------------------------------------------------


def test_the_link_never_again_holds_no_number(story: Story) -> None:
    story.ask()
    token = story.link(LINDA, "/never/").rpartition("/")[2]
    # Ten bytes of signature follow; what is signed is random, but for the last byte.
    named = base64.b32decode(token.upper() + "=")[:9]
    assert named == bytes.fromhex(story.outbox(MailKind.ASK, LINDA)[0].tag) + b"\1"


def test_a_link_of_the_time_before_tags_goes_on_working(story: Story) -> None:
    story.ask()
    ask = story.outbox(MailKind.ASK, LINDA)[0]
    old = URLSafeSerializer([SECRET], salt="never").dumps([ask.id, 1])
    assert story.client.get(f"/never/{old}").status_code == 200
    assert story.choose(f"/never/{old}", "never").status_code == 200
    assert story.consent(LINDA).method == "never"


def test_a_report_tells_its_requester_nothing_before_the_closing_moment(story: Story) -> None:
    story.ask()
    story.choose(story.link(LINDA, "/never/"), "report")
    for number in (2, 3):
        answer = story.client.post("/", data={**FORM, "b_email": f"b{number}@x.test", "action": "send"})
        assert answer.status_code == 303, "five a day, unless somebody has just reported her"


def test_a_yes_that_was_long_on_its_way_does_not_replace_a_no_given_since(story: Story) -> None:
    address = asked(story)
    # Written first and held back by a server on its way; nothing but its date, which anybody writes, says so.
    late = mail("Yes", To=address, Date="Mon, 2 Mar 2026 09:00:01 +0000")
    story.clock.advance(minutes=5)
    story.answer(LINDA, "no")
    story.clock.advance(minutes=10)
    bring(story, late, address)
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.NO


def test_a_mail_that_kills_its_worker_is_not_taken_up_by_every_sweep_for_ever(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Like SIGKILL: nothing of ours is called any more."""

    def die(*_: object) -> None:
        raise Killed

    address = asked(story)
    bring(story, mail("Yes", To=address), address)
    monkeypatch.setattr(handling, "classify", die)
    for _ in range(3):
        with suppress(Killed):
            entry.process_due(story.db, story.settings, story.clock)
    assert inbox(story.db)[0].attempts > 0


# --- One parser at every door -------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    """A mail in a mail in a mail: each level costs its reader a call, and its writer 40 bytes."""
    levels = b"".join(b"Content-Type: message/rfc822\r\n\r\n" for _ in range(depth))
    return b"From: linda@salon.test\r\nMessage-ID: <nested@salon.test>\r\n" + levels + b"Yes\r\n"


@pytest.mark.parametrize("depth", [100, 3000, 30_000])
def test_a_mail_that_is_nested_deeper_than_python_counts_is_kept_and_acknowledged(
    story: Story, depth: int
) -> None:
    address = asked(story)
    secret = base64.b64encode(b"any:a-secret-of-the-provider").decode()
    posted = story.client.post(
        "/inbound",
        query_string={"recipient": address},
        data=nested(depth),
        headers={"Authorization": f"Basic {secret}", "Content-Type": "message/rfc822"},
    )
    assert posted.status_code == 200
    assert envelope.recipients(nested(depth), story.settings) == []
    story.sweep()
    (row,) = inbox(story.db)
    assert row.processed_at == story.clock()
    assert story.consent(LINDA).state is ConsentState.ASKED
    if depth > 1000:
        assert (row.outcome, row.raw) == (Effect.UNREADABLE, nested(depth))
        assert story.kinds(LINDA) == ["ask", "unclear"]


@pytest.mark.parametrize(
    "sender",
    [
        f"friends:{LINDA};",
        f"friends: {LINDA}, mallory@evil.test;",
        f"<@evil.test:{LINDA}>",
        f"Linda <@evil.test,@b.test:{LINDA}>",
        f"undisclosed:;, {LINDA}",
    ],
)
def test_a_group_or_a_route_in_from_is_nobodys_answer(story: Story, sender: str) -> None:
    address = asked(story)
    bring(story, mail("Yes", sender=sender, To=address), address)
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.ASKED


@pytest.mark.parametrize("name", ['"Linda: the salon"', "Linda (salon: open)", '"a \\" ; b"', "Linda"])
def test_a_name_may_hold_what_an_address_may_not(story: Story, name: str) -> None:
    address = asked(story)
    bring(story, mail("Yes", sender=f"{name} <{LINDA}>", To=address), address)
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.YES
