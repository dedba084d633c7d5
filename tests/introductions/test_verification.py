"""A request is verified in the browser that sent it, by its link or six digits; elsewhere by a choice."""

from __future__ import annotations

import html
import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from service.introductions.requests import CODE_TRIES
from service.lifecycle import ConsentState, State
from service.store.models import Introduction
from service.store.suppressions import suppress
from tests.conftest import rows
from tests.support.desk import sign_in_for_tests
from tests.support.forms import form_with, forms_of
from tests.support.smtp_server import FaultySmtp
from tests.support.story import FORM, LINDA, NATASHA, RITA, HandClock, Story, text_of

CODE = re.compile(r"^(\d{3}) (\d{3})$", re.MULTILINE)
OLGA = "olga@operators.test"


@pytest.fixture
def story(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Story:
    """Production's SUSPECT_WITHIN; Rita has sent the form, and the mail is a minute old."""
    kept = {name: value for name, value in environ.items() if name != "SUSPECT_WITHIN"}
    story = Story({**kept, "OPERATORS": OLGA}, clock, relay)
    story.request()
    clock.advance(minutes=1)
    return story


def code_in_mail(story: Story, number: int = -1) -> str:
    found = CODE.search(text_of(story.mails(RITA)[number]))
    assert found
    return found[1] + found[2]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def type_code(story: Story, code: str, client: FlaskClient | None = None) -> TestResponse:
    return (client or story.client).post("/requested", data={"code": code})


def elsewhere(story: Story) -> FlaskClient:
    """A browser that knows nothing, such as a stranger's or a program's."""
    return story.app.test_client()


def choose(story: Story, choice: str, client: FlaskClient, **fields: str) -> TestResponse:
    """Open the requester's link in a browser, choose, and press."""
    page = story.link(RITA, "/r/")
    form, chosen = form_with(client.get(page).text, page, choice)
    return client.post(page, data=form.pressed(None, chosen) | fields)


def state(story: Story) -> State:
    return story.introduction().state


def said(page: TestResponse) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


# --- In the browser that sent the form ----------------------------------------------------------------


def test_the_link_asks_for_one_press_of_one_button(story: Story) -> None:
    page = story.link(RITA, "/r/")
    shown = story.client.get(page).text
    [form, *_] = forms_of(shown, page)
    assert [(button.name, button.value) for button in form.buttons] == [("action", "verify")]
    assert 'type="radio"' not in shown
    assert story.post(page, **form.pressed(form.buttons[0])).status_code == 303
    assert state(story) is State.ASKING


def test_there_nothing_is_too_soon_and_nobody_suspect(story: Story) -> None:
    choose(story, "accept", elsewhere(story))
    assert story.introduction().suspect_at
    story.request(b_email="nora@interiors.test")
    for link in {story.link(RITA, "/r/"), re.search(r"/r/\S+", text_of(story.mails(RITA)[0]))[0]}:  # type: ignore[index]
        assert story.post(link, action="verify").status_code == 303
    with story.db.reading() as session:
        assert set(session.scalars(select(Introduction.state))) == {State.ASKING}


def test_withdrawing_and_correcting_take_one_press_there_too(story: Story) -> None:
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.verify()
    link = story.link(RITA, "/r/")
    assert story.post(link, action="correct", side="b", email="nora@interiors.test").status_code == 303
    assert story.consent("nora@interiors.test").corrected
    assert story.post(link, action="withdraw").status_code == 303
    assert state(story) is State.CLOSED


@pytest.mark.parametrize("action", ["", "remind", "nonsense"])
def test_what_the_page_does_not_offer_is_refused(story: Story, action: str) -> None:
    before = rows(story.db)
    assert story.post(story.link(RITA, "/r/"), action=action).status_code == 400
    assert rows(story.db) == before


def test_the_word_of_a_browser_is_random_lasts_and_is_one_for_all_its_requests(story: Story) -> None:
    first = story.introduction().browser
    story.request(b_email="nora@interiors.test")
    assert story.introduction().browser == first
    assert first
    assert len(first) == 43
    cookie = story.client.get_cookie("session")
    assert cookie
    assert cookie.expires
    other = elsewhere(story)
    other.post("/", data={**FORM, "b_email": "nina@interiors.test", "action": "send"})
    assert story.introduction().browser not in (first, None)


def test_a_forged_or_an_empty_word_is_no_browser(story: Story) -> None:
    for word in ("", "x" * 43):
        forged = elsewhere(story)
        with forged.session_transaction() as session:
            session["browser"] = word
        page = forged.post(story.link(RITA, "/r/"), data={"action": "verify"})
        assert page.status_code == 422
    with story.db.transaction() as session:
        session.execute(text("UPDATE introductions SET browser = NULL"))
    assert elsewhere(story).post(story.link(RITA, "/r/"), data={"action": "verify"}).status_code == 422
    assert state(story) is State.UNVERIFIED


def test_the_word_is_kept_through_a_sign_in_and_dropped_by_signing_out(story: Story) -> None:
    story.verify()
    story.request(b_email="nora@interiors.test")
    sign_in_for_tests(story.client, story, RITA)
    assert 'name="choice"' not in story.client.get(story.link(RITA, "/r/")).text
    story.client.post("/desk/sign-out")
    assert 'name="choice"' in story.client.get(story.link(RITA, "/r/")).text
    assert 'name="code"' not in story.client.get("/requested").text


# --- Six digits ---------------------------------------------------------------------------------------


def test_the_six_digits_verify_the_request_where_the_form_was_sent(story: Story) -> None:
    page = story.client.get("/requested").text
    assert re.search(r'<input id="code"[^>]* autocomplete="one-time-code" inputmode="numeric"', page)
    done = type_code(story, code_in_mail(story))
    assert (done.status_code, done.location) == (303, story.link(RITA, "/r/"))
    assert state(story) is State.ASKING
    story.sweep()
    assert story.kinds(LINDA) == ["ask"]


@pytest.mark.parametrize("digits", ["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"])
@pytest.mark.parametrize("how", ["{0} {1}", " {0}\u00a0{1}\n", "\u2066{0} {1}\u2069", "{0}-{1}"])
def test_they_may_be_typed_in_any_digits_and_groups(story: Story, digits: str, how: str) -> None:
    code = code_in_mail(story).translate(str.maketrans("0123456789", digits))
    assert type_code(story, how.format(code[:3], code[3:])).status_code == 303
    assert state(story) is State.ASKING


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345x", "½23456", "一二三四五六"])
def test_what_is_no_code_is_told_at_the_field_and_costs_no_try(story: Story, typed: str) -> None:
    page = type_code(story, typed)
    assert page.status_code == 422
    assert 'id="code-error"' in page.text
    assert "Please type the six digits from our email." in said(page)
    assert story.introduction().code_attempts == 0


def test_a_wrong_code_is_told_at_the_field_with_the_tries_that_are_left(story: Story) -> None:
    page = type_code(story, wrong(code_in_mail(story)))
    assert page.status_code == 422
    assert 'id="code-error"' in page.text
    assert "You can try 4 more times." in said(page)
    assert state(story) is State.UNVERIFIED
    assert story.introduction().code_attempts == 1
    assert type_code(story, code_in_mail(story)).status_code == 303


def test_after_five_wrong_ones_only_the_link_works_and_the_page_says_so(story: Story) -> None:
    code = code_in_mail(story)
    pages = [said(type_code(story, wrong(code))) for _ in range(CODE_TRIES)]
    assert "You can try 1 more time." in pages[-2]
    right = type_code(story, code)
    assert right.status_code == 422
    assert state(story) is State.UNVERIFIED
    assert story.introduction().code_attempts == CODE_TRIES == 5
    for page in (right, story.client.get("/requested")):
        assert "The code was wrong too often. Please open the link in our email instead." in said(page)
        assert 'name="code"' not in page.text
    assert story.post(story.link(RITA, "/r/"), action="verify").status_code == 303
    assert state(story) is State.ASKING


def test_no_other_browser_verifies_by_code(story: Story) -> None:
    code, other = code_in_mail(story), elsewhere(story)
    assert type_code(story, code, other).location == "/requested"
    other.post("/", data={**FORM, "b_email": "nora@interiors.test", "action": "send"})
    assert type_code(story, code, other).status_code == 422
    with story.db.reading() as session:
        assert set(session.scalars(select(Introduction.state))) == {State.UNVERIFIED}


def test_of_two_requests_of_a_browser_the_newest_that_waits_is_meant(story: Story) -> None:
    story.request(b_email="nora@interiors.test")
    first, second = code_in_mail(story, 0), code_in_mail(story, 1)
    assert first != second
    assert type_code(story, first).status_code == 422
    assert type_code(story, second).status_code == 303
    assert 'name="code"' in story.client.get("/requested").text
    assert type_code(story, first).status_code == 303
    with story.db.reading() as session:
        found = session.execute(select(Introduction.state, Introduction.code_attempts).order_by("id"))
        assert [tuple(row) for row in found] == [(State.ASKING, 0), (State.ASKING, 1)]


def test_once_verified_the_code_leads_to_the_page_and_a_wrong_one_tells_nothing(story: Story) -> None:
    code = code_in_mail(story)
    for _ in range(2):
        assert type_code(story, code).location == story.link(RITA, "/r/")
    assert story.events().count("verified") == 1
    page = story.client.get("/requested")
    assert "Your request is confirmed." in said(page)
    refused = type_code(story, wrong(code))
    assert refused.status_code == 422
    for shown in (page, refused):
        assert "/r/" not in shown.text
        assert 'name="code"' not in shown.text


@pytest.mark.parametrize("ended", ["lapsed", "lapsed and swept", "withdrawn"])
def test_a_request_that_lapsed_or_was_withdrawn_takes_no_code(story: Story, ended: str) -> None:
    code = code_in_mail(story)
    if ended == "withdrawn":
        story.post(story.link(RITA, "/r/"), action="withdraw")
    else:
        story.clock.advance(days=2)
    if ended == "lapsed and swept":
        story.sweep()
    page = story.client.get("/requested")
    assert "This request is no longer open." in said(page)
    assert 'name="code"' not in page.text
    refused = type_code(story, code)
    assert refused.status_code == 410
    assert "This request is no longer open." in said(refused)
    assert story.introduction().verified_at is None


def test_where_somebody_cannot_be_asked_the_code_is_refused_as_the_link_is(story: Story) -> None:
    code = code_in_mail(story)
    with story.writing() as context:
        suppress(context, LINDA)
    assert type_code(story, code).status_code == 409
    assert state(story) is State.UNVERIFIED
    assert story.introduction().code_attempts == 0


def test_a_form_without_its_proof_gets_the_field_again_and_verifies_nothing(story: Story) -> None:
    story.app.config["WTF_CSRF_ENABLED"] = True
    page = type_code(story, code_in_mail(story))
    assert page.status_code == 400
    assert 'name="code"' in page.text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    assert state(story) is State.UNVERIFIED
    again = story.client.post("/requested", data={"code": code_in_mail(story), "csrf_token": token[1]})
    assert again.status_code == 303


def test_the_page_after_the_form_stays_in_no_cache_and_tells_other_browsers_nothing(story: Story) -> None:
    page, other = story.client.get("/requested"), elsewhere(story).get("/requested")
    assert page.headers["Cache-Control"] == "no-store"
    assert 'name="code"' not in other.text
    assert "a link is on its way to you" in said(other)


def test_the_code_stands_in_the_mail_alone(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    code = code_in_mail(story)
    type_code(story, wrong(code))
    story.client.get("/requested")
    story.client.get(story.link(RITA, "/r/"))
    story.verify()
    sign_in_for_tests(story.client, story, RITA)
    olga = elsewhere(story)
    sign_in_for_tests(olga, story, OLGA)
    pages = [story.client.get(path).text for path in ("/requested", "/desk", "/desk/introductions/1")]
    pages += [olga.get(path).text for path in ("/operator", "/desk/introductions/1")]
    for shown in (*pages, repr(rows(story.db)), caplog.text):
        assert code not in shown
        assert f"{code[:3]} {code[3:]}" not in shown
    assert code not in "".join(text_of(mail) for mail in story.mails(RITA)[1:])


def test_a_request_that_no_browser_is_known_of_has_a_mail_with_the_link_alone(story: Story) -> None:
    story.request(b_email="nora@interiors.test")
    with story.db.transaction() as session:
        session.execute(text("UPDATE introductions SET browser = NULL"))
        session.execute(
            text("UPDATE outbox SET state = 'queued', sent_at = NULL, attempts = 0, handovers = 0")
        )
    story.sweep(minutes=5)
    assert not CODE.search(text_of(story.mails(RITA)[-1]))
    assert "confirm it here" in text_of(story.mails(RITA)[-1])


# --- Elsewhere ----------------------------------------------------------------------------------------


def test_elsewhere_the_page_says_what_was_asked_for_before_it_offers_anything(story: Story) -> None:
    page = said(elsewhere(story).get(story.link(RITA, "/r/")))
    before, _, _ = page.partition("Is this your request?")
    for told in ("Rita Quill", RITA, "Linda Marsh", LINDA, "Natasha Orlova", NATASHA, FORM["need"]):
        assert told in before


def test_elsewhere_a_choice_and_a_press_verify(story: Story) -> None:
    assert choose(story, "verify", elsewhere(story)).status_code == 303
    assert state(story) is State.ASKING


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 422),
        ({"action": "verify"}, 422),
        ({"action": "withdraw"}, 422),
        ({"choice": ""}, 422),
        ({"choice": "nothing"}, 200),
        ({"choice": "accept"}, 422),
        ({"choice": "verify", "confirm": "yes"}, 422),
        ({"confirm": "yes"}, 422),
    ],
)
def test_elsewhere_no_single_press_decides_and_the_page_comes_again(
    story: Story, fields: dict[str, str], status: int
) -> None:
    page = story.link(RITA, "/r/")
    shown = elsewhere(story).post(page, data=fields)
    assert shown.status_code == status
    assert 'role="alert"' in shown.text
    form, _ = form_with(shown.text, page, "verify")
    assert [control.value for control in form.choices] == ["accept", "nothing", "verify", "withdraw"]
    assert not any(control.is_on for control in form.choices)
    assert state(story) is State.UNVERIFIED
    used_decoy = "confirm" in fields or fields.get("choice") == "accept"
    assert bool(story.introduction().suspect_at) is used_decoy


def test_elsewhere_a_suspect_request_takes_the_word_as_well(story: Story) -> None:
    other = elsewhere(story)
    choose(story, "accept", other)
    for typed in ("", "yes"):
        page = choose(story, "verify", other, word=typed)
        assert page.status_code == 422
        assert "type the word “hello”" in said(page)
    assert state(story) is State.UNVERIFIED
    assert choose(story, "verify", other, word="hello").status_code == 303
    assert state(story) is State.ASKING


def test_elsewhere_a_press_that_is_too_soon_gets_the_same_page(story: Story) -> None:
    story.request(b_email="nora@interiors.test")
    other = elsewhere(story)
    page = choose(story, "verify", other)
    assert page.status_code == 422
    assert "very quick" in said(page)
    assert 'value="verify"' in page.text
    assert state(story) is State.UNVERIFIED
    story.clock.advance(seconds=10)
    assert choose(story, "verify", other).status_code == 303


@pytest.mark.parametrize("verified", [False, True])
def test_elsewhere_withdrawing_takes_a_choice_and_a_press(story: Story, verified: bool) -> None:
    if verified:
        story.verify()
    other = elsewhere(story)
    for choice in ("nothing", "accept"):
        choose(story, choice, other)
    assert choose(story, "withdraw", other).status_code == 422
    assert "withdrawn" not in story.events()
    assert choose(story, "withdraw", other, word="hello").status_code == 303
    assert state(story) is State.CLOSED


def test_elsewhere_a_correction_takes_a_typed_address_and_a_press(story: Story) -> None:
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.verify()
    page, other = story.link(RITA, "/r/"), elsewhere(story)
    form = next(form for form in forms_of(other.get(page).text, page) if "email" in form.as_it_stands())
    assert other.post(page, data=form.pressed(form.buttons[-1])).status_code == 422
    typed = form.as_it_stands() | {"email": "nora@interiors.test"}
    decoy = other.post(page, data=typed | {"confirm": "yes"})
    assert decoy.status_code == 422
    assert story.consent(NATASHA).state is ConsentState.UNDELIVERABLE
    again = other.post(page, data=typed)
    assert again.status_code == 422
    assert 'value="nora@interiors.test"' in again.text
    assert other.post(page, data=typed | {"word": "hello"}).status_code == 303
    assert story.consent("nora@interiors.test").corrected


@pytest.mark.parametrize("choice", ["remind", "yes", "VERIFY"])
def test_elsewhere_a_choice_that_is_not_on_the_form_is_refused(story: Story, choice: str) -> None:
    before = rows(story.db)
    page = elsewhere(story).post(story.link(RITA, "/r/"), data={"choice": choice})
    assert page.status_code == 400
    assert rows(story.db) == before


def test_looking_at_the_page_in_a_language_records_it_with_a_decided_act_alone(story: Story) -> None:
    page, other = story.link(RITA, "/r/"), elsewhere(story)
    assert other.post(f"{page}/language", data={"language": "de"}).status_code == 404
    other.get(f"{page}?lang=de")
    other.post(f"{page}?lang=de", data={"choice": "nothing"})
    assert story.introduction().requester_language == "en"
    assert other.post(f"{page}?lang=de", data={"choice": "verify"}).status_code == 303
    assert story.introduction().requester_language == "de"
