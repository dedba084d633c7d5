"""POST /inbound: providers bring raw mail, each in a form of its own, and hear what to do next."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse, encode_multipart

from service.lifecycle import ConsentState
from tests.support.inbound_mail import DOMAIN, POSTMASTER, asked, inbox, mail, reply_address
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, HandClock, Story

SECRET = "wQ7-hook-secret-0193"
ABUSE = f"abuse@{DOMAIN}"


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN, "INBOUND_SECRET": SECRET, "INBOUND_MAX_SIZE": "65536"}


@pytest.fixture
def story(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    story = Story(environ, clock, relay)
    # The page is reached without a form of ours, so the tests have the protection of forms on.
    story.app.config["WTF_CSRF_ENABLED"] = True
    yield story
    story.db.engine.dispose()


def post(story: Story, path: str = "/inbound", secret: str = SECRET, **request: Any) -> TestResponse:
    return story.client.post(path, auth=("twoyes", secret), **request)


def rfc822(story: Story, raw: bytes, recipient: str = POSTMASTER, **more: Any) -> TestResponse:
    query = {"recipient": recipient, "sender": LINDA}
    return post(story, query_string=query, data=raw, content_type="message/rfc822", **more)


def outcome(response: TestResponse) -> tuple[int, str]:
    assert response.headers.get("Set-Cookie") is None
    return response.status_code, (response.json or {})["outcome"]


def test_raw_mail_is_stored_byte_for_byte_and_taken_again_as_a_duplicate(story: Story) -> None:
    raw = mail("Hello \0").replace(b"Hello", b"Hell\xf6\n")
    assert outcome(rfc822(story, raw)) == (200, "stored")
    assert outcome(rfc822(story, raw)) == (200, "duplicate")
    (row,) = inbox(story.db)
    assert (row.raw, row.sender, row.recipient, row.way) == (raw, LINDA, POSTMASTER, "webhook")


def test_an_answer_by_webhook_is_an_answer(environ: dict[str, str], story: Story) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = False
    address = asked(story)
    assert outcome(rfc822(story, mail("Yes", To=address), address)) == (200, "stored")
    story.sweep()
    assert story.consent(LINDA).state is ConsentState.YES


def test_the_envelope_may_stand_in_headers_or_in_the_mail_itself(story: Story) -> None:
    headers = {"X-Envelope-To": POSTMASTER, "X-Envelope-From": "headers@salon.test"}
    post(story, headers=headers, data=mail(number=1), content_type="message/rfc822")
    returned = mail(number=2, Return_Path="<mail@salon.test>", Delivered_To=ABUSE, To=POSTMASTER)
    post(story, data=returned, content_type="message/rfc822")
    post(story, data=mail(number=3, To=f"L <{LINDA}>, P <{POSTMASTER}>"), content_type="message/rfc822")
    assert [(row.sender, row.recipient) for row in inbox(story.db)] == [
        ("headers@salon.test", POSTMASTER),
        ("mail@salon.test", ABUSE),
        # Where nobody tells of an envelope, the From line takes its place.
        (LINDA, POSTMASTER),
    ]


@pytest.mark.parametrize("header", ["Delivered_To", "X_Original_To", "X_Envelope_To"])
def test_the_recipient_is_where_the_mail_was_delivered_and_not_whom_it_is_addressed_to(
    story: Story, header: str
) -> None:
    headers: dict[str, Any] = {header: POSTMASTER}
    raw = mail(To=ABUSE, **headers)
    assert outcome(post(story, data=raw, content_type="message/rfc822")) == (200, "stored")
    addressed = mail(number=2, Cc=f"Rita <rita@quill.test>, Us <{POSTMASTER}>", Delivered_To=LINDA)
    assert outcome(post(story, data=addressed, content_type="message/rfc822")) == (200, "stored")
    assert [row.recipient for row in inbox(story.db)] == [POSTMASTER, POSTMASTER]


@pytest.mark.parametrize("path", ["/inbound", "/inbound/mime"])
@pytest.mark.parametrize("multipart", [True, False])
def test_mailguns_form(story: Story, path: str, multipart: bool) -> None:
    fields = {"recipient": POSTMASTER, "sender": LINDA, "body-mime": mail("Ja, gerne: ä").decode()}
    kind = "multipart/form-data" if multipart else "application/x-www-form-urlencoded"
    assert outcome(post(story, path, data=fields, content_type=kind)) == (200, "stored")
    assert inbox(story.db)[0].raw == mail("Ja, gerne: ä")


def test_sendgrids_form(story: Story) -> None:
    envelope = json.dumps({"to": [POSTMASTER, LINDA, ABUSE], "from": LINDA})
    fields = {"email": mail().decode(), "envelope": envelope, "to": "somebody@salon.test"}
    assert outcome(post(story, data=fields, content_type="multipart/form-data")) == (200, "stored")
    assert [(row.sender, row.recipient) for row in inbox(story.db)] == [(LINDA, POSTMASTER), (LINDA, ABUSE)]


def test_postmarks_json(story: Story) -> None:
    said = {"RawEmail": mail(Return_Path=LINDA).decode(), "OriginalRecipient": POSTMASTER, "Cc": "x"}
    assert outcome(post(story, json=said)) == (200, "stored")
    assert [(row.sender, row.recipient) for row in inbox(story.db)] == [(LINDA, POSTMASTER)]


def test_what_is_refused_for_good_is_told_so_that_no_provider_sends_it_again(story: Story) -> None:
    assert outcome(rfc822(story, mail(), LINDA)) == (406, "unknown recipient")
    large = mail("x" * 65536)
    assert outcome(rfc822(story, large)) == (406, "too large")
    assert outcome(rfc822(story, large * 5)) == (406, "too large")
    fields = {"recipient": POSTMASTER, "sender": LINDA, "body-mime": large.decode() * 5}
    for kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        assert outcome(post(story, data=fields, content_type=kind)) == (406, "too large")
    said = {"RawEmail": mail().decode(), "OriginalRecipient": LINDA}
    assert outcome(post(story, json=said)) == (403, "unknown recipient")
    assert inbox(story.db) == []


def test_a_mail_above_the_limit_of_pages_and_below_its_own_is_taken(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    limits = {"INBOUND_MAX_SIZE": "2000000", "INBOUND_REPLY_SIZE": "2000000"}
    story = Story({**environ, **limits}, clock, relay)
    raw = mail("x" * 1_500_000)
    assert outcome(rfc822(story, raw, asked(story))) == (200, "stored")
    fields = {"recipient": reply_address(story, NATASHA), "sender": LINDA, "body-mime": raw.decode()}
    # Encoded here: the client would keep as much in a file that it never closes.
    boundary, multipart = encode_multipart(fields)
    multipart_type = f'multipart/form-data; boundary="{boundary}"'
    assert outcome(post(story, data=multipart, content_type=multipart_type)) == (200, "stored")
    urlencoded = "application/x-www-form-urlencoded"
    assert outcome(post(story, data=fields, content_type=urlencoded)) == (200, "duplicate")
    assert story.client.post("/", data={"need": "x" * 600_000}).status_code == 413
    story.db.engine.dispose()


def test_what_is_temporary_is_told_as_temporary(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "INBOUND_PER_HOUR": "1"}, clock, relay)
    rfc822(story, mail(number=1))
    assert outcome(rfc822(story, mail(number=2))) == (429, "too many")
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE inbound RENAME TO lost"))
    assert outcome(rfc822(story, mail(number=3))) == (503, "unavailable")
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE lost RENAME TO inbound"))
    story.db.engine.dispose()


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"TextBody": "Yes", "OriginalRecipient": POSTMASTER}},
        {"json": [1]},
        {"json": {"RawEmail": 1}},
        {"data": b"{", "content_type": "application/json"},
        {"data": {"body-plain": "Yes", "recipient": POSTMASTER}},
        {"data": {"email": "x", "envelope": "nonsense"}},
        {"data": {"email": "x", "envelope": "[]"}},
        {"data": {"body-mime": (io.BytesIO(b"x"), "x")}, "content_type": "multipart/form-data"},
        {"data": b"\xff\0", "content_type": "multipart/form-data; boundary=x"},
        {"data": b"", "content_type": ""},
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_request_without_raw_mail_is_refused_and_stays_with_the_provider(
    story: Story, request_: dict[str, Any]
) -> None:
    assert outcome(post(story, **request_)) == (400, "unreadable")
    assert inbox(story.db) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"twoyes:wrong").decode(),
        "Basic " + base64.b64encode(SECRET.encode()).decode(),
        "Basic " + base64.b64encode(f"{SECRET}:".encode()).decode(),
        "Basic " + base64.b64encode(b"twoyes:\xff").decode(),
        f"Bearer {SECRET[:-1]}",
        "Bearer",
        f"Digest {SECRET}",
        f"Digest username={SECRET}, password={SECRET}",
    ],
)
def test_without_the_secret_nothing_is_taken(story: Story, header: str | None) -> None:
    headers = {"Authorization": header} if header is not None else {}
    query = {"recipient": POSTMASTER}
    answer = story.client.post(
        "/inbound", headers=headers, query_string=query, data=mail(), content_type="message/rfc822"
    )
    assert outcome(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert inbox(story.db) == []


def test_a_bearer_token_does_as_well(story: Story) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    query = {"recipient": POSTMASTER}
    answer = story.client.post(
        "/inbound", headers=headers, query_string=query, data=mail(), content_type="message/rfc822"
    )
    assert outcome(answer) == (200, "stored")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_the_setting_there_is_no_such_page(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "INBOUND_SECRET": ""}, clock, relay)
    for secret in ("", "None", SECRET):
        answer = post(story, secret=secret, data=mail(), content_type="message/rfc822")
        assert answer.status_code == 404
    story.db.engine.dispose()
