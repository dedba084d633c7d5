"""What a mail that arrived is read as: the corpus beside it, and whatever else may come."""

from __future__ import annotations

import base64
import re
import time
import tomllib
from dataclasses import asdict
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.inbound.reading.classify import Category, Reading, classify
from service.inbound.reading.phrases import Intent

MAIL = Path(__file__).parent / "corpus"
EXPECTED: dict[str, dict[str, Any]] = {
    f"{folder}/{name}": row
    for folder, rows in tomllib.loads((MAIL / "expected.toml").read_text()).items()
    for name, row in rows.items()
}
USUAL = {"intent": "unclear", "hard": False, "delayed": False, "dmarc_failed": False, "our_addresses": []}
OURS = "twoyes.test"
ADDRESS = f"Rita Quill via TwoYes <intro+mfzwizlboruw4z3tmfxgiylsn5yhi2i@{OURS}>"
PLAIN = "text/plain; charset=utf-8"
UNCLEAR = [
    name for name, row in EXPECTED.items() if row["category"] == "reply" and row["intent"] == "unclear"
]
NO_YES = [name for name, row in EXPECTED.items() if row.get("intent") != "yes"]


def raw(name: str) -> bytes:
    return (MAIL / f"{name}.eml").read_bytes()


def reading(raw: bytes) -> Reading:
    """As for a server that writes nothing on a pass: the corpus comes from many, and most wrote nothing."""
    return classify(raw, OURS, "mx.twoyes.test", dmarc_required=False)


def says(text: str, sender: str = "Linda Marsh <linda@salon.test>", **fields: str) -> Intent:
    """The intent that a plain reply is read as."""
    head = {"From": sender, "To": ADDRESS, "Subject": "Re: Hello", "Content-Type": PLAIN} | fields
    lines = [f"{name}: {value}" for name, value in head.items()]
    return reading("\r\n".join([*lines, "", *text.split("\n")]).encode()).intent


def page(html: str) -> Intent:
    return says(html, **{"Content-Type": "text/html; charset=utf-8"})


# --- the corpus ---


def test_the_corpus_has_at_least_120_mails_and_names_each_of_them() -> None:
    files = {path.relative_to(MAIL).with_suffix("").as_posix() for path in MAIL.rglob("*.eml")}
    assert files == set(EXPECTED)
    assert len(files) >= 120


@pytest.mark.parametrize("name", EXPECTED)
def test_a_mail_of_the_corpus_is_read_as_it_should_be(name: str) -> None:
    row = {key: value for key, value in EXPECTED[name].items() if key != "why"}
    found = asdict(reading(raw(name))) | {"our_addresses": list(reading(raw(name)).our_addresses)}
    if row["category"] == "bounce":
        row = {"status": ""} | row
    assert {key: found[key] for key in USUAL | row} == USUAL | row


def test_the_corpus_holds_no_wrong_yes() -> None:
    assert [name for name in NO_YES if reading(raw(name)).intent is Intent.YES] == []


def test_what_no_person_wrote_says_nothing() -> None:
    for name, row in EXPECTED.items():
        if row["category"] != "reply":
            assert reading(raw(name)).intent is Intent.UNCLEAR


def test_every_text_for_the_record_is_one_short_printable_line() -> None:
    for name in EXPECTED:
        found = reading(raw(name))
        for text in (found.first_line, found.diagnostic):
            assert len(text) <= 200
            assert text.isprintable()


def test_an_attachment_of_30_mb_costs_a_few_seconds_at_most() -> None:
    """The generated case of the corpus: a yes with a big picture, and the same with a condition below it."""
    picture = base64.encodebytes(bytes(range(256)) * 86_000).replace(b"\n", b"\r\n")
    assert len(picture) > 29_000_000
    started = time.monotonic()
    assert reading(big(picture, b"")).intent is Intent.YES
    assert reading(big(picture, b"but only if she calls first")).intent is Intent.UNCLEAR
    assert time.monotonic() - started < 12


def big(picture: bytes, below: bytes) -> bytes:
    return b"\r\n".join(
        [
            b"From: Linda Marsh <linda@salon.test>",
            b"To: " + ADDRESS.encode(),
            b"MIME-Version: 1.0",
            b"Content-Type: multipart/mixed; boundary=big",
            b"",
            b"--big",
            b"Content-Type: text/plain",
            b"",
            b"Yes",
            b"--big",
            b'Content-Type: image/jpeg; name="salon.jpg"',
            b"Content-Disposition: inline",
            b"Content-Transfer-Encoding: base64",
            b"",
            picture,
            b"--big",
            b"Content-Type: text/plain",
            b"",
            below,
            b"--big--",
            b"",
        ]
    )


# --- the strict rule ---


@pytest.mark.parametrize(
    "text",
    [
        "Yes",
        "yes.",
        "YES!",
        "*Yes*",
        '"Yes"',
        "Yes,\nLinda",
        "Ja gerne",
        "Oui, s’il vous plaît.",
        "¡Sí!",
        "نَعَم",
        "Yes\n\nThanks,\nL",
        "Yes\n\nMany thanks\nLinda Marsh\nOwner, Marsh Hair\nTel. +49 30 1234567",
    ],
)
def test_a_plain_yes_is_heard(text: str) -> None:
    assert says(text, sender="Linda Marsh <l@salon.test>") is Intent.YES


@pytest.mark.parametrize(
    "text",
    [
        "Yes?",
        "Yes, but",
        "yes yes no",
        "Yes and no",
        "Yes...",
        "No problem",
        "not yes",
        "Nej",
        "yesno",
        "y",
        "👍",
        "Já",
        "Si no llama",
        "Ja oder nein?",
        "Oui mais non",
        "لا بأس",
        "Y̶e̶s̶",
        "Hello no\nyes",
        "Yes\n\n01.03.2027",
        "Yes\n- but not her",
        "Yes\nThanks, but only if she pays",
        "Yes\nWarning: she must mail me first",
        "Yes\nnot 2027-03-01",
        "Yes\nDate: never",
        "Yes\nOn second thoughts I wrote:",
        "Yes\n?",
        "Yes\n\nNo",
        "Yes\n\nonly when she calls at 10:30\nRita Quill wrote:\n> Hi",
        "Yes\n\nher usual salon, at 10:30\nRita Quill wrote:\n> Hi",
        "Yes\n\nOn Friday at 10:30.\nRita Quill wrote:\n> Hi",
        "Yes\n\nOn 1 March 2027 but only if as Rita wrote:\n> Hi",
        "Yes\nOn that note, no",
        "Yes\nLinda\nNot Now",
        "Yes\nSent from my iPhone, no",
        "maybe\n\nyes",
        "Yes\f no",
        "Yes\nThis is confidential, tell no recipient\nbut",
        "Yes\n\nIf you are not the intended recipient, no.",
    ],
)
def test_what_is_not_surely_a_word_is_unclear(text: str) -> None:
    assert says(text) is Intent.UNCLEAR


@pytest.mark.parametrize("style", ["display:none", "visibility: hidden", "font-size:0", "mso-hide:all"])
def test_what_html_hides_is_not_heard(style: str) -> None:
    assert page(f'<p style="{style}">Yes</p>') is Intent.UNCLEAR
    assert page(f'<p>No <span style="{style}">yes</span></p>') is Intent.NO


@pytest.mark.parametrize(
    "html",
    [
        "<p>Yes</p><p>but not her</p>",
        "<blockquote>Yes</blockquote>",
        "<s>Yes</s>",
        "<script>x</script><li>Yes",
        "<div id=divRplyFwdMsg></div><p>Yes</p>",
        '<div class="yahoo_quoted">Yes</div>',
        "Yes<br>but no",
        "<b>Not</b> Yes",
        "<div class=gmail_quote><blockquote>a</blockquote>Yes</div>",
        "Yes<blockquote>a</blockquote>not",
        "<title>Yes</title>",
        "<div>" * 400 + "Yes",
        '<p style="text-decoration: line-through">Yes</p>',
        "<textarea>Yes</textarea>",
    ],
)
def test_html_that_does_not_plainly_say_yes_is_unclear(html: str) -> None:
    assert page(html) is Intent.UNCLEAR


# --- who says it ---


@pytest.mark.parametrize(
    ("value", "sender"),
    [
        ('"linda@salon.test" <evil@x.test>', "evil@x.test"),
        ("=?utf-8?q?linda=40salon=2Etest=2C?= <evil@x.test>", "evil@x.test"),
        ("linda@salon.test, evil@x.test", ""),
        ("linda@salon.test\r\nFrom: evil@x.test", ""),
        ("undisclosed-recipients:;", ""),
        ("linda", ""),
        ("лилия <лилия@salon.test>", "лилия@salon.test"),
    ],
)
def test_the_sender_is_the_one_address_or_none(value: str, sender: str) -> None:
    assert reading(f"From: {value}\r\n\r\nYes".encode()).sender == sender


@pytest.mark.parametrize(
    ("value", "failed"),
    [
        ("mx.twoyes.test; dmarc=fail header.from=salon.test", True),
        ("MX.TwoYes.Test 1; spf=pass;\r\n\tdmarc = fail (p=none)", True),
        ('mx.twoyes.test; spf=pass smtp.mailfrom="a;(@x.test; dmarc=fail', True),
        ("(ours) mx.twoyes.test; dmarc/1=fail", True),
        ("mx.twoyes.test; dmarc=pass; x-dmarc=fail", False),
        ("mx.twoyes.test.evil.test; dmarc=fail", False),
        ("mx.evil.test; dmarc=fail", False),
        ("mx.twoyes.test; dmarc=none", False),
        ("", False),
    ],
)
def test_only_our_own_server_is_believed_on_dmarc(value: str, failed: bool) -> None:
    mail = f"From: linda@salon.test\r\nAuthentication-Results: {value}\r\n\r\nYes".encode()
    assert reading(mail).dmarc_failed is failed
    assert classify(mail, OURS, None).dmarc_failed is False


@pytest.mark.parametrize(
    ("value", "failed"),
    [
        ("mx.twoyes.test; spf=pass; dmarc=pass (p=reject) header.from=salon.test", False),
        ("MX.TwoYes.Test 1;\r\n\tdmarc/1 = pass", False),
        ("mx.twoyes.test; dmarc=none", False),
        ("mx.twoyes.test; spf=pass", True),
        ("mx.twoyes.test; none", True),
        ("", True),
        # What a stranger can write, or have our server write.
        ("mx.evil.test; dmarc=pass", True),
        ("mx.evil.test (mx.twoyes.test); dmarc=pass", True),
        ("mx.twoyes.test.evil.test; dmarc=pass", True),
        ('mx.twoyes.test; spf=pass smtp.mailfrom="x; dmarc=pass "@evil.test', True),
        ("mx.twoyes.test; spf=pass (; dmarc=pass )", True),
        ("mx.twoyes.test; spf=pass (a (b) ; dmarc=pass ; c)", True),
        (r"mx.twoyes.test; spf=pass (\) ; dmarc=pass ; c)", True),
        ("mx.twoyes.test; spf=pass smtp.mailfrom=dmarc=pass@evil.test", True),
        ("mx.twoyes.test; dmarc=pass@evil.test", True),
        ("mx.twoyes.test; x-dmarc=pass", True),
    ],
)
def test_where_our_server_always_writes_a_result_a_mail_without_one_has_failed(
    value: str, failed: bool
) -> None:
    mail = f"From: linda@salon.test\r\nAuthentication-Results: {value}\r\n\r\nYes".encode()
    assert classify(mail, OURS, "mx.twoyes.test").dmarc_failed is failed
    assert classify(mail, OURS, None).dmarc_failed is False


def test_a_mail_without_any_such_field_has_failed_as_well() -> None:
    mail = b"From: linda@salon.test\r\n\r\nYes"
    assert classify(mail, OURS, "mx.twoyes.test").dmarc_failed
    assert not reading(mail).dmarc_failed


def test_a_second_mark_counts_as_well() -> None:
    marks = "".join(f"Authentication-Results: mx.twoyes.test; dmarc={how}\r\n" for how in ("pass", "fail"))
    assert reading(f"{marks}From: linda@salon.test\r\n\r\nYes".encode()).dmarc_failed


# --- whatever comes ---


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000))
def test_no_bytes_make_it_raise(rubbish: bytes) -> None:
    assert isinstance(reading(rubbish), Reading)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(
        ["From", "Content-Type", "Subject", "Authentication-Results", "Content-Transfer-Encoding"]
    ),
    st.binary(max_size=200),
    st.binary(max_size=200),
)
def test_no_header_makes_it_raise(name: str, value: bytes, body: bytes) -> None:
    assert isinstance(reading(name.encode() + b": " + value + b"\r\n\r\n" + body), Reading)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(EXPECTED)), st.data())
def test_a_mail_that_was_garbled_on_its_way_never_makes_it_raise(name: str, data: st.DataObject) -> None:
    assert isinstance(reading(garbled(raw(name), data)), Reading)


HARD = [
    name
    for name in UNCLEAR
    if not re.search(r"empty|attach|null|rubbish|contradict|subject|forwarded|picture|struck|reply-all", name)
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(HARD), st.data())
def test_a_flipped_bit_never_turns_an_unclear_reply_into_a_yes(name: str, data: st.DataObject) -> None:
    mail = bytearray(raw(name))
    for at in data.draw(st.lists(st.integers(0, len(mail) - 1), min_size=1, max_size=4)):
        mail[at] ^= 1 << data.draw(st.integers(0, 7))
    assert reading(bytes(mail)).intent is not Intent.YES


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NO_YES), st.data())
def test_a_multipart_that_was_cut_off_never_says_yes(name: str, data: st.DataObject) -> None:
    mail = raw(name)
    if message_from_bytes(mail).is_multipart():
        assert reading(mail[: data.draw(st.integers(0, len(mail)))]).intent is not Intent.YES


def test_parts_in_another_order_say_the_same() -> None:
    for name, expected in EXPECTED.items():
        message = message_from_bytes(raw(name))
        parts: Any = message.get_payload()
        if message.get_content_type() in ("multipart/alternative", "multipart/mixed") and len(parts) > 1:
            message.set_payload(parts[::-1])
            after = reading(message.as_bytes()).intent
            assert after is not Intent.YES or expected.get("intent") == "yes", name


def garbled(mail: bytes, data: st.DataObject) -> bytes:
    """The mail with a piece of it gone, doubled, or turned into rubbish."""
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(mail))] * 2)))
    piece = data.draw(st.sampled_from([b"", mail[begin:end] * 2, b"\0", b"\xff\xfe", mail[end:begin:-1]]))
    return mail[:begin] + piece + mail[end:]


@pytest.mark.parametrize(
    "mail",
    [
        b'Content-Type: multipart/mixed; a="' + b";" * 1_000_000 + b"\r\n\r\nYes",
        b"From: " + b"(" * 500_000 + b"a@b.test\r\n\r\nYes",
        b"X-A: b\r\n" * 500_000 + b"\r\nYes",
        b"From: a@b.test\r\n\r\n" + b"\n" * 6_000_000,
        b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
        b"Content-Type: multipart/mixed; boundary=b0\r\n"
        + b"".join(
            b"\r\n--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n" % (at, at + 1) for at in range(35)
        )
        + b"x\n" * 900_000,
        b"Content-Type: text/html\r\n\r\n" + b"<a " * 60_000,
        b"Content-Type: text/html\r\n\r\n" + b"<!--x" * 30_000,
        b"Content-Type: text/plain; charset=idna\r\n\r\n" + b"a." * 90_000,
        b"\r\nYes\n\n" + b"On 2027 " * 20_000,
        b"\r\nYes\n\n" + b"Thanks\n" * 4_900,
        b"From: mailer-daemon@b.test\r\n\r\nfailed addresses follow:" + b"a" * 400_000,
        b"From: mailer-daemon@b.test\r\n\r\n" + b"-" * 400_000,
    ],
)
def test_a_mail_that_was_made_to_be_slow_is_not(mail: bytes) -> None:
    started = time.monotonic()
    assert isinstance(reading(mail), Reading)
    assert time.monotonic() - started < 5


def test_a_bounce_that_only_a_pattern_sees_must_come_from_a_mail_server() -> None:
    """`flufl.bounce` takes "write to x, bob@salon.test, please" for a failure, whoever says it."""
    text = b"\r\n\r\nPlease write to my colleague, bob@salon.test, from now on.\r\n"
    assert reading(b"From: linda@salon.test" + text).category is Category.REPLY
    assert reading(b"Return-Path: <>\r\nFrom: linda@salon.test" + text).category is Category.AUTO_REPLY
