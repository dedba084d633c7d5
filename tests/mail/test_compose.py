"""The mails as bytes: safe headers, whole lines, nobody's secrets, and the right words to each."""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from service.introductions import requests
from service.language import wording
from service.language.languages import LANGUAGES
from service.lifecycle import About, ConsentState, Envelope, Mail, MailKind, Order, Reason, Role, State
from service.mail.compose import compose, introduction_message, message_id
from service.mail.render import preview
from service.mail.tokens import Tokens
from service.settings.environment import load
from service.settings.table import Settings
from service.store.models import FirstWriter, Introduction, Need, OutboxMail, Sought
from tests.support.flowed import unflowed
from tests.support.story import LINDA, NATASHA, RITA, SECRET

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TAG = "00ff10203040506f"
MESSAGE_ID = "<ask.1.a.1.0f2c@twoyes.test>"
SETTINGS = load(
    {
        "SECRET_KEY": SECRET,
        "DATABASE_URL": "sqlite:///unused.db",
        "PUBLIC_URL": "https://twoyes.test",
        "MAIL_DEFAULT_SENDER": "TwoYes <hello@twoyes.test>",
    }
)
OURS = "in.twoyes.test"
WITH_REPLIES = SETTINGS.model_copy(update={"INBOUND_DOMAIN": OURS})
ASKED = requests.Request(
    requester_name="Rita Quill",
    requester_email=RITA,
    a=requests.Party("Linda Marsh", LINDA, "Runs the beauty salon.", "Her customer for ten years."),
    b=requests.Party("Natasha Orlova", NATASHA, "Designs interiors.", "She did our reading room."),
    need="A new interior for the salon before spring.",
    need_of=Need.A,
    sought=Sought.YES,
    order=Order.TOGETHER,
    first_writer=FirstWriter.A,
    reminders=True,
    cc_requester=True,
    requester_is=None,
)
TO_PARTIES = (
    MailKind.ASK,
    MailKind.REMINDER,
    MailKind.RECEIPT,
    MailKind.RECHECK,
    MailKind.UNCLEAR,
    MailKind.FOLLOW_UP,
    MailKind.NOT_COME_ABOUT,
    MailKind.UNDELIVERED,
)
TO_REQUESTER = (
    MailKind.VERIFY,
    MailKind.UNCLEAR,
    MailKind.DECLINED,
    MailKind.UNDELIVERABLE,
    MailKind.SUMMARY,
    MailKind.UNDELIVERED,
)
EVERY = [(kind, role) for kind in TO_PARTIES for role in (Role.A, Role.B)]
EVERY += [(kind, Role.REQUESTER) for kind in TO_REQUESTER]

INJECTIONS = [
    "Rita\r\nBcc: everybody@evil.test",
    "Rita\nBcc: everybody@evil.test\n\nA body of my own",
    'Rita" <everybody@evil.test>, "',
    "Rita\x00\x1b[31m\u2028Bcc: everybody@evil.test",
    "=?utf-8?q?Rita=0D=0ABcc:_everybody@evil.test?=",
    "Rita, Linda; Natasha: (all) \\ <x@evil.test>",
    "Zoë 李小龍 😀 " * 30,
    "R" * 300,
    "\ud83d half a letter",
    "",
]


def case(asked: requests.Request = ASKED, **changes: object) -> Introduction:
    """An introduction that is being asked; it is not in any database."""
    introduction = requests.draft(asked, NOW)
    introduction.id, introduction.state = 1, State.ASKING
    introduction.verified_at, introduction.closes_at = NOW, NOW + timedelta(days=7)
    for number, consent in enumerate(introduction.consents, start=1):
        consent.id, consent.state, consent.asked_at = number, ConsentState.ASKED, NOW
        consent.words_shown = str(wording.consent_words(introduction, consent.side))
    for name, value in changes.items():
        setattr(introduction, name, value)
    return introduction


def mail(introduction: Introduction, kind: MailKind, to: Role) -> OutboxMail:
    recipient = RITA if to is Role.REQUESTER else introduction.consent(to).email
    return OutboxMail(
        id=7,
        introduction=introduction,
        kind=kind,
        to=to,
        recipient=recipient,
        number=1,
        about=About.CASE,
        message_id=MESSAGE_ID,
        tag=TAG,
    )


def raw(introduction: Introduction, kind: MailKind, to: Role, settings: Settings = SETTINGS) -> bytes:
    if kind is MailKind.INTRODUCTION:
        return introduction_message(introduction, MESSAGE_ID, settings)
    return compose(mail(introduction, kind, to), settings, NOW).message


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def written(introduction: Introduction, kind: MailKind, to: Role) -> str:
    """Subject, text and HTML of a mail, decoded."""
    message = parsed(raw(introduction, kind, to))
    return "\n".join([str(message["Subject"]), part(message, "plain"), part(message, "html")])


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    text = str(body.get_content()).replace("\r\n", "\n")
    return unflowed(text) if kind == "plain" else text


def named(name: str) -> requests.Request:
    """Everybody and everything bears the same awkward text."""
    return replace(
        ASKED,
        requester_name=name,
        a=replace(ASKED.a, name=name, blurb=name, endorsement=name),
        b=replace(ASKED.b, name=name, blurb=name, endorsement=name),
        need=name,
    )


def unreached(introduction: Introduction) -> Introduction:
    introduction.consent(Role.B).state = ConsentState.UNDELIVERABLE
    introduction.consent(Role.B).envelope = Envelope.FAILED
    return introduction


# --- Before the requester has shown that the request is theirs --------------------------------------

POISONED = replace(
    ASKED,
    requester_name="xRequesterx",
    a=replace(ASKED.a, name="xLindax", email="xlinda@evil.testx", blurb="xBlurbAx", endorsement="xKnowsAx"),
    b=replace(ASKED.b, name="xNatashax", email="xnat@evil.testx", blurb="xBlurbBx", endorsement="xKnowsBx"),
    need="xNeedx",
)


@pytest.mark.parametrize("kind", [MailKind.VERIFY, MailKind.UNCLEAR])
@pytest.mark.parametrize("own", [None, Role.A, Role.B])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_to_an_unverified_address_holds_nothing_that_anybody_typed(
    kind: MailKind, own: Role | None, language: str
) -> None:
    asked = replace(POISONED, requester_is=own, language=language)
    introduction = case(asked, state=State.UNVERIFIED, verified_at=None, closes_at=None)
    message = parsed(raw(introduction, kind, Role.REQUESTER, WITH_REPLIES))
    told = [f"{name}: {value}" for name, value in message.items()]
    told += [part(message, "plain"), part(message, "html")]
    assert not re.findall(r"(?i)x(?:requester|linda|natasha|blurb|knows|need|nat@)\S*", "\n".join(told))
    assert [box.display_name for box in message["To"].addresses] == [""]
    assert [box.display_name for box in message["From"].addresses] == ["TwoYes"]


# --- Bytes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INJECTIONS)
@pytest.mark.parametrize(("kind", "to"), [*EVERY, (MailKind.INTRODUCTION, Role.A)])
def test_no_name_however_odd_adds_a_header_or_a_recipient(kind: MailKind, to: Role, name: str) -> None:
    data = raw(case(named(name)), kind, to)
    head = data.partition(b"\r\n\r\n")[0]
    names = re.findall(rb"(?m)^([A-Za-z-]+):", head)
    expected = {b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"MIME-Version"}
    expected |= {b"X-Auto-Response-Suppress", b"Content-Type"}
    if kind is MailKind.INTRODUCTION:
        expected |= {b"Cc", b"Reply-To"}
    if kind in (MailKind.ASK, MailKind.REMINDER, MailKind.FOLLOW_UP):
        expected |= {b"List-Unsubscribe", b"List-Unsubscribe-Post"}
    if kind is MailKind.REMINDER:
        expected |= {b"In-Reply-To", b"References"}
    assert sorted(names) == sorted(expected)
    assert [b.addr_spec for b in parsed(data)["From"].addresses] == ["hello@twoyes.test"]
    if kind is MailKind.INTRODUCTION:
        assert {b.addr_spec for b in parsed(data)["To"].addresses} == {LINDA, NATASHA}
    else:
        assert len(parsed(data)["To"].addresses) == 1


@pytest.mark.parametrize("name", INJECTIONS)
@pytest.mark.parametrize(("kind", "to"), [*EVERY, (MailKind.INTRODUCTION, Role.A)])
def test_every_mail_is_seven_bit_with_short_whole_lines(kind: MailKind, to: Role, name: str) -> None:
    data = raw(case(named(name)), kind, to)
    assert data.isascii()
    assert max(len(line) for line in data.split(b"\r\n")) <= 78
    assert not re.search(rb"[^\r]\n|\r[^\n]", data)


def test_one_letter_is_never_cut_in_two_by_an_encoded_word() -> None:
    name = "Zoë 李小龍 😀" * 5
    message = raw(case(replace(ASKED, requester_name=name)), MailKind.ASK, Role.A)
    words = re.findall(r"=\?utf-8\?b\?([^?]*)\?=", message.decode())
    assert words
    assert all(email.header.decode_header(f"=?utf-8?b?{word}?=")[0][0].decode("utf-8") for word in words)


@pytest.mark.parametrize(("kind", "to"), [*EVERY, (MailKind.INTRODUCTION, Role.A)])
def test_a_mail_has_the_message_id_it_was_given_once_however_often_it_is_written(
    kind: MailKind, to: Role
) -> None:
    introduction = case()
    for data in (raw(introduction, kind, to), raw(introduction, kind, to)):
        assert parsed(data).get_all("Message-ID") == [MESSAGE_ID]


def test_an_automatic_answer_is_asked_not_to_come() -> None:
    message = parsed(raw(case(), MailKind.ASK, Role.A))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"


@pytest.mark.parametrize(
    "address",
    [
        "linda@salon.test>\r\nBcc: everybody@evil.test",
        "línda\u2028@salon.test",
        "línda\x85@salon.test",
        "lín\u00a0da@salon.test",
        "lín\ud83dda@salon.test",
        "linda@sälon.test",
        "lín\u202eda@salon.test",
    ],
)
def test_an_address_that_is_none_never_reaches_a_header(address: str) -> None:
    asked = mail(case(), MailKind.ASK, Role.A)
    asked.recipient = address
    with pytest.raises(ValueError, match="address"):
        compose(asked, SETTINGS, NOW)


def test_only_an_address_outside_ascii_stands_in_a_header_as_it_is() -> None:
    asked = replace(ASKED, a=replace(ASKED.a, name="Línda Märsh", email="línda@xn--slon-5qa.test"))
    data = raw(case(asked), MailKind.INTRODUCTION, Role.A)
    head, _, body = data.partition(b"\r\n\r\n")
    assert body.isascii()
    # RFC 6532 lets an address be UTF-8; the name is in encoded words, which every program reads.
    assert head.count("<línda@xn--slon-5qa.test>".encode()) == 2
    assert head.replace("línda@".encode(), b"").isascii()
    assert raw(case(asked), MailKind.ASK, Role.B).isascii()


def test_the_text_part_is_flowed_and_comes_out_as_it_was_written() -> None:
    message = parsed(raw(case(), MailKind.ASK, Role.A))
    body = message.get_body(("plain",))
    assert body is not None
    assert (body.get_param("format"), body.get_param("delsp")) == ("flowed", "no")
    shown = str(body.get_content()).split("\r\n")
    assert max(len(line) for line in shown if "https://" not in line) <= 78
    assert "-- " in shown
    whole = "Nothing is shared unless you both say yes: not your address, not your answer."
    assert whole in part(message, "plain")
    assert not any(whole in line for line in shown)


# --- Who and what -----------------------------------------------------------------------------------


def test_an_ask_comes_from_the_requester_via_twoyes_and_the_verification_from_twoyes_alone() -> None:
    assert (
        parsed(raw(case(), MailKind.ASK, Role.A))["From"].addresses[0].display_name == "Rita Quill via TwoYes"
    )
    assert parsed(raw(case(), MailKind.VERIFY, Role.REQUESTER))["From"].addresses[0].display_name == "TwoYes"


@pytest.mark.parametrize(("kind", "to"), EVERY)
def test_a_reply_to_any_mail_comes_back_to_an_address_that_names_it(kind: MailKind, to: Role) -> None:
    message = parsed(raw(case(), kind, to, WITH_REPLIES))
    (sender,), (reply_to,) = message["From"].addresses, message["Reply-To"].addresses
    assert sender == reply_to
    assert sender.addr_spec == f"intro+{Tokens([SECRET]).make_address('intro', TAG, 1)}@{OURS}"
    on_behalf = kind in (MailKind.ASK, MailKind.REMINDER)
    assert sender.display_name == ("Rita Quill via TwoYes" if on_behalf else "TwoYes")


def test_a_reply_to_the_introduction_goes_to_the_people_and_never_through_us() -> None:
    data = raw(case(), MailKind.INTRODUCTION, Role.A, WITH_REPLIES)
    message = parsed(data)
    assert [found.addr_spec for found in message["From"].addresses] == [f"intro@{OURS}"]
    assert [found.addr_spec for found in message["Reply-To"].addresses] == [LINDA, NATASHA]
    # Its stored bytes are those of both copies, so no token of either may stand in them.
    assert b"intro+" not in data


def test_without_a_domain_for_replies_there_is_no_address_to_come_back_to() -> None:
    message = parsed(raw(case(), MailKind.ASK, Role.A))
    assert message["From"].addresses[0].addr_spec == "hello@twoyes.test"
    assert message["Reply-To"] is None
    assert "mailto:" not in message["List-Unsubscribe"]


@pytest.mark.parametrize(("kind", "to"), EVERY)
def test_whoever_did_not_ask_for_a_mail_can_unsubscribe_by_page_and_then_by_mail(
    kind: MailKind, to: Role
) -> None:
    message = parsed(raw(case(), kind, to, WITH_REPLIES))
    tokens = Tokens([SECRET])
    if kind not in (MailKind.ASK, MailKind.REMINDER, MailKind.FOLLOW_UP):
        assert message["List-Unsubscribe"] is None
        return
    page = f"<https://twoyes.test/never/{tokens.make_never(TAG)}>"
    by_mail = f"<mailto:stop+{tokens.make_address('stop', TAG, 1)}@{OURS}?subject=unsubscribe>"
    assert message["List-Unsubscribe"].split() == [f"{page},", by_mail]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_one_click_is_offered_only_where_the_pages_are_https() -> None:
    settings = WITH_REPLIES.model_copy(update={"PUBLIC_URL": "http://twoyes.test"})
    message = parsed(raw(case(), MailKind.ASK, Role.A, settings))
    assert "mailto:stop+" in message["List-Unsubscribe"]
    assert message["List-Unsubscribe-Post"] is None


def test_a_message_id_is_of_the_domain_that_mails_come_from() -> None:
    asked = (case(), Mail(MailKind.ASK, Role.A))
    assert message_id(SETTINGS, *asked).endswith("@twoyes.test>")
    assert message_id(WITH_REPLIES, *asked).endswith(f"@{OURS}>")


def test_a_message_id_stays_what_it_was_before_mails_told_what_they_are_about() -> None:
    """A reminder that is sent after an upgrade finds the ask that was sent before it."""
    settings = SETTINGS.model_copy(update={"SECRET_KEY": "k" * 32})
    asked = message_id(settings, case(), Mail(MailKind.ASK, Role.A))
    what = (case().id, case().created_at.timestamp(), "ask", "a", 1)
    digest = hashlib.blake2b(repr(what).encode(), key=b"k" * 32, digest_size=16).hexdigest()
    assert asked == f"<ask.{digest}@twoyes.test>"


def test_a_name_and_a_signed_address_share_no_line_that_would_be_too_long() -> None:
    data = raw(case(), MailKind.ASK, Role.A, WITH_REPLIES)
    assert max(map(len, data.partition(b"\r\nList-")[0].split(b"\r\n"))) <= 78


def test_the_verification_holds_nothing_that_was_typed_but_the_requesters_name() -> None:
    text = written(case(), MailKind.VERIFY, Role.REQUESTER)
    assert "Rita Quill" in text
    for typed in ("Linda", "Natasha", LINDA, NATASHA, "interior", "salon", "customer", "reading room"):
        assert typed not in text


@pytest.mark.parametrize(("kind", "to"), EVERY)
@pytest.mark.parametrize("requester_is", [None, Role.A, Role.B])
def test_no_mail_to_one_side_holds_the_other_sides_address(
    kind: MailKind, to: Role, requester_is: Role | None
) -> None:
    if to is Role.REQUESTER:
        return
    introduction = unreached(case(replace(ASKED, requester_is=requester_is)))
    if requester_is:
        own = introduction.consent(requester_is)
        own.name, own.email = "Rita Quill", RITA
    data = raw(introduction, kind, to)
    other = introduction.other(to).email
    assert other not in written(introduction, kind, to)
    assert other.encode() not in data


@pytest.mark.parametrize("state", list(ConsentState))
@pytest.mark.parametrize("other", list(ConsentState))
def test_a_mail_to_one_side_reads_the_same_whatever_the_other_answered(
    state: ConsentState, other: ConsentState
) -> None:
    for kind in TO_PARTIES:
        introduction, reference = case(), case()
        introduction.consent(Role.A).state = reference.consent(Role.A).state = state
        introduction.consent(Role.B).state = other
        assert written(introduction, kind, Role.A) == written(reference, kind, Role.A)


@pytest.mark.parametrize("other", [ConsentState.ASKED, ConsentState.YES])
def test_the_second_ask_of_ordered_mode_does_not_hint_at_the_first_answer(other: ConsentState) -> None:
    ordered, together = case(replace(ASKED, order=Order.A_FIRST)), case()
    ordered.consent(Role.A).state = other
    assert written(ordered, MailKind.ASK, Role.B) == written(together, MailKind.ASK, Role.B)


def test_the_receipt_says_the_same_after_a_first_and_a_second_yes() -> None:
    introduction = case()
    introduction.consent(Role.A).state = ConsentState.YES
    first = written(introduction, MailKind.RECEIPT, Role.A)
    introduction.consent(Role.B).state, introduction.state = ConsentState.YES, State.AGREED
    introduction.hold_until = NOW
    assert written(introduction, MailKind.RECEIPT, Role.A) == first
    assert "If you both say yes, the introduction will reach you by Monday, 9 March 2026, 09:10 UTC" in first


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.HANDOFF_UNCONFIRMED])
@pytest.mark.parametrize("state", list(ConsentState))
def test_what_did_not_come_about_is_told_in_the_same_words_whatever_the_reason(
    reason: Reason, state: ConsentState
) -> None:
    plain = case(state=State.CLOSED, reason=Reason.NO_ANSWER)
    ended = case(state=State.CLOSED, reason=reason)
    ended.consent(Role.B).state = state
    for kind, to in ((MailKind.SUMMARY, Role.REQUESTER), (MailKind.NOT_COME_ABOUT, Role.A)):
        assert written(ended, kind, to) == written(plain, kind, to)
        assert "didn’t go ahead" in written(ended, kind, to)


def test_the_summary_tells_a_referral_from_a_lead() -> None:
    introduced: dict[str, Any] = {"introduced_at": NOW, "left_at": NOW}
    assert "referral" in written(case(state=State.CONFIRMED, **introduced), MailKind.SUMMARY, Role.REQUESTER)
    lead = case(state=State.CLOSED, reason=Reason.HANDOFF_UNCONFIRMED, **introduced)
    text = written(lead, MailKind.SUMMARY, Role.REQUESTER)
    assert "recorded as a lead" in text
    assert "becomes a referral as soon as it’s confirmed" in text


@pytest.mark.parametrize("requester_is", [None, Role.A, Role.B])
@pytest.mark.parametrize("to", [Role.A, Role.B])
def test_a_follow_up_promises_a_referral_only_to_whom_a_yes_makes_one(
    requester_is: Role | None, to: Role
) -> None:
    data = raw(case(replace(ASKED, requester_is=requester_is)), MailKind.FOLLOW_UP, to)
    for kind in ("plain", "html"):
        body = part(parsed(data), kind)
        assert "we only ask once" in body.lower()
        assert ("counts as a referral" in body) is (to is not requester_is)
        assert ("by Rita Quill" in body) is (requester_is is None)


def test_only_a_no_that_wants_to_be_told_is_told() -> None:
    introduction = case()
    for role in (Role.A, Role.B):
        introduction.consent(role).state = ConsentState.NO
    introduction.consent(Role.A).tells_requester = True
    text = written(introduction, MailKind.DECLINED, Role.REQUESTER)
    assert "Linda Marsh asked us to let you know: not this time." in text
    assert "Natasha" not in text


def test_an_undeliverable_address_is_told_to_the_requester_with_a_way_to_correct_it() -> None:
    text = written(unreached(case()), MailKind.UNDELIVERABLE, Role.REQUESTER)
    assert NATASHA in text
    assert LINDA not in text
    token = Tokens(SETTINGS.secret_keys).make_requester(1, 1)
    assert f"https://twoyes.test/r/{token}" in text


def test_an_ask_says_who_asks_and_why_and_until_when_with_one_link_and_a_way_out() -> None:
    text = part(parsed(raw(case(), MailKind.ASK, Role.A)), "plain")
    tokens = Tokens(SETTINGS.secret_keys)
    for words in (
        "Rita Quill would like to introduce you to Natasha Orlova.",
        "> A new interior for the salon before spring.",
        "> Designs interiors.",
        "> She did our reading room.",
        f"Rita Quill ({RITA}) gave us your address",
        "until Monday, 9 March 2026, 09:00 UTC",
    ):
        assert words in text
    links = re.findall(r"https://\S+", text)
    assert links == [
        f"https://twoyes.test/a/{tokens.make_answer(1, 1)}",
        f"https://twoyes.test/never/{tokens.make_never(TAG)}",
    ]


def test_a_requester_who_is_one_of_the_two_asks_for_themselves_and_vouches_for_nobody() -> None:
    asked = replace(ASKED, requester_is=Role.A, a=requests.Party("Rita Quill", RITA, "Runs a salon.", "No."))
    text = written(case(asked), MailKind.ASK, Role.B)
    assert "Rita Quill would like to be introduced to you." in text
    assert "How Rita Quill knows" not in text


def test_the_introduction_is_one_message_to_both_that_reply_all_answers() -> None:
    introduction = case()
    introduction.consent(Role.A).phone = "+44 20 7946 0958"
    introduction.consent(Role.B).line = "Mornings suit me best."
    data = raw(introduction, MailKind.INTRODUCTION, Role.A)
    message = parsed(data)
    for header in ("To", "Reply-To"):
        assert [found.addr_spec for found in message[header].addresses] == [LINDA, NATASHA]
    assert [found.addr_spec for found in message["Cc"].addresses] == [RITA]
    text = part(message, "plain")
    for words in (
        LINDA,
        NATASHA,
        "+44 20 7946 0958",
        "> Mornings suit me best.",
        "Linda Marsh will write first.",
    ):
        assert words in text
        assert words.removeprefix("> ") in part(message, "html")
    for body in (text, part(message, "html")):
        assert "https://" not in body


def test_the_introduction_is_the_same_bytes_however_often_and_whenever_it_is_written() -> None:
    introduction = case(hold_until=NOW)
    first = raw(introduction, MailKind.INTRODUCTION, Role.A)
    assert raw(introduction, MailKind.INTRODUCTION, Role.A) == first
    # The moment of writing is nowhere in it.
    assert parsed(first)["Date"].datetime == NOW


@pytest.mark.parametrize("change", [{"cc_requester": False}, {"requester_is": Role.A}])
def test_the_requester_gets_no_copy_of_their_own_unless_they_are_a_third_who_wants_one(
    change: dict[str, Any],
) -> None:
    assert parsed(raw(case(**change), MailKind.INTRODUCTION, Role.A))["Cc"] is None


def test_typed_markup_never_becomes_markup() -> None:
    script = "<script>alert(1)</script><a href='https://evil.test'>x</a>"
    introduction = unreached(case(named(script), state=State.CLOSED))
    for consent in introduction.consents:
        consent.phone = consent.line = script
        consent.tells_requester = True
    for kind, to in [*EVERY, (MailKind.INTRODUCTION, Role.A)]:
        html = part(parsed(raw(introduction, kind, to)), "html")
        assert "<script" not in html
        assert "href='https://evil" not in html
    assert "&lt;script&gt;" in html


def test_typed_lines_cannot_pass_for_ours_in_the_text_part() -> None:
    asked = replace(ASKED, need="A salon.\n-- \nTwoYes: your account is closed.")
    text = part(parsed(raw(case(asked), MailKind.ASK, Role.A)), "plain")
    assert "> A salon.\n> --\n> TwoYes: your account is closed." in text


# --- Preview ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MailKind.ASK, MailKind.REMINDER, MailKind.INTRODUCTION])
@pytest.mark.parametrize("role", [Role.A, Role.B])
def test_a_preview_of_what_is_not_saved_holds_placeholders_and_no_link(kind: MailKind, role: Role) -> None:
    shown = preview(requests.draft(ASKED, NOW), kind, role, SETTINGS)
    for words in (shown.text, shown.html):
        assert "https://" not in words
        assert "href" not in words
    if kind is not MailKind.INTRODUCTION:
        assert f"[a link for {'Linda Marsh' if role is Role.A else 'Natasha Orlova'} alone]" in shown.text
        assert "[a date: 7 days after you confirm]" in shown.text


@pytest.mark.parametrize("role", [Role.A, Role.B])
def test_a_preview_says_what_the_mail_will_say(role: Role) -> None:
    shown = preview(requests.draft(ASKED, NOW), MailKind.ASK, role, SETTINGS)
    message = parsed(raw(case(), MailKind.ASK, role))
    assert shown.subject == message["Subject"]

    def without(text: str) -> str:
        text = re.sub(r"https://\S+|\[[^]]*\]|Monday, 9 March 2026, 09:00 UTC", "…", text)
        return text.strip()

    assert without(shown.text) == without(part(message, "plain"))
