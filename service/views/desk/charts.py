"""The geometry and the labels of the ledger's charts, which `templates/pages/ledger.html` draws as SVG.

Widths are percent, so that text keeps its size on every screen, and heights pixels. SVG
knows no right-to-left, so time and bars are mirrored here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from babel.dates import format_date, format_skeleton
from babel.numbers import format_percent

from service.desk.figures import Figures, LeadReason, Period, Step, Unit
from service.language.languages import dates_of, gettext, span, spoken
from service.lifecycle import Reason

MAX_HEIGHT = 150.0
"""Of a column, in pixels."""
BASELINE = 174.0
"""Where the columns stand, in pixels from the top."""
MAX_WIDTH = 9.0
"""Of a column, in percent."""
MAX_LABELS_ON_PHONES, MAX_LABELS = 5, 13
"""How many dates have room below the columns on a phone, and elsewhere."""


class Column(NamedTuple):
    """A column of the chart over time; ``labelled`` and ``on_phones`` tell where its date is written."""

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
    """A bar of a horizontal chart."""

    x: float
    width: float


def columns(figures: Figures, *, right_to_left: bool) -> list[Column]:
    """Return the columns over time, leads on top of referrals."""
    return [_column(figures, index, right_to_left=right_to_left) for index in range(len(figures.periods))]


def bar(*, right_to_left: bool) -> Callable[[float], Bar]:
    """Return the function that makes the bar of a share, from 0 to 1."""

    def of(share: float) -> Bar:
        width = round(100 * share, 2)
        return Bar(100 - width if right_to_left else 0, width)

    return of


def percent(share: float | None) -> str:
    """Format a share from 0 to 1; a dash where there is none."""
    return "–" if share is None else format_percent(share, locale=spoken())


def period_name(period: Period, unit: Unit) -> str:
    """Name the time of a column in full, for the table."""
    if unit is Unit.MONTH:
        return format_skeleton("yMMMM", period.first, locale=dates_of(spoken()))
    if unit is Unit.YEAR:
        return str(period.first.year)
    if period.first == period.last:
        return day_name(period.first)
    return gettext("%(first)s to %(last)s", first=day_name(period.first), last=day_name(period.last))


def day_name(day: date) -> str:
    """Format a day."""
    return format_date(day, "medium", locale=dates_of(spoken()))


def step_name(step: Step) -> str:
    """Name a step."""
    return {
        Step.ASKED: gettext("Asked"),
        Step.BOTH_YES: gettext("Both said yes"),
        Step.INTRODUCED: gettext("Introduced"),
        Step.CONFIRMED: gettext("Confirmed"),
    }[step]


def reason_name(reason: str) -> str:
    """Name a reason, of a requester's list or of an operator's; "" is that of a referral."""
    return {
        "": gettext("Referral"),
        LeadReason.NOT_COME_ABOUT.value: gettext("Didn’t go ahead"),
        LeadReason.UNDELIVERED.value: gettext("Couldn’t be delivered"),
        LeadReason.UNCONFIRMED.value: gettext("Not confirmed"),
        LeadReason.WITHDRAWN.value: gettext("Withdrawn"),
        Reason.NO_ANSWER.value: gettext("No answer"),
        Reason.DECLINED.value: gettext("Declined"),
        Reason.UNDELIVERABLE.value: gettext("Couldn’t be reached"),
    }[reason]


def duration(seconds: int | None) -> str:
    """Format a length of time; a dash where there is none."""
    return "–" if seconds is None else span(seconds)


def _column(figures: Figures, index: int, *, right_to_left: bool) -> Column:
    period, count = figures.periods[index], len(figures.periods)
    scale = MAX_HEIGHT / (max(period.tally.total for period in figures.periods) or 1)
    slot = 100 / count
    middle = slot * (index + 0.5)
    middle = round(100 - middle if right_to_left else middle, 2)
    width = round(min(0.66 * slot, MAX_WIDTH), 2)
    referrals, leads = round(period.tally.referrals * scale, 1), round(period.tally.leads * scale, 1)
    return Column(
        x=round(middle - width / 2, 2),
        middle=middle,
        width=width,
        leads_y=round(BASELINE - referrals - leads, 1),
        leads_height=leads,
        referrals_y=round(BASELINE - referrals, 1),
        referrals_height=referrals,
        total=period.tally.total,
        label=_label(period, figures.unit, count),
        labelled=index % -(-count // MAX_LABELS) == 0,
        on_phones=index % -(-count // MAX_LABELS_ON_PHONES) == 0,
    )


def _label(period: Period, unit: Unit, count: int) -> str:
    new_year = unit is Unit.MONTH and count > 12 and period.first.month == 1
    if unit is Unit.YEAR or new_year:
        return str(period.first.year)
    skeleton = "MMM" if unit is Unit.MONTH else "MMMd"
    return format_skeleton(skeleton, period.first, locale=dates_of(spoken()))
