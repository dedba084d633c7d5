"""What the pages behind links say in the awkward moments: after a never, a bounce, a second click."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from service.introductions.wishes import Wish
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
    page = story.link(LINDA, "/a/")
    wished = story.choose(page if where == "answer page" else story.link(LINDA, "/never/"), "never")
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
    path, filled_in = story.fill_in(page, "no")
    story.choose(page, "never")
    assert story.post(path, **filled_in).status_code == 303
    assert "Take my answer back" not in story.client.get(page).text


@pytest.mark.parametrize("choice", ["yes", "undo"])
def test_a_yes_or_undo_after_a_never_gets_a_page_of_its_own_and_changes_nothing(
    story: Story, choice: str
) -> None:
    story.ask()
    page = story.link(LINDA, "/a/")
    story.answer(LINDA, "no")
    path, filled_in = story.fill_in(page, choice)
    story.choose(page, "never")
    response = story.post(path, **filled_in)
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
    answer = story.client.get(f"{page}/options")
    assert (answer.status_code, answer.location) == (303, page)
    assert story.client.put(f"{page}/options").status_code == 405


def wishes_on(response: TestResponse) -> list[str]:
    choices = re.findall(r'name="choice" value="([^"]*)"', response.text)
    return [choice for choice in choices if choice in list(Wish)]


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
    done = story.choose(page, wish)
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
    story.choose(page, "not-from")
    assert wishes_on(story.client.get(page)) == ["never", "report"]
    assert "Yes, introduce us" not in story.client.get(page).text
    assert story.choose(page, "never").status_code == 200
    assert wishes_on(story.client.get(page)) == []


def test_a_requester_can_only_leave_altogether(story: Story) -> None:
    story.ask(requester_is="a")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=11)
    story.sweep(days=3)
    own = story.link(RITA, "/never/")
    assert wishes_on(story.client.get(own)) == ["never"]
    assert "Never hear from us again?" in said(story.client.get(own))
    assert story.post(own, choice="report").status_code == 400
    assert reports(story) == []


@pytest.mark.parametrize("where", ["/a/", "/never/"])
@pytest.mark.parametrize(("wish", "status"), [("", 422), ("yes", 400), ("NEVER", 400)])
def test_a_wish_that_is_none_changes_nothing(story: Story, where: str, wish: str, status: int) -> None:
    story.ask()
    page, before = story.link(LINDA, where), rows(story.db)
    assert story.post(f"{page}/options" if where == "/a/" else page, choice=wish).status_code == status
    assert rows(story.db) == before


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_the_button_of_a_mail_program_stops_mail_without_a_cookie_a_redirect_or_an_answer(
    story: Story, kind: str
) -> None:
    story.ask()
    story.app.config["WTF_CSRF_ENABLED"] = True
    button = story.link(LINDA, "/never/")
    browser = story.app.test_client(use_cookies=False)
    answer = browser.post(button, data={"List-Unsubscribe": "One-Click"}, content_type=kind)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert story.consent(LINDA).state is ConsentState.ASKED
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
    quick = "That was very quick: please choose and press once more."
    assert quick not in look(wary, LINDA, "/a/")
    early = wary.answer(LINDA, "yes")
    assert early.status_code == 422
    assert wary.consent(LINDA).state is ConsentState.ASKED
    assert quick in said(early)
    assert "Yes, introduce us" in said(early)
    wary.clock.advance(minutes=1)
    assert wary.answer(LINDA, "yes").status_code == 303
    assert wary.consent(LINDA).state is ConsentState.YES
    assert quick not in look(wary, LINDA, "/a/")


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
    link, offered = story.link(LINDA, "/f/"), r'name="choice" value="(\w+)"'
    assert re.findall(offered, story.client.get(link).text) == ["accept", "nothing", "yes", "no"]
    for answer, other in (("no", "yes"), ("yes", "no")):
        assert story.choose(link, answer).status_code == 303
        assert re.findall(offered, story.client.get(link).text) == ["accept", "nothing", other]


@pytest.mark.parametrize("choice", ["", "nothing", "accept", "maybe"])
def test_a_follow_up_is_answered_by_a_choice_and_a_press_alone(story: Story, choice: str) -> None:
    story.introduce()
    story.sweep(days=3)
    link = story.link(LINDA, "/f/")
    page = story.post(link, choice=choice, answer="yes")
    assert page.status_code == {"nothing": 200, "maybe": 400}.get(choice, 422)
    assert story.consent(LINDA).in_touch is None
    assert bool(story.consent(LINDA).suspect_at) is (choice == "accept")
    if choice != "maybe":
        assert re.findall(r'name="choice" value="(\w+)"', page.text) == ["accept", "nothing", "yes", "no"]
        assert "checked" not in page.text
    again = story.choose(link, "yes")
    assert again.status_code == (422 if choice == "accept" else 303)
    assert story.choose(link, "no", word="hello").status_code == 303
    assert story.consent(LINDA).in_touch is False


def test_two_contradicting_words_on_a_follow_up_within_seconds_get_the_page_again(wary: Story) -> None:
    wary.request()
    wary.verify()
    wary.clock.advance(minutes=1)
    wary.answer(LINDA, "yes")
    wary.answer(NATASHA, "yes")
    wary.sweep(minutes=11)
    wary.sweep(days=3)
    link = wary.link(LINDA, "/f/")
    early = wary.choose(link, "yes")
    assert (early.status_code, "very quick" in said(early)) == (422, True)
    assert wary.consent(LINDA).in_touch is None
    wary.clock.advance(minutes=1)
    path, otherwise = wary.fill_in(link, "no")
    assert wary.choose(link, "yes").status_code == 303
    page = wary.post(path, **otherwise)
    assert page.status_code == 422
    assert "That was very quick: please choose and press once more." in said(page)
    assert 'value="no"' in page.text
    assert wary.consent(LINDA).in_touch is True
    wary.clock.advance(seconds=10)
    assert wary.choose(link, "no").status_code == 303
    assert wary.consent(LINDA).in_touch is False


def test_a_second_click_on_undo_tells_that_the_first_one_worked(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    page = story.link(LINDA, "/a/")
    path, filled_in = story.fill_in(page, "undo")
    assert story.post(path, **filled_in).status_code == 303
    again = story.post(path, **filled_in)
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
    story.choose(story.link(RITA, "/never/"), "never")
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
