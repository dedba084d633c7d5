"""The requester's desk: the list, one introduction, what can be done, and who may look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from service.desk import overview
from service.desk.overview import Status, StatusFilter
from service.lifecycle import ConsentState, MailKind, State
from service.store.models import Event, Introduction, MailState
from tests.inbound.test_bounces import bounce
from tests.introductions.test_privacy import without_proof
from tests.support import season
from tests.support.desk import sign_in_for_tests
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

OTHER, OPERATOR = "olga@other.test", "ops@twoyes.test"
NEW = "natasha.orlova@interiors.test"
ONE_OF_THEM = {"requester_is": "a", "a_name": "", "a_email": "", "a_endorsement": "", "cc_requester": ""}


@pytest.fixture
def desk(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """The story, with an operator."""
    story = Story({**environ, "OPERATORS": OPERATOR, "OPEN_ASKS_PER_ADDRESS": "40"}, clock, relay)
    yield story
    story.db.engine.dispose()


def enter(story: Story, email: str = RITA) -> Any:
    """A browser in which somebody is signed in."""
    client = story.app.test_client()
    sign_in_for_tests(client, story, email)
    return client


def page(client: Any, path: str = "/desk/introductions/1") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return re.sub(r"</?bdi>", "", answer.get_data(as_text=True))


def badge(client: Any) -> str:
    """What the list says of the newest introduction."""
    found = re.search(r'<p class="badge [^"]*">([^<]*)</p>', page(client, "/desk"))
    assert found
    return found[1]


def press(client: Any, action: str, **fields: str) -> int:
    status: int = client.post("/desk/introductions/1", data={"action": action, **fields}).status_code
    return status


def names(text: str) -> list[str]:
    """The headings of the list."""
    return re.findall(r"<h2><a [^>]*>([^<]*)</a></h2>", text)


# --- The list -------------------------------------------------------------------------------------


def test_an_empty_desk_invites_to_the_first_request(desk: Story) -> None:
    text = page(enter(desk, OPERATOR), "/desk")
    assert "You haven’t introduced anybody yet." in text
    assert "Search" not in text


def test_the_list_is_the_requester_s_own_and_the_newest_comes_first(desk: Story) -> None:
    desk.ask()
    desk.ask(b_name="Ben Carver", b_email="ben@carver.test")
    desk.ask(requester_email=OTHER, a_email="x@salon.test", a_name="Xenia")
    assert names(page(enter(desk), "/desk")) == [
        "Linda Marsh and Ben Carver",
        "Linda Marsh and Natasha Orlova",
    ]
    assert names(page(enter(desk, OTHER), "/desk")) == ["Xenia and Natasha Orlova"]


def test_names_and_needs_are_searched_and_nothing_that_a_party_wrote(desk: Story) -> None:
    desk.ask(need="A 100% cotton cloth.")
    desk.answer(LINDA, "yes", line="What about parquet", phone="+49 30 1234567")
    assert desk.consent(LINDA).phone
    rita = enter(desk)
    for words, found in (
        ("NATASHA cotton", 1),
        ("100%", 1),
        ("10_%", 0),
        ("Linda@SALON.test natasha", 1),
        ("parquet", 0),
        ("1234567", 0),
        ("+49", 0),
        ("%00x", 0),
    ):
        assert len(names(page(rita, f"/desk?q={words}".replace("100%", "100%25")))) == found, words
    assert "No introductions match." in page(rita, "/desk?q=parquet")


@pytest.mark.parametrize("word", ["özlem", "ÖZLEM", "O\N{COMBINING DIAERESIS}zlem", "ημα", "čas"])
def test_the_search_is_blind_to_capital_letters_of_every_alphabet(desk: Story, word: str) -> None:
    desk.ask(b_name="Özlem Øst", need="Ein ΣΧΗΜΑ für Čas und Straße, 50%/Tag.")
    rita = enter(desk)
    assert len(names(page(rita, f"/desk?q={quote(word)}"))) == 1
    assert len(names(page(rita, "/desk?q=50%25/tag"))) == 1
    assert len(names(page(rita, f"/desk?q={quote('özlen')}"))) == 0


def test_a_long_list_has_pages(desk: Story) -> None:
    desk.ask()
    with desk.db.transaction() as session:
        first = session.get(Introduction, 1)
        assert first
        for _ in range(overview.PER_PAGE):
            copied = {
                column.name: getattr(first, column.name)
                for column in Introduction.__table__.columns
                if column.name != "id"
            }
            session.add(Introduction(**copied, consents=[]))
            session.flush()
    with desk.db.reading() as session:
        # Only the rows are counted here: those made by hand have no parties.
        found = overview.page(session, desk.settings, RITA, StatusFilter.ALL, desk.clock(), number=99)
    assert (found.number, found.last, found.total, len(found.items)) == (2, 2, overview.PER_PAGE + 1, 1)


def come_back(story: Story) -> None:
    """The introduction reached both, and came back from one of them later."""
    story.introduce()
    bounce(story, MailKind.INTRODUCTION, NATASHA)


PLAYS: dict[str, tuple[Any, Status, StatusFilter]] = {
    "unverified": (lambda story: story.request(), Status.UNVERIFIED, StatusFilter.OPEN),
    "lapsed": (lambda story: (story.request(), story.sweep(days=9)), Status.GONE, StatusFilter.NOTHING),
    "asked": (lambda story: story.ask(), Status.ASKED, StatusFilter.OPEN),
    "unreached": (
        lambda story: (story.ask(), bounce(story, MailKind.ASK, NATASHA)),
        Status.UNREACHED,
        StatusFilter.OPEN,
    ),
    "declined": (lambda story: (story.ask(), story.answer(LINDA, "no")), Status.ASKED, StatusFilter.OPEN),
    "over": (lambda story: (story.ask(), story.sweep(days=8)), Status.NOTHING, StatusFilter.NOTHING),
    "withdrawn": (
        lambda story: (story.ask(), story.post(story.link(RITA, "/r/"), action="withdraw")),
        Status.WITHDRAWN,
        StatusFilter.NOTHING,
    ),
    "withdrawn by a party": (
        lambda story: (story.ask(**ONE_OF_THEM), story.post(story.link(RITA, "/r/"), action="withdraw")),
        Status.WITHDRAWN,
        StatusFilter.NOTHING,
    ),
    "introduced": (lambda story: story.introduce(), Status.INTRODUCED, StatusFilter.INTRODUCED),
    "unconfirmed": (
        lambda story: (story.introduce(), story.sweep(days=4), story.sweep(days=40)),
        Status.UNCONFIRMED,
        StatusFilter.INTRODUCED,
    ),
    "undelivered": (season.undelivered, Status.UNDELIVERED, StatusFilter.NOTHING),
    "came back": (come_back, Status.INTRODUCED, StatusFilter.INTRODUCED),
    "came back, and over": (
        lambda story: (come_back(story), story.sweep(days=4), story.sweep(days=40)),
        Status.UNDELIVERED,
        StatusFilter.NOTHING,
    ),
    "confirmed": (
        lambda story: (
            story.introduce(),
            story.sweep(days=4),
            story.choose(story.link(LINDA, "/f/"), "yes"),
        ),
        Status.CONFIRMED,
        StatusFilter.REFERRALS,
    ),
}


@pytest.mark.parametrize("moment", PLAYS)
def test_each_introduction_is_shown_by_exactly_one_filter(desk: Story, moment: str) -> None:
    play, stands, shown = PLAYS[moment]
    play(desk)
    with desk.db.reading() as session:
        found = {
            show: [
                line.status for line in overview.page(session, desk.settings, RITA, show, desk.clock()).items
            ]
            for show in StatusFilter
        }
    # Those that could not be reached are a part of those that are open.
    shows = {shown, StatusFilter.ALL} | ({StatusFilter.UNREACHED} if stands is Status.UNREACHED else set())
    assert found == {show: [stands] if show in shows else [] for show in StatusFilter}


def test_the_list_says_where_an_address_could_not_be_reached_until_it_is_corrected(desk: Story) -> None:
    desk.ask()
    rita = enter(desk)
    assert badge(rita) == "Asked"
    bounce(desk, MailKind.ASK, NATASHA)
    assert badge(rita) == "An address couldn’t be reached"
    assert names(page(rita, "/desk?show=unreached")) == ["Linda Marsh and Natasha Orlova"]
    press(rita, "correct", side="b", email=NEW)
    assert badge(rita) == "Asked"
    assert names(page(rita, "/desk?show=unreached")) == []


@pytest.mark.parametrize("refused", [{}, {RITA: "550 5.7.1 full"}])
def test_a_no_that_somebody_let_her_know_stands_in_the_list_and_on_its_page_even_if_its_mail_failed(
    desk: Story, refused: dict[str, str]
) -> None:
    desk.ask()
    rita = enter(desk)
    desk.relay.behave(refuse=refused)
    desk.answer(LINDA, "no", tell_requester="y")
    assert badge(rita) == "Asked"
    desk.sweep()
    assert desk.outbox(MailKind.DECLINED)[0].state is (MailState.FAILED if refused else MailState.SENT)
    assert badge(rita) == "Somebody let you know: not this time"
    text = page(rita)
    assert "Linda Marsh let you know: not this time." in text
    sides = text.partition('<ul class="sides">')[2].partition("</ul>")[0]
    assert re.findall(r'class="state">([^<]*)<', sides) == ["let you know: not this time", "asked"]
    # Whoever knows of a no knows that nobody is reminded, and taking it back shows nowhere.
    assert "Send it now" not in text
    desk.answer(LINDA, "undo")
    assert without_proof(page(rita)) == without_proof(text)


def test_what_is_late_is_said_to_be(desk: Story) -> None:
    desk.ask()
    rita = enter(desk)
    desk.clock.advance(days=7, minutes=10)
    assert "Settled by Monday, 9 March 2026, 09:10 UTC." in page(rita, "/desk")
    desk.clock.advance(minutes=1)
    late = "This should have been settled by Monday, 9 March 2026, 09:10 UTC."
    for path in ("/desk", "/desk/introductions/1", desk.link(RITA, "/r/")):
        assert late in page(rita, path)
        assert "ettled by Monday" not in page(rita, path).replace(late, "")
        assert "It will be settled" not in page(rita, path)


def test_a_question_that_is_late_is_said_to_be(desk: Story) -> None:
    desk.introduce()
    rita = enter(desk)
    desk.clock.advance(days=4)
    for path in ("/desk", "/desk/introductions/1"):
        assert "we should have asked both whether they’re in touch" in page(rita, path)


def test_a_lead_that_nobody_confirmed_is_one_everywhere(desk: Story) -> None:
    season.unconfirmed(desk)
    rita = enter(desk)
    assert badge(rita) == "Introduced, not confirmed"
    assert "Not confirmed" in page(rita, "/desk/ledger")
    for path in ("/desk/introductions/1", desk.link(RITA, "/r/")):
        assert "nobody confirmed it in time, so this is a lead" in page(rita, path)
        assert "We’ll ask once" not in page(rita, path)


@pytest.mark.parametrize("ending", ["undelivered", "came back, and over"])
def test_what_could_not_be_delivered_is_called_so_everywhere(desk: Story, ending: str) -> None:
    PLAYS[ending][0](desk)
    rita = enter(desk)
    assert badge(rita) == "Couldn’t be delivered"
    assert "Couldn’t be delivered" in page(rita, "/desk/ledger")
    assert "Our email couldn’t reach Natasha Orlova." in page(rita)


# --- Who may look ---------------------------------------------------------------------------------


def test_somebody_else_s_introduction_is_no_page(desk: Story) -> None:
    desk.ask()
    desk.ask(requester_email=OTHER, a_email="x@salon.test")
    olga = enter(desk, OTHER)
    for method in ("get", "post"):
        for id in (1, 99, 0, 10**30):
            answer = getattr(olga, method)(f"/desk/introductions/{id}", data={"action": "withdraw"})
            assert answer.status_code == 404
    assert desk.introduction().state is State.ASKING
    assert "Linda" not in page(olga, "/?copy=1")
    assert page(olga, f"/?copy={10**30}")


def test_whoever_is_not_signed_in_is_asked_to(desk: Story) -> None:
    desk.ask()
    for path in ("/desk", "/desk/introductions/1"):
        answer = desk.client.get(path)
        assert answer.status_code == 303
        assert "/desk/sign-in" in answer.location
    assert desk.client.post("/desk/introductions/1", data={"action": "withdraw"}).status_code == 303
    assert "linda@salon.test" not in page(desk.client, "/?copy=1")
    assert desk.introduction().state is State.ASKING


def test_an_operator_reads_every_event_and_mail_of_anybody_s_and_changes_nothing(desk: Story) -> None:
    desk.ask()
    desk.answer(LINDA, "no")
    desk.sweep()
    bounce(desk, MailKind.ASK, NATASHA)
    operator = enter(desk, OPERATOR)
    text = page(operator)
    for word in (
        "answer: no",
        "ask queued",
        "mail accepted",
        "reply: 250",
        "came back",
        "550 5.1.1",
        "bounced:",
    ):
        assert word in text, word
    assert "<button" not in text.split("<main")[1]
    # The relay of that day is named, and none where nobody wrote it down.
    assert "server: localhost" in text
    with desk.db.transaction() as session:
        for event in session.scalars(select(Event).where(Event.name == "mail accepted")):
            event.detail = {key: value for key, value in event.detail.items() if key != "server"}
    assert "localhost" not in page(operator)
    assert press(operator, "withdraw") == 404


def test_the_operator_reads_the_words_of_every_answer_and_of_every_ask(desk: Story) -> None:
    desk.ask()
    desk.answer(LINDA, "yes")
    with desk.writing() as context:
        context.session.merge(desk.introduction()).need = "A loan."
    desk.answer(LINDA, "no")
    text = page(enter(desk, OPERATOR))
    given = [part.partition("</details>")[0] for part in text.split("Given to these words")[1:]]
    assert [part.count("A new interior for the salon before spring.") for part in given] == [1, 0]
    assert [part.count("A loan.") for part in given] == [0, 1]
    said = [part.partition("</details>")[0] for part in text.split("What it said")[1:]]
    assert len(said) == 2, "Linda and Natasha were asked"
    assert all("[link]" in part and "A new interior for the salon" in part for part in said)
    assert "words: " not in text


def test_the_requester_reads_what_both_said_yes_to_once_they_are_introduced(desk: Story) -> None:
    desk.ask()
    rita = enter(desk)
    for who, answer in ((LINDA, "yes"), (NATASHA, "no"), (NATASHA, "yes")):
        desk.answer(who, answer)
        assert "said yes to" not in page(rita)
    desk.sweep(seconds=desk.settings.HOLD_FOR.total_seconds())
    agreed = page(rita).split("said yes to")[1:]
    assert len(agreed) == 2
    assert "Rita Quill would like to introduce you to Natasha Orlova." in agreed[0]
    assert "Rita Quill would like to introduce you to Linda Marsh." in agreed[1]
    assert all("A new interior for the salon before spring." in words for words in agreed)


def test_a_requester_who_is_one_of_them_reads_what_the_other_said_yes_to(desk: Story) -> None:
    desk.ask(**ONE_OF_THEM)
    desk.answer(NATASHA, "yes")
    desk.sweep(seconds=desk.settings.HOLD_FOR.total_seconds())
    agreed = page(enter(desk)).split("said yes to")[1:]
    assert len(agreed) == 1
    assert "Rita Quill would like to be introduced to you." in agreed[0]


def test_who_asked_for_later_is_told_to_the_operator_and_not_to_the_requester(desk: Story) -> None:
    desk.ask()
    rita, operator = enter(desk), enter(desk, OPERATOR)
    before = without_proof(page(rita))
    [later, *_] = re.findall(r'value="(later-\d+)"', desk.client.get(desk.link(LINDA, "/a/")).text)
    assert desk.answer(LINDA, later).status_code == 303
    assert without_proof(page(rita)) == before
    assert "later asked for" in page(operator)
    assert "at: 2026-03-03T09:00:00+00:00" in page(operator)
    assert press(rita, "remind") == 303
    desk.sweep()
    assert "You asked for the reminder." in page(rita)
    assert desk.kinds(NATASHA) == ["ask", "reminder"]
    assert desk.kinds(LINDA) == ["ask"]


def test_on_a_request_of_their_own_an_operator_sees_what_every_requester_sees(desk: Story) -> None:
    desk.ask(requester_email=OPERATOR)
    desk.answer(LINDA, "no")
    assert "answer: no" not in page(enter(desk, OPERATOR))


@pytest.mark.parametrize("path", ["/desk", "/desk/introductions/1", "/?copy=1"])
def test_these_pages_are_kept_out_of_caches(desk: Story, path: str) -> None:
    desk.ask()
    answer = enter(desk).get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_a_button_without_its_proof_changes_nothing_and_says_so(desk: Story) -> None:
    desk.ask()
    rita = enter(desk)
    desk.app.config["WTF_CSRF_ENABLED"] = True
    answer = rita.post("/desk/introductions/1", data={"action": "withdraw"})
    assert answer.status_code == 400
    assert "Nothing has changed." in answer.get_data(as_text=True)
    assert 'href="/desk/introductions/1"' in answer.get_data(as_text=True)
    proof = re.search(r'name="csrf_token" value="([^"]+)"', page(rita))
    assert proof
    assert press(rita, "withdraw", csrf_token=proof[1]) == 303
    assert desk.introduction().state is State.CLOSED


# --- One introduction -----------------------------------------------------------------------------


def test_a_request_can_be_confirmed_and_taken_back_at_the_desk(desk: Story) -> None:
    desk.ask(a_email="x@salon.test")
    desk.request()
    rita = enter(desk)
    path = "/desk/introductions/2"
    assert "Expires on" in page(rita, "/desk")
    assert rita.post(path, data={"action": "verify"}).status_code == 303
    desk.sweep()
    assert desk.kinds(LINDA) == ["ask"]
    assert rita.post(path, data={"action": "withdraw"}).status_code == 303
    assert desk.introduction().state is State.CLOSED
    assert "You withdrew this request." in page(rita, path)
    assert rita.post(path, data={"action": "nonsense"}).status_code == 400


def test_an_address_is_corrected_at_the_desk(desk: Story) -> None:
    desk.ask()
    bounce(desk, MailKind.ASK, NATASHA)
    rita = enter(desk)
    assert "We couldn’t reach Natasha Orlova." in page(rita)
    assert press(rita, "correct", side="b", email="no address") == 422
    assert press(rita, "correct", side="b", email=LINDA) == 422
    assert press(rita, "correct", side="b", email=NEW) == 303
    desk.sweep()
    assert desk.kinds(NEW) == ["ask"]
    assert "You corrected the address for Natasha Orlova." in page(rita)
    assert f'value="{NEW}"' in page(rita, "/?copy=1")


def test_the_reminder_leaves_now_and_once(desk: Story) -> None:
    desk.ask()
    desk.answer(LINDA, "yes")
    rita = enter(desk)
    desk.sweep(hours=2)
    assert "Anyone who hasn’t answered gets one reminder." in page(rita)
    assert press(rita, "remind") == 303
    assert "Anyone who hasn’t answered" not in page(rita)
    # A second click finds it done.
    assert press(rita, "remind") == 303
    desk.sweep()
    desk.sweep(days=4)
    assert desk.kinds(NATASHA) == ["ask", "reminder"]
    assert "reminder" not in desk.kinds(LINDA)
    assert desk.events().count("reminder asked for") == 1
    assert page(rita).count("You asked for the reminder.") == 1


@pytest.mark.parametrize("answer", ["", "yes", "no"])
def test_the_reminder_can_be_asked_for_until_the_one_by_the_clock_is_due(desk: Story, answer: str) -> None:
    desk.ask()
    if answer:
        desk.answer(LINDA, answer)
    rita = enter(desk)
    desk.clock.advance(days=2, hours=23, minutes=59)
    assert "Send it now" in page(rita)
    desk.clock.advance(minutes=1)
    assert "Send it now" not in page(rita)
    assert press(rita, "remind") == 303
    assert "You asked for the reminder." not in page(rita)
    assert "reminder asked for" not in desk.events()


def test_no_reminder_leaves_that_was_not_allowed_and_none_while_a_no_stands(desk: Story) -> None:
    desk.ask(reminders="")
    rita = enter(desk)
    assert "Send it now" not in page(rita)
    assert press(rita, "remind") == 303
    assert "reminder asked for" not in desk.events()
    desk.sweep(days=8)
    desk.ask()
    desk.answer(LINDA, "no")
    assert rita.post("/desk/introductions/2", data={"action": "remind"}).status_code == 303
    desk.sweep(days=5)
    assert "reminder" not in desk.kinds(NATASHA) + desk.kinds(LINDA)


def test_the_timeline_and_the_marks_tell_more_once_they_are_introduced(desk: Story) -> None:
    desk.ask()
    rita = enter(desk)
    assert page(rita).count("Shown once they’re introduced") == 2
    assert evidence(rita) == {}
    desk.answer(LINDA, "yes", looking="yes")
    desk.answer(NATASHA, "yes")
    assert page(rita).count("Shown once they’re introduced") == 2
    assert evidence(rita) == {}
    desk.sweep(minutes=11)
    assert "The introduction reached both." in page(rita)
    assert "Shown once they’re introduced" not in page(rita)
    assert page(rita).count('<span class="borne">Yes</span>') == 5
    assert evidence(rita) == {
        "Actively sought": "Linda Marsh said so when answering.",
        "Introduced": "Both copies were accepted for delivery by Monday, 2 March 2026, 09:11 UTC.",
        "Both expect it": "Both had said yes before the introduction was sent.",
    }
    assert "we’ll ask both whether they’re in touch" in page(rita)
    desk.sweep(days=4)
    assert "We asked both whether they’re in touch." in page(rita)
    assert "A later one still counts." in page(rita, "/desk")
    desk.sweep(days=40)
    assert "it’s a lead for now" in page(rita)
    desk.choose(desk.link(LINDA, "/f/"), "yes")
    assert "Confirmed: a referral" in page(rita)


def evidence(client: Any) -> dict[str, str]:
    """What stands below the meaning of each mark."""
    marks = page(client).partition('<ul class="evidence">')[2].partition("</ul>")[0]
    return dict(re.findall(r"<h3>([^<]*)</h3>(?:(?!</li>).)*<p>([^<]*)</p>", marks, re.DOTALL))


def test_a_requester_with_the_need_is_named_as_who_said_so(desk: Story) -> None:
    desk.ask(**ONE_OF_THEM)
    desk.answer(NATASHA, "yes")
    desk.sweep(minutes=10)
    assert evidence(enter(desk))["Actively sought"] == "You said so in the request."


@pytest.mark.parametrize(
    ("moment", "untold"),
    [("asked", 0), ("over", 2), ("withdrawn", 2), ("withdrawn by a party", 2), ("undelivered", 1)],
)
def test_what_is_over_without_an_introduction_promises_to_tell_nothing_more(
    desk: Story, moment: str, untold: int
) -> None:
    PLAYS[moment][0](desk)
    text = page(enter(desk))
    assert text.count("Not shown, as they weren’t introduced") == untold
    assert text.count("Shown once they’re introduced") == (2 if moment == "asked" else 0)
    assert ("Both had said yes" in text) == (moment == "undelivered")


def test_a_copy_is_the_form_filled_in_as_it_was(desk: Story) -> None:
    desk.ask(order="b_first", reminders="", a_language="de", need="Line one\n\nLine two")
    text = page(enter(desk), "/?copy=1")
    for typed in (
        f'value="{RITA}"',
        f'value="{LINDA}"',
        'value="Natasha Orlova"',
        "I have been her customer for ten years.",
        "Line one\n\nLine two",
        'value="b_first" checked',
        'name="cc_requester" value="y" checked',
    ):
        assert typed in text, typed
    assert 'name="reminders" value="y" checked' not in text
    # Linda may have chosen her language herself, so the form begins anew with the page's.
    assert 'lang="de" selected' not in text


@pytest.mark.parametrize("moment", PLAYS)
def test_a_copy_of_an_open_introduction_says_that_one_of_the_two_must_be_somebody_else(
    desk: Story, moment: str
) -> None:
    play, stands, _ = PLAYS[moment]
    play(desk)
    is_open = stands in (Status.ASKED, Status.UNREACHED) or moment == "withdrawn by a party"
    hint = "You’re already asking these two."
    rita = enter(desk) if moment not in ("unverified", "lapsed") else desk.client
    assert (hint in page(rita, "/?copy=1")) == is_open
    assert hint not in page(rita, "/")


def test_a_copy_of_one_s_own_introduction_leaves_one_s_own_side_to_the_form(desk: Story) -> None:
    desk.ask(**ONE_OF_THEM)
    text = page(enter(desk), "/?copy=1")
    assert 'name="requester_is" value="a" checked' in text
    assert text.count(f'value="{RITA}"') == 1


def test_what_others_type_cannot_bring_markup(desk: Story) -> None:
    desk.vouch_for(RITA)
    desk.ask(b_name="<b>Nat</b>", need="<i>Shop</i>")
    rita = enter(desk)
    for path in ("/desk", "/desk?q=<script>", "/desk/introductions/2"):
        text = page(rita, path)
        assert not {"<b>", "<i>", "<script>"} & set(re.findall(r"<[a-z]+>", text))
    assert desk.consent(NATASHA).state is ConsentState.ASKED
