"""The ledger as CSV and JSON; docs/ledger.md says what each field means."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import asdict
from datetime import date

from service.desk.figures import DateRange, Entry, Figures, Period
from service.views.site.current import settings

HEADER = ("introduction", "date", "first_person", "second_person", "outcome", "reason")
FORMULA = re.compile(r"(^|[;|\t] *)(?=[-=+@\t\r＝＋－＠])")
"""Where a spreadsheet takes a cell for a formula (OWASP, CSV injection).

At the beginning, and behind whatever else than a comma some spreadsheets divide cells at.
"""


def to_csv(figures: Figures, *, with_requester: bool) -> bytes:
    """Return the entries as CSV (RFC 4180), with the byte order mark by which spreadsheets know UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*HEADER, "requester"] if with_requester else HEADER)
    for entry in figures.entries:
        writer.writerow(
            [escape_formula(str(cell)) for cell in _cells(entry, with_requester=with_requester).values()]
        )
    return text.getvalue().encode("utf-8-sig")


def to_json(figures: Figures, dates: DateRange, of: str) -> dict[str, object]:
    """Return everything that the page shows; ``of`` names whose entries these are."""
    return {
        "of": of,
        "time_zone": str(settings().TIMEZONE),
        "from": _iso(dates.first),
        "to": _iso(dates.last),
        "referrals": figures.tally.referrals,
        "leads": figures.tally.leads,
        "share_of_referrals": figures.tally.share,
        "unit": figures.unit.value,
        "over_time": [_period(period) for period in figures.periods],
        "funnel": figures.funnel,
        "reasons": figures.reasons,
        "median_seconds_from_request": [asdict(duration) for duration in figures.durations],
        "entries": [_cells(entry, with_requester=of != "you") for entry in figures.entries],
    }


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


def _cells(entry: Entry, *, with_requester: bool) -> dict[str, object]:
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
