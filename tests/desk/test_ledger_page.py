"""The ledger's page and its exports: what they show, for whom, of which time, and in which form."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from service.views.desk.exports import escape_formula
from tests.conftest import rows
from tests.support import season
from tests.support.desk import sign_in_for_tests
from tests.support.season import PRIVATE
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, RITA, HandClock, Story
from tests.views.test_pages import main_of, said

OLGA = "olga@office.test"
YEAR = "/desk/ledger"


@pytest.fixture
def story(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Any:
    """The story in an office with an operator."""
    story = Story({**environ, "OPERATORS": OLGA}, clock, relay)
    yield story
    story.db.engine.dispose()


def look(story: Story, path: str = YEAR, who: str = RITA) -> TestResponse:
    client = story.app.test_client()
    sign_in_for_tests(client, story, who)
    return client.get(path)


def bars(page: TestResponse, id: str) -> list[tuple[str, str]]:
    """The rows of one of the tables that are drawn as bars: name and number."""
    table = page.text.partition(f'<table class="bars" aria-labelledby="{id}">')[2].partition("</table>")[0]
    return [(text(name), text(value)) for name, value in re.findall(CELLS, table, re.DOTALL)]


CELLS = r'<th scope="row"[^>]*>(.*?)</th>\s*<td[^>]*>(.*?)</td>'


def entries(page: TestResponse) -> list[tuple[str, str, str]]:
    """Day (ISO 8601), names and outcome of every entry on the page."""
    table = page.text.partition('class="rows entries"')[2].partition("</table>")[0]
    found = re.findall(rf'datetime="([^"]+)".*?{CELLS}', table, re.DOTALL)
    return [(day, text(names), text(outcome)) for day, names, outcome in found]


def text(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def as_rows(response: TestResponse) -> list[dict[str, str]]:
    assert response.data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(response.data.decode("utf-8-sig"), newline=""), strict=True))


def test_the_page_shows_what_became_of_everything(story: Story) -> None:
    season.confirmed(story)
    season.no(story, LINDA)
    season.withdrawn(story)
    page = look(story)
    assert page.status_code == 200
    assert "Referrals 1 Leads 2 Share of referrals 33%" in said(page)
    assert bars(page, "funnel") == [
        ("Asked", "3 · 100%"),
        ("Both said yes", "1 · 33%"),
        ("Introduced", "1 · 33%"),
        ("Confirmed", "1 · 33%"),
    ]
    assert bars(page, "durations") == [
        ("Both said yes", "–"),
        ("Introduced", "10 minutes"),
        ("Confirmed", "3 days"),
    ]
    assert bars(page, "whys") == [("Didn’t go ahead", "1"), ("Withdrawn", "1")]
    assert entries(page) == [
        ("2026-03-13", "Linda Marsh and Natasha Orlova", "Withdrawn"),
        ("2026-03-12", "Linda Marsh and Natasha Orlova", "Didn’t go ahead"),
        ("2026-03-05", "Linda Marsh and Natasha Orlova", "Referral"),
    ]
    table = re.findall(CELLS, main_of(page).partition('class="rows"')[2].partition("</table>")[0], re.DOTALL)
    assert [(text(week), text(count)) for week, count in table][-2:] == [
        ("2 Mar 2026 to 8 Mar 2026", "1"),
        ("9 Mar 2026 to 13 Mar 2026", "0"),
    ]


def test_the_exports_hold_exactly_what_the_page_shows(story: Story) -> None:
    season.confirmed(story)
    season.silence(story)
    client = story.app.test_client()
    sign_in_for_tests(client, story, RITA)
    for query in ("", "?period=all", "?since=2026-03-06", "?since=2026-03-05&until=2026-03-05"):
        page = client.get(f"/desk/ledger{query}")
        sheet = as_rows(client.get(f"/desk/ledger.csv{query}"))
        data = client.get(f"/desk/ledger.json{query}").get_json()
        shown = entries(page)
        assert shown
        assert [row["date"] for row in sheet] == [day for day, _, _ in shown]
        assert [{name: str(value) for name, value in entry.items()} for entry in data["entries"]] == sheet
        assert f"Referrals {data['referrals']} Leads {data['leads']}" in said(page)
        assert [count for _, count in bars(page, "funnel")] == [
            f"{count} · {count * 100 // data['funnel']['asked']}%" for count in data["funnel"].values()
        ]
        assert sum(period["referrals"] for period in data["over_time"]) == data["referrals"]
        for link in re.findall(r'href="(/desk/ledger\.(?:csv|json)[^"]*)"', page.text):
            again = client.get(html.unescape(link))
            assert again.data in (client.get(f"/desk/ledger.{end}{query}").data for end in ("csv", "json"))


def test_json_says_of_what_it_is(story: Story) -> None:
    season.confirmed(story)
    data = look(story, "/desk/ledger.json?period=month").get_json()
    assert (data["of"], data["time_zone"], data["from"], data["to"]) == (
        "you",
        "UTC",
        "2026-03-01",
        "2026-03-05",
    )
    assert data["unit"] == "day"
    assert data["median_seconds_from_request"] == [
        {"step": "both-yes", "cases": 1, "seconds": None},
        {"step": "introduced", "cases": 1, "seconds": 600},
        {"step": "confirmed", "cases": 1, "seconds": 259200},
    ]


def test_csv_is_for_spreadsheets_and_runs_nothing_in_them(story: Story) -> None:
    story.vouch_for(RITA)
    story.ask(a_name='=HYPERLINK("x")', b_name='+1, "Ömer"')
    story.sweep(days=7)
    story.ask(a_name="@SUM(A1)", b_name="Nina;-Nina")
    story.sweep(days=7)
    response = look(story, "/desk/ledger.csv")
    assert response.mimetype == "text/csv"
    assert response.headers["Content-Disposition"] == 'attachment; filename="ledger.csv"'
    lines = response.data.decode("utf-8-sig").split("\r\n")
    assert lines[0] == "introduction,date,first_person,second_person,outcome,reason"
    assert lines[-1] == ""
    assert len(lines) == 4
    names = [(row["first_person"], row["second_person"]) for row in as_rows(response)]
    assert names == [("'@SUM(A1)", "Nina;'-Nina"), ('\'=HYPERLINK("x")', '\'+1, "Ömer"')]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("Linda;=1+1", "Linda;'=1+1"),
        ("Linda; @SUM(A1)|-2", "Linda; '@SUM(A1)|'-2"),
        ("a\t+1", "a\t'+1"),
        ("=1;=2", "'=1;'=2"),
        ("\t=1", "'\t'=1"),
        ("Linda; Nina-Marie = 2", "Linda; Nina-Marie = 2"),
    ],
)
def test_nothing_runs_where_a_spreadsheet_divides_cells_at_something_else(name: str, cell: str) -> None:
    assert escape_formula(name) == cell


@pytest.mark.parametrize("end", ["", ".csv", ".json"])
@pytest.mark.parametrize(
    ("query", "field", "complaint"),
    [
        ("since=2026-13-01", "since", "Please enter a date such as 2026-11-22."),
        ("until=tomorrow", "until", "Please enter a date such as 2026-11-22."),
        ("since=0001-01-01", "since", "Please enter a date such as 2026-11-22."),
        ("since=2026-03-02&until=2026-03-01", "until", "This is before the first day."),
    ],
)
def test_a_wrong_day_is_told_at_its_field(
    story: Story, end: str, query: str, field: str, complaint: str
) -> None:
    season.silence(story)
    page = look(story, f"/desk/ledger{end}?{query}")
    assert page.status_code == 422
    error = re.search(rf'id="{field}-error">(.*?)</p>', page.text, re.DOTALL)
    assert error
    assert complaint in text(error[1])
    assert re.search(
        rf'<input id="{field}"[^>]*aria-describedby="{field}-error" aria-invalid="true"', page.text
    )
    assert "The entries" not in page.text


@pytest.mark.parametrize(
    ("today", "month", "quarter", "year"), [((2026, 8, 15), 1, 2, 3), ((2026, 7, 1), 0, 0, 2)]
)
def test_month_quarter_and_year_are_those_of_today(
    story: Story, today: tuple[int, int, int], month: int, quarter: int, year: int
) -> None:
    for ends in ((2025, 12, 31), (2026, 1, 1), (2026, 7, 1), (2026, 8, 1)):
        if ends <= today:
            story.clock.now = story.clock.now.replace(year=ends[0], month=ends[1], day=ends[2])
            story.ask()
            story.post(story.link(RITA, "/r/"), action="withdraw")
    story.clock.now = story.clock.now.replace(year=today[0], month=today[1], day=today[2])
    client = story.app.test_client()
    sign_in_for_tests(client, story, RITA)
    counts = [
        len(client.get(f"/desk/ledger.json?period={period}").get_json()["entries"])
        for period in ("month", "quarter", "year", "all", "nonsense")
    ]
    if today == (2026, 7, 1):
        assert counts == [1, 1, 2, 3, 2]
    else:
        assert counts == [month, quarter, year, 4, year]


def test_an_empty_ledger_says_so_and_still_explains(story: Story) -> None:
    story.ask()
    for query in ("", "?period=all", "?since=&until="):
        page = look(story, f"/desk/ledger{query}")
        assert "No introductions ended in this period." in said(page)
        assert "What makes a lead" in said(page)
        assert "The entries" not in said(page)


def test_the_exports_of_an_empty_ledger_are_empty(story: Story) -> None:
    story.ask()
    assert as_rows(look(story, "/desk/ledger.csv")) == []
    data = look(story, "/desk/ledger.json").get_json()
    assert (data["entries"], data["share_of_referrals"]) == ([], None)


def test_only_an_operator_sees_everyone_s_with_the_precise_reasons(story: Story) -> None:
    season.no(story, LINDA)
    for path in ("/desk/ledger", "/desk/ledger.csv", "/desk/ledger.json"):
        assert "declined" not in look(story, f"{path}?of=everyone").text.lower()
        story.clock.advance(hours=2)
    page = look(story, "/desk/ledger", OLGA)
    assert "No introductions ended in this period." in said(page)
    assert 'href="/desk/ledger?of=everyone&amp;period=year"' in page.text
    page = look(story, "/desk/ledger?of=everyone", OLGA)
    assert entries(page) == [("2026-03-09", "Linda Marsh and Natasha Orlova Rita Quill", "Declined")]
    story.clock.advance(hours=2)
    (row,) = as_rows(look(story, "/desk/ledger.csv?of=everyone", OLGA))
    assert (row["reason"], row["requester"]) == ("declined", "Rita Quill")
    data = look(story, "/desk/ledger.json?of=everyone", OLGA).get_json()
    assert (data["of"], data["reasons"]) == ("everyone", {"declined": 1})


def test_a_requester_is_offered_no_switch(story: Story) -> None:
    story.ask()
    assert "Everyone" not in look(story).text


@pytest.mark.parametrize("path", ["/desk/ledger", "/desk/ledger.csv", "/desk/ledger.json"])
def test_nobody_sees_a_ledger_without_signing_in_and_no_cache_keeps_one(story: Story, path: str) -> None:
    season.silence(story)
    stranger = story.client.get(path)
    assert stranger.status_code == 303
    assert "/desk/sign-in" in stranger.headers["Location"]
    shown = look(story, path)
    assert shown.status_code == 200
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"


def test_looking_changes_nothing(story: Story) -> None:
    season.silence(story)
    client = story.app.test_client()
    sign_in_for_tests(client, story, RITA)
    before = rows(story.db)
    for path in ("/desk/ledger", "/desk/ledger.csv", "/desk/ledger.json"):
        for query in ("", "?since=2026-01-01", "?until=nonsense"):
            client.get(path + query)
            client.head(path + query)
    assert rows(story.db) == before


def without_the_case(shown: str, introduction: int, requester: str) -> str:
    """A page or an export without what differs between any two cases: the number, and whose it is."""
    shown = shown.replace(f"introductions/{introduction}", "introductions/N").replace(requester, "RITA")
    numbered = rf'^{introduction},|(?<="introduction":){introduction}\b'
    return re.sub(r'csrf_token" value="[^"]+"', "", re.sub(numbered, "N", shown, flags=re.MULTILINE))


def test_no_page_and_no_export_tells_one_private_end_from_another(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    seen: dict[str, set[str]] = {}
    start = clock.now
    for number, ending in enumerate(PRIVATE.values()):
        clock.now = start
        story = Story(environ, clock, relay)
        rita = f"rita{number}@quill.test"
        season.of(story, rita, ending)
        for end in ("", ".csv", ".json"):
            story.clock.now = start.replace(day=20)
            shown = look(story, f"/desk/ledger{end}", rita).text
            seen.setdefault(end, set()).add(without_the_case(shown, story.introduction().id, rita))
        story.db.engine.dispose()
    assert {end: len(pages) for end, pages in seen.items()} == {"": 1, ".csv": 1, ".json": 1}


def test_pictures_run_from_right_to_left_in_arabic_and_carry_no_inline_style(story: Story) -> None:
    season.confirmed(story)
    season.silence(story)
    client = story.app.test_client()
    sign_in_for_tests(client, story, RITA)
    left = main_of(client.get("/desk/ledger?period=all&lang=en"))
    right = main_of(client.get("/desk/ledger?period=all&lang=ar"))
    assert "style=" not in left + right
    middles = [
        [float(x) for x in re.findall(r'<text class="number" x="([\d.]+)%"', page)] for page in (left, right)
    ]
    assert middles[0] == sorted(middles[0])
    assert middles[1] == [round(100 - x, 2) for x in middles[0]]
    half = r'<rect class="referrals" x="([\d.]+)%" width="50.0%"'
    assert set(re.findall(half, left)) == {"0"}
    assert set(re.findall(half, right)) == {"50.0"}


def test_names_are_escaped(story: Story) -> None:
    story.vouch_for(RITA)
    story.ask(a_name="Linda <b>Marsh")
    story.sweep(days=7)
    page = look(story)
    assert "<bdi>Linda &lt;b&gt;Marsh</bdi>" in page.text
