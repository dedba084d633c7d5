"""The form of `/`, its preview, and the forms behind links: what is refused, and nothing typed is lost."""

from __future__ import annotations

import html
import re
import warnings

import pytest
from werkzeug.datastructures import MultiDict

from service.introductions import decisions
from service.lifecycle import Confirm, Order, Role
from service.store.models import FirstWriter, Introduction, Need, Sought
from service.views.party.forms import AnswerForm
from service.views.requester.forms import RequestForm
from tests.conftest import rows
from tests.support.story import FORM, LINDA, NATASHA, RITA, Story


def form(**changes: str) -> RequestForm:
    return RequestForm(MultiDict({name: text for name, text in {**FORM, **changes}.items() if text}))


def errors(**changes: str) -> dict[str, str]:
    """The fields that are refused, each with its first message."""
    filled = form(**changes)
    return {} if filled.validate() else {field.name: field.errors[0] for field in filled.fields_with_errors}


# --- What is refused ----------------------------------------------------------------------------------


def test_a_form_that_is_filled_in_well_becomes_a_request() -> None:
    filled = form(b_email="Natasha@INTERIORS.test", cc_requester="", order="b_first")
    assert filled.validate()
    request = filled.to_request()
    assert (request.a.name, request.a.email) == ("Linda Marsh", LINDA)
    assert request.b.email == "Natasha@interiors.test"
    assert (request.need_of, request.sought, request.order) == (Need.A, Sought.YES, Order.B_FIRST)
    assert (request.first_writer, request.reminders, request.cc_requester) == (FirstWriter.A, True, False)
    assert request.requester_is is None


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("requester_name", "", "fill in the name"),
        ("requester_name", "Rita\x07Quill", "invisible control character"),
        ("requester_email", "rita", "doesn’t look like an email address"),
        ("a_name", "linda-salon.com", "out of the name"),
        ("requester_name", "Your account is locked, dial +1 800 555 0199 now", "out of the name"),
        ("requester_name", "\u200d", "fill in the name"),
        ("a_name", "\u3164", "fill in the name"),
        ("need", "\u200b\u200c", "what is needed"),
        ("b_blurb", "See salon\u200b.\u200bcom", "web address"),
        ("b_blurb", "020\u200b7946\u200b0958", "phone number"),
        ("a_name", "L" * 81, "Please keep this to 80 characters; it has 81 now."),
        ("a_email", "", "fill in the email address"),
        ("b_email", "natasha@@interiors.test", "doesn’t look like an email address"),
        ("a_blurb", "", "who this is"),
        ("a_blurb", "Call 030 1234567", "phone number"),
        ("b_blurb", "B" * 401, "400 characters; it has 401"),
        ("b_endorsement", "See https://interiors.test", "web address"),
        ("need", "", "what is needed"),
        ("need", "Write to linda at salon dot com", "email address"),
        ("need_of", "", "choose one"),
        ("need_of", "c", "choose one"),
        ("sought", "perhaps", "choose one"),
        ("order", "c_first", "choose one"),
        ("first_writer", "c", "choose one"),
        ("requester_is", "c", "choose one"),
    ],
)
def test_a_slip_is_told_at_its_field_and_at_no_other(field: str, text: str, message: str) -> None:
    found = errors(**{field: text})
    assert list(found) == [field]
    assert message in found[field]


def test_the_same_address_twice_is_refused_however_it_is_spelt() -> None:
    assert list(errors(b_email=LINDA.upper())) == ["b_email"]
    assert "your own address" in errors(a_email=RITA.title())["a_email"]


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_requester_who_is_one_of_the_two_fills_in_that_side_with_their_own_name(side: str) -> None:
    own = {f"{side}_{part}": "" for part in ("name", "email", "blurb", "endorsement")}
    filled = form(requester_is=side, order=f"{side}_first", **own)
    assert filled.validate(), filled.errors
    request = filled.to_request()
    party = request.a if side == "a" else request.b
    assert (party.name, party.email, party.blurb, party.endorsement) == ("Rita Quill", RITA, "", "")
    assert request.requester_is is Role(side)
    assert request.order is Order.TOGETHER


def test_what_is_typed_on_the_requesters_own_side_is_not_looked_at() -> None:
    filled = form(requester_is="a", a_email=NATASHA, a_name="http://x")
    assert filled.validate(), filled.errors
    assert filled.to_request().a.email == RITA


def test_the_other_side_must_differ_from_a_requester_who_is_one_of_the_two() -> None:
    assert list(errors(requester_is="a", b_email=RITA)) == ["b_email"]


def test_what_a_script_leaves_out_takes_its_default() -> None:
    filled = form(order="", first_writer="", sought="", requester_is="", reminders="off")
    assert filled.validate(), filled.errors
    request = filled.to_request()
    assert (request.order, request.first_writer, request.sought) == (
        Order.TOGETHER,
        FirstWriter.EITHER,
        Sought.UNSURE,
    )
    assert request.reminders is False


def test_only_the_side_with_the_need_says_whether_it_is_looking() -> None:
    filled = AnswerForm(MultiDict({"looking": "yes", "phone": " +44 20 7946 0958 "}))
    assert filled.validate()
    assert filled.details(has_need=True).looking is True
    assert filled.details(has_need=False).looking is None
    assert filled.details(has_need=True).phone == "+44 20 7946 0958"


def test_a_form_uses_nothing_of_the_form_library_that_is_going_away() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert form().validate()
        assert AnswerForm().validate()


# --- Pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["preview", "send"])
def test_everything_typed_is_kept_and_the_message_stands_at_the_field(story: Story, action: str) -> None:
    odd = {**FORM, "need": 'A "new" <interior> & more', "a_email": "linda", "cc_requester": ""}
    del odd["cc_requester"]
    page = story.client.post("/", data={**odd, "action": action})
    assert page.status_code == 422
    for name in ("requester_name", "requester_email", "a_name", "b_name", "b_email", "a_email"):
        assert f'name="{name}"' in page.text
        assert f'value="{html.escape(odd[name])}"' in page.text
    for name in ("a_blurb", "a_endorsement", "b_blurb", "b_endorsement"):
        assert f"\n{odd[name]}</textarea>" in page.text
    assert "A &#34;new&#34; &lt;interior&gt; &amp; more</textarea>" in page.text
    assert re.search(r'name="need_of" value="a" checked', page.text)
    assert re.search(r'name="reminders" value="y" checked', page.text)
    assert not re.search(r'name="cc_requester" value="y" checked', page.text)
    assert 'id="a_email-error"' in page.text
    assert re.search(r'id="a_email"[^>]*aria-describedby="a_email-error" aria-invalid="true"', page.text)
    assert '<a href="#a_email">' in page.text


def test_the_preview_shows_both_asks_and_the_introduction_and_records_nothing(story: Story) -> None:
    before = rows(story.db)
    page = story.client.post("/", data={**FORM, "action": "preview"})
    assert page.status_code == 200
    assert "To <bdi>Linda Marsh</bdi>" in page.text
    assert "To <bdi>Natasha Orlova</bdi>" in page.text
    assert "Linda Marsh, meet Natasha Orlova" in page.text
    assert "[a link for Linda Marsh alone]" in page.text
    assert "/a/" not in page.text
    assert rows(story.db) == before


def test_the_preview_leaves_out_the_ask_to_a_requester_who_is_that_side(story: Story) -> None:
    page = story.client.post("/", data={**FORM, "requester_is": "a", "action": "preview"})
    assert "To <bdi>Natasha Orlova</bdi>" in page.text
    assert "To <bdi>Linda Marsh</bdi>" not in page.text
    assert "To <bdi>Rita Quill</bdi>" not in page.text


@pytest.mark.parametrize(("action", "status"), [("send", 303), ("edit", 200)])
def test_the_previews_buttons_carry_every_field_on(story: Story, action: str, status: int) -> None:
    page = story.client.post("/", data={**FORM, "need": "One\nTwo & 'three'", "action": "preview"})
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    fields = {name: html.unescape(value) for name, value in hidden if name != "csrf_token"}
    languages = {"language": "en", "a_language": "en", "b_language": "en"}
    assert fields == {**FORM, "need": "One\nTwo & 'three'"} | languages
    assert story.client.post("/", data={**fields, "action": action}).status_code == status


def test_a_form_without_an_action_is_sent(story: Story) -> None:
    answer = story.client.post("/", data=FORM)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/requested")
    assert story.introduction().requester_email == RITA


def test_too_many_requests_in_a_day_are_told_kindly_with_everything_kept(story: Story) -> None:
    for _ in range(story.settings.VERIFICATIONS_PER_DAY):
        assert story.client.post("/", data=FORM).status_code == 303
    page = story.client.post("/", data=FORM)
    assert page.status_code == 429
    assert "try again tomorrow" in page.text
    assert f'value="{NATASHA}"' in page.text


def test_a_form_without_its_token_is_shown_again_with_everything_kept(story: Story) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = True
    page = story.client.post("/", data=FORM)
    assert page.status_code == 400
    assert "press the button again" in page.text
    assert f'value="{NATASHA}"' in page.text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    assert story.client.post("/", data={**FORM, "csrf_token": token[1]}).status_code == 303


def test_typed_markup_is_shown_as_text_on_every_page(story: Story) -> None:
    script = "<script>alert(1)</script>"
    typed = {
        "requester_name": script,
        "a_name": script,
        "b_name": f"{script}2",
        "need": script,
        "b_blurb": script,
    }
    story.vouch_for(RITA)
    pages = [story.client.post("/", data={**FORM, **typed, "action": "preview"})]
    story.ask(**typed)
    pages += [story.client.get(story.link(LINDA, "/a/")), story.client.get(story.link(RITA, "/r/"))]
    for page in pages:
        assert page.status_code == 200
        assert "&lt;script&gt;" in page.text
        assert "<script" not in page.text


def test_a_slip_in_a_detail_keeps_what_a_party_typed_and_never_stands_in_the_way_of_a_no(
    story: Story,
) -> None:
    story.ask()
    page = story.answer(LINDA, "yes", phone="ask Rita", line="Mornings are best.")
    assert page.status_code == 422
    assert 'value="ask Rita"' in page.text
    assert "Mornings are best.</textarea>" in page.text
    assert story.consent(LINDA).state == "asked"
    assert story.answer(LINDA, "no", phone="ask Rita").status_code == 303
    assert story.consent(LINDA).state == "no"
    assert story.consent(LINDA).phone == ""


def test_the_words_that_a_yes_was_given_to_are_on_the_page_and_on_record(story: Story) -> None:
    story.ask()
    page = html.unescape(story.client.get(story.link(LINDA, "/a/")).text)
    story.answer(LINDA, "yes")
    words = story.consent(LINDA).words_shown
    assert words
    assert "your address linda@salon.test" in words
    for line in words.splitlines():
        assert line in page


def test_a_page_behind_a_link_needs_no_cookie_and_leaves_no_trace(story: Story) -> None:
    story.ask()
    story.app.config["WTF_CSRF_ENABLED"] = True
    page = story.client.get(story.link(LINDA, "/a/"))
    assert "Set-Cookie" not in page.headers
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert story.answer(LINDA, "yes").status_code == 303


def test_every_page_forbids_scripts_frames_and_guessing(story: Story) -> None:
    for path in ("/", "/requested", "/nowhere", "/a/broken"):
        headers = story.client.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_requesters_page_reads_the_same_whatever_was_answered(story: Story) -> None:
    story.ask(order="a_first")
    path = story.link(RITA, "/r/")
    before = story.client.get(path).text
    story.answer(LINDA, "yes")
    assert story.client.get(path).text == before
    story.sweep()
    story.answer(NATASHA, "no")
    assert story.client.get(path).text == before


# --- Newcomers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("requester_name", "PayPal Security", "name of a person"),
        ("a_name", "TwoYes Support", "name of a person"),
        ("b_name", "Linda: evil", "leave out"),
        ("need", "Link:evil.unknown|x", "a space after"),
        ("a_blurb", "O8OO l23 456", "long numbers"),
        ("a_endorsement", "paypal dot com", "leave out"),
        ("b_blurb", "tel: 1414", "leave out"),
        ("b_endorsement", "paypаl", "one alphabet"),
    ],
)
def test_what_a_newcomer_may_not_write_is_told_at_its_field(
    story: Story, field: str, text: str, message: str
) -> None:
    for action in ("send", "preview"):
        page = story.client.post("/", data={**FORM, field: text, "action": action})
        assert page.status_code == 422
        told = re.findall(r'id="(\w+)-error">.*?</span>([^<]*)<', page.text)
        assert [name for name, _ in told] == [field]
        assert message in html.unescape(told[0][1])
    assert rows(story.db)["introductions"] == []
    # Whose own introduction was confirmed may write it, signed in or not, however the address is spelt.
    story.vouch_for(RITA)
    assert story.request(**{field: text, "requester_email": RITA.upper()}).status_code == 303


def test_a_newcomer_is_who_has_no_confirmed_introduction_and_nobody_else(story: Story) -> None:
    odd = {"need": "Rooms in Berlin|Paris"}
    story.introduce()
    assert story.request(**odd).status_code == 422, "introduced is not confirmed"
    story.sweep(days=30)
    with story.writing() as context:
        introduced = context.session.get_one(Introduction, story.introduction().id)
        decisions.apply(context, introduced, Confirm(Role.A, in_touch=True))
    assert story.introduction().state == "confirmed"
    assert story.request(requester_email="ruth@chess.test", **odd).status_code == 422
    assert story.request(requester_email=LINDA, a_email="x@chess.test", **odd).status_code == 422
    assert story.request(**odd).status_code == 303


def test_a_newcomer_sees_all_that_is_wrong_at_once_and_their_own_side_is_not_looked_at(story: Story) -> None:
    typed = {"a_name": "Support Team", "need": "evil|com", "b_name": "", "requester_is": "a", "a_email": ""}
    page = story.client.post("/", data={**FORM, **typed, "action": "send"}).text
    assert set(re.findall(r'id="([\w-]+)-error"', page)) == {"b_name", "need"}
