"""What the ledger's pictures are drawn of: shares of the width, so that text keeps its size on every screen.

Widths are percent and heights pixels. SVG knows no right-to-left, so time and bars are mirrored here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from babel.dates import format_date, format_skeleton
from babel.numbers import format_percent

from service.desk.figures import Figures, Period, Step, Unit, Why
from service.language.languages import dates_of, gettext, span, spoken
from service.lifecycle import Reason

TALLEST = 150.0
BASE = 174.0
"""Where the columns stand, from the top of the picture."""
WIDEST = 9.0
NARROW_LABELS, WIDE_LABELS = 5, 13
"""How many dates have room below the columns on a phone, and elsewhere."""


class Column(NamedTuple):
    """A column of the picture over time. ``on_phones`` tells where its date is written below."""

    x: float
    middle: float
    width: float
    leads_y: float
    leads_height: float
    referrals_y: float
    referrals_height: float
    total: int
    label: str
    labelled: bool
    on_phones: bool


class Bar(NamedTuple):
    """The place of one bar, in percent of the picture's width."""

    x: float
    width: float


def columns(shown: Figures, right_to_left: bool) -> list[Column]:
    """The columns over time, leads on top of referrals."""
    count = len(shown.periods)
    highest = max((period.tally.total for period in shown.periods), default=0) or 1
    return [
        _column(period, index, count, TALLEST / highest, shown.unit, right_to_left)
        for index, period in enumerate(shown.periods)
    ]


def bar(right_to_left: bool) -> Callable[[float], Bar]:
    """How wide a bar is that shows a share, from 0 to 1, and where it begins."""

    def of(share: float) -> Bar:
        width = round(100 * share, 2)
        return Bar(100 - width if right_to_left else 0, width)

    return of


def percent(share: float | None) -> str:
    """A share in the language spoken now; a dash where there is none."""
    return "–" if share is None else format_percent(share, locale=spoken())


def period_name(period: Period, unit: Unit) -> str:
    """A column's time in full, for the table."""
    if unit is Unit.MONTH:
        return format_skeleton("yMMMM", period.first, locale=dates_of(spoken()))
    if unit is Unit.YEAR:
        return str(period.first.year)
    if period.first == period.last:
        return day_name(period.first)
    return gettext("%(first)s to %(last)s", first=day_name(period.first), last=day_name(period.last))


def day_name(day: date) -> str:
    return format_date(day, "medium", locale=dates_of(spoken()))


def step_name(step: Step) -> str:
    return {
        Step.ASKED: gettext("Asked"),
        Step.BOTH_YES: gettext("Both said yes"),
        Step.INTRODUCED: gettext("Introduced"),
        Step.CONFIRMED: gettext("Confirmed"),
    }[step]


def why_name(why: str) -> str:
    """A reason in plain words, of a requester's list or of an operator's."""
    return {
        "": gettext("Referral"),
        Why.NOT_COME_ABOUT.value: gettext("Didn’t go ahead"),
        Why.UNDELIVERED.value: gettext("Couldn’t be delivered"),
        Why.UNCONFIRMED.value: gettext("Not confirmed"),
        Why.WITHDRAWN.value: gettext("Withdrawn"),
        Reason.NO_ANSWER.value: gettext("No answer"),
        Reason.DECLINED.value: gettext("Declined"),
        Reason.UNDELIVERABLE.value: gettext("Couldn’t be reached"),
    }[why]


def length(seconds: int | None) -> str:
    return "–" if seconds is None else span(seconds)


def _column(period: Period, index: int, count: int, scale: float, unit: Unit, right_to_left: bool) -> Column:
    slot = 100 / count
    middle = slot * (index + 0.5)
    middle = round(100 - middle if right_to_left else middle, 2)
    width = round(min(0.66 * slot, WIDEST), 2)
    referrals, leads = round(period.tally.referrals * scale, 1), round(period.tally.leads * scale, 1)
    return Column(
        x=round(middle - width / 2, 2),
        middle=middle,
        width=width,
        leads_y=round(BASE - referrals - leads, 1),
        leads_height=leads,
        referrals_y=round(BASE - referrals, 1),
        referrals_height=referrals,
        total=period.tally.total,
        label=_label(period, unit, count),
        labelled=index % -(-count // WIDE_LABELS) == 0,
        on_phones=index % -(-count // NARROW_LABELS) == 0,
    )


def _label(period: Period, unit: Unit, count: int) -> str:
    new_year = unit is Unit.MONTH and count > 12 and period.first.month == 1
    if unit is Unit.YEAR or new_year:
        return str(period.first.year)
    skeleton = "MMM" if unit is Unit.MONTH else "MMMd"
    return format_skeleton(skeleton, period.first, locale=dates_of(spoken()))
