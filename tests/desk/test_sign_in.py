"""Signing in to the desk: by a link to one's own address, once, soon, and without telling who has a desk."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from email.message import EmailMessage

import pytest
from flask import Flask, render_template
from flask.testing import FlaskClient
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import IntegrityError
from werkzeug.test import TestResponse

from service.delivery.deliver import NotRetriable, retry_by_hand
from service.desk.sign_in import ask_for_link as ask_for_link_to
from service.inbound import store as entry
from service.inbound.effects import Effect
from service.inbound.store import Delivery, Way
from service.lifecycle import MailKind
from service.store.context import writing
from service.store.db import Database
from service.store.models import InboundMail, MailState, OutboxMail, SignIn
from service.store.outbox import DELIVER
from service.store.suppressions import suppress
from service.views.site.auth import current_user, operator_required, safe_next, sign_in_required
from tests.conftest import rows
from tests.support.desk import ask_for_link, sign_in_for_tests
from tests.support.forms import form_with, forms_of
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story, text_of

OPERATOR = "Olga@operators.test"
STRANGER = "stranger@nowhere.test"


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "OPERATORS": OPERATOR}


@pytest.fixture
def story(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Story:
    """A service with two pages behind the sign-in that say who is there, and one that is a whole page."""
    return Story(environ, clock, relay, add_probes)


def add_probes(app: Flask) -> None:
    app.add_url_rule("/desk/page", "page", sign_in_required(lambda: render_template("error.html")))
    app.add_url_rule("/desk/probe", "probe", sign_in_required(lambda: str(current_user())))
    app.add_url_rule("/operator/probe", "operators", operator_required(lambda: str(current_user())))


@pytest.fixture
def desk(story: Story) -> Story:
    """Rita has made a verified request, so there is a desk of hers."""
    story.ask()
    return story


@pytest.fixture
def wary(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Story:
    """The same, with production's SUSPECT_WITHIN."""
    kept = {name: value for name, value in environ.items() if name != "SUSPECT_WITHIN"}
    story = Story(kept, clock, relay, add_probes)
    story.ask()
    return story


def seen_by(client: FlaskClient) -> str:
    """What the page behind the sign-in says, or where it sends somebody to."""
    response = client.get("/desk/probe")
    return response.text if response.status_code == 200 else response.location


def is_in(client: FlaskClient) -> bool:
    return client.get("/desk/probe").status_code == 200


def ask(story: Story, email: str, **fields: str) -> TestResponse:
    return story.client.post("/desk/sign-in", data={"email": email, **fields})


def sign_ins(story: Story) -> list[SignIn]:
    with story.db.reading() as session:
        return list(session.scalars(select(SignIn).order_by(SignIn.id)))


def said(response: TestResponse) -> tuple[int, str, list[tuple[str, str]]]:
    """All of a page, but when its cookie was signed."""
    headers = [(name, re.sub(r"session=[^;]+", "session", value)) for name, value in response.headers]
    return response.status_code, response.text, headers


# --- Asking for a link --------------------------------------------------------------------------------


def test_a_requester_signs_in_by_mail_and_button(desk: Story) -> None:
    assert seen_by(desk.client) == "/desk/sign-in?next=/desk/probe"
    sign_in_for_tests(desk.client, desk, RITA)
    assert f"address='{RITA}', email='{RITA}', is_operator=False, language='en'" in seen_by(desk.client)


def test_the_answer_is_the_same_whether_an_address_has_a_desk_or_not(desk: Story) -> None:
    known = desk.app.test_client().post("/desk/sign-in", data={"email": RITA})
    unknown = (STRANGER, LINDA, "lin\u212aa@salon.test")
    answers = [known, *(desk.app.test_client().post("/desk/sign-in", data={"email": who}) for who in unknown)]
    assert len({repr(said(answer)) for answer in answers}) == 1
    assert len({desk.client.get(answer.location).text for answer in answers}) == 1
    assert [row.address for row in sign_ins(desk)] == [RITA]
    desk.sweep()
    assert [mail.recipients for mail in desk.relay.messages if b"sign_in." in mail.data] == [(RITA,)]


@pytest.mark.parametrize(("who", "kept"), [(RITA, 1), (STRANGER, 0)])
def test_every_wish_for_a_link_is_written_and_told_to_the_broker(
    desk: Story, database_url: str, who: str, kept: int
) -> None:
    """How long it takes would tell who has a desk."""
    nudged: list[dict[str, list[int]]] = []
    executed: list[str] = []
    db = Database(database_url, nudged.append)
    event.listen(db.engine, "before_cursor_execute", lambda *told: executed.append(told[2]))
    with writing(db, desk.settings, desk.clock()) as context:
        ask_for_link_to(context, who, "en", "some browser")
    db.engine.dispose()
    assert [list(nudges) for nudges in nudged] == [[DELIVER]]
    written = [" ".join(statement.split()[:3]) for statement in executed if statement.startswith("INSERT")]
    assert written == ["INSERT INTO sign_ins", "INSERT INTO outbox"]
    assert len(sign_ins(desk)) == kept


def test_a_request_that_nobody_verified_makes_no_desk(story: Story) -> None:
    story.request()
    ask(story, RITA)
    assert sign_ins(story) == []


def test_the_mail_goes_to_the_address_on_record_and_not_to_another_spelling_of_it(story: Story) -> None:
    """The first is written with a Kelvin sign, which is a K that stands outside ASCII."""
    story.ask(requester_email="kim@quill.test")
    ask(story, "\u212aim@quill.test")
    ask(story, "KIM@Quill.test")
    assert {row.email for row in sign_ins(story)} == {"kim@quill.test"}
    assert {row.recipient for row in story.outbox(MailKind.SIGN_IN)} == {"kim@quill.test"}


@pytest.mark.parametrize("typed", ["", "rita", "rita@quill.test, linda@salon.test", "a@b\r\nBcc: c@d"])
def test_what_is_no_address_is_said_at_once(desk: Story, typed: str) -> None:
    response = ask(desk, typed)
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text
    assert sign_ins(desk) == []


def test_one_address_gets_a_few_links_in_an_hour_and_in_a_day_and_nobody_is_told(desk: Story) -> None:
    answers = [said(ask(desk, RITA)) for _ in range(5)]
    assert len({repr(answer) for answer in answers}) == 1
    assert len(sign_ins(desk)) == 3
    for _ in range(12):
        desk.sweep(hours=1, seconds=1)
        ask(desk, RITA)
    assert len(sign_ins(desk)) == 10
    assert len(desk.kinds(RITA)) < desk.settings.MAILS_PER_ADDRESS_PER_DAY
    desk.sweep(hours=24)
    ask(desk, RITA)
    assert len(sign_ins(desk)) == 11


def test_an_address_that_is_suppressed_for_everyone_gets_no_link(desk: Story) -> None:
    with desk.writing() as context:
        suppress(context, RITA)
    before = len(desk.mails(RITA))
    assert ask(desk, RITA).status_code == 303
    desk.sweep()
    assert len(desk.mails(RITA)) == before
    assert [row.state for row in desk.outbox(MailKind.SIGN_IN)] == [MailState.FAILED]


def test_a_suppression_for_one_requester_keeps_no_link_from_anybody(desk: Story) -> None:
    with desk.writing() as context:
        suppress(context, RITA, LINDA)
    ask_for_link(desk.client, desk, RITA)


# --- The mail -----------------------------------------------------------------------------------------


def test_the_mail_is_in_the_language_of_the_page_and_names_nobody(desk: Story) -> None:
    desk.client.post("/desk/sign-in?lang=de", data={"email": RITA})
    desk.sweep()
    assert [row.language for row in sign_ins(desk)] == ["de"]
    mail = desk.mails(RITA)[-1]
    assert str(mail["From"]) == "TwoYes <twoyes@twoyes.test>"
    assert str(mail["To"]) == RITA
    assert "Rita Quill" not in text_of(mail)
    assert not any(mail[name] for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "Reply-To"))
    assert 'lang="de"' in desk.client.get(desk.link(RITA, "/desk/in/")).text


def test_a_relay_that_is_late_sends_no_link_that_works_no_more(desk: Story, relay: FaultySmtp) -> None:
    relay.behave(rcpt="451 4.7.1 later")
    ask(desk, RITA)
    desk.sweep()
    relay.behave()
    before = len(desk.mails(RITA))
    desk.sweep(minutes=15)
    assert len(desk.mails(RITA)) == before
    assert desk.outbox(MailKind.SIGN_IN)[0].state is MailState.SKIPPED


def test_a_link_that_was_ended_before_it_left_does_not_leave(desk: Story) -> None:
    sign_in_for_tests(desk.client, desk, RITA)
    before = len(desk.mails(RITA))
    ask(desk, RITA)
    desk.client.post("/desk/end-all")
    desk.sweep()
    assert len(desk.mails(RITA)) == before
    assert [row.state for row in desk.outbox(MailKind.SIGN_IN)] == [MailState.SENT, MailState.SKIPPED]


def test_a_link_that_is_refused_for_good_or_lost_in_the_handover_harms_no_case(desk: Story) -> None:
    before = desk.events()
    ask(desk, RITA)
    with desk.db.transaction() as session:
        row = session.scalars(select(OutboxMail).where(OutboxMail.kind == MailKind.SIGN_IN)).one()
        row.state, row.lease, row.leased_until = MailState.HANDOVER, "x", desk.clock()
        row.handovers = 2
    desk.sweep(seconds=1)
    assert desk.outbox(MailKind.SIGN_IN)[0].state is MailState.UNKNOWN
    desk.relay.behave(rcpt="550 5.1.1 nobody")
    ask(desk, RITA)
    desk.sweep(seconds=1)
    assert desk.outbox(MailKind.SIGN_IN)[1].state is MailState.FAILED
    assert desk.events() == before
    with desk.db.transaction() as session, pytest.raises(NotRetriable, match="asks for a new one"):
        retry_by_hand(session, desk.outbox(MailKind.SIGN_IN)[1].id, desk.clock())


def test_no_address_in_the_mail_names_it_so_that_nothing_which_comes_back_has_an_effect(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "INBOUND_DOMAIN": "in.twoyes.test"}, clock, relay)
    story.ask()
    ask(story, RITA)
    story.sweep()
    sent = next(mail for mail in relay.messages if b"sign_in." in mail.data)
    assert not re.search(rb"\+[a-z0-9]+@", sent.data)
    assert sent.sender == "intro@in.twoyes.test"
    assert _effects(story, sent.sender) == [Effect.NO_EFFECT, Effect.FOR_THE_OPERATOR]
    story.db.engine.dispose()


def _effects(story: Story, to: str) -> list[str]:
    """What a bounce and a reply to this mail come to."""
    bounce = (
        "From: MAILER-DAEMON@relay.test\nMessage-ID: <1@relay.test>\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n"
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; relay.test\n\n"
        f"Final-Recipient: rfc822; {RITA}\nAction: failed\nStatus: 5.1.1\n\n--x--\n"
    )
    reply = f"From: {RITA}\nTo: {to}\nMessage-ID: <2@quill.test>\nSubject: Re: link\n\nstop\n"
    for sender, raw in (("", bounce), (RITA, reply)):
        entry.receive(story.db, story.settings, Delivery(raw.encode(), sender, to, Way.LMTP), story.clock())
    entry.process_due(story.db, story.settings, story.clock)
    with story.db.reading() as session:
        return list(session.scalars(select(InboundMail.outcome).order_by(InboundMail.id)))


@pytest.mark.parametrize("kind", ["introduction", "ask"])
def test_no_other_mail_can_be_without_a_case(desk: Story, kind: str) -> None:
    ask(desk, RITA)
    statements = (
        f"UPDATE outbox SET introduction_id = NULL, gate_a = NULL, gate_b = NULL WHERE kind = '{kind}'",
        f"UPDATE outbox SET kind = '{kind}', body = 'x' WHERE kind = 'sign_in'",
        "UPDATE outbox SET sign_in_id = NULL WHERE kind = 'sign_in'",
        f"UPDATE outbox SET sign_in_id = 1, kind = '{kind}' WHERE kind = 'sign_in'",
        "UPDATE outbox SET introduction_id = 1 WHERE kind = 'sign_in'",
    )
    desk.answer(LINDA, "yes")
    desk.answer(NATASHA, "yes")
    desk.sweep(minutes=10)
    for statement in statements:
        with pytest.raises(IntegrityError), desk.db.transaction() as session:
            session.execute(text(statement))


# --- The link -----------------------------------------------------------------------------------------


def test_a_link_works_once(desk: Story) -> None:
    link, other = ask_for_link(desk.client, desk, RITA), desk.app.test_client()
    assert desk.client.post(link).status_code == 303
    for response in (other.get(link), other.post(link)):
        assert response.status_code == 410
        assert "This link has already been used." in response.text
        assert 'action="/desk/sign-in"' in response.text
    assert not is_in(other)


def test_a_button_pressed_twice_has_done_it(desk: Story) -> None:
    link = ask_for_link(desk.client, desk, RITA)
    answers = [desk.client.post(link) for _ in range(2)]
    assert [(answer.status_code, answer.location) for answer in answers] == [(303, "/desk")] * 2


def test_looking_at_the_button_uses_nothing_up(desk: Story) -> None:
    link = ask_for_link(desk.client, desk, RITA)
    before = rows(desk.db)
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        response = desk.app.test_client().open(link, method=method)
        assert response.status_code == 200
    assert RITA in response.text
    assert rows(desk.db) == before
    assert not is_in(desk.client)


def choose(client: FlaskClient, link: str, choice: str, **fields: str) -> TestResponse:
    """Open the link, choose, and press."""
    form, chosen = form_with(client.get(link).text, link, choice)
    return client.post(link, data=form.pressed(None, chosen) | fields)


def test_where_the_link_was_asked_for_one_press_signs_in_at_once(wary: Story) -> None:
    link = ask_for_link(wary.client, wary, RITA)
    [*_, form] = forms_of(wary.client.get(link).text, link)
    assert (form.choices, [button.name for button in form.buttons]) == ([], [""])
    assert wary.client.post(link, data=form.pressed(form.buttons[0])).status_code == 303
    assert is_in(wary.client)


def test_elsewhere_a_choice_and_a_press_sign_in(wary: Story) -> None:
    link, other = ask_for_link(wary.client, wary, RITA), wary.app.test_client()
    wary.clock.advance(seconds=10)
    assert choose(other, link, "sign-in").status_code == 303
    assert (is_in(other), is_in(wary.client)) == (True, False)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 422),
        ({"choice": "nothing"}, 200),
        ({"choice": "accept"}, 422),
        ({"choice": "sign-in", "confirm": "yes"}, 422),
        ({"confirm": "yes"}, 422),
    ],
)
def test_elsewhere_no_single_press_uses_a_link_up(wary: Story, fields: dict[str, str], status: int) -> None:
    link, other = ask_for_link(wary.client, wary, RITA), wary.app.test_client()
    wary.clock.advance(minutes=1)
    page = other.post(link, data=fields)
    assert page.status_code == status
    form, _ = form_with(page.text, link, "sign-in")
    assert [control.value for control in form.choices] == ["accept", "nothing", "sign-in"]
    assert not any(control.is_on for control in form.choices)
    assert not is_in(other)
    assert [row.used_at for row in sign_ins(wary)] == [None]
    used_decoy = "confirm" in fields or fields.get("choice") == "accept"
    assert [bool(row.suspect_at) for row in sign_ins(wary)] == [used_decoy]
    assert wary.client.post(link).status_code == 303, "whoever asked for it is never suspect"


def test_elsewhere_a_suspect_link_takes_the_word_as_well(wary: Story) -> None:
    link, other = ask_for_link(wary.client, wary, RITA), wary.app.test_client()
    wary.clock.advance(minutes=1)
    choose(other, link, "accept")
    page = choose(other, link, "sign-in")
    assert page.status_code == 422
    assert "type the word “hello”" in page.text
    assert not is_in(other)
    assert choose(other, link, "sign-in", word="Hello").status_code == 303
    assert is_in(other)


def test_elsewhere_a_press_that_is_too_soon_or_chooses_something_else_signs_nobody_in(wary: Story) -> None:
    link, other = ask_for_link(wary.client, wary, RITA), wary.app.test_client()
    page = choose(other, link, "sign-in")
    assert page.status_code == 422
    assert "very quick" in page.text
    wary.clock.advance(seconds=10)
    assert other.post(link, data={"choice": "yes"}).status_code == 400
    assert not is_in(other)
    assert choose(other, link, "sign-in").status_code == 303


def test_a_link_works_for_a_quarter_of_an_hour(desk: Story) -> None:
    link = ask_for_link(desk.client, desk, RITA)
    desk.clock.advance(minutes=14, seconds=59)
    assert desk.client.get(link).status_code == 200
    desk.clock.advance(seconds=1)
    for response in (desk.client.get(link), desk.client.post(link)):
        assert response.status_code == 410
        assert "This link has expired." in response.text
        assert 'action="/desk/sign-in"' in response.text
    assert not is_in(desk.client)


def test_a_wrong_link_or_one_of_another_purpose_signs_nobody_in(desk: Story) -> None:
    link = ask_for_link(desk.client, desk, RITA)
    wrong = [link[:-2], "/desk/in/" + desk.link(RITA, "/r/")[3:], "/desk/in/" + desk.link(LINDA, "/a/")[3:]]
    for path in wrong:
        for response in (desk.client.get(path), desk.client.post(path)):
            assert response.status_code == 404
            assert "This link is incomplete." in response.text
    assert not is_in(desk.client)
    assert desk.client.get("/r/" + link.removeprefix("/desk/in/")).status_code == 404


# --- The session --------------------------------------------------------------------------------------


def test_signing_out_ends_this_session_and_no_other(desk: Story) -> None:
    here, there = desk.app.test_client(), desk.app.test_client()
    for client in (here, there):
        sign_in_for_tests(client, desk, RITA)
    assert here.post("/desk/sign-out").status_code == 303
    assert (is_in(here), is_in(there)) == (False, True)


def test_ending_all_sessions_ends_them_everywhere_and_for_nobody_else(desk: Story) -> None:
    here, there, olga = (desk.app.test_client() for _ in range(3))
    for client, who in ((here, RITA), (there, RITA), (olga, OPERATOR)):
        sign_in_for_tests(client, desk, who)
    waiting = ask_for_link(olga, desk, RITA)
    with there.session_transaction() as session:
        kept = dict(session)
    assert here.post("/desk/end-all").status_code == 303
    assert [is_in(client) for client in (here, there, olga)] == [False, False, True]
    assert there.post(waiting).status_code == 410, "a link that was asked for before is over too"
    desk.clock.advance(hours=1)
    sign_in_for_tests(here, desk, RITA)
    with there.session_transaction() as session:
        session.update(kept)
    assert (is_in(here), is_in(there)) == (True, False)
    assert here.post("/desk/end-all").status_code == 303
    assert not is_in(here)


def test_a_cookie_that_was_tampered_with_is_nobodys(desk: Story) -> None:
    sign_in_for_tests(desk.client, desk, RITA)
    cookie = desk.client.get_cookie("session")
    assert cookie
    assert cookie.http_only
    for position in range(0, len(cookie.value) - 1, 7):
        value = cookie.value[:position] + ("A" if cookie.value[position] != "A" else "B")
        desk.client.set_cookie("session", value + cookie.value[position + 1 :])
        assert not is_in(desk.client)
    desk.client.set_cookie("session", cookie.value)
    assert is_in(desk.client)


@pytest.mark.parametrize("forged", [{}, {"address": RITA}, {"address": [RITA], "generation": 0}])
def test_half_a_session_is_none(desk: Story, forged: dict[str, object]) -> None:
    with desk.client.session_transaction() as session:
        session.update(forged)
    assert not is_in(desk.client)


def test_a_session_ends_by_itself(desk: Story) -> None:
    sign_in_for_tests(desk.client, desk, RITA)
    assert desk.app.permanent_session_lifetime == timedelta(days=30)
    desk.app.permanent_session_lifetime = timedelta(seconds=-1)
    assert not is_in(desk.client)


def test_the_cookie_is_kept_from_scripts_other_sites_and_open_lines(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    for url, secure in (("http://twoyes.test", False), ("https://twoyes.test", True)):
        story = Story({**environ, "PUBLIC_URL": url}, clock, relay)
        cookie = story.client.post("/desk/sign-in", data={"email": STRANGER}).headers["Set-Cookie"]
        assert ("; HttpOnly" in cookie, "; SameSite=Lax" in cookie) == (True, True)
        assert ("; Secure" in cookie) == secure
        story.db.engine.dispose()


def test_signing_in_keeps_nothing_of_the_session_before(desk: Story) -> None:
    link = ask_for_link(desk.client, desk, RITA)
    with desk.client.session_transaction() as session:
        session["csrf_token"], word = "somebody else's", session["browser"]
    desk.client.post(link)
    with desk.client.session_transaction() as session:
        assert dict(session) == {"_permanent": True, "address": RITA, "generation": 0, "browser": word}


# --- Operators ----------------------------------------------------------------------------------------


def test_an_operator_has_a_desk_and_the_operators_page_and_a_requester_only_the_first(desk: Story) -> None:
    assert desk.client.get("/operator/probe").location == "/desk/sign-in?next=/operator/probe"
    sign_in_for_tests(desk.client, desk, RITA)
    assert desk.client.get("/operator/probe").status_code == 404
    olga = desk.app.test_client()
    sign_in_for_tests(olga, desk, OPERATOR)
    page = olga.get("/operator/probe")
    assert page.status_code == 200
    assert f"address='olga@operators.test', email='{OPERATOR}', is_operator=True" in page.text


def test_somebody_who_is_no_operator_any_more_is_signed_out(
    desk: Story, environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    sign_in_for_tests(desk.client, desk, OPERATOR)
    cookie = desk.client.get_cookie("session")
    later = Story({**environ, "OPERATORS": ""}, clock, relay, add_probes)
    assert cookie
    later.client.set_cookie("session", cookie.value)
    assert not is_in(later.client)
    later.db.engine.dispose()


# --- Where it leads -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("/desk/probe", "/desk/probe"),
        ("/desk/ledger?since=2026-01&q=a%20b", "/desk/ledger?since=2026-01&q=a%20b"),
        ("/desk/ledger.csv", "/desk/ledger.csv"),
        ("/operator", "/operator"),
        ("", "/desk"),
        ("//evil.test/desk", "/desk"),
        ("https://evil.test/desk", "/desk"),
        ("/desk@evil.test", "/desk"),
        ("/desk//evil.test", "/desk"),
        ("/desk/../evil", "/desk"),
        ("/desk/\\evil.test", "/desk"),
        ("/desk\n/x", "/desk"),
        ("/desk/x\n", "/desk"),
        ("/deskevil", "/desk"),
        ("/a/token", "/desk"),
        ("/", "/desk"),
    ],
)
def test_a_sign_in_leads_only_to_pages_behind_it(asked: str, goes: str) -> None:
    assert safe_next(asked) == goes


def test_a_sign_in_leads_to_the_page_that_was_wanted(desk: Story) -> None:
    form = desk.client.get(seen_by(desk.client))
    assert 'name="next" value="/desk/probe"' in form.text
    ask(desk, RITA, next="/desk/probe")
    desk.sweep()
    link = desk.link(RITA, "/desk/in/")
    assert "next" not in link
    assert desk.client.post(link).location == "/desk/probe"
    assert desk.client.get("/desk/sign-in?next=/operator").location == "/operator"


def test_a_wish_for_a_page_elsewhere_is_not_heard(desk: Story) -> None:
    ask(desk, RITA, next="//evil.test/")
    desk.sweep()
    assert desk.client.post(desk.link(RITA, "/desk/in/")).location == "/desk"


# --- What the pages are -------------------------------------------------------------------------------


def test_every_page_of_the_desk_stays_out_of_caches_and_only_the_link_is_hidden(desk: Story) -> None:
    link = ask_for_link(desk.client, desk, RITA)
    sign_in_for_tests(desk.client, desk, RITA)
    paths = ["/desk/sign-in", "/desk/asked", "/desk/probe", link, "/desk/in/nobody-made-this"]
    for client in (desk.client, desk.app.test_client()):
        for path in paths:
            headers = client.get(path).headers
            assert headers["Cache-Control"] == "no-store", path
            expected = "no-referrer" if path.startswith("/desk/in/") else "same-origin"
            assert headers["Referrer-Policy"] == expected, path
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/desk/sign-in", "/desk/sign-out", "/desk/end-all", "the link"])
def test_nobody_elsewhere_can_press_a_button_of_the_desk(desk: Story, path: str) -> None:
    link = ask_for_link(desk.client, desk, RITA)
    olga = desk.app.test_client()
    sign_in_for_tests(olga, desk, OPERATOR)
    desk.app.config["WTF_CSRF_ENABLED"] = True
    before = rows(desk.db)
    response = olga.post(link if path == "the link" else path, data={"email": RITA})
    assert response.status_code == 400
    assert "Please press the button again" in response.text
    assert rows(desk.db) == before
    assert OPERATOR in seen_by(olga)


def test_with_the_token_of_its_form_every_button_works(desk: Story) -> None:
    desk.app.config["WTF_CSRF_ENABLED"] = True
    client = desk.app.test_client()

    def press(page: str, action: str, **fields: str) -> TestResponse:
        found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
        assert found
        return client.post(action, data={"csrf_token": found[1], **fields})

    assert press("/desk/sign-in", "/desk/sign-in", email=RITA).status_code == 303
    desk.sweep()
    link = desk.link(RITA, "/desk/in/")
    assert press(link, link).status_code == 303
    assert is_in(client)
    # A page of the desk carries the buttons of the way out.
    assert press("/desk/in/nobody-made-this", "/desk/end-all").status_code == 303
    assert not is_in(client)


def test_the_pages_of_the_two_parties_know_nothing_of_a_session(desk: Story) -> None:
    sign_in_for_tests(desk.client, desk, RITA)
    plain = desk.app.test_client()
    for path in (desk.link(LINDA, "/a/"), desk.link(LINDA, "/never/")):
        mine, theirs = desk.client.get(path), plain.get(path)
        assert mine.text == theirs.text
        assert "Set-Cookie" not in mine.headers
        assert "Cookie" not in mine.headers.get("Vary", "")
    assert "Your desk" not in desk.client.get(desk.link(LINDA, "/a/")).text
    assert "Your desk" in plain.get("/").text
    assert desk.answer(NATASHA, "yes").status_code == 303


def test_who_is_signed_in_finds_the_way_around_and_out(desk: Story) -> None:
    everywhere = [f"<bdi>{RITA}</bdi>", 'href="/desk"', 'href="/desk/ledger"']
    everywhere += ['formaction="/desk/sign-out"', 'formaction="/desk/end-all"']
    assert 'href="/operator"' not in desk.client.get("/").text
    sign_in_for_tests(desk.client, desk, RITA)
    page = desk.client.get("/desk/page").text
    assert [words for words in everywhere if words not in page] == []
    assert 'href="/operator"' not in page
    sign_in_for_tests(desk.client, desk, OPERATOR)
    assert 'href="/operator?lang=de"' in desk.client.get("/desk/page?lang=de").text


def test_no_log_holds_a_token_or_an_address(desk: Story, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="service"):
        sign_in_for_tests(desk.client, desk, RITA)
        desk.client.post("/desk/end-all")
        link = desk.link(RITA, "/desk/in/")
        desk.client.post(link)
    told = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("service"))
    assert "mail" in told
    assert link.removeprefix("/desk/in/") not in told
    assert RITA not in told


def test_a_token_rests_nowhere_in_the_database(desk: Story) -> None:
    link = ask_for_link(desk.client, desk, RITA)
    assert link.removeprefix("/desk/in/") not in repr(rows(desk.db))
    with desk.db.reading() as session:
        assert session.scalar(select(func.count()).where(OutboxMail.body.is_not(None))) == 0
    mail: EmailMessage = desk.mails(RITA)[-1]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert desk.outbox(MailKind.SIGN_IN)[0].useful_until == desk.clock() + timedelta(minutes=15)
