"""/desk/ledger: a requester's referrals and leads as charts and tables, and both exports of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from service.desk.figures import MIN_TIMED_CASES, DateRange, Figures, figures
from service.language.languages import direction, lazy_gettext, spoken
from service.views.site.auth import current_user, sign_in_required
from service.views.site.current import database, now, settings

from . import charts
from .exports import to_csv, to_json
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
    if not query.is_valid:
        return _page(query, None), 422
    return _page(query, _figures(query))


@pages.get("/desk/ledger.csv")
@sign_in_required
def as_csv() -> ResponseReturnValue:
    query = _query()
    if not query.is_valid:
        return _page(query, None), 422
    content = to_csv(_figures(query), with_requester=query.everyone)
    return _download(Response(content, mimetype="text/csv"), "ledger.csv")


@pages.get("/desk/ledger.json")
@sign_in_required
def as_json() -> ResponseReturnValue:
    query = _query()
    if not query.is_valid:
        return _page(query, None), 422
    of = EVERYONE if query.everyone else "you"
    return _download(jsonify(to_json(_figures(query), query.dates(_today()), of)), "ledger.json")


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
    )


def _period(args: Mapping[str, str]) -> str:
    """Return a key of `PERIODS`, or "dates". Empty dates mean all time, and no parameters this year."""
    if args.get("since") or args.get("until"):
        return "dates"
    period = args.get("period", "all" if "since" in args else "year")
    return period if period in PERIODS else "year"


def _figures(query: Query) -> Figures:
    user = current_user()
    requester = None if query.everyone else user.address if user else ""
    with database().reading() as session:
        return figures(session, settings().TIMEZONE, query.dates(_today()), requester, _today())


def _page(query: Query, figures: Figures | None) -> str:
    right_to_left = direction(spoken()) == "rtl"
    return render_template(
        "ledger.html",
        query=query,
        figures=figures,
        periods=PERIODS,
        everyone=EVERYONE,
        min_timed_cases=MIN_TIMED_CASES,
        is_operator=bool((user := current_user()) and user.is_operator),
        columns=charts.columns(figures, right_to_left=right_to_left) if figures else [],
        bar=charts.bar(right_to_left=right_to_left),
        charts=charts,
    )


def _download(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _today() -> date:
    return now().astimezone(settings().TIMEZONE).date()
