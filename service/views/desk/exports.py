"""The ledger as CSV and JSON, piece by piece; docs/ledger.md says what each field means."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date
from itertools import islice

from service.desk.figures import Entry, Figures, Ledger, Period

Cells = dict[str, object]
ROWS_IN_A_CHUNK = 500
to_json = json.JSONEncoder(separators=(",", ":")).encode
HEADER = ("introduction", "date", "first_person", "second_person", "outcome", "reason")
FORMULA = re.compile(r"(^|[;|\t] *)(?=[-=+@\t\r＝＋－＠])")
"""Where a spreadsheet takes a cell for a formula (OWASP, CSV injection).

At the beginning, and behind whatever else than a comma some spreadsheets divide cells at.
"""


def csv_chunks(entries: Iterable[Entry], *, with_requester: bool) -> Iterator[str]:
    """Yield the entries as CSV (RFC 4180), with the byte order mark by which spreadsheets know UTF-8."""
    yield "\ufeff" + _lines([[*HEADER, "requester"] if with_requester else HEADER])
    for some in _batches(_cells(entry, with_requester=with_requester) for entry in entries):
        yield _lines([escape_formula(str(cell)) for cell in cells.values()] for cells in some)


def json_chunks(ledger: Ledger, figures: Figures, entries: Iterable[Entry], of: str) -> Iterator[str]:
    """Yield everything that the page shows, and all entries; ``of`` names whose these are."""
    yield to_json(_head(ledger, figures, of)).removesuffix("}") + ',"entries":['
    separator = ""
    for some in _batches(_cells(entry, with_requester=of != "you") for entry in entries):
        yield separator + ",".join(map(to_json, some))
        separator = ","
    yield "]}\n"


def _head(ledger: Ledger, figures: Figures, of: str) -> dict[str, object]:
    return {
        "of": of,
        "time_zone": str(ledger.zone),
        "from": _iso(ledger.dates.first),
        "to": _iso(ledger.dates.last),
        "referrals": figures.tally.referrals,
        "leads": figures.tally.leads,
        "share_of_referrals": figures.tally.share,
        "unit": figures.unit.value,
        "over_time": [_period(period) for period in figures.periods],
        "funnel": figures.funnel,
        "reasons": figures.reasons,
        "median_seconds_from_request": [asdict(duration) for duration in figures.durations],
    }


def _lines(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _batches(cells: Iterable[Cells]) -> Iterator[list[Cells]]:
    """Yield some rows at a time: one of them alone would be a very small packet."""
    rest = iter(cells)
    while some := list(islice(rest, ROWS_IN_A_CHUNK)):
        yield some


def escape_formula(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return FORMULA.sub(r"\1'", cell)


def _period(period: Period) -> dict[str, object]:
    return {
        "from": _iso(period.first),
        "to": _iso(period.last),
        "referrals": period.tally.referrals,
        "leads": period.tally.leads,
        "share_of_referrals": period.tally.share,
    }


def _cells(entry: Entry, *, with_requester: bool) -> Cells:
    cells = (
        entry.introduction,
        entry.day.isoformat(),
        entry.first,
        entry.second,
        entry.outcome.value,
        entry.reason,
    )
    return dict(zip(HEADER, cells, strict=True)) | ({"requester": entry.requester} if with_requester else {})


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
