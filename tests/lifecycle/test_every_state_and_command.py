"""Every reachable kind of case meets every command.

The cases are found by breadth-first exploration from new requests of every kind: every command is played
at once, and time is let go on to the moment that the case itself names. Cases that differ only in dates
count as one kind.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from service.lifecycle import (
    Accepted,
    Answer,
    AskLater,
    Case,
    Command,
    ConsentState,
    Correct,
    Decision,
    Envelope,
    Failed,
    HandedOver,
    Mail,
    MailKind,
    Order,
    Reason,
    Refused,
    Role,
    Side,
    State,
    Tick,
    Timing,
    TooSoon,
    Undo,
    decide,
    may_ask_later,
    moments_for_later,
    next_due_at,
    still_wanted,
)

from .builders import DAY, LINDA, NATASHA, RITA, START, SUSPICIOUS, TIMING, every_command
from .transitions import transition

COMMANDS = tuple(every_command())
TRANSITIONS = {
    TIMING: Path(__file__).with_name("transitions.txt"),
    SUSPICIOUS: Path(__file__).with_name("transitions_suspicious.txt"),
}
"""Every transition, a line each: the command, what changes, the events written and the mails queued."""
FRESH = (ConsentState.WAITING, ConsentState.ASKED)

# Which command is taken in which state; a cell names every answer that the kernel may give.
# "left" is an introduction of which an envelope has reached its handover, "not come about" a closed case
# without an introduction, "unconfirmed" a closed case with one, "lapsed" a request that nobody verified.
# Without suspicion nothing is ever too soon.
TABLE = """
state           | Verify             | Answer       | Undo             | AskLater                    | Withdraw    | Correct          | RemindNow     | HandedOver   | HandedOver (a link) | Accepted | Failed | Confirm       | Tick
unverified      | ok                 | NotAsked     | NotAsked         | NotAsked                    | ok          | NotAsked         | NotAsked      | NotAgreed    | ok                  | ok       | ok     | NotIntroduced | ok
lapsed          | VerificationLapsed | CaseClosed   | CaseClosed       | CaseClosed                  | CaseClosed  | CaseClosed       | CaseClosed    | NotAgreed    | ok                  | ok       | ok     | NotIntroduced | ok
asking          | AlreadyVerified    | ok NotAsked  | ok NothingToUndo | ok NotAsked NotLater        | ok CaseClosed | ok NotCorrectable| ok NoReminder | NotAgreed    | ok                  | ok       | ok     | NotIntroduced | ok
agreed          | AlreadyVerified    | ok NotAsked  | ok NothingToUndo | NotAsked NotLater           | ok          | NotCorrectable   | ok NoReminder | NotAgreed    | ok                  | ok       | ok     | NotIntroduced | ok
introducing     | AlreadyVerified    | ok NotAsked  | ok NothingToUndo | NotAsked NotLater           | ok          | NotCorrectable   | ok NoReminder | ok           | ok                  | ok       | ok     | NotIntroduced | ok
left            | AlreadyVerified    | AlreadyLeft  | AlreadyLeft      | AlreadyLeft                 | AlreadyLeft | AlreadyLeft      | AlreadyLeft   | ok           | ok                  | ok       | ok     | NotIntroduced | ok
introduced      | AlreadyVerified    | AlreadyLeft  | AlreadyLeft      | AlreadyLeft                 | AlreadyLeft | AlreadyLeft      | AlreadyLeft   | ok NotAgreed | ok                  | ok       | ok     | ok TooSoon    | ok
confirmed       | AlreadyVerified    | AlreadyLeft  | AlreadyLeft      | AlreadyLeft                 | AlreadyLeft | AlreadyLeft      | AlreadyLeft   | ok NotAgreed | ok                  | ok       | ok     | ok TooSoon    | ok
not come about  | AlreadyVerified    | CaseClosed   | CaseClosed       | CaseClosed                  | CaseClosed  | CaseClosed       | CaseClosed    | NotAgreed    | ok                  | ok       | ok     | NotIntroduced | ok
unconfirmed     | AlreadyVerified    | CaseClosed   | CaseClosed       | CaseClosed                  | CaseClosed  | CaseClosed       | CaseClosed    | ok NotAgreed | ok                  | ok       | ok     | ok TooSoon    | ok
"""  # noqa: E501


def read_table(timing: Timing) -> dict[tuple[str, str], set[str]]:
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines())
    return {
        (row[0], name): set(cell.split()) - (set() if timing.suspect_within else {"TooSoon"})
        for row in rows
        for name, cell in zip(head[1:], row[1:], strict=True)
    }


def row_of(case: Case) -> str:
    if case.state is State.CLOSED:
        if case.verified_at is None:
            return "lapsed"
        return "unconfirmed" if case.introduced_at else "not come about"
    return "left" if case.state is State.INTRODUCING and case.left_at else case.state.value


def column_of(command: Command) -> str:
    link = isinstance(command, HandedOver) and command.kind is not MailKind.INTRODUCTION
    return "HandedOver (a link)" if link else type(command).__name__


def kinds_of_request(timing: Timing) -> set[tuple[Order, Role | None]]:
    """Every order, and whether the requester is one of the two; suspicion makes many more cases of each."""
    if timing.suspect_within:
        return {(Order.A_FIRST, None), (Order.TOGETHER, LINDA)}
    return set(product(Order, (None, LINDA)))


def requests(timing: Timing) -> Iterator[Case]:
    """New requests of every kind."""
    for order, one_of_the_two in sorted(kinds_of_request(timing), key=str):
        yield Case(START, one_of_the_two, order, reminders=True, cc_requester=True)


def kind_of(case: Case, now: datetime, timing: Timing) -> tuple[Any, ...]:
    """What tells two cases apart besides their dates; how it was asked matters only while it is asked."""
    times = (case.verified_at, case.hold_until, case.left_at, case.introduced_at, case.followed_up_at)
    over = case.closes_at is not None and case.closes_at <= now
    about = (case.requester_is, case.order, case.reminders, case.state, case.reason, case.summarised, over)
    sides = (kind_of_side(side, case, now, timing) for _, side in case.sides)
    return (*about, *(time is None for time in times), *sides)


def kind_of_side(side: Side, case: Case, now: datetime, timing: Timing) -> tuple[Any, ...]:
    soon = timing.is_too_soon(now, side.touched_at)
    kind = (side.state, side.envelope, side.in_touch, soon)
    if not case.is_open:
        return kind
    waits_for = (side.asked_at is None, side.reminded_at is None) if side.state in FRESH else ()
    later = side.remind_at is not None and not side.reminded_at and not side.answers
    return (*kind, *waits_for, side.answers > 0, side.corrected, later)


@cache
def explored(timing: Timing) -> tuple[tuple[Case, datetime], ...]:
    """One case, at a moment, of every reachable kind."""
    found: dict[tuple[Any, ...], tuple[Case, datetime]] = {}
    edge = [(case, START) for case in requests(timing)]
    while edge:
        new = {kind_of(*at, timing): at for at in reversed(edge) if kind_of(*at, timing) not in found}
        found |= new
        edge = [following for at in new.values() for following in after(*at, timing)]
    return tuple(found.values())


def after(case: Case, now: datetime, timing: Timing) -> Iterator[tuple[Case, datetime]]:
    """What any command makes of the case, at once or at the moment at which time will change it."""
    moments = {now, now + timing.suspect_within, max(now, next_due_at(case, timing) or now)}
    for moment in moments:
        yield case, moment
        for command in COMMANDS:
            if may_happen(case, command):
                yield meet(case, command, moment, timing), moment


def may_happen(case: Case, command: Command) -> bool:
    """Whether the world can come up with it: no result of a mail that never was; others say nothing new."""
    if isinstance(command, HandedOver) and command.kind is MailKind.ASK:
        return case.state is State.ASKING
    if not isinstance(command, Accepted | Failed):
        return True
    if command.kind is MailKind.VERIFY:
        return case.state is State.UNVERIFIED
    if command.kind is MailKind.FOLLOW_UP:
        return case.followed_up_at is not None
    if command.kind is MailKind.REMINDER:
        return case.state is State.ASKING
    if command.kind is MailKind.RECEIPT:
        return case.is_open and command.to is not RITA
    if command.kind is MailKind.INTRODUCTION:
        return case.state in (State.INTRODUCING, State.INTRODUCED, State.CONFIRMED)
    return command.kind is MailKind.ASK and case.state is State.ASKING


def meet(case: Case, command: Command, now: datetime, timing: Timing) -> Case:
    try:
        return decide(case, command, now, timing).case
    except Refused:
        return case


@cache
def met(timing: Timing) -> tuple[tuple[Case, datetime, Command, Decision | Refused], ...]:
    """Every explored case with every command, and what came of it."""
    return tuple(
        (*at, command, outcome(*at, command, timing)) for at in explored(timing) for command in COMMANDS
    )


def outcome(case: Case, now: datetime, command: Command, timing: Timing) -> Decision | Refused:
    before = hash(case)
    try:
        return decide(case, command, now, timing)
    except Refused as refused:
        return refused
    finally:
        assert hash(case) == before


def decisions(timing: Timing) -> Iterator[tuple[Case, datetime, Command, Decision]]:
    return ((*rest, result) for *rest, result in met(timing) if isinstance(result, Decision))  # type: ignore[misc]


def name_of(result: Decision | Refused) -> str:
    return "ok" if isinstance(result, Decision) else type(result).__name__


EXPLORED_ONCE = [
    pytest.param(timing, id=name, marks=pytest.mark.xdist_group(name))
    for timing, name in ((TIMING, "trusting"), (SUSPICIOUS, "suspicious"))
]
"""What was explored takes some time and a gigabyte: one worker explores it, and then forgets it."""


@pytest.fixture(params=EXPLORED_ONCE, scope="module")
def timing(request: pytest.FixtureRequest) -> Iterator[Timing]:
    # None of it is garbage, and the collector would look through all of it again and again.
    gc.disable()
    yield request.param
    met.cache_clear()
    explored.cache_clear()
    gc.enable()


# First, as mutation testing credits only the first with the exploration that they all share.
def test_every_transition_is_on_record(timing: Timing) -> None:
    """Nothing changes unseen; `UPDATE_GOLDEN=1` writes the record anew, and then the difference is read."""
    record = TRANSITIONS[timing]
    found = sorted({transition(*decided) for decided in decisions(timing)})
    if os.environ.get("UPDATE_GOLDEN") == "1":
        record.write_text("\n".join(found) + "\n", encoding="utf-8")
    assert found == record.read_text(encoding="utf-8").splitlines()


def test_every_state_is_reached_in_every_kind_of_case(timing: Timing) -> None:
    states = {(case.state, case.order, case.requester_is) for case, _ in explored(timing)}
    assert states == {(state, *kind) for state in State for kind in kinds_of_request(timing)}
    assert {case.reason for case, _ in explored(timing)} == {None, *Reason}
    assert {side.state for case, _ in explored(timing) for _, side in case.sides} == set(ConsentState)
    assert {side.envelope for case, _ in explored(timing) for _, side in case.sides} == set(Envelope)


def test_every_state_meets_every_command_as_the_table_says(timing: Timing) -> None:
    seen: dict[tuple[str, str], set[str]] = {}
    for case, _, command, result in met(timing):
        seen.setdefault((row_of(case), column_of(command)), set()).add(name_of(result))
    assert seen == read_table(timing)


def test_a_refusal_always_has_a_name_of_its_own(timing: Timing) -> None:
    refusals = {type(result) for *_, result in met(timing) if isinstance(result, Refused)}
    assert Refused not in refusals
    assert refusals == set(Refused.__subclasses__()) - (set() if timing.suspect_within else {TooSoon})


def test_an_answer_is_refused_only_to_a_side_not_asked_and_to_the_requester_s_own(timing: Timing) -> None:
    for case, _, command, result in met(timing):
        if isinstance(command, Answer) and case.is_open:
            not_asked = case.side(command.side).state is ConsentState.WAITING
            refused = (not_asked or command.side is case.requester_is) and command.method != "never"
            assert (name_of(result) == "NotAsked") == refused


def test_an_undo_is_refused_only_where_no_answer_of_a_party_stands(timing: Timing) -> None:
    for case, _, command, result in met(timing):
        if isinstance(command, Undo) and case.is_open:
            stands = case.side(command.side).state in (ConsentState.YES, ConsentState.NO)
            refused = not stands or command.side is case.requester_is
            assert (name_of(result) == "NothingToUndo") == refused


def test_later_is_asked_for_only_by_who_never_answered_and_before_the_reminder_s_time(
    timing: Timing,
) -> None:
    for case, now, command, result in met(timing):
        if isinstance(command, AskLater) and case.state is State.ASKING:
            side = case.side(command.side)
            allowed = side.asked_at + timing.remind_after if case.reminders and side.asked_at else now + DAY
            fits = side.state is ConsentState.ASKED and side.asked_at is not None and not side.answers
            fits = fits and side.reminded_at is None and now < (side.remind_at or allowed)
            assert case.closes_at is not None
            fits = fits and now < command.at < case.closes_at
            assert (name_of(result) == "ok") == fits
            assert fits or not isinstance(result, Decision)


def test_whether_later_may_be_asked_for_does_not_depend_on_the_other_s_answer(timing: Timing) -> None:
    for case, now, command, result in met(timing):
        if isinstance(command, AskLater) and case.state is State.ASKING:
            other = NATASHA if command.side is LINDA else LINDA
            for state in (ConsentState.ASKED, ConsentState.NO):
                otherwise = case.with_side(other, replace(case.side(other), state=state))
                assert name_of(outcome(otherwise, now, command, timing)) == name_of(result)
                offered = moments_for_later(otherwise, command.side, now, timing)
                assert offered == moments_for_later(case, command.side, now, timing)


def test_every_moment_that_is_offered_for_later_is_taken(timing: Timing) -> None:
    for case, now in explored(timing):
        for role, _ in case.sides:
            offered = moments_for_later(case, role, now, timing)
            assert not offered or may_ask_later(case, role, now, timing)
            assert offered == sorted(set(offered))
            for moment in offered:
                assert name_of(outcome(case, now, AskLater(role, moment), timing)) == "ok"


def test_a_correction_needs_an_address_that_bounced_unanswered_and_was_not_corrected_before(
    timing: Timing,
) -> None:
    for case, now, command, result in met(timing):
        if isinstance(command, Correct) and case.is_open:
            side = case.side(command.side)
            fits = side.state is ConsentState.UNDELIVERABLE and not side.corrected and not side.answers
            assert case.closes_at is not None
            assert (name_of(result) == "ok") == (fits and now < case.closes_at)


def test_an_envelope_is_handed_over_exactly_while_the_outbox_is_told_that_it_is_wanted(
    timing: Timing,
) -> None:
    for case, _, command, result in met(timing):
        if column_of(command) == "HandedOver":
            assert isinstance(command, HandedOver)
            wanted = still_wanted(case, Mail(MailKind.INTRODUCTION, command.to))
            assert (name_of(result) == "ok") == wanted
            assert not wanted or case.both_said_yes


def test_the_fence_looks_at_the_answers_themselves_and_not_only_at_the_state(timing: Timing) -> None:
    for case, now in explored(timing):
        if case.state is State.INTRODUCING:
            broken = replace(case, b=replace(case.b, state=ConsentState.NO))
            assert name_of(outcome(broken, now, HandedOver(LINDA), timing)) == "NotAgreed"


def test_whatever_changes_leaves_an_event(timing: Timing) -> None:
    for case, _, command, decision in decisions(timing):
        assert decision.events or (decision.case == case and not decision.mails), (case, command)


def test_people_and_mails_always_leave_an_event_and_time_only_when_it_changes_something(
    timing: Timing,
) -> None:
    for case, now, command, decision in decisions(timing):
        due = next_due_at(case, timing)
        changes = not isinstance(command, Tick) or (due is not None and due <= now)
        assert bool(decision.events) == changes


def test_after_a_tick_nothing_is_due_any_more(timing: Timing) -> None:
    for _, now, command, decision in decisions(timing):
        due = next_due_at(decision.case, timing)
        assert not isinstance(command, Tick) or due is None or due > now


def test_two_ticks_do_what_one_does(timing: Timing) -> None:
    for _, now, command, decision in decisions(timing):
        if isinstance(command, Tick):
            assert decide(decision.case, command, now, timing) == Decision(decision.case)


def test_what_is_done_twice_in_a_row_asks_nobody_anything_new(timing: Timing) -> None:
    once_only = (MailKind.REMINDER, MailKind.FOLLOW_UP, MailKind.SUMMARY, MailKind.NOT_COME_ABOUT)
    for _, now, command, decision in decisions(timing):
        again = outcome(decision.case, now, command, timing)
        if isinstance(again, Decision):
            assert not [mail for mail in again.mails if mail.kind in once_only]


def test_no_decision_queues_a_mail_twice_or_for_a_moment_that_has_passed(timing: Timing) -> None:
    for _, now, _, decision in decisions(timing):
        keys = [(mail.kind, mail.to, mail.number, mail.about) for mail in decision.mails]
        assert len(keys) == len(set(keys))
        assert all(mail.number >= 1 and (mail.due_at is None or mail.due_at > now) for mail in decision.mails)


def test_a_mail_is_wanted_in_the_very_moment_that_queues_it(timing: Timing) -> None:
    for _, _, command, decision in decisions(timing):
        for mail in decision.mails:
            assert still_wanted(decision.case, mail) or superseded(mail, decision), (
                mail,
                command,
            )


def superseded(mail: Mail, decision: Decision) -> bool:
    """Who said before the follow-up that they are in touch is not asked again."""
    return mail.kind is MailKind.FOLLOW_UP and decision.case.side(mail.to).in_touch is not None


def test_whoever_was_agreed_upon_has_two_standing_yeses(timing: Timing) -> None:
    beyond = (State.AGREED, State.INTRODUCING, State.INTRODUCED, State.CONFIRMED)
    for case, _ in explored(timing):
        assert case.both_said_yes or case.state not in beyond


def test_asking_is_left_at_once_when_both_have_said_yes(timing: Timing) -> None:
    assert not [case for case, _ in explored(timing) if case.state is State.ASKING and case.both_said_yes]


def test_the_closing_moment_never_moves(timing: Timing) -> None:
    for case, _, _, decision in decisions(timing):
        assert case.closes_at in (None, decision.case.closes_at)


def test_what_has_left_introduced_or_ended_stays_so(timing: Timing) -> None:
    for case, _, _, decision in decisions(timing):
        after = decision.case
        assert case.left_at in (None, after.left_at)
        assert case.introduced_at in (None, after.introduced_at)
        assert case.state is not State.CONFIRMED or after.state is State.CONFIRMED
        assert case.state is not State.CLOSED or after.state in (State.CLOSED, State.CONFIRMED)


def test_a_case_has_a_reason_exactly_when_it_was_asked_and_closed(timing: Timing) -> None:
    for case, _ in explored(timing):
        asked_and_closed = case.state is State.CLOSED and case.verified_at is not None
        assert (case.reason is not None) == asked_and_closed


def test_an_open_case_always_knows_what_it_waits_for(timing: Timing) -> None:
    for case, _ in explored(timing):
        in_flight = case.state is State.INTRODUCING
        over = case.state in (State.CONFIRMED, State.CLOSED)
        assert (next_due_at(case, timing) is None) == (in_flight or over)
        assert not in_flight or Envelope.QUEUED in {side.envelope for _, side in case.sides}


def test_nobody_is_written_to_before_the_requester_is_verified(timing: Timing) -> None:
    for _, _, _, decision in decisions(timing):
        assert decision.case.verified_at is not None or not decision.mails


def test_the_requester_is_never_mistaken_for_a_side(timing: Timing) -> None:
    case, now = next(at for at in explored(timing) if at[0].state is State.ASKING)
    for command in (Answer(RITA, True), Undo(RITA), AskLater(RITA, now), Correct(RITA)):
        with pytest.raises(KeyError):
            decide(case, command, now, timing)


def test_an_answer_counts_unless_it_contradicts_another_sooner_than_a_person_does(timing: Timing) -> None:
    for case, now, command, decision in decisions(timing):
        if isinstance(command, Answer) and case.is_open:
            before, after = case.side(command.side), decision.case.side(command.side)
            said = ConsentState.YES if command.yes else ConsentState.NO
            soon = timing.is_too_soon(now, before.touched_at)
            suspect = command.method == "page" and soon and before.state is not said
            assert (after.state is said) != suspect
            assert after.suspects == before.suspects + suspect
            assert after.touched_at == now


def test_from_a_suspect_answer_follows_nothing_but_the_question_once_more(timing: Timing) -> None:
    for case, _, command, decision in decisions(timing):
        suspect = any(event.name == "answer suspect" for event in decision.events)
        if suspect and isinstance(command, Answer):
            after = decision.case.side(command.side)
            assert after.state not in (ConsentState.YES, ConsentState.NO)
            assert after.answered_at is None
            assert after.version == case.side(command.side).version
            assert decision.case.state is State.ASKING
            assert decision.case.hold_until is None
            own = [mail.kind for mail in decision.mails if mail.to is command.side]
            assert set(own) <= {MailKind.RECHECK, MailKind.ASK}
            assert RITA not in [mail.to for mail in decision.mails]


def test_no_hold_ends_before_a_contradicting_press_could_come_too_soon(timing: Timing) -> None:
    for case, _ in explored(timing):
        if case.state is State.AGREED and case.hold_until:
            for role, side in case.sides:
                pressed = side.touched_at if role is not case.requester_is else None
                assert pressed is None or case.hold_until >= pressed + timing.suspect_within
