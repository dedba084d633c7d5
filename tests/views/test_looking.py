"""Looking changes nothing: GET, HEAD and OPTIONS on every route leave every table as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from werkzeug.routing import Rule

from service.settings.environment import load
from tests.conftest import rows
from tests.support.desk import ask_for_link, sign_in_for_tests
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

Play = Callable[[Story], object]
MOMENTS: dict[str, Play] = {
    "requested": lambda story: story.request(),
    "asked": lambda story: story.ask(),
    "one yes": lambda story: (story.ask(), story.answer(LINDA, "yes")),
    "agreed": lambda story: (story.ask(), story.answer(LINDA, "yes"), story.answer(NATASHA, "yes")),
    "declined": lambda story: (story.ask(), story.answer(LINDA, "no")),
    "introduced": lambda story: (story.introduce(), story.sweep(days=3)),
    "closed": lambda story: (story.ask(), story.sweep(days=7)),
}


@pytest.fixture
def looked_at(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """The story in the embedded mode, which has the most routes."""
    story = Story({**environ, "EMBEDDED": "1", "MAILBOX": "1", "OPERATORS": RITA}, clock, relay)
    yield story
    story.db.engine.dispose()


def paths(story: Story, rule: Rule) -> list[str]:
    """The addresses of a route: with every link that was mailed, and with one that nobody made."""
    if "token" in rule.arguments:
        links = [link for who in (RITA, LINDA, NATASHA) for link in mailed_links(story, who)]
        tokens = [link.rpartition("/")[2] for link in links] + ["nobody-made-this"]
        return [rule.rule.replace("<token>", token) for token in tokens]
    return [
        rule.rule.replace("<path:filename>", "style.css").replace("<key>", "nothing").replace("<int:id>", "1")
    ]


def mailed_links(story: Story, who: str) -> Iterator[str]:
    for path in ("/r/", "/a/", "/f/", "/never/", "/desk/in/"):
        try:
            yield story.link(who, path)
        except AssertionError:
            continue


@pytest.mark.parametrize(
    ("moment", "signed_in"), [*((moment, False) for moment in MOMENTS), ("asked", True), ("introduced", True)]
)
def test_looking_at_any_route_leaves_every_table_as_it_was(
    looked_at: Story, moment: str, signed_in: bool
) -> None:
    story = looked_at
    MOMENTS[moment](story)
    if signed_in:
        sign_in_for_tests(story.client, story, RITA)
        ask_for_link(story.client, story, RITA)
    story.clock.advance(minutes=1)
    before = rows(story.db)
    visited = 0
    for rule in story.app.url_map.iter_rules():
        for path in paths(story, rule):
            for method in ("GET", "HEAD", "OPTIONS"):
                response = story.client.open(path, method=method)
                assert response.status_code < 500, (method, path)
                visited += response.status_code == 200
    assert visited > 20
    assert rows(story.db) == before


def test_the_database_itself_refuses_to_write_while_somebody_looks(story: Story) -> None:
    story.request()
    with story.db.reading() as session, pytest.raises(DBAPIError, match=r"(?i)read-?only"):
        session.execute(text("UPDATE introductions SET need = 'changed'"))
    story.clock.advance(seconds=1)
    story.request(b_email="other@interiors.test")


def test_the_mailbox_is_there_only_in_the_embedded_mode(story: Story, environ: dict[str, str]) -> None:
    assert load(environ).MAILBOX is False
    assert story.client.get("/mailbox").status_code == 404
