"""The ledger's figures against stories that were counted by hand, and what they must not tell a requester."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.delivery.outcomes import LockedMail
from service.desk.figures import DateRange, Entry, Figures, Ledger, Step, Tally, Unit, entries, figures
from service.lifecycle import MailKind
from tests.support import season
from tests.support.season import PRIVATE
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

TODAY = date(2026, 12, 31)
DAY, HOUR, MINUTE = 86400, 3600, 60


@dataclass(frozen=True)
class Told(Figures):
    """The figures, and the entries beside them."""

    entries: list[Entry]


def told(
    story: Story,
    requester: str | None = RITA,
    span: DateRange | None = None,
    zone: str = "UTC",
    today: date = TODAY,
) -> Told:
    ledger = Ledger(ZoneInfo(zone), span or DateRange(), requester)
    with story.db.reading() as session:
        counted = figures(session, ledger, today)
        with entries(session, ledger) as found:
            return Told(**vars(counted), entries=list(found))


def whole_season(story: Story) -> None:
    """Ten cases of Rita's: three referrals and seven leads, one after the other from 2 March 2026 on."""
    season.confirmed(story)  # until 5 March
    season.no(story, LINDA)  # until 12 March
    season.silence(story)  # until 19 March
    season.withdrawn(story)  # until 20 March
    season.undelivered(story)  # on 20 March
    season.confirmed(story)  # until 23 March
    season.lost(story, NATASHA)  # until 30 March
    season.one_yes(story, LINDA)  # until 6 April
    season.unconfirmed(story)  # until 30 April
    season.confirmed(story)  # until 3 May


def test_a_season_is_counted_as_by_hand(story: Story) -> None:
    whole_season(story)
    shown = told(story, span=DateRange(date(2026, 1, 1)))
    assert shown.tally == Tally(referrals=3, leads=7)
    assert shown.tally.share == pytest.approx(0.3)
    assert shown.unit is Unit.MONTH
    counted = {(period.first.isoformat(), period.last.isoformat()): period.tally for period in shown.periods}
    assert len(counted) == 12
    assert counted[("2026-02-01", "2026-02-28")] == Tally(0, 0)
    assert counted[("2026-03-01", "2026-03-31")] == Tally(2, 5)
    assert counted[("2026-04-01", "2026-04-30")] == Tally(0, 2)
    assert counted[("2026-05-01", "2026-05-31")] == Tally(1, 0)


def test_the_funnel_counts_how_far_each_case_came(story: Story) -> None:
    whole_season(story)
    # Three referrals, one unconfirmed, one that could not be delivered; the withdrawn one never left.
    assert told(story).funnel == {Step.ASKED: 10, Step.BOTH_YES: 5, Step.INTRODUCED: 4, Step.CONFIRMED: 3}


def test_a_requester_reads_four_reasons_and_an_operator_the_precise_ones(story: Story) -> None:
    whole_season(story)
    assert told(story).reasons == {
        "did-not-come-about": 4,
        "undelivered": 1,
        "handoff-unconfirmed": 1,
        "withdrawn": 1,
    }
    assert told(story, requester=None).reasons == {
        "no-answer": 2,
        "declined": 1,
        "undeliverable": 2,
        "withdrawn": 1,
        "handoff-unconfirmed": 1,
    }


def test_medians_are_of_introduced_cases_and_rounded(story: Story) -> None:
    for days in (1, 2, 6):
        story.ask()
        story.sweep(days=days, minutes=20)
        story.answer(LINDA, "yes")
        story.answer(NATASHA, "yes")
        story.sweep(minutes=10)
        story.sweep(days=3)
        season.confirm(story)
    season.undelivered(story)
    season.one_yes(story, LINDA)
    assert [(taken.step, taken.cases, taken.seconds) for taken in told(story).durations] == [
        (Step.BOTH_YES, 3, 2 * DAY),
        (Step.INTRODUCED, 3, 2 * DAY),
        (Step.CONFIRMED, 3, 5 * DAY),
    ]


@pytest.mark.parametrize(("minutes", "seconds"), [(0, MINUTE), (7, 7 * MINUTE), (200, 3 * HOUR)])
def test_a_short_time_is_told_in_minutes_or_hours(story: Story, minutes: int, seconds: int) -> None:
    story.ask()
    story.sweep(minutes=minutes)
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=10)
    story.sweep(days=3)
    season.confirm(story)
    assert told(story, requester=None).durations[0].seconds == seconds


def test_when_the_second_yes_came_is_not_told_of_one_or_two_introductions(story: Story) -> None:
    for cases in (1, 2, 3):
        season.confirmed(story)
        both_yes, introduced, _ = told(story).durations
        assert (both_yes.seconds is not None) == (cases >= 3)
        assert introduced.seconds == 10 * MINUTE
        assert told(story, requester=None).durations[0].seconds is not None


def test_a_late_confirmation_turns_the_lead_into_a_referral_of_its_own_day(story: Story) -> None:
    season.unconfirmed(story)
    assert [(line.outcome, line.reason) for line in told(story).entries] == [("lead", "handoff-unconfirmed")]
    story.sweep(days=30)
    season.confirm(story)
    (line,) = told(story).entries
    assert (line.outcome, line.reason, line.day) == ("referral", "", date(2026, 4, 25))
    assert told(story).funnel[Step.CONFIRMED] == 1


def test_an_open_case_is_in_no_figure(story: Story) -> None:
    story.introduce()
    story.request(b_email="other@interiors.test")
    shown = told(story)
    assert (shown.entries, shown.tally, shown.reasons) == ([], Tally(0, 0), {})
    assert shown.tally.share is None
    assert set(shown.funnel.values()) == {0}
    assert [taken.seconds for taken in shown.durations] == [None, None, None]


def test_each_requester_sees_their_own_cases_and_the_operator_all(story: Story) -> None:
    season.silence(story)
    story.ask(requester_name="Oskar Wend", requester_email="Oskar@wend.test")
    story.sweep(days=7)
    assert [line.requester for line in told(story).entries] == ["Rita Quill"]
    assert [line.requester for line in told(story, "oskar@wend.test").entries] == ["Oskar Wend"]
    assert [line.requester for line in told(story, None).entries] == ["Oskar Wend", "Rita Quill"]
    assert told(story, "").entries == []


# --- What a requester must not learn ------------------------------------------------------------------


def secrets_of(shown: Told) -> Any:
    """Everything of the figures but which case it is, and when it was asked."""
    (line,) = shown.entries
    return (shown.tally, shown.periods, shown.funnel, shown.reasons, shown.durations, line.day, line.reason)


def test_nothing_tells_a_no_from_silence_or_an_address_that_was_lost(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    seen = []
    start = clock.now
    for number, ending in enumerate(PRIVATE.values()):
        clock.now = start
        rita = f"rita{number}@quill.test"
        story = Story(environ, clock, relay)
        season.of(story, rita, ending)
        seen.append(secrets_of(told(story, rita)))
        story.db.engine.dispose()
    assert seen[0][-2:] == (date(2026, 3, 9), "did-not-come-about")
    assert all(each == seen[0] for each in seen)


def test_a_case_closed_late_by_an_undone_hold_has_the_day_of_its_closing_moment(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    clock.now = datetime(2026, 3, 2, 23, 58, tzinfo=UTC)
    story = Story(environ, clock, relay)
    season.undone_in_the_hold(story)
    assert clock.now == datetime(2026, 3, 10, 0, 1, tzinfo=UTC)
    assert [line.day for line in told(story).entries] == [date(2026, 3, 9)]
    assert told(story, span=DateRange(date(2026, 3, 10))).entries == []
    story.db.engine.dispose()


def test_two_yeses_that_were_withdrawn_in_the_hold_are_not_counted(story: Story) -> None:
    season.withdrawn(story)
    shown = told(story)
    assert shown.funnel[Step.BOTH_YES] == 0
    assert shown.reasons == {"withdrawn": 1}
    assert shown.entries[0].day == date(2026, 3, 3)


def test_a_withdrawal_as_one_of_the_two_is_withdrawn_whatever_the_other_said(story: Story) -> None:
    for other in ("yes", "no", ""):
        story.ask(requester_is="a")
        if other:
            story.answer(NATASHA, other)
        story.post(story.link(RITA, "/r/"), action="withdraw")
        story.sweep(days=7)
    assert told(story).reasons == {"withdrawn": 3}
    assert told(story).funnel == {Step.ASKED: 3, Step.BOTH_YES: 0, Step.INTRODUCED: 0, Step.CONFIRMED: 0}


def test_an_introduction_that_came_back_later_is_undelivered(story: Story) -> None:
    story.introduce()
    (mail,) = story.outbox(MailKind.INTRODUCTION, NATASHA)
    with story.writing() as context:
        row = LockedMail.of(context, mail.introduction_id, mail.id)
        assert row is not None
        row.bounced("550 5.1.1 gone", hard=True)
    story.sweep(days=3)
    story.sweep(days=21)
    assert told(story).reasons == {"undelivered": 1}


# --- Time ---------------------------------------------------------------------------------------------


def test_a_month_ends_at_midnight_in_the_installation_s_zone(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    # Withdrawn at 23:30 UTC on 31 March: in Berlin it is already April, in New York still March.
    clock.now = datetime(2026, 3, 30, 23, 30, tzinfo=UTC)
    story = Story(environ, clock, relay)
    season.withdrawn(story)
    march, april = (
        DateRange(date(2026, 3, 1), date(2026, 3, 31)),
        DateRange(date(2026, 4, 1), date(2026, 4, 30)),
    )
    for zone, in_march in (("UTC", 1), ("America/New_York", 1), ("Europe/Berlin", 0)):
        assert len(told(story, span=march, zone=zone).entries) == in_march
        assert len(told(story, span=april, zone=zone).entries) == 1 - in_march
    assert told(story, zone="Europe/Berlin").entries[0].day == date(2026, 4, 1)
    story.db.engine.dispose()


def test_what_ended_at_midnight_belongs_to_the_day_that_begins(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    clock.now = datetime(2026, 3, 31, tzinfo=UTC)
    story = Story(environ, clock, relay)
    season.withdrawn(story)
    assert clock.now == datetime(2026, 4, 1, tzinfo=UTC)
    march, april = DateRange(last=date(2026, 3, 31)), DateRange(first=date(2026, 4, 1))
    assert (told(story, span=march).tally.total, told(story, span=april).tally.total) == (0, 1)
    assert told(story, span=april).entries[0].day == date(2026, 4, 1)
    story.db.engine.dispose()


@pytest.mark.parametrize(
    ("first", "last", "unit", "columns"),
    [
        (date(2026, 3, 9), date(2026, 3, 9), Unit.DAY, 1),
        (date(2026, 3, 1), date(2026, 3, 14), Unit.DAY, 14),
        # 1 March 2026 is a Sunday, so its week is cut to that day.
        (date(2026, 3, 1), date(2026, 3, 31), Unit.WEEK, 6),
        (date(2026, 1, 1), date(2026, 3, 31), Unit.WEEK, 14),
        (date(2026, 1, 15), date(2026, 12, 2), Unit.MONTH, 12),
        (date(2020, 6, 1), date(2026, 12, 31), Unit.YEAR, 7),
    ],
)
def test_columns_are_as_wide_as_the_span_is_long_and_cover_it_without_gaps(
    story: Story, first: date, last: date, unit: Unit, columns: int
) -> None:
    season.silence(story)
    shown = told(story, span=DateRange(first, last))
    assert (shown.unit, len(shown.periods)) == (unit, columns)
    assert (shown.periods[0].first, shown.periods[-1].last) == (first, last)
    for before, after in zip(shown.periods, shown.periods[1:], strict=False):
        assert (after.first - before.last).days == 1
    assert sum(period.tally.total for period in shown.periods) == 1


def test_days_to_come_have_no_columns(story: Story) -> None:
    season.silence(story)
    span = DateRange(date(2026, 3, 1), date(2026, 12, 31))
    shown = told(story, span=span, today=date(2026, 3, 10))
    assert shown.periods[-1].last == date(2026, 3, 10)


def test_an_open_span_begins_with_the_month_of_the_first_entry(story: Story) -> None:
    season.silence(story)
    assert told(story).periods[0].first == date(2026, 3, 1)
