"""A no is private (docs/design.md, section 3, rule 5): whatever the requester can see is compared.

Cases that differ only in what the two answered are played side by side, and at each moment everything that
Rita can get hold of is the same: her desk, her ledger and its exports, the page behind her link, a copy of
the request, each with its headers, and her mails with theirs, and so with the minute in which they left.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from service.lifecycle import MailKind
from tests.inbound.test_bounces import bounce
from tests.support.desk import sign_in_for_tests
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, SECRET, HandClock, Story

Play = Callable[[Story], object]
Case = dict[float, Play]
"""What happens, by the hour after the asks."""

NEW = "natasha.orlova@interiors.test"
PAGES = (
    "/desk",
    "/desk?show=open",
    "/desk?show=unreached",
    "/desk/introductions/1",
    "/?copy=1",
    "/desk/ledger?period=all",
    "/desk/ledger.csv?period=all",
    "/desk/ledger.json?period=all",
)
LOOKS = (1.1, 4.1, 49, 97, 127, 167.9, 168.01, 168.2, 1000)
"""The hours at which Rita looks: before and after each answer, the reminders (one of them at 126, where
somebody asked for it) and the closing moment (168)."""


def says(who: str, answer: str, **fields: str) -> Play:
    return lambda story: story.answer(who, answer, **fields)


def asks_for_later(who: str) -> Play:
    """They choose the last moment that is offered, when a quarter of their time is left."""

    def press(story: Story) -> None:
        page = story.link(who, "/a/")
        moment = re.findall(r'value="(later-\d+)"', story.client.get(page).text)[-1]
        assert story.choose(page, moment).status_code == 303

    return press


def takes_back(who: str) -> Play:
    return lambda story: story.answer(who, "undo")


def wishes(who: str, wish: str) -> Play:
    def choose(story: Story) -> None:
        assert story.choose(story.link(who, "/a/"), wish).status_code == 200

    return choose


def presses_one_click(who: str) -> Play:
    """Their mail program's own button."""
    one_click = {"List-Unsubscribe": "One-Click"}
    return lambda story: story.post(story.link(who, "/never/"), **one_click)


def reads(who: str, language: str) -> Play:
    """They look at their page in another language, and leave it at that."""

    def look(story: Story) -> None:
        page = story.link(who, "/a/")
        assert story.client.get(f"{page}?lang={language}").status_code == 200

    return look


def comes_back(who: str) -> Play:
    return lambda story: bounce(story, MailKind.ASK, who)


def rita_does(action: str, **fields: str) -> Play:
    def press(story: Story) -> None:
        page = "/desk/introductions/1"
        assert rita(story).post(page, data={"action": action, **fields}).status_code == 303

    return press


def together(*plays: Play) -> Play:
    return lambda story: [play(story) for play in plays]


UNANSWERED: dict[str, Case] = {
    "neither answers": {},
    "a says no": {1: says(LINDA, "no")},
    "b says no": {1: says(NATASHA, "no")},
    "both say no": {1: together(says(LINDA, "no"), says(NATASHA, "no"))},
    "a says yes, b lapses": {1: says(LINDA, "yes", looking="yes")},
    "b says yes, a lapses": {1: says(NATASHA, "yes")},
    "a says yes, b no, days later": {1: says(LINDA, "yes", looking="yes"), 90: says(NATASHA, "no")},
    "b says yes, a no, days later": {1: says(NATASHA, "yes"), 90: says(LINDA, "no")},
    "a says yes and takes it back": {1: says(LINDA, "yes"), 20: takes_back(LINDA)},
    "both say yes, and b takes it back": {
        1: together(says(LINDA, "yes"), says(NATASHA, "yes")),
        1.05: takes_back(NATASHA),
    },
    "a says no in another language": {1: together(reads(LINDA, "de"), says(LINDA, "no"))},
    "a says never again": {1: wishes(LINDA, "never")},
    "b reports it": {1: wishes(NATASHA, "report")},
    "b reports it, and takes that back": {1: wishes(NATASHA, "report"), 20: wishes(NATASHA, "take-back")},
    "a's mail program stops all mail": {1: presses_one_click(LINDA)},
    "it does, and a says no": {1: presses_one_click(LINDA), 20: says(LINDA, "no")},
    "a asks for later": {1: asks_for_later(LINDA)},
    "b asks for later, and a says no": {1: asks_for_later(NATASHA), 20: says(LINDA, "no")},
    "both ask for later, and b says yes": {
        1: together(asks_for_later(LINDA), asks_for_later(NATASHA)),
        90: says(NATASHA, "yes"),
    },
}
NAMES = (
    "neither answers",
    "b says no",
    "a says yes, b lapses",
    "a asks for later",
    "b asks for later, and a says no",
)
FEW = {name: UNANSWERED[name] for name in NAMES}
IN_TURN: dict[str, Case] = {
    "the first is silent": {},
    "the first says no": {1: says(LINDA, "no")},
    "the first says yes, the second is silent": {1: says(LINDA, "yes")},
    "the first says yes, the second no": {1: says(LINDA, "yes"), 90: says(NATASHA, "no")},
    "both ask for later": {
        1: asks_for_later(LINDA),
        20: says(LINDA, "yes"),
        25: asks_for_later(NATASHA),
    },
}
ONE_OF_THEM: dict[str, Case] = {
    "b is silent": {},
    "b says no": {1: says(NATASHA, "no")},
    "b asks for later": {1: asks_for_later(NATASHA)},
}


def with_return_of(who: str, cases: dict[str, Case]) -> dict[str, Case]:
    return {name: {**case, 4: comes_back(who)} for name, case in cases.items()}


B_COMES_BACK = with_return_of(
    NATASHA,
    {
        "a is silent": {},
        "a said yes": {1: says(LINDA, "yes")},
        "a said no": {1: says(LINDA, "no")},
        "a says no later": {90: says(LINDA, "no")},
        "a asks for later": {1: asks_for_later(LINDA)},
    },
)
A_COMES_BACK = with_return_of(
    LINDA,
    {
        "b is silent": {},
        "b said yes": {1: says(NATASHA, "yes")},
        "b said no": {1: says(NATASHA, "no")},
    },
)


@pytest.fixture
def stage(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Callable[[], Story]]:
    """Stories that begin alike: each with a database, a clock and a relay of its own."""
    with ExitStack() as stack:

        def begin() -> Story:
            path = shutil.copy(migrated_sqlite, tmp_path / f"{len(list(tmp_path.iterdir()))}.db")
            relay = stack.enter_context(FaultySmtp())
            environ = {
                "SECRET_KEY": SECRET,
                "DATABASE_URL": f"sqlite:///{path}",
                "REDIS_URL": "redis://127.0.0.1:1/0",
                "PUBLIC_URL": "http://twoyes.test",
                "SUSPECT_WITHIN": "0s",
                **relay.environ,
            }
            story = Story(environ, HandClock(), relay)
            stack.callback(story.db.engine.dispose)
            return story

        yield begin


def rita(story: Story) -> Any:
    """Rita's own browser, signed in."""
    if "rita" not in story.app.extensions:
        story.app.extensions["rita"] = client = story.app.test_client()
        sign_in_for_tests(client, story, RITA)
    return story.app.extensions["rita"]


def without_proof(page: str) -> str:
    """A page without what is new each time that it is fetched."""
    return re.sub(r'(name="csrf_token" value=)"[^"]*"', r"\1", page)


def headers_of(page: TestResponse) -> str:
    """The headers of a page; the session's cookie is signed with the time of the real clock."""
    cookie = re.compile(r"(^Set-Cookie: \w+=)[^;]*|(Expires=)[^;]*", re.MULTILINE)
    return cookie.sub(r"\1\2", str(page.headers).replace("\r\n", "\n"))


def seen(story: Story) -> dict[str, str]:
    """Everything that Rita can see now."""
    pages = (*PAGES, story.link(RITA, "/r/"))
    found = {page: rita(story).get(page) for page in pages}
    assert {page.status_code for page in found.values()} == {200}
    shown = {path: headers_of(page) + page.get_data(as_text=True) for path, page in found.items()}
    return {path: without_proof(text) for path, text in shown.items()} | mailed(story)


def mailed(story: Story) -> dict[str, str]:
    """Rita's mails: every header and every part."""
    return {f"mail {number}": without_tags(mail) for number, mail in enumerate(story.mails(RITA))}


def without_tags(mail: EmailMessage) -> str:
    """A mail without the random tag by which links to "never again" and the addresses in it name it."""
    parts = (f"{part.items()}\n{'' if part.is_multipart() else part.get_content()}" for part in mail.walk())
    return re.sub(r"(/never/|\b(?:intro|bounce|stop)\+)[\w.~-]+", r"\1", "\n".join(parts))


def play(story: Story, case: Case, request: dict[str, str]) -> dict[float, dict[str, str]]:
    """What Rita sees at each of her looks."""
    story.ask(**request)
    rita(story)
    looked, hours = {}, 0.0
    for at in sorted({*case, *LOOKS}):
        story.sweep(hours=at - hours)
        hours = at
        if at in case:
            case[at](story)
            story.sweep()
        if at in LOOKS:
            looked[at] = seen(story)
    return looked


def compare(
    stage: Callable[[], Story], cases: dict[str, Case], own: Case | None = None, **request: str
) -> dict[float, dict[str, str]]:
    """Play all cases, with what Rita does herself in each, and compare; answers with the first."""
    first, *others = cases
    expected = play(stage(), {**cases[first], **(own or {})}, request)
    for name in others:
        looked = play(stage(), {**cases[name], **(own or {})}, request)
        for hours, found in looked.items():
            for what, text in found.items():
                assert text == expected[hours].get(what), f"{what} tells {name!r} after {hours} hours"
            assert found.keys() == expected[hours].keys(), f"{name!r} after {hours} hours"
    return expected


def test_nothing_tells_a_from_b_or_a_no_from_silence(stage: Callable[[], Story]) -> None:
    looked = compare(stage, UNANSWERED)
    assert "Asked" in looked[167.9]["/desk"]
    assert "Didn’t go ahead" in looked[168.2]["/desk"]


def test_nor_where_no_reminders_are_allowed(stage: Callable[[], Story]) -> None:
    compare(stage, FEW, reminders="")


def test_a_reminder_sent_by_hand_tells_nothing_either(stage: Callable[[], Story]) -> None:
    looked = compare(stage, FEW, {30: rita_does("remind")})
    assert "You asked for the reminder." in looked[49]["/desk/introductions/1"]


def test_nor_does_taking_the_request_back(stage: Callable[[], Story]) -> None:
    looked = compare(stage, FEW, {95: rita_does("withdraw")})
    assert "Withdrawn by you" in looked[97]["/desk"]


@pytest.mark.parametrize("pressed", [False, True])
def test_where_one_is_asked_after_the_other_nothing_tells_how_far_it_is(
    stage: Callable[[], Story], pressed: bool
) -> None:
    compare(stage, IN_TURN, {30: rita_does("remind")} if pressed else {}, order="a_first")


def test_where_rita_is_one_of_the_two_a_no_of_the_other_looks_like_silence(
    stage: Callable[[], Story],
) -> None:
    own = {"requester_is": "a", "a_name": "", "a_email": "", "a_endorsement": "", "cc_requester": ""}
    compare(stage, ONE_OF_THEM, {30: rita_does("remind")}, **own)


@pytest.mark.parametrize("corrected", [False, True])
def test_an_address_that_cannot_be_reached_is_told_and_tells_nothing_of_the_other(
    stage: Callable[[], Story], corrected: bool
) -> None:
    own: Case = {26: rita_does("correct", side="b", email=NEW)} if corrected else {30: rita_does("remind")}
    looked = compare(stage, B_COMES_BACK, own)
    assert "We couldn’t reach <bdi>Natasha Orlova</bdi>." in looked[4.1]["/desk/introductions/1"]
    assert "reach <bdi>Linda Marsh</bdi>" not in looked[1000]["/desk/introductions/1"]


def test_that_is_the_same_for_the_other_side(stage: Callable[[], Story]) -> None:
    looked = compare(stage, A_COMES_BACK)
    assert "We couldn’t reach <bdi>Linda Marsh</bdi>." in looked[4.1]["/desk/introductions/1"]


def test_who_chooses_to_tell_is_named_and_nobody_else(stage: Callable[[], Story]) -> None:
    tells = says(LINDA, "no", tell_requester="y")
    cases: dict[str, Case] = {
        "b is silent": {4: tells},
        "b said no": {1: says(NATASHA, "no"), 4: tells},
        "b said yes": {1: says(NATASHA, "yes"), 4: tells},
        "and then took it back": {4: tells, 20: takes_back(LINDA)},
    }
    looked = compare(stage, cases)
    assert "Linda Marsh</bdi> let you know: not this time." in looked[4.1]["/desk/introductions/1"]
    assert "Natasha Orlova</bdi> let you know" not in looked[1000]["/desk/introductions/1"]
