"""What every answer says to the browser, over the URL map; and templates that need no exception from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.routing import Rule

from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

TEMPLATES = Path(__file__).parents[2] / "templates" / "pages"
LINKED = ("answer", "requester", "follow_up", "never", "mailbox")
"""The blueprints whose addresses or contents are links that work."""
FRAMED = ("mailbox.html", "mails.html")
"""A mail by itself, in a frame of our own: it has the inline styles of a mail, and a sandbox."""
GIVEN = {"path:filename": "style.css", "key": "nothing", "name": "ask-together", "int:id": "1"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What a browser is told does not depend on the database."""
    return sqlite_url


@pytest.fixture
def played(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """A story with a link of every purpose in somebody's inbox, and every route that there can be."""
    more = {"EMBEDDED": "1", "MAILBOX": "1", "INBOUND_SECRET": "0123456789abcdef"}
    story = Story({**environ, **more}, clock, relay)
    story.introduce()
    story.sweep(days=3)
    yield story
    story.db.engine.dispose()


def addresses(story: Story, rule: Rule) -> list[str]:
    """The addresses of a route, with links that work and with one that nobody made."""
    address = rule.rule
    for place, value in GIVEN.items():
        address = address.replace(f"<{place}>", value)
    if "<token>" not in address:
        return [address]
    return [address.replace("<token>", token) for token in ["nobody-made-this", *tokens(story)]]


def tokens(story: Story) -> list[str]:
    links = [(RITA, "/r/"), (LINDA, "/a/"), (NATASHA, "/a/"), (LINDA, "/f/"), (LINDA, "/never/")]
    return [story.link(who, path).split("/")[2] for who, path in links]


def is_linked(rule: Rule) -> bool:
    return "token" in rule.arguments or rule.endpoint.partition(".")[0] in LINKED


def test_every_answer_of_every_route_forbids_what_the_pages_do_not_need(played: Story) -> None:
    answered = 0
    for rule in played.app.url_map.iter_rules():
        for address in addresses(played, rule):
            assert "<" not in address, f"this test does not know what to put into {rule}"
            for method in sorted((rule.methods or set()) & {"GET", "HEAD", "OPTIONS", "POST"}):
                response = played.client.open(address, method=method, data={"choice": "maybe"})
                answered += 1
                policy = response.headers["Content-Security-Policy"]
                assert response.headers["X-Content-Type-Options"] == "nosniff", rule
                assert "camera=()" in response.headers["Permissions-Policy"], rule
                assert "default-src 'none'" in policy, rule
                assert "script-src" not in policy, rule
                assert "unsafe-eval" not in policy, rule
                if rule.endpoint in FRAMED and response.status_code == 200 and method != "OPTIONS":
                    assert "frame-ancestors 'self'; sandbox" in policy, rule
                    assert "allow-scripts" not in policy, rule
                    continue
                assert "unsafe-inline" not in policy, rule
                assert "frame-ancestors 'none'" in policy, rule
    assert answered > 60


def test_a_page_behind_a_link_stays_in_no_cache_and_in_no_referer(played: Story) -> None:
    for rule in filter(is_linked, played.app.url_map.iter_rules()):
        for address in addresses(played, rule):
            for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                headers = played.client.open(address, method=method, data={"choice": "maybe"}).headers
                assert headers["Cache-Control"] == "no-store", f"{method} {rule}"
                assert headers["Referrer-Policy"] == "no-referrer", f"{method} {rule}"


@pytest.mark.parametrize("way", ["undo", "options", "language", "", "nonsense"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_nor_does_what_stands_below_a_link_or_is_asked_of_it_in_vain(
    played: Story, way: str, method: str
) -> None:
    for link in (played.link(LINDA, "/a/"), played.link(RITA, "/r/")):
        headers = played.client.open(f"{link}/{way}", method=method).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_every_other_page_names_itself_to_itself_which_the_check_of_forms_needs(played: Story) -> None:
    """Over https Flask-WTF compares the Referer, so "no-referrer" there would refuse every form."""
    others = [rule for rule in played.app.url_map.iter_rules() if not is_linked(rule)]
    assert others
    for rule in others:
        for address in addresses(played, rule):
            for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                headers = played.client.open(address, method=method).headers
                assert headers["Referrer-Policy"] == "same-origin", f"{method} {rule}"


def test_a_page_that_is_not_there_is_told_under_the_same_policy(played: Story) -> None:
    for address, method in (("/no-such-page", "GET"), ("/desk/asked", "POST"), ("/r/x/y/z", "GET")):
        response = played.client.open(address, method=method)
        assert response.status_code in (404, 405)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_only_where_the_pages_are_https_a_browser_is_told_to_stay_there(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    for url, told in (("https://twoyes.test", True), ("http://twoyes.test", False)):
        headers = Story({**environ, "PUBLIC_URL": url}, clock, relay).client.get("/").headers
        assert ("Strict-Transport-Security" in headers) is told
        cookie = headers["Set-Cookie"]
        assert cookie.startswith("__Host-session=") is told
        assert ("Secure" in cookie) is told
        assert "Domain=" not in cookie
        assert "Path=/" in cookie


@pytest.mark.parametrize("path", ["/a//x", "//a/x", "/r//x", "/desk//sign-in", "/never///x"])
def test_two_slashes_lead_to_nobody_elses_site(played: Story, path: str) -> None:
    for method in ("GET", "POST"):
        response = played.client.open(path, method=method, headers={"Host": "evil.test"})
        assert response.status_code == 404
        assert "Location" not in response.headers


def test_no_template_has_a_script_a_style_or_anything_from_elsewhere() -> None:
    forbidden = re.compile(
        r"<script|<style|<link[^>]+https?:|\bstyle\s*=|\son\w+\s*=|javascript:|\bsrc\s*=\s*[\"']\s*(?:https?:|//)",
        re.IGNORECASE,
    )
    found = {
        path.name: hits for path in TEMPLATES.glob("*.html") if (hits := forbidden.findall(path.read_text()))
    }
    assert found == {}


def test_the_stylesheets_fetch_nothing() -> None:
    sheets = [
        path.read_text() for path in (TEMPLATES.parents[1] / "service" / "views" / "static").glob("*.css")
    ]
    assert len(sheets) == 2
    assert [re.findall(r"url\(|@import|@font-face", sheet) for sheet in sheets] == [[], []]
