"""/desk/ledger: a requester's referrals and leads as pictures and tables, and both exports of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.validators import StopValidation

from service.desk.figures import LEAST, Figures, Line, Span, figures
from service.language.languages import direction, gettext, lazy_gettext, spoken
from service.views.site.common import database, now, settings
from service.views.site.forms import Form
from service.views.site.visitors import signed_in, visitor

from . import pictures

pages = Blueprint("ledger", __name__)

PERIODS = {
    "month": lazy_gettext("This month"),
    "quarter": lazy_gettext("This quarter"),
    "year": lazy_gettext("This year"),
    "all": lazy_gettext("All"),
}
EVERYONE = "everyone"
HEADER = ("introduction", "date", "first_person", "second_person", "outcome", "reason")
FORMULA = re.compile(r"(^|[;|\t] *)(?=[-=+@\t\r＝＋－＠])")
"""Where a spreadsheet takes a cell for a formula (OWASP, CSV injection).

At the beginning, and behind whatever else than a comma some spreadsheets divide cells at.
"""


def _is_day(_: Form, field: StringField) -> None:
    if field.data and read_day(field.data) is None:
        raise StopValidation(gettext("Please enter a date such as 2026-11-22."))


def read_day(text: str | None) -> date | None:
    """A day as a date field sends it (ISO 8601), of this century; None for anything else."""
    if not re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", text or ""):
        return None
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


class DatesForm(Form):
    """The first and the last day, both included; each may be left out."""

    since = StringField(lazy_gettext("First day"), [_is_day], render_kw={"type": "date"})
    until = StringField(lazy_gettext("Last day"), [_is_day], render_kw={"type": "date"})

    def validate_until(self, field: StringField) -> None:
        first, last = read_day(self.since.data), read_day(field.data)
        if first and last and last < first:
            raise StopValidation(gettext("This is before the first day."))

    def span(self) -> Span:
        return Span(read_day(self.since.data), read_day(self.until.data))


@dataclass(frozen=True)
class Chosen:
    """What a visitor chose to see: whose entries, and of which time."""

    form: DatesForm
    period: str
    everyone: bool

    @property
    def is_valid(self) -> bool:
        return self.period != "dates" or self.form.validate()

    @property
    def time(self) -> dict[str, str]:
        """The part of the address that names the time."""
        if self.period != "dates":
            return {"period": self.period}
        return {"since": self.form.since.data or "", "until": self.form.until.data or ""}

    @property
    def whose(self) -> dict[str, str]:
        """The part of the address that names whose entries."""
        return {"of": EVERYONE} if self.everyone else {}

    @property
    def query(self) -> dict[str, str]:
        return self.time | self.whose

    def span(self, today: date) -> Span:
        return self.form.span() if self.period == "dates" else span_of(self.period, today)


@pages.get("/desk/ledger")
@signed_in
def show() -> ResponseReturnValue:
    chosen = _chosen()
    if not chosen.is_valid:
        return _page(chosen, None), 422
    return _page(chosen, _figures(chosen))


@pages.get("/desk/ledger.csv")
@signed_in
def as_csv() -> ResponseReturnValue:
    chosen = _chosen()
    if not chosen.is_valid:
        return _page(chosen, None), 422
    return _file(Response(to_csv(_figures(chosen), chosen.everyone), mimetype="text/csv"), "ledger.csv")


@pages.get("/desk/ledger.json")
@signed_in
def as_json() -> ResponseReturnValue:
    chosen = _chosen()
    if not chosen.is_valid:
        return _page(chosen, None), 422
    return _file(jsonify(to_json(_figures(chosen), chosen.span(_today()), chosen.everyone)), "ledger.json")


def span_of(period: str, today: date) -> Span:
    """The month, quarter or year that a day is in, or all time."""
    month = {"month": today.month, "quarter": today.month - (today.month - 1) % 3, "year": 1}.get(period)
    return Span(today.replace(month=month, day=1), today) if month else Span()


def to_csv(shown: Figures, everyone: bool) -> bytes:
    """The entries as CSV (RFC 4180), with the byte order mark by which spreadsheets know UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*HEADER, "requester"] if everyone else HEADER)
    writer.writerows([plain(str(cell)) for cell in _cells(line, everyone).values()] for line in shown.lines)
    return text.getvalue().encode("utf-8-sig")


def to_json(shown: Figures, span: Span, everyone: bool) -> dict[str, object]:
    """Everything that the page shows; docs/ledger.md says what each field means."""
    return {
        "of": EVERYONE if everyone else "you",
        "time_zone": str(settings().TIMEZONE),
        "from": _iso(span.first),
        "to": _iso(span.last),
        "referrals": shown.tally.referrals,
        "leads": shown.tally.leads,
        "share_of_referrals": shown.tally.share,
        "unit": shown.unit.value,
        "over_time": [
            {
                "from": _iso(period.first),
                "to": _iso(period.last),
                "referrals": period.tally.referrals,
                "leads": period.tally.leads,
                "share_of_referrals": period.tally.share,
            }
            for period in shown.periods
        ],
        "funnel": shown.funnel,
        "reasons": shown.whys,
        "median_seconds_from_request": [asdict(duration) for duration in shown.durations],
        "entries": [_cells(line, everyone) for line in shown.lines],
    }


def _cells(line: Line, everyone: bool) -> dict[str, object]:
    cells = (
        line.introduction,
        line.day.isoformat(),
        line.first,
        line.second,
        line.outcome.value,
        line.why,
    )
    return dict(zip(HEADER, cells, strict=True)) | ({"requester": line.requester} if everyone else {})


def plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return FORMULA.sub(r"\1'", cell)


def _chosen() -> Chosen:
    who = visitor()
    return Chosen(
        form=DatesForm(request.args),
        period=_period(request.args),
        everyone=bool(who and who.is_operator) and request.args.get("of") == EVERYONE,
    )


def _period(asked: Mapping[str, str]) -> str:
    """A word of `PERIODS`, or "dates". No dates in the form is all time, nothing asked for this year."""
    if asked.get("since") or asked.get("until"):
        return "dates"
    period = asked.get("period", "all" if "since" in asked else "year")
    return period if period in PERIODS else "year"


def _figures(chosen: Chosen) -> Figures:
    who = visitor()
    requester = None if chosen.everyone else who.address if who else ""
    with database().reading() as session:
        return figures(session, settings().TIMEZONE, chosen.span(_today()), requester, _today())


def _page(chosen: Chosen, shown: Figures | None) -> str:
    right_to_left = direction(spoken()) == "rtl"
    return render_template(
        "ledger.html",
        chosen=chosen,
        shown=shown,
        periods=PERIODS,
        everyones=EVERYONE,
        least=LEAST,
        is_operator=bool((who := visitor()) and who.is_operator),
        columns=pictures.columns(shown, right_to_left) if shown else [],
        bar=pictures.bar(right_to_left),
        words=pictures,
    )


def _file(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _today() -> date:
    return now().astimezone(settings().TIMEZONE).date()


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
