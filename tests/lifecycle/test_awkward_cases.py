"""The awkward cases of docs/design.md (section 3, "Answers to the awkward cases"), each by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from service.lifecycle import (
    About,
    Accepted,
    AlreadyLeft,
    AlreadyVerified,
    Answer,
    AskLater,
    CaseClosed,
    Confirm,
    ConsentState,
    Correct,
    Envelope,
    Failed,
    HandedOver,
    Mail,
    MailKind,
    NoReminder,
    NotAgreed,
    NotAsked,
    NotCorrectable,
    NothingToUndo,
    NotIntroduced,
    NotLater,
    Reason,
    Role,
    State,
    Undo,
    VerificationLapsed,
    moments_for_later,
    next_due_at,
    still_wanted,
)

from .builders import (
    DAY,
    HOUR,
    LINDA,
    MINUTE,
    NATASHA,
    REMIND_NOW,
    RITA,
    SIDES,
    START,
    TICK,
    TIMING,
    VERIFY,
    WITHDRAW,
    Story,
    agreed,
    ask_bounced,
    ask_reached,
    asked,
    followed_up,
    introduced,
    introducing,
    introduction_bounced,
    introduction_reached,
    never,
    no,
    unconfirmed,
    verified,
    yes,
)


def wants(story: Story, kind: MailKind, to: Role, number: int = 1, about: About = About.CASE) -> bool:
    return still_wanted(story.case, Mail(kind, to, number, about))


# The request.


def test_nothing_but_the_verify_mail_is_wanted_before_rita_is_verified() -> None:
    story = Story()
    assert wants(story, MailKind.VERIFY, RITA)
    assert not any(wants(story, kind, side) for kind in (MailKind.ASK, MailKind.REMINDER) for side in SIDES)
    for side in SIDES:
        with pytest.raises(NotAsked):
            story.meet(yes(side))


def test_an_unverified_request_lapses_and_writes_to_nobody() -> None:
    story = Story()
    assert next_due_at(story.case, TIMING) == START + TIMING.verify_within
    story.wait(TIMING.verify_within)
    assert (story.case.state, story.case.reason, story.mails) == (State.CLOSED, None, [])
    with pytest.raises(VerificationLapsed):
        story.meet(VERIFY)


def test_a_request_verified_too_late_lapses_even_before_the_sweep_came_by() -> None:
    story = Story()
    story.now += TIMING.verify_within
    with pytest.raises(VerificationLapsed):
        story.meet(VERIFY)


def test_a_request_withdrawn_before_it_was_verified_cannot_be_verified_any_more() -> None:
    story = Story()
    story.meet(WITHDRAW)
    with pytest.raises(VerificationLapsed):
        story.meet(VERIFY)
    assert not story.mails


def test_verifying_twice_asks_once() -> None:
    story = verified()
    with pytest.raises(AlreadyVerified):
        story.meet(VERIFY)
    assert story.mails == [Mail(MailKind.ASK, LINDA), Mail(MailKind.ASK, NATASHA)]


def test_the_closing_moment_is_fixed_when_the_case_starts_and_twice_as_far_in_ordered_mode() -> None:
    assert verified().case.closes_at == START + TIMING.answer_within
    assert verified(order="a_first").case.closes_at == START + 2 * TIMING.answer_within


# Two yeses, the hold, and the moment in which the introduction leaves.


def test_two_yeses_and_the_hold_bring_one_introduction_for_each() -> None:
    story = agreed()
    assert story.case.state is State.AGREED
    assert not story.queued(MailKind.INTRODUCTION)
    story.wait(TIMING.hold_for)
    assert story.queued(MailKind.INTRODUCTION) == [Mail(MailKind.INTRODUCTION, side) for side in SIDES]


def test_one_yes_brings_no_introduction_however_long_it_stands() -> None:
    story = asked()
    story.meet(yes(LINDA))
    story.wait(60 * DAY)
    assert not story.queued(MailKind.INTRODUCTION)
    with pytest.raises(NotAgreed):
        story.meet(HandedOver(LINDA))


def test_a_yes_clicked_twice_does_not_begin_a_new_hold() -> None:
    story = agreed()
    until = story.case.hold_until
    story.now += MINUTE
    story.meet(yes(NATASHA))
    assert story.case.hold_until == until
    assert len(story.queued(MailKind.RECEIPT, NATASHA)) == 1


def test_a_yes_repeated_before_the_introduction_left_builds_it_anew_with_the_new_details() -> None:
    story = introducing()
    story.meet(yes(LINDA))
    assert {side.envelope for _, side in story.case.sides} == {Envelope.NONE}
    story.meet(TICK)
    assert story.case.state is State.INTRODUCING
    assert len(story.queued(MailKind.INTRODUCTION, NATASHA)) == 2


def test_an_undo_in_the_hold_stops_the_introduction_and_revokes_the_old_link() -> None:
    story = agreed()
    story.meet(Undo(LINDA))
    assert story.case.state is State.ASKING
    assert (story.case.a.state, story.case.a.version) == (ConsentState.ASKED, 2)
    assert story.case.b.version == 1
    story.wait(HOUR)
    assert not story.queued(MailKind.INTRODUCTION)


def test_an_undo_takes_back_an_introduction_that_is_queued_but_has_not_left() -> None:
    story = introducing()
    story.meet(Undo(NATASHA))
    assert {side.envelope for _, side in story.case.sides} == {Envelope.NONE}
    assert not wants(story, MailKind.INTRODUCTION, LINDA)
    with pytest.raises(NotAgreed):
        story.meet(HandedOver(LINDA))


def test_a_yes_turned_into_a_no_takes_the_introduction_back_too() -> None:
    story = introducing()
    story.meet(no(NATASHA))
    assert not any(wants(story, MailKind.INTRODUCTION, role) for role in (*SIDES, RITA))


def test_a_no_turned_into_a_yes_begins_a_new_hold() -> None:
    story = asked()
    story.meet(yes(LINDA), no(NATASHA))
    story.now += DAY
    story.meet(yes(NATASHA))
    assert story.case.hold_until == story.now + TIMING.hold_for


def test_once_one_envelope_was_handed_over_undo_no_and_withdrawal_are_refused() -> None:
    story = introducing()
    story.meet(HandedOver(LINDA))
    for command in (Undo(LINDA), Undo(NATASHA), no(NATASHA), yes(NATASHA), WITHDRAW, never(NATASHA)):
        with pytest.raises(AlreadyLeft):
            story.meet(command)


def test_the_second_envelope_always_follows_the_first() -> None:
    story = introducing()
    story.meet(HandedOver(LINDA))
    assert wants(story, MailKind.INTRODUCTION, NATASHA)
    story.meet(introduction_reached(LINDA), HandedOver(NATASHA), introduction_reached(NATASHA))
    assert story.case.state is State.INTRODUCED


def test_a_withdrawal_before_the_fence_wins_against_both_envelopes() -> None:
    story = introducing()
    story.meet(WITHDRAW)
    for role in (*SIDES, RITA):
        with pytest.raises(NotAgreed):
            story.meet(HandedOver(role))


def test_rita_s_copy_still_leaves_when_both_of_the_others_were_accepted_before_it() -> None:
    story = introduced(cc_requester=True)
    assert story.queued(MailKind.INTRODUCTION, RITA)
    assert wants(story, MailKind.INTRODUCTION, RITA)
    story.meet(HandedOver(RITA), Accepted(MailKind.INTRODUCTION, RITA))
    assert story.case.state is State.INTRODUCED
    assert not wants(story, MailKind.INTRODUCTION, LINDA)


def test_nobody_knows_whether_an_envelope_was_taken_counts_as_taken_and_is_on_record() -> None:
    story = introducing()
    story.meet(introduction_reached(LINDA, certain=False), introduction_reached(NATASHA))
    assert story.case.state is State.INTRODUCED
    assert "mail possibly accepted" in story.events


# Deadlines.


def test_a_deadline_that_passes_during_the_hold_does_not_stop_it() -> None:
    story = asked()
    story.meet(yes(LINDA))
    assert story.case.closes_at is not None
    story.now = story.case.closes_at - MINUTE
    story.meet(yes(NATASHA))
    story.wait(MINUTE)
    held = story.case.state
    story.wait(TIMING.hold_for)
    assert (held, story.case.state) == (State.AGREED, State.INTRODUCING)


def test_a_link_works_after_its_printed_date_until_the_sweep_closes_the_case() -> None:
    story = asked()
    story.meet(yes(LINDA))
    story.now = START + TIMING.answer_within + MINUTE
    story.meet(yes(NATASHA))
    assert story.case.state is State.AGREED


def test_an_answer_after_the_case_is_closed_is_refused_and_recorded_nowhere() -> None:
    story = asked()
    story.wait(TIMING.answer_within)
    before = story.case
    with pytest.raises(CaseClosed):
        story.meet(yes(LINDA))
    assert story.case == before


def test_an_undo_in_a_hold_that_outlasted_the_deadline_closes_the_case_at_the_next_tick() -> None:
    story = asked()
    story.meet(yes(LINDA))
    story.now = START + TIMING.answer_within - MINUTE
    story.meet(yes(NATASHA))
    story.now += 5 * MINUTE
    story.meet(Undo(LINDA), TICK)
    assert (story.case.state, story.case.reason) == (State.CLOSED, Reason.NO_ANSWER)


# A no is private.


def test_a_no_changes_nothing_outside_until_the_closing_moment() -> None:
    story = asked()
    story.meet(yes(LINDA), no(NATASHA))
    assert not [mail for mail in story.mails if mail.to is RITA]
    assert next_due_at(story.case, TIMING) == story.case.closes_at
    story.wait(TIMING.answer_within)
    assert story.case.reason is Reason.DECLINED
    assert story.queued(MailKind.NOT_COME_ABOUT) == [Mail(MailKind.NOT_COME_ABOUT, LINDA)]
    assert story.queued(MailKind.SUMMARY) == [Mail(MailKind.SUMMARY, RITA)]


def test_a_no_and_no_answer_at_all_end_with_the_same_mails_at_the_same_moment() -> None:
    declined, silent = asked(), asked()
    declined.meet(yes(LINDA), no(NATASHA))
    silent.meet(yes(LINDA))
    assert declined.wait(TIMING.answer_within).mails == silent.wait(TIMING.answer_within).mails


def test_a_withdrawal_is_told_at_the_closing_moment_like_everything_that_did_not_come_about() -> None:
    story = asked()
    story.meet(yes(LINDA), WITHDRAW)
    assert (story.case.state, story.case.reason) == (State.CLOSED, Reason.WITHDRAWN)
    closes_at = story.case.closes_at
    assert {mail.due_at for mail in story.mails[-2:]} == {closes_at}
    assert [mail.kind for mail in story.mails[-2:]] == [MailKind.NOT_COME_ABOUT, MailKind.SUMMARY]


def test_the_first_and_the_second_yes_get_the_same_receipt() -> None:
    story = asked()
    first = story.meet(yes(LINDA)).mails
    second = story.meet(yes(NATASHA)).mails
    assert [(mail.kind, mail.number) for mail in first] == [(mail.kind, mail.number) for mail in second]


def test_rita_is_told_at_once_of_a_no_by_somebody_who_wishes_it() -> None:
    story = asked()
    story.meet(no(NATASHA, tell_requester=True))
    [mail] = story.queued(MailKind.DECLINED, RITA)
    assert mail.due_at is None
    assert mail.about is About.B
    assert still_wanted(story.case, mail)


def test_a_wish_to_tell_rita_that_was_taken_back_is_not_revived_by_the_other_side_s_wish() -> None:
    story = asked()
    story.meet(no(LINDA, tell_requester=True), Undo(LINDA), no(NATASHA, tell_requester=True))
    about_linda, about_natasha = story.queued(MailKind.DECLINED, RITA)
    assert not still_wanted(story.case, about_linda)
    assert still_wanted(story.case, about_natasha)


def test_a_no_said_twice_over_tells_rita_once() -> None:
    story = asked()
    story.meet(no(LINDA, tell_requester=True), yes(LINDA), no(LINDA, tell_requester=True))
    mails = story.queued(MailKind.DECLINED, RITA)
    assert [still_wanted(story.case, mail) for mail in mails] == [False, True]


# Nobody is pestered.


def test_one_reminder_leaves_where_rita_chose_it_and_only_to_who_is_silent() -> None:
    story = asked(reminders=True)
    story.meet(yes(LINDA))
    story.wait(TIMING.remind_after)
    assert story.queued(MailKind.REMINDER) == [Mail(MailKind.REMINDER, NATASHA)]
    story.wait(DAY)
    assert len(story.queued(MailKind.REMINDER)) == 1


def test_no_reminder_leaves_where_rita_did_not_choose_it() -> None:
    story = asked()
    story.wait(TIMING.remind_after)
    assert not story.queued(MailKind.REMINDER)


def test_no_reminder_leaves_after_an_answer_that_was_taken_back() -> None:
    story = asked(reminders=True)
    story.meet(no(LINDA), Undo(LINDA))
    story.wait(TIMING.remind_after)
    assert [mail.to for mail in story.queued(MailKind.REMINDER)] == [NATASHA]


def test_a_queued_reminder_is_not_wanted_any_more_after_an_answer_that_was_taken_back() -> None:
    story = asked(reminders=True)
    story.wait(TIMING.remind_after)
    story.meet(yes(NATASHA), Undo(NATASHA))
    assert not wants(story, MailKind.REMINDER, NATASHA)


def test_a_queued_reminder_is_not_wanted_any_more_after_an_answer_or_a_no_of_the_other_side() -> None:
    story = asked(reminders=True)
    story.wait(TIMING.remind_after)
    assert wants(story, MailKind.REMINDER, NATASHA)
    story.meet(no(LINDA))
    assert not wants(story, MailKind.REMINDER, LINDA)
    assert not wants(story, MailKind.REMINDER, NATASHA)


def test_the_reminder_that_rita_sends_now_is_the_only_one() -> None:
    story = asked(reminders=True)
    story.meet(yes(LINDA), REMIND_NOW)
    assert story.queued(MailKind.REMINDER) == [Mail(MailKind.REMINDER, NATASHA)]
    story.meet(REMIND_NOW)
    story.wait(TIMING.remind_after)
    assert len(story.queued(MailKind.REMINDER)) == 1


def test_a_reminder_sent_now_goes_to_nobody_who_ever_answered_and_nowhere_while_a_no_stands() -> None:
    story = asked(reminders=True)
    story.meet(yes(LINDA), Undo(LINDA), no(NATASHA), REMIND_NOW)
    assert not story.queued(MailKind.REMINDER)
    story.meet(Undo(NATASHA), REMIND_NOW)
    assert not story.queued(MailKind.REMINDER)


def test_a_reminder_is_taken_whatever_was_answered_and_refused_only_for_what_rita_knows() -> None:
    for answers in ([], [yes(LINDA)], [no(NATASHA)], [yes(LINDA), yes(NATASHA)]):
        story = asked(reminders=True)
        story.meet(*answers, REMIND_NOW)
        assert story.events[-1] in ("reminder asked for", "reminder queued")
        for late in (TIMING.remind_after, TIMING.answer_within):
            story.now = START + late
            with pytest.raises(NoReminder):
                story.meet(REMIND_NOW)
    with pytest.raises(NoReminder):
        asked().meet(REMIND_NOW)


@pytest.mark.parametrize("reminders", [True, False])
def test_who_asks_for_later_is_reminded_then_and_only_then(reminders: bool) -> None:
    story = asked(reminders=reminders)
    story.meet(AskLater(LINDA, START + 5 * DAY))
    story.wait(5 * DAY - MINUTE)
    assert not story.queued(MailKind.REMINDER, LINDA)
    assert len(story.queued(MailKind.REMINDER, NATASHA)) == reminders
    story.wait(MINUTE)
    assert story.queued(MailKind.REMINDER, LINDA) == [Mail(MailKind.REMINDER, LINDA)]
    assert wants(story, MailKind.REMINDER, LINDA)
    story.wait(DAY)
    assert len(story.queued(MailKind.REMINDER, LINDA)) == 1


def test_later_may_be_sooner_than_the_reminder_that_rita_allowed() -> None:
    story = asked(reminders=True)
    story.meet(AskLater(LINDA, START + DAY))
    story.wait(DAY)
    assert [mail.to for mail in story.queued(MailKind.REMINDER)] == [LINDA]
    story.wait(3 * DAY)
    assert [mail.to for mail in story.queued(MailKind.REMINDER)] == [LINDA, NATASHA]


def test_later_can_be_moved_until_it_has_come() -> None:
    story = asked()
    story.meet(AskLater(LINDA, START + 2 * DAY), AskLater(LINDA, START + 4 * DAY))
    assert next_due_at(story.case, TIMING) == START + 4 * DAY
    story.wait(2 * DAY)
    assert not story.queued(MailKind.REMINDER)
    story.now = START + 4 * DAY
    with pytest.raises(NotLater):
        story.meet(AskLater(LINDA, START + 5 * DAY))
    story.meet(TICK)
    assert len(story.queued(MailKind.REMINDER)) == 1
    with pytest.raises(NotLater):
        story.meet(AskLater(LINDA, START + 5 * DAY))


@pytest.mark.parametrize("said", [yes, no])
def test_nobody_who_answered_before_later_came_is_asked_again(said: Callable[[Role], Answer]) -> None:
    for answers in ([said(LINDA)], [said(LINDA), Undo(LINDA)]):
        story = asked()
        story.meet(AskLater(LINDA, START + 2 * DAY), *answers)
        with pytest.raises(NotLater):
            story.meet(AskLater(LINDA, START + 3 * DAY))
        story.wait(4 * DAY)
        assert not story.queued(MailKind.REMINDER)


def test_later_comes_although_a_no_of_the_other_stands_since_its_absence_would_tell_of_it() -> None:
    for answer in (TICK, no(NATASHA)):
        story = asked()
        story.meet(answer, AskLater(LINDA, START + 2 * DAY))
        assert next_due_at(story.case, TIMING) == START + 2 * DAY
        story.wait(2 * DAY)
        assert story.queued(MailKind.REMINDER) == [Mail(MailKind.REMINDER, LINDA)]
        assert still_wanted(story.case, Mail(MailKind.REMINDER, LINDA))
        with pytest.raises(NotLater):
            story.meet(AskLater(LINDA, START + 4 * DAY))


def test_where_rita_allowed_reminders_their_time_ends_the_choice_whether_or_not_one_left() -> None:
    for answer in (TICK, no(NATASHA)):
        story = asked(reminders=True)
        story.meet(answer)
        story.wait(TIMING.remind_after)
        assert not moments_for_later(story.case, LINDA, story.now, TIMING)
        with pytest.raises(NotLater):
            story.meet(AskLater(LINDA, START + 4 * DAY))


def test_the_reminder_that_rita_sends_now_leaves_who_asked_for_later_alone() -> None:
    story, other = asked(reminders=True), asked(reminders=True)
    story.meet(AskLater(LINDA, START + 5 * DAY), REMIND_NOW)
    other.meet(REMIND_NOW)
    assert [mail.to for mail in story.queued(MailKind.REMINDER)] == [NATASHA]
    assert story.events.count("reminder asked for") == other.events.count("reminder asked for") == 1
    story.wait(5 * DAY)
    assert [mail.to for mail in story.queued(MailKind.REMINDER)] == [NATASHA, LINDA]


@pytest.mark.parametrize("days", [-1, 0, 7, 8, 10_000])
def test_later_lies_between_now_and_the_end(days: int) -> None:
    story = asked()
    with pytest.raises(NotLater):
        story.meet(AskLater(LINDA, START + days * DAY))


def test_later_is_not_for_who_was_not_asked_nor_for_who_asks_nor_after_the_end() -> None:
    story = verified(order="a_first")
    with pytest.raises(NotAsked):
        story.meet(AskLater(NATASHA, START + DAY))
    with pytest.raises(NotAsked):
        asked(requester_is=LINDA).meet(AskLater(LINDA, START + DAY))
    closed = asked()
    closed.wait(TIMING.answer_within)
    with pytest.raises(CaseClosed):
        closed.meet(AskLater(LINDA, START + DAY))


def test_later_was_not_asked_for_by_whoever_is_at_a_corrected_address() -> None:
    story = asked()
    story.meet(AskLater(NATASHA, START + 2 * DAY), ask_bounced(NATASHA), Correct(NATASHA))
    story.meet(ask_reached(NATASHA))
    story.wait(4 * DAY)
    assert not story.queued(MailKind.REMINDER)


def test_three_moments_are_offered_in_whole_days_from_now_and_near_the_end_in_whole_minutes() -> None:
    story = asked()
    story.now += timedelta(hours=1, minutes=20, seconds=31)
    offered = moments_for_later(story.case, LINDA, story.now, TIMING)
    assert offered == [story.now + days * DAY for days in (1, 3, 5)]
    for left, minutes in ((481, [2, 4, 6]), (150, [1]), (90, [1]), (50, [])):
        assert story.case.closes_at is not None
        now = story.case.closes_at - timedelta(seconds=left)
        assert moments_for_later(story.case, LINDA, now, TIMING) == [now + span * MINUTE for span in minutes]


@pytest.mark.parametrize(
    ("hours_left", "hours"), [(108, [24, 48, 72]), (72, [18, 36, 54]), (3, [0.75, 1.5, 2.25])]
)
def test_the_moments_are_whole_days_where_a_quarter_of_the_time_is_a_day(
    hours_left: int, hours: list[float]
) -> None:
    story = asked()
    assert story.case.closes_at is not None
    now = story.case.closes_at - hours_left * HOUR
    assert moments_for_later(story.case, LINDA, now, TIMING) == [now + span * HOUR for span in hours]


def test_no_ask_leaves_while_a_no_stands_and_it_leaves_when_the_no_is_taken_back() -> None:
    story = verified()
    story.meet(ask_reached(LINDA), no(LINDA))
    assert not wants(story, MailKind.ASK, NATASHA)
    assert story.meet(Undo(LINDA)).mails[-1] == Mail(MailKind.ASK, NATASHA)
    assert wants(story, MailKind.ASK, NATASHA)


def test_a_reminder_of_an_ask_that_bounced_does_not_go_to_the_corrected_address() -> None:
    story = asked(reminders=True)
    story.wait(TIMING.remind_after)
    story.meet(ask_bounced(NATASHA), Correct(NATASHA))
    assert not wants(story, MailKind.REMINDER, NATASHA)
    story.now += HOUR
    story.meet(ask_reached(NATASHA))
    assert not wants(story, MailKind.REMINDER, NATASHA)


def test_never_again_counts_as_a_no_even_of_somebody_who_was_not_asked_yet() -> None:
    story = asked(order="a_first")
    with pytest.raises(NotAsked):
        story.meet(no(NATASHA))
    story.meet(never(NATASHA))
    assert story.case.b.state is ConsentState.NO
    story.meet(yes(LINDA))
    assert not story.queued(MailKind.ASK, NATASHA)


def test_never_again_is_not_answered_with_one_more_mail() -> None:
    story = asked()
    assert not story.meet(never(NATASHA)).mails


# Ordered mode.


@pytest.mark.parametrize(("order", "first", "second"), [("a_first", *SIDES), ("b_first", *reversed(SIDES))])
def test_the_second_is_asked_only_after_the_first_yes(order: str, first: object, second: object) -> None:
    story = asked(order=order)
    assert [mail.to for mail in story.queued(MailKind.ASK)] == [first]
    story.meet(yes(first))  # type: ignore[arg-type]
    assert [mail.to for mail in story.queued(MailKind.ASK)] == [first, second]


def test_the_second_is_never_asked_after_a_no() -> None:
    story = asked(order="a_first")
    story.meet(no(LINDA))
    story.wait(2 * TIMING.answer_within)
    assert not story.queued(MailKind.ASK, NATASHA)
    assert story.case.reason is Reason.DECLINED


def test_an_undo_by_the_first_takes_an_unsent_second_ask_back() -> None:
    story = asked(order="a_first")
    story.meet(yes(LINDA), Undo(LINDA))
    assert story.case.b.state is ConsentState.WAITING
    assert not wants(story, MailKind.ASK, NATASHA)
    story.meet(yes(LINDA))
    assert wants(story, MailKind.ASK, NATASHA)


def test_an_undo_by_the_first_leaves_a_second_ask_alone_that_was_sent() -> None:
    story = agreed(order="a_first")
    story.meet(Undo(LINDA))
    assert story.case.b.state is ConsentState.YES
    story.meet(yes(LINDA))
    assert story.case.state is State.AGREED


def test_an_ask_that_was_sent_stays_answerable_after_the_first_s_undo() -> None:
    story = asked(order="a_first")
    story.meet(yes(LINDA), ask_reached(NATASHA), Undo(LINDA))
    assert story.case.b.state is ConsentState.ASKED
    story.meet(yes(NATASHA), yes(LINDA))
    assert story.case.state is State.AGREED


@pytest.mark.parametrize("order", ["a_first", "b_first"])
def test_a_second_side_that_was_never_due_to_be_asked_is_not_undeliverable(
    order: str,
) -> None:
    story = asked(order=order)
    story.wait(2 * TIMING.answer_within)
    assert (story.case.state, story.case.reason) == (State.CLOSED, Reason.NO_ANSWER)


def test_an_ask_taken_back_in_the_very_moment_it_was_accepted_can_be_answered() -> None:
    story = asked(order="a_first")
    story.meet(yes(LINDA), Undo(LINDA), ask_reached(NATASHA), yes(NATASHA))
    assert story.case.b.state is ConsentState.YES


def test_an_ask_taken_back_in_the_very_moment_it_was_refused_can_be_corrected() -> None:
    story = asked(order="a_first")
    story.meet(yes(LINDA), Undo(LINDA), ask_bounced(NATASHA))
    assert story.queued(MailKind.UNDELIVERABLE, RITA)
    story.meet(yes(LINDA), Correct(NATASHA))
    assert story.queued(MailKind.ASK, NATASHA)[-1].number == 2


# Addresses that cannot be reached.


def test_a_bounce_while_the_other_yes_stands_leaves_that_yes_alone_and_tells_rita_at_once() -> None:
    story = asked()
    story.meet(yes(LINDA), ask_bounced(NATASHA))
    assert (story.case.a.state, story.case.b.state) == (ConsentState.YES, ConsentState.UNDELIVERABLE)
    [mail] = story.queued(MailKind.UNDELIVERABLE, RITA)
    assert mail.due_at is None
    assert still_wanted(story.case, mail)


def test_a_corrected_address_is_asked_once_more_and_the_old_link_is_revoked() -> None:
    story = asked()
    closes_at = story.case.closes_at
    story.meet(yes(LINDA), ask_bounced(NATASHA))
    story.wait(DAY)
    assert story.meet(Correct(NATASHA)).mails == (Mail(MailKind.ASK, NATASHA, number=2),)
    assert story.case.b.version == 2
    assert story.case.closes_at == closes_at
    assert not wants(story, MailKind.ASK, NATASHA, number=1)
    assert wants(story, MailKind.ASK, NATASHA, number=2)


def test_an_address_is_corrected_once_and_a_second_bounce_is_told_again() -> None:
    story = asked()
    story.meet(ask_bounced(NATASHA), Correct(NATASHA), ask_bounced(NATASHA))
    with pytest.raises(NotCorrectable):
        story.meet(Correct(NATASHA))
    mails = story.queued(MailKind.UNDELIVERABLE)
    assert [(mail.number, mail.about) for mail in mails] == [(1, About.B), (2, About.B)]
    story.wait(TIMING.answer_within)
    assert story.case.reason is Reason.UNDELIVERABLE


def test_the_bounces_of_both_addresses_are_told_apart() -> None:
    story = asked()
    story.meet(ask_bounced(LINDA), ask_bounced(NATASHA))
    about_linda, about_natasha = story.queued(MailKind.UNDELIVERABLE, RITA)
    story.meet(Correct(LINDA))
    assert not still_wanted(story.case, about_linda)
    assert still_wanted(story.case, about_natasha)


def test_an_address_that_was_reached_or_answered_from_cannot_be_corrected() -> None:
    story = asked()
    with pytest.raises(NotCorrectable):
        story.meet(Correct(LINDA))
    story.meet(yes(NATASHA), Undo(NATASHA), ask_bounced(NATASHA))
    assert story.case.b.state is ConsentState.ASKED
    with pytest.raises(NotCorrectable):
        story.meet(Correct(NATASHA))


def test_an_address_corrected_while_a_no_stands_is_asked_only_when_the_no_is_taken_back() -> None:
    story = asked()
    story.meet(ask_bounced(NATASHA), no(LINDA))
    assert not story.meet(Correct(NATASHA)).mails
    assert Mail(MailKind.ASK, NATASHA, number=2) in story.meet(Undo(LINDA)).mails


def test_an_address_cannot_be_corrected_past_the_closing_moment() -> None:
    story = asked()
    story.meet(ask_bounced(NATASHA))
    story.now += TIMING.answer_within
    with pytest.raises(NotCorrectable):
        story.meet(Correct(NATASHA))


def test_who_answers_although_the_ask_bounced_was_reached_after_all() -> None:
    story = asked()
    story.meet(ask_bounced(NATASHA), yes(NATASHA), yes(LINDA))
    assert story.case.state is State.AGREED


def test_an_ask_that_never_left_makes_the_case_undeliverable_not_unanswered() -> None:
    story = verified()
    story.meet(ask_reached(LINDA), yes(LINDA))
    story.wait(TIMING.answer_within)
    assert story.case.reason is Reason.UNDELIVERABLE


def test_who_answered_an_ask_of_which_a_second_try_failed_and_took_it_back_was_reached_all_the_same() -> None:
    story = verified()
    story.meet(ask_reached(LINDA), ask_bounced(NATASHA), yes(NATASHA), Undo(NATASHA))
    story.wait(TIMING.answer_within)
    assert story.case.reason is Reason.NO_ANSWER


# Envelopes that do not arrive.


def test_one_envelope_refused_for_good_is_told_to_the_other_side_and_to_rita() -> None:
    story = introducing()
    story.meet(HandedOver(LINDA), introduction_reached(LINDA), introduction_bounced(NATASHA))
    assert (story.case.state, story.case.reason) == (State.CLOSED, Reason.UNDELIVERABLE)
    assert story.queued(MailKind.UNDELIVERED) == [Mail(MailKind.UNDELIVERED, LINDA)]
    assert story.queued(MailKind.SUMMARY) == [Mail(MailKind.SUMMARY, RITA)]


def test_an_envelope_refused_before_the_other_was_accepted_waits_for_the_other() -> None:
    story = introducing()
    story.meet(introduction_bounced(NATASHA))
    assert story.case.state is State.INTRODUCING
    assert wants(story, MailKind.INTRODUCTION, LINDA)
    story.meet(introduction_reached(LINDA))
    assert story.case.reason is Reason.UNDELIVERABLE
    assert story.queued(MailKind.UNDELIVERED) == [Mail(MailKind.UNDELIVERED, LINDA)]


def test_a_bounce_after_acceptance_is_told_to_rita_and_makes_the_case_undeliverable() -> None:
    story = introduced()
    story.meet(introduction_bounced(NATASHA))
    assert [mail.to for mail in story.queued(MailKind.UNDELIVERED)] == [RITA]
    assert story.case.state is State.INTRODUCED
    story.wait(TIMING.follow_up_after)
    story.wait(TIMING.confirm_within)
    assert story.case.reason is Reason.UNDELIVERABLE


def test_a_bounce_after_acceptance_does_not_matter_if_the_handoff_is_confirmed_after_all() -> None:
    story = introduced()
    story.meet(introduction_bounced(NATASHA), Confirm(LINDA, True))
    assert (story.case.state, story.case.reason) == (State.CONFIRMED, None)


def test_a_bounce_after_the_confirmation_is_told_to_rita_and_undoes_nothing() -> None:
    story = introduced()
    story.meet(Confirm(LINDA, True), introduction_bounced(NATASHA))
    assert [mail.to for mail in story.queued(MailKind.UNDELIVERED)] == [RITA]
    assert story.case.state is State.CONFIRMED


# The requester is one of the two.


def test_rita_s_verified_request_is_her_own_yes() -> None:
    story = verified(requester_is=LINDA)
    assert story.case.a.state is ConsentState.YES
    assert story.mails == [Mail(MailKind.ASK, NATASHA)]
    story.meet(ask_reached(NATASHA), yes(NATASHA))
    assert story.case.state is State.AGREED


def test_rita_as_one_of_the_two_withdraws_but_does_not_answer_or_undo() -> None:
    story = asked(requester_is=LINDA)
    with pytest.raises(NotAsked):
        story.meet(no(LINDA))
    with pytest.raises(NothingToUndo):
        story.meet(Undo(LINDA))
    story.meet(WITHDRAW)
    assert story.case.state is State.ASKING, "towards the other side it is a private no"
    with pytest.raises(CaseClosed):
        story.meet(WITHDRAW)
    story.wait(TIMING.answer_within)
    assert story.case.reason is Reason.WITHDRAWN


def test_rita_as_one_of_the_two_gets_one_merged_summary_and_no_copy() -> None:
    story = asked(requester_is=LINDA, cc_requester=True)
    story.meet(no(NATASHA))
    story.wait(TIMING.answer_within)
    assert [mail.kind for mail in story.mails if mail.to is not NATASHA] == [MailKind.SUMMARY]
    assert not introduced(requester_is=LINDA, cc_requester=True).queued(MailKind.INTRODUCTION, RITA)


def test_rita_s_own_word_does_not_confirm_the_handoff_but_the_other_s_does() -> None:
    story = followed_up(requester_is=LINDA)
    story.meet(Confirm(LINDA, True))
    before = story.case.state
    story.meet(Confirm(NATASHA, True))
    assert (before, story.case.state) == (State.INTRODUCED, State.CONFIRMED)


def test_rita_as_the_first_of_an_ordered_case_has_the_second_asked_at_once() -> None:
    assert verified(requester_is=LINDA, order="a_first").mails == [Mail(MailKind.ASK, NATASHA)]


# The follow-up and the end.


def test_each_side_is_asked_once_whether_they_are_in_touch() -> None:
    story = followed_up()
    assert story.queued(MailKind.FOLLOW_UP) == [Mail(MailKind.FOLLOW_UP, side) for side in SIDES]
    story.wait(DAY)
    assert len(story.queued(MailKind.FOLLOW_UP)) == 2


def test_an_outage_as_long_as_the_whole_follow_up_still_asks_before_it_closes() -> None:
    story = introduced()
    story.wait(TIMING.follow_up_after + TIMING.confirm_within + DAY)
    assert story.case.state is State.INTRODUCED
    assert wants(story, MailKind.FOLLOW_UP, NATASHA)
    assert next_due_at(story.case, TIMING) == story.now + TIMING.confirm_within


def test_a_handoff_that_nobody_confirms_is_closed_as_unconfirmed() -> None:
    story = unconfirmed()
    assert (story.case.state, story.case.reason) == (State.CLOSED, Reason.HANDOFF_UNCONFIRMED)
    assert story.queued(MailKind.SUMMARY) == [Mail(MailKind.SUMMARY, RITA)]
    assert not story.queued(MailKind.NOT_COME_ABOUT)


def test_a_late_confirmation_turns_the_end_around_and_sends_no_second_summary() -> None:
    story = unconfirmed()
    story.now += 30 * DAY
    story.meet(Confirm(NATASHA, True))
    assert (story.case.state, story.case.reason) == (State.CONFIRMED, None)
    assert len(story.queued(MailKind.SUMMARY)) == 1


def test_a_no_to_the_follow_up_leaves_the_other_side_time_to_say_yes() -> None:
    story = followed_up()
    story.meet(Confirm(LINDA, False))
    before = story.case.state
    story.meet(Confirm(NATASHA, True))
    assert (before, story.case.state) == (State.INTRODUCED, State.CONFIRMED)


def test_there_is_nothing_to_confirm_before_both_were_introduced() -> None:
    story = introducing()
    story.meet(HandedOver(LINDA), introduction_reached(LINDA))
    with pytest.raises(NotIntroduced):
        story.meet(Confirm(LINDA, True))


def test_a_mail_result_that_comes_after_the_end_is_an_event_and_nothing_else() -> None:
    story = asked()
    story.meet(WITHDRAW)
    before = story.case
    story.meet(ask_bounced(NATASHA), Failed(MailKind.INTRODUCTION, NATASHA))
    assert story.case == before
    assert story.events[-2:] == ["mail failed", "mail failed"]


def test_all_of_it_works_with_durations_of_nothing() -> None:
    nothing = timedelta(0)
    story = Story()
    story.timing = type(TIMING)(DAY, nothing, nothing, nothing, nothing, DAY)
    story.meet(VERIFY, ask_reached(LINDA), ask_reached(NATASHA), yes(LINDA), yes(NATASHA), TICK)
    story.meet(introduction_reached(LINDA), introduction_reached(NATASHA), TICK)
    assert story.case.reason is Reason.HANDOFF_UNCONFIRMED


# --- the link once more, for a reply that was not understood ------------------------------------------


def wants_link(story: Story, to: Role, about: About = About.ANSWER) -> bool:
    return still_wanted(story.case, Mail(MailKind.UNCLEAR, to, about=about))


def test_rita_gets_her_link_again_while_there_is_something_to_do_behind_it() -> None:
    assert wants_link(Story(), RITA)
    assert wants_link(asked(), RITA)
    assert wants_link(introducing(), RITA)
    assert not wants_link(introduced(), RITA)
    assert not wants_link(unconfirmed(), RITA)


@pytest.mark.parametrize("answer", [None, yes(LINDA), no(LINDA)])
def test_a_party_gets_the_link_again_while_an_answer_counts(answer: Answer | None) -> None:
    story = asked()
    if answer:
        story.meet(answer)
    assert wants_link(story, LINDA)
    story.wait(TIMING.answer_within)
    assert not wants_link(story, LINDA)


def test_nobody_gets_a_link_again_who_was_not_asked_or_could_not_be_reached() -> None:
    ordered = asked(order="a_first")
    assert [wants_link(ordered, side) for side in (LINDA, NATASHA)] == [True, False]
    bounced = asked()
    bounced.meet(ask_bounced(NATASHA))
    assert [wants_link(bounced, side) for side in (LINDA, NATASHA)] == [True, False]
    own = asked(requester_is=LINDA)
    assert [wants_link(own, side) for side in (LINDA, NATASHA)] == [False, True]


def test_the_link_of_the_follow_up_comes_again_from_the_question_to_its_answer() -> None:
    assert not wants_link(introduced(), LINDA, About.HANDOFF)
    story = followed_up()
    assert wants_link(story, LINDA, About.HANDOFF)
    story.meet(Confirm(LINDA, in_touch=False))
    assert [wants_link(story, side, About.HANDOFF) for side in (LINDA, NATASHA)] == [False, True]


def test_who_replies_too_late_is_told_so_only_where_nothing_came_of_it() -> None:
    story = asked()
    assert not wants_link(story, LINDA, About.END)
    story.wait(TIMING.answer_within)
    assert wants_link(story, LINDA, About.END)
    assert not wants_link(unconfirmed(), LINDA, About.END)
