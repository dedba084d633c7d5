"""A ledger and a desk that are longer than a page: all of it comes, in order, and little of it at a time."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event, text

from service.cli import main, output
from service.desk import figures, overview
from service.operating import records
from service.views.desk import exports
from tests.abuse.ledger import fill
from tests.support.desk import sign_in_for_tests
from tests.support.story import RITA, Story

pytestmark = pytest.mark.both_databases

CASES = 60
CASE = r'<h2><a href="/desk/introductions/(\d+)"'


class CountingCursor:
    """A cursor that writes down how many rows each fetch brought."""

    def __init__(self, cursor: Any, fetches: list[int]) -> None:
        self._cursor, self._fetches = cursor, fetches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def _counted(self, rows: list[Any]) -> list[Any]:
        self._fetches.append(len(rows))
        return rows

    def fetchall(self) -> list[Any]:
        return self._counted(self._cursor.fetchall())

    def fetchmany(self, *size: int) -> list[Any]:
        return self._counted(self._cursor.fetchmany(*size))

    def fetchone(self) -> Any:
        row = self._cursor.fetchone()
        self._fetches.append(int(row is not None))
        return row


@contextmanager
def fetches(engine: Engine) -> Iterator[list[int]]:
    """How many rows each fetch brings in the meantime."""
    found: list[int] = []

    def count(
        _connection: Any, cursor: Any, _statement: Any, _parameters: Any, context: Any, _many: Any
    ) -> None:
        context.cursor = CountingCursor(cursor, found)

    event.listen(engine, "after_cursor_execute", count)
    try:
        yield found
    finally:
        event.remove(engine, "after_cursor_execute", count)


@pytest.fixture
def long(story: Story, monkeypatch: pytest.MonkeyPatch) -> Story:
    """Sixty cases that have ended, four of them at one moment, on pages of seven."""
    fill(story.settings.DATABASE_URL, CASES)
    with story.db.transaction() as session:
        # Between 21 and 16, so that nobody else's place changes; a page ends among these four.
        moment = "recorded_at = '2025-01-08 01:30:00.000000'"
        session.execute(text(f"UPDATE ledger SET {moment} WHERE introduction_id BETWEEN 17 AND 20"))
        session.execute(text("UPDATE introductions SET closes_at = NULL WHERE id BETWEEN 17 AND 20"))
    for module in (figures, overview):
        monkeypatch.setattr(module, "PER_PAGE", 7)
    for module in (figures, records):
        monkeypatch.setattr(module, "FETCHED_AT_ONCE", 5)
    monkeypatch.setattr(exports, "ROWS_IN_A_CHUNK", 4)
    monkeypatch.setattr(output, "ROWS_IN_A_TABLE", 8)
    return story


@pytest.fixture
def rita(long: Story) -> Any:
    client = long.app.test_client()
    sign_in_for_tests(client, long, RITA)
    return client


def test_the_ledger_comes_page_by_page_each_entry_once_and_in_order(rita: Any) -> None:
    path, seen, pages = "/desk/ledger?period=all", [], 0
    while path:
        page = rita.get(path).text
        assert f"<dd>{CASES // 5}</dd>" in page, "the figures are of the whole ledger on each page"
        seen += [int(id) for id in re.findall(r'<a href="/desk/introductions/(\d+)"', page)]
        older = re.search(r'href="([^"#]+)#entries">Older entries', page)
        path = older[1].replace("&amp;", "&") if older else ""
        pages += 1
    data = rita.get("/desk/ledger.json?period=all").get_json()
    assert seen == [entry["introduction"] for entry in data["entries"]]
    assert sorted(seen) == list(range(1, CASES + 1))
    assert seen[39:45] == [21, 20, 19, 18, 17, 16], "those of one moment stand by their number"
    assert pages == -(-CASES // 7)


def test_a_page_after_an_entry_that_is_not_there_is_the_newest(rita: Any) -> None:
    newest = rita.get("/desk/ledger?period=all").text
    shown = re.findall(r'<a href="/desk/introductions/(\d+)"', newest)
    for before in ("999", "0", "x", "9" * 30, "-1"):
        page = rita.get(f"/desk/ledger?period=all&before={before}").text
        assert re.findall(r'<a href="/desk/introductions/(\d+)"', page) == shown
    assert "Newest entries" not in newest
    assert "Newest entries" in rita.get("/desk/ledger?period=all&before=50").text


def test_both_exports_hold_every_entry_once_and_in_the_same_order(rita: Any) -> None:
    sheet = rita.get("/desk/ledger.csv?period=all").data.decode("utf-8-sig")
    numbers = [
        int(row["introduction"]) for row in csv.DictReader(io.StringIO(sheet, newline=""), strict=True)
    ]
    data = rita.get("/desk/ledger.json?period=all").get_json()
    assert numbers == [entry["introduction"] for entry in data["entries"]]
    assert sorted(numbers) == list(range(1, CASES + 1))
    assert data["referrals"] + data["leads"] == CASES
    assert sum(period["leads"] for period in data["over_time"]) == data["leads"]


@pytest.mark.parametrize("end", ["", ".csv", ".json"])
def test_no_page_and_no_export_has_the_table_in_memory(long: Story, rita: Any, end: str) -> None:
    with fetches(long.db.engine) as found:
        assert rita.get(f"/desk/ledger{end}?period=all").status_code == 200
    assert max(found) <= max(figures.FETCHED_AT_ONCE, figures.PER_PAGE + 1)
    if not end:
        assert sum(found) < CASES / 2
    else:
        assert sum(found) >= CASES


def test_an_export_that_nobody_reads_to_its_end_gives_its_connection_back(long: Story, rita: Any) -> None:
    for _ in range(40):
        answer = rita.get("/desk/ledger.csv?period=all", buffered=False)
        next(answer.iter_encoded())
        answer.close()
        rita.head("/desk/ledger.json?period=all")
    assert long.db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", ["csv", "json"])
def test_an_export_that_cannot_begin_is_an_error_and_not_half_a_file(
    long: Story, rita: Any, end: str
) -> None:
    with long.db.transaction() as session:
        session.execute(text("ALTER TABLE ledger RENAME TO lost"))
    long.app.config["PROPAGATE_EXCEPTIONS"] = False
    try:
        assert rita.get(f"/desk/ledger.{end}").status_code >= 500
    finally:
        with long.db.transaction() as session:
            session.execute(text("ALTER TABLE lost RENAME TO ledger"))


def test_the_desk_of_many_cases_is_paged_and_searched_by_the_database(long: Story, rita: Any) -> None:
    seen: list[int] = []
    last = -(-CASES // 7)
    for number in range(1, last + 1):
        with fetches(long.db.engine) as found:
            page = rita.get(f"/desk?page={number}").text
        assert sum(found) < CASES
        assert f"{CASES} introductions" in page
        shown = [int(number) for number in re.findall(CASE, page)]
        pages = page.partition('aria-label="Pages"')[2].partition("</nav>")[0]
        links = [int(number) for number in re.findall(r"[?&;]page=(\d+)", pages)]
        assert links == sorted({1, last, *range(max(1, number - 2), min(last, number + 2) + 1)})
        seen += shown
    assert seen == list(range(CASES, 0, -1))
    beyond = rita.get(f"/desk?page={10**30}").text
    assert [int(number) for number in re.findall(CASE, beyond)] == shown
    assert re.findall(CASE, rita.get("/desk?q=PERSON+b59@salon").text) == ["59"]
    assert rita.get("/desk?q=nobody&page=3").status_code == 200


def test_the_command_prints_a_long_ledger_a_piece_at_a_time(long: Story, environ: dict[str, str]) -> None:
    runner = CliRunner(env=environ)
    found = json.loads(runner.invoke(main, ["ledger", "--json"]).output)
    assert [entry["introduction"] for entry in found] == list(range(1, CASES + 1))
    table = runner.invoke(main, ["ledger"]).output
    assert [int(number) for number in re.findall(r"^\s*(\d+)\s", table, re.MULTILINE)] == list(
        range(1, CASES + 1)
    )
    assert table.count("recorded") == -(-CASES // 8)
