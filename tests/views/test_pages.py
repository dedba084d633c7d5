"""What the pages behind links say in the awkward moments: after a never, a bounce, a second click."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from service.lifecycle import ConsentState, Envelope, Role, State
from service.store.models import Report
from service.store.suppressions import is_suppressed, suppress
from tests.conftest import rows
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story


def said(response: TestResponse) -> str:
    """What a page tells, without its markup."""
    told = re.sub(r"</?bdi>", "", main_of(response))
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", told)).split())


def main_of(response: TestResponse) -> str:
    return response.text.partition("<main")[2].partition("</main>")[0]


def look(story: Story, who: str, path: str) -> str:
    response = story.client.get(story.link(who, path))
    assert response.status_code == 200
    return said(response)


# --- Never again --------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "yes", "no"])
@pytest.mark.parametrize("where", ["answer page", "mail"])
def test_after_a_never_the_answer_page_offers_nothing_that_could_not_be_done(
    story: Story, before: str, where: str
) -> None:
    story.ask()
    if before:
        story.answer(LINDA, before)
    page, button = story.link(LINDA, "/a/"), story.link(LINDA, "/never/")
    wished = story.post(f"{page}/wish", wish="never") if where == "answer page" else story.post(button)
    assert wished.status_code == 200
    assert story.consent(LINDA).state is ConsentState.NO
    shown = story.client.get(page)
    assert "We won’t write to you again, Linda Marsh." in said(shown)
    assert "you’ll hear nothing more" in said(shown)
    assert "<form" not in main_of(shown)
    assert "<button" not in main_of(shown)


def test_a_later_no_does_not_bring_back_what_a_never_took_away(story: Story) -> None:
    story.ask()
    page = story.link(LINDA, "/a/")
    story.post(f"{page}/wish", wish="never")
    assert story.post(page, answer="no").status_code == 303
    assert "Take my answer back" not in story.client.get(page).text


@pytest.mark.parametrize(("path", "fields"), [("", {"answer": "yes"}), ("/undo", {})])
def test_a_yes_or_undo_after_a_never_gets_a_page_of_its_own_and_changes_nothing(
    story: Story, path: str, fields: dict[str, str]
) -> None:
    story.ask()
    page = story.link(LINDA, "/a/")
    story.post(f"{page}/wish", wish="never")
    response = story.post(page + path, **fields)
    assert response.status_code == 409
    assert "You asked us not to write to you again." in said(response)
    assert "can’t write to you" in said(response)
    assert "whoever runs this TwoYes" in said(response)
    assert f'href="{page}"' in response.text
    assert story.consent(LINDA).state is ConsentState.NO


# --- Other wishes -------------------------------------------------------------------------------------


def test_a_reload_of_what_a_button_came_to_shows_the_page_it_stands_on(story: Story) -> None:
    story.ask()
    page = story.link(LINDA, "/a/")
    for button in ("wish", "undo", "language"):
        answer = story.client.get(f"{page}/{button}")
        assert (answer.status_code, answer.location) == (303, page)
    assert story.client.put(f"{page}/wish").status_code == 405


def wishes_on(response: TestResponse) -> list[str]:
    return re.findall(r'name="wish" value="([^"]*)"', response.text)


def reports(story: Story) -> list[Role]:
    with story.db.reading() as session:
        return [report.side for report in session.scalars(select(Report))]


@pytest.mark.parametrize("where", ["/a/", "/never/"])
@pytest.mark.parametrize(
    ("wish", "headline", "later"),
    [
        ("not-from", "We won’t write to you for Rita Quill again.", "for Rita Quill again, Linda Marsh."),
        ("never", "We won’t write to you again.", "We won’t write to you again, Linda Marsh."),
        ("report", "Thank you for telling us.", "for Rita Quill again, Linda Marsh."),
    ],
)
def test_each_wish_is_offered_recorded_and_told(
    story: Story, where: str, wish: str, headline: str, later: str
) -> None:
    story.ask()
    page = story.link(LINDA, where)
    assert wishes_on(story.client.get(page)) == ["not-from", "never", "report"]
    done = story.post(f"{page}/wish" if where == "/a/" else page, wish=wish)
    assert (done.status_code, headline in said(done)) == (200, True)
    assert story.consent(LINDA).state is ConsentState.NO
    assert reports(story) == ([Role.A] if wish == "report" else [])
    assert later in look(story, LINDA, "/a/")
    with story.db.reading() as session:
        assert is_suppressed(session, LINDA, RITA)
        assert is_suppressed(session, LINDA) is (wish == "never")


def test_whoever_wants_nothing_from_one_person_can_still_leave_altogether(story: Story) -> None:
    story.ask()
    page = story.link(LINDA, "/a/")
    story.post(f"{page}/wish", wish="not-from")
    assert wishes_on(story.client.get(page)) == ["never", "report"]
    assert "Yes, introduce us" not in story.client.get(page).text
    assert story.post(f"{page}/wish", wish="never").status_code == 200
    assert wishes_on(story.client.get(page)) == []


def test_a_requester_can_only_leave_altogether(story: Story) -> None:
    story.ask(requester_is="a")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=11)
    story.sweep(days=3)
    own = story.link(RITA, "/never/")
    assert wishes_on(story.client.get(own)) == ["never"]
    assert "Never hear from us again?" in said(story.client.get(own))
    assert story.post(own, wish="report").status_code == 400
    assert reports(story) == []


@pytest.mark.parametrize("where", ["/a/", "/never/"])
@pytest.mark.parametrize("wish", ["", "yes", "NEVER"])
def test_a_wish_that_is_none_changes_nothing(story: Story, where: str, wish: str) -> None:
    story.ask()
    page, before = story.link(LINDA, where), rows(story.db)
    assert story.post(f"{page}/wish" if where == "/a/" else page, wish=wish).status_code == 400
    assert rows(story.db) == before


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_the_button_of_a_mail_program_means_never_without_a_cookie_or_a_redirect(
    story: Story, kind: str
) -> None:
    story.ask()
    story.app.config["WTF_CSRF_ENABLED"] = True
    button = story.link(LINDA, "/never/")
    browser = story.app.test_client(use_cookies=False)
    answer = browser.post(button, data={"List-Unsubscribe": "One-Click"}, content_type=kind)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert story.consent(LINDA).state is ConsentState.NO
    with story.db.reading() as session:
        assert is_suppressed(session, LINDA)


# --- Too quick for a person ---------------------------------------------------------------------------


@pytest.fixture
def wary(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """A service that takes nothing within ten seconds of its mails."""
    story = Story({**environ, "SUSPECT_WITHIN": "10s"}, clock, relay)
    yield story
    story.db.engine.dispose()


def ask_slowly(story: Story) -> None:
    story.request()
    story.clock.advance(minutes=1)
    story.verify()


def test_an_answer_that_came_too_soon_is_told_kindly_above_the_form(wary: Story) -> None:
    ask_slowly(wary)
    page = wary.link(LINDA, "/a/")
    quick = "That was very quick, so we’ve asked you again by email. Nothing has been recorded yet."
    assert quick not in look(wary, LINDA, "/a/")
    assert wary.post(page, answer="yes").status_code == 303
    assert wary.consent(LINDA).state is ConsentState.ASKED
    shown = wary.client.get(page)
    assert quick in said(shown)
    assert "Yes, introduce us" in said(shown)
    wary.clock.advance(minutes=1)
    assert wary.post(page, answer="yes").status_code == 303
    assert wary.consent(LINDA).state is ConsentState.YES
    assert quick not in said(wary.client.get(page))


def test_a_request_confirmed_too_soon_gets_a_page_with_the_way_back(wary: Story) -> None:
    wary.request()
    link = wary.link(RITA, "/r/")
    early = wary.post(link, action="verify")
    assert early.status_code == 409
    assert "That was very quick: please press again in a few seconds." in said(early)
    assert f'href="{link}"' in early.text
    assert wary.introduction().state is State.UNVERIFIED
    wary.clock.advance(seconds=11)
    assert wary.post(link, action="verify").status_code == 303
    assert wary.introduction().state is State.ASKING


# --- What became of the introduction ------------------------------------------------------------------


def test_nobody_is_told_of_an_introduction_in_the_inbox_that_was_refused_there(story: Story) -> None:
    story.ask()
    pages = {who: story.link(who, "/a/") for who in (LINDA, NATASHA)}
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    story.relay.refuse[NATASHA] = "550 gone"
    story.sweep(minutes=11)
    story.sweep(minutes=1)
    assert story.consent(NATASHA).envelope is Envelope.FAILED
    refused, accepted = (said(story.client.get(pages[who])) for who in (NATASHA, LINDA))
    assert "in your inbox" not in refused
    assert f"Our email to {NATASHA} couldn’t be delivered" in refused
    assert "Our email to Natasha Orlova couldn’t be delivered" in accepted
    assert NATASHA not in accepted


def test_where_both_copies_were_refused_both_read_that_it_could_not_be_delivered(story: Story) -> None:
    story.ask()
    pages = [story.link(who, "/a/") for who in (LINDA, NATASHA)]
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    story.relay.refuse.update({LINDA: "550 gone", NATASHA: "550 gone"})
    story.sweep(minutes=11)
    story.sweep(minutes=1)
    assert story.introduction().state is State.CLOSED
    for page in pages:
        shown = said(story.client.get(page))
        assert "it couldn’t be delivered: our email reached neither of you" in shown
        assert "inbox" not in shown


def test_an_introduction_that_arrived_is_in_the_inbox_and_one_that_waits_will_be(story: Story) -> None:
    story.ask()
    pages = {who: story.link(who, "/a/") for who in (LINDA, NATASHA)}
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    story.relay.refuse[NATASHA] = "451 later"
    story.sweep(minutes=11)
    assert "It’s in your inbox." in said(story.client.get(pages[LINDA]))
    assert "It will be in your inbox in a moment." in said(story.client.get(pages[NATASHA]))


# --- Cannot be asked ----------------------------------------------------------------------------------


def test_a_request_about_a_pair_that_is_open_does_not_say_that_nothing_was_ever_sent(story: Story) -> None:
    story.ask()
    story.request()
    response = story.verify()
    assert response.status_code == 409
    assert "Nothing new was sent." in said(response)
    assert "Nothing was sent to either" not in said(response)
    assert story.kinds(LINDA) == ["ask"]


def test_a_corrected_address_that_cannot_be_asked_is_told_at_its_field(story: Story) -> None:
    story.request()
    story.relay.refuse[NATASHA] = "550 no such user"
    story.verify()
    with story.writing() as context:
        suppress(context, "nora@interiors.test")
    link = story.link(RITA, "/r/")
    response = story.post(link, action="correct", side="b", email="nora@interiors.test")
    assert response.status_code == 422
    assert "This address can’t be asked right now." in said(response)
    assert 'id="email-error"' in response.text
    assert 'value="nora@interiors.test"' in response.text
    assert story.consent(NATASHA).state is ConsentState.UNDELIVERABLE
    assert story.post(link, action="correct", side="b", email="nina@interiors.test").status_code == 303


# --- Second clicks ------------------------------------------------------------------------------------


def test_after_a_follow_up_only_the_other_answer_is_offered(story: Story) -> None:
    story.introduce()
    story.sweep(days=3)
    link, offered = story.link(LINDA, "/f/"), r'name="answer" value="(\w+)"'
    assert re.findall(offered, story.client.get(link).text) == ["yes", "no"]
    for answer, other in (("no", "yes"), ("yes", "no")):
        assert story.post(link, answer=answer).status_code == 303
        assert re.findall(offered, story.client.get(link).text) == [other]


def test_a_second_click_on_undo_tells_that_the_first_one_worked(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    page = story.link(LINDA, "/a/")
    assert story.post(f"{page}/undo").status_code == 303
    again = story.post(f"{page}/undo")
    assert again.status_code == 410
    assert "If you’ve just taken your answer back, that worked." in said(again)
    assert "The new link is in our latest email" in said(again)
    story.sweep()
    assert story.link(LINDA, "/a/") != page
    assert story.client.get(story.link(LINDA, "/a/")).status_code == 200


def test_a_second_click_on_verify_leads_to_the_page_and_asks_nobody_twice(story: Story) -> None:
    story.ask()
    link = story.link(RITA, "/r/")
    again = story.post(link, action="verify")
    assert (again.status_code, again.headers["Location"]) == (303, link)
    story.sweep()
    assert story.kinds(LINDA) == story.kinds(NATASHA) == ["ask"]
    assert story.events().count("verified") == 1


@pytest.mark.parametrize("requester_is", ["neither", "a"])
@pytest.mark.parametrize("verified", [True, False])
def test_a_second_click_on_withdraw_leads_to_the_page_and_is_recorded_once(
    story: Story, requester_is: str, verified: bool
) -> None:
    story.request(requester_is=requester_is)
    if verified:
        story.verify()
    link = story.link(RITA, "/r/")
    for _ in range(2):
        response = story.post(link, action="withdraw")
        assert (response.status_code, response.headers["Location"]) == (303, link)
    assert story.events().count("withdrawn") == 1
    headline = "You withdrew this request." if verified else "This request is no longer open."
    assert headline in look(story, RITA, "/r/")


# --- Withdrawn ----------------------------------------------------------------------------------------


def test_a_requester_who_is_one_of_the_two_reads_at_once_that_they_withdrew(story: Story) -> None:
    story.ask(requester_is="a")
    other = story.link(NATASHA, "/a/")
    story.answer(NATASHA, "yes")
    before = story.client.get(other).text
    story.post(story.link(RITA, "/r/"), action="withdraw")
    assert story.introduction().state is State.ASKING
    page = look(story, RITA, "/r/")
    assert "You withdrew this request." in page
    assert "Withdraw it for good" not in page
    assert "On its way" not in page
    assert story.client.get(other).text == before
    story.sweep(days=7)
    assert story.ledger() == [("lead", "withdrawn")]
    assert look(story, RITA, "/r/") == page


def test_a_never_of_a_requester_who_is_one_of_the_two_reads_as_one(story: Story) -> None:
    story.ask(requester_email="bob@quill.test", a_email=RITA)
    story.ask(requester_is="a", b_email="nora@interiors.test")
    story.post(story.link(RITA, "/never/"))
    page = look(story, RITA, "/r/")
    assert "You asked us never to contact you again." in page
    assert "Withdraw it for good" not in page


# --- The mailbox --------------------------------------------------------------------------------------


@pytest.fixture
def with_a_relay(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """`make run` where the environment names a relay: it catches no mail itself."""
    story = Story({**environ, "EMBEDDED": "1"}, clock, relay)
    yield story
    story.db.engine.dispose()


def test_no_mailbox_is_promised_where_mail_goes_to_a_real_relay(with_a_relay: Story) -> None:
    for path in ("/", "/requested"):
        page = with_a_relay.client.get(path).text
        assert "Deadlines are short here" in page
        assert "ailbox" not in page
    assert with_a_relay.client.get("/mailbox").status_code == 404
