"""/desk/ledger: a requester's referrals and leads as charts and tables, and both exports of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service.desk.figures import MIN_TIMED_CASES, DateRange, Ledger, entries, figures, page
from service.language.languages import direction, lazy_gettext, spoken
from service.store.models.columns import MAX_ID
from service.views.site.auth import current_user, sign_in_required
from service.views.site.current import database, now, settings

from . import charts
from .exports import csv_chunks, json_chunks
from .forms import DatesForm

pages = Blueprint("ledger", __name__)

PERIODS = {
    "month": lazy_gettext("This month"),
    "quarter": lazy_gettext("This quarter"),
    "year": lazy_gettext("This year"),
    "all": lazy_gettext("All"),
}
EVERYONE = "everyone"


@dataclass(frozen=True)
class Query:
    """What the address of a page asks for: whose entries, and of which time."""

    form: DatesForm
    period: str
    everyone: bool
    before: int | None
    """The introduction whose entry was the last on the page before this one."""

    @property
    def is_valid(self) -> bool:
        """Tell whether its dates are dates, in order."""
        return self.period != "dates" or self.form.validate()

    @property
    def time(self) -> dict[str, str]:
        """Return the parameters of the address that name the time."""
        if self.period != "dates":
            return {"period": self.period}
        return {"since": self.form.since.data or "", "until": self.form.until.data or ""}

    @property
    def owner(self) -> dict[str, str]:
        """Return the parameters of the address that name whose entries these are."""
        return {"of": EVERYONE} if self.everyone else {}

    @property
    def parameters(self) -> dict[str, str]:
        """Return all parameters of the address."""
        return self.time | self.owner

    def dates(self, today: date) -> DateRange:
        """Return the days that are asked for."""
        return self.form.dates() if self.period == "dates" else dates_of_period(self.period, today)


@pages.get("/desk/ledger")
@sign_in_required
def show() -> ResponseReturnValue:
    query = _query()
    return _page(query) if query.is_valid else (_page(query), 422)


@pages.get("/desk/ledger.csv")
@sign_in_required
def as_csv() -> ResponseReturnValue:
    query = _query()
    if not query.is_valid:
        return _page(query), 422
    ledger, with_requester = _ledger(query), query.everyone

    def write(session: Session) -> Iterator[str]:
        with entries(session, ledger) as rows:
            yield from csv_chunks(rows, with_requester=with_requester)

    return _download(write, "text/csv", "ledger.csv")


@pages.get("/desk/ledger.json")
@sign_in_required
def as_json() -> ResponseReturnValue:
    query = _query()
    if not query.is_valid:
        return _page(query), 422
    ledger, today, of = _ledger(query), _today(), EVERYONE if query.everyone else "you"

    def write(session: Session) -> Iterator[str]:
        with entries(session, ledger) as rows:
            yield from json_chunks(ledger, figures(session, ledger, today), rows, of)

    return _download(write, "application/json", "ledger.json")


def dates_of_period(period: str, today: date) -> DateRange:
    """Return the month, quarter or year that a day is in, up to that day, or all time."""
    month = {"month": today.month, "quarter": today.month - (today.month - 1) % 3, "year": 1}.get(period)
    return DateRange(today.replace(month=month, day=1), today) if month else DateRange()


def _query() -> Query:
    user = current_user()
    return Query(
        form=DatesForm(request.args),
        period=_period(request.args),
        everyone=bool(user and user.is_operator) and request.args.get("of") == EVERYONE,
        before=_id(request.args.get("before", "")),
    )


def _id(text: str) -> int | None:
    """Return the number of an introduction, or None for what is none."""
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) and 0 < int(text) <= MAX_ID else None


def _period(args: Mapping[str, str]) -> str:
    """Return a key of `PERIODS`, or "dates". Empty dates mean all time, and no parameters this year."""
    if args.get("since") or args.get("until"):
        return "dates"
    period = args.get("period", "all" if "since" in args else "year")
    return period if period in PERIODS else "year"


def _ledger(query: Query) -> Ledger:
    user = current_user()
    requester = None if query.everyone else user.address if user else ""
    return Ledger(settings().TIMEZONE, query.dates(_today()), requester)


def _page(query: Query) -> str:
    counted, shown = None, None
    if query.is_valid:
        with database().reading() as session:
            counted = figures(session, _ledger(query), _today())
            shown = page(session, _ledger(query), query.before)
    right_to_left = direction(spoken()) == "rtl"
    return render_template(
        "ledger.html",
        query=query,
        figures=counted,
        page=shown,
        periods=PERIODS,
        everyone=EVERYONE,
        min_timed_cases=MIN_TIMED_CASES,
        is_operator=bool((user := current_user()) and user.is_operator),
        columns=charts.columns(counted, right_to_left=right_to_left) if counted else [],
        bar=charts.bar(right_to_left=right_to_left),
        charts=charts,
    )


def _download(write: Callable[[Session], Iterator[str]], mimetype: str, name: str) -> Response:
    """Send what ``write`` reads in a transaction of its own, piece by piece, while it is read."""
    db = database()

    def pieces() -> Generator[str, None, None]:
        with db.reading() as session:
            yield from write(session)

    content = pieces()
    # What goes wrong before the first piece is an error page still, and not half a file.
    response = Response(chain([next(content)], content), mimetype=mimetype)
    response.call_on_close(content.close)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _today() -> date:
    return now().astimezone(settings().TIMEZONE).date()
