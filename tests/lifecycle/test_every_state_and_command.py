"""Every reachable kind of case meets every command.

The cases are found by breadth-first exploration from new requests of every kind: every command is played
at once, and time is let go on to the moment that the case itself names. Cases that differ only in dates
count as one kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any

import pytest

from service.lifecycle import (
    Accepted,
    Answer,
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
    Side,
    State,
    Tick,
    Undo,
    decide,
    next_due_at,
    still_wanted,
)

from .builders import LINDA, RITA, START, TIMING, every_command

COMMANDS = tuple(every_command())
FRESH = (ConsentState.WAITING, ConsentState.ASKED)

# Which command is taken in which state; a cell names every answer that the kernel may give.
# "left" is an introduction of which an envelope has reached its handover, "not come about" a closed case
# without an introduction, "unconfirmed" a closed case with one, "lapsed" a request that nobody verified.
TABLE = """
state           | Verify             | Answer       | Undo             | Withdraw    | Correct          | HandedOver   | Accepted | Failed | Confirm       | Tick
unverified      | ok                 | NotAsked     | NotAsked         | ok          | NotAsked         | NotAgreed    | ok       | ok     | NotIntroduced | ok
lapsed          | VerificationLapsed | CaseClosed   | CaseClosed       | CaseClosed  | CaseClosed       | NotAgreed    | ok       | ok     | NotIntroduced | ok
asking          | AlreadyVerified    | ok NotAsked  | ok NothingToUndo | ok CaseClosed | ok NotCorrectable| NotAgreed    | ok       | ok     | NotIntroduced | ok
agreed          | AlreadyVerified    | ok NotAsked  | ok NothingToUndo | ok          | NotCorrectable   | NotAgreed    | ok       | ok     | NotIntroduced | ok
introducing     | AlreadyVerified    | ok NotAsked  | ok NothingToUndo | ok          | NotCorrectable   | ok           | ok       | ok     | NotIntroduced | ok
left            | AlreadyVerified    | AlreadyLeft  | AlreadyLeft      | AlreadyLeft | AlreadyLeft      | ok           | ok       | ok     | NotIntroduced | ok
introduced      | AlreadyVerified    | AlreadyLeft  | AlreadyLeft      | AlreadyLeft | AlreadyLeft      | ok NotAgreed | ok       | ok     | ok            | ok
confirmed       | AlreadyVerified    | AlreadyLeft  | AlreadyLeft      | AlreadyLeft | AlreadyLeft      | ok NotAgreed | ok       | ok     | ok            | ok
not come about  | AlreadyVerified    | CaseClosed   | CaseClosed       | CaseClosed  | CaseClosed       | NotAgreed    | ok       | ok     | NotIntroduced | ok
unconfirmed     | AlreadyVerified    | CaseClosed   | CaseClosed       | CaseClosed  | CaseClosed       | ok NotAgreed | ok       | ok     | ok            | ok
"""  # noqa: E501


def read_table() -> dict[tuple[str, str], set[str]]:
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines())
    return {
        (row[0], name): set(cell.split())
        for row in rows
        for name, cell in zip(head[1:], row[1:], strict=True)
    }


def row_of(case: Case) -> str:
    if case.state is State.CLOSED:
        if case.verified_at is None:
            return "lapsed"
        return "unconfirmed" if case.introduced_at else "not come about"
    return "left" if case.state is State.INTRODUCING and case.left_at else case.state.value


def requests() -> Iterator[Case]:
    """New requests: every order, and whether the requester is one of the two or not."""
    for order, one_of_the_two in product(Order, (None, LINDA)):
        yield Case(START, one_of_the_two, order, reminders=True, cc_requester=True)


def kind_of(case: Case, now: datetime) -> tuple[Any, ...]:
    """What tells two cases apart besides their dates; how it was asked matters only while it is asked."""
    times = (case.verified_at, case.hold_until, case.left_at, case.introduced_at, case.followed_up_at)
    over = case.closes_at is not None and case.closes_at <= now
    about = (case.requester_is, case.order, case.reminders, case.state, case.reason, case.summarised, over)
    return (*about, *(time is None for time in times), *(kind_of_side(side, case) for _, side in case.sides))


def kind_of_side(side: Side, case: Case) -> tuple[Any, ...]:
    kind = (side.state, side.envelope, side.in_touch)
    if not case.is_open:
        return kind
    waits_for = (side.asked_at is None, side.reminded_at is None) if side.state in FRESH else ()
    return (*kind, *waits_for, side.answers > 0, side.corrected)


@cache
def explored() -> tuple[tuple[Case, datetime], ...]:
    """One case, at a moment, of every reachable kind."""
    found: dict[tuple[Any, ...], tuple[Case, datetime]] = {}
    edge = [(case, START) for case in requests()]
    while edge:
        new = {kind_of(*at): at for at in reversed(edge) if kind_of(*at) not in found}
        found |= new
        edge = [following for at in new.values() for following in after(*at)]
    return tuple(found.values())


def after(case: Case, now: datetime) -> Iterator[tuple[Case, datetime]]:
    """What any command makes of the case, at once or at the moment at which time will change it."""
    moments = {now, max(now, next_due_at(case, TIMING) or now)}
    for moment in moments:
        yield case, moment
        for command in COMMANDS:
            if may_happen(case, command):
                yield meet(case, command, moment), moment


def may_happen(case: Case, command: Command) -> bool:
    """Whether the world can come up with it: no result of a mail that never was; others say nothing new."""
    if not isinstance(command, Accepted | Failed):
        return True
    if command.kind is MailKind.INTRODUCTION:
        return case.state in (State.INTRODUCING, State.INTRODUCED, State.CONFIRMED)
    return command.kind is MailKind.ASK and case.state is State.ASKING


def meet(case: Case, command: Command, now: datetime) -> Case:
    try:
        return decide(case, command, now, TIMING).case
    except Refused:
        return case


@cache
def met() -> tuple[tuple[Case, datetime, Command, Decision | Refused], ...]:
    """Every explored case with every command, and what came of it."""
    return tuple((*at, command, outcome(*at, command)) for at in explored() for command in COMMANDS)


def outcome(case: Case, now: datetime, command: Command) -> Decision | Refused:
    before = hash(case)
    try:
        return decide(case, command, now, TIMING)
    except Refused as refused:
        return refused
    finally:
        assert hash(case) == before


def decisions() -> Iterator[tuple[Case, datetime, Command, Decision]]:
    return ((*rest, result) for *rest, result in met() if isinstance(result, Decision))  # type: ignore[misc]


def name_of(result: Decision | Refused) -> str:
    return "ok" if isinstance(result, Decision) else type(result).__name__


def test_every_state_is_reached_in_every_kind_of_case() -> None:
    states = {(case.state, case.order, case.requester_is) for case, _ in explored()}
    assert states == set(product(State, Order, (None, LINDA)))
    assert {case.reason for case, _ in explored()} == {None, *Reason}
    assert {side.state for case, _ in explored() for _, side in case.sides} == set(ConsentState)
    assert {side.envelope for case, _ in explored() for _, side in case.sides} == set(Envelope)


def test_every_state_meets_every_command_as_the_table_says() -> None:
    seen: dict[tuple[str, str], set[str]] = {}
    for case, _, command, result in met():
        seen.setdefault((row_of(case), type(command).__name__), set()).add(name_of(result))
    assert seen == read_table()


def test_a_refusal_always_has_a_name_of_its_own() -> None:
    refusals = {type(result) for *_, result in met() if isinstance(result, Refused)}
    assert Refused not in refusals
    assert refusals == set(Refused.__subclasses__())


def test_an_answer_is_refused_only_to_a_side_not_asked_and_to_the_requester_s_own() -> None:
    for case, _, command, result in met():
        if isinstance(command, Answer) and case.is_open:
            not_asked = case.side(command.side).state is ConsentState.WAITING
            refused = (not_asked or command.side is case.requester_is) and command.method != "never"
            assert (name_of(result) == "NotAsked") == refused


def test_an_undo_is_refused_only_where_no_answer_of_a_party_stands() -> None:
    for case, _, command, result in met():
        if isinstance(command, Undo) and case.is_open:
            stands = case.side(command.side).state in (ConsentState.YES, ConsentState.NO)
            refused = not stands or command.side is case.requester_is
            assert (name_of(result) == "NothingToUndo") == refused


def test_a_correction_needs_an_address_that_bounced_unanswered_and_was_not_corrected_before() -> None:
    for case, now, command, result in met():
        if isinstance(command, Correct) and case.is_open:
            side = case.side(command.side)
            fits = side.state is ConsentState.UNDELIVERABLE and not side.corrected and not side.answers
            assert case.closes_at is not None
            assert (name_of(result) == "ok") == (fits and now < case.closes_at)


def test_an_envelope_is_handed_over_exactly_while_the_outbox_is_told_that_it_is_wanted() -> None:
    for case, _, command, result in met():
        if isinstance(command, HandedOver):
            wanted = still_wanted(case, MailKind.INTRODUCTION, command.to, 1)
            assert (name_of(result) == "ok") == wanted
            assert not wanted or case.both_said_yes


def test_the_fence_looks_at_the_answers_themselves_and_not_only_at_the_state() -> None:
    for case, now in explored():
        if case.state is State.INTRODUCING:
            broken = replace(case, b=replace(case.b, state=ConsentState.NO))
            assert name_of(outcome(broken, now, HandedOver(LINDA))) == "NotAgreed"


def test_whatever_changes_leaves_an_event() -> None:
    for case, _, command, decision in decisions():
        assert decision.events or (decision.case == case and not decision.mails), (case, command)


def test_people_and_mails_always_leave_an_event_and_time_only_when_it_changes_something() -> None:
    for case, now, command, decision in decisions():
        due = next_due_at(case, TIMING)
        changes = not isinstance(command, Tick) or (due is not None and due <= now)
        assert bool(decision.events) == changes


def test_after_a_tick_nothing_is_due_any_more() -> None:
    for _, now, command, decision in decisions():
        due = next_due_at(decision.case, TIMING)
        assert not isinstance(command, Tick) or due is None or due > now


def test_two_ticks_do_what_one_does() -> None:
    for _, now, command, decision in decisions():
        if isinstance(command, Tick):
            assert decide(decision.case, command, now, TIMING) == Decision(decision.case)


def test_what_is_done_twice_in_a_row_asks_nobody_anything_new() -> None:
    once_only = (MailKind.REMINDER, MailKind.FOLLOW_UP, MailKind.SUMMARY, MailKind.NOT_COME_ABOUT)
    for _, now, command, decision in decisions():
        again = outcome(decision.case, now, command)
        if isinstance(again, Decision):
            assert not [mail for mail in again.mails if mail.kind in once_only]


def test_no_decision_queues_a_mail_twice_or_for_a_moment_that_has_passed() -> None:
    for _, now, _, decision in decisions():
        keys = [(mail.kind, mail.to, mail.round) for mail in decision.mails]
        assert len(keys) == len(set(keys))
        assert all(mail.round >= 1 and (mail.due_at is None or mail.due_at > now) for mail in decision.mails)


def test_a_mail_is_wanted_in_the_very_moment_that_queues_it() -> None:
    for _, _, command, decision in decisions():
        for mail in decision.mails:
            assert still_wanted(decision.case, mail.kind, mail.to, mail.round) or superseded(
                mail, decision
            ), (
                mail,
                command,
            )


def superseded(mail: Mail, decision: Decision) -> bool:
    """Who said before the follow-up that they are in touch is not asked again."""
    return mail.kind is MailKind.FOLLOW_UP and decision.case.side(mail.to).in_touch is not None


def test_whoever_was_agreed_upon_has_two_standing_yeses() -> None:
    beyond = (State.AGREED, State.INTRODUCING, State.INTRODUCED, State.CONFIRMED)
    for case, _ in explored():
        assert case.both_said_yes or case.state not in beyond


def test_asking_is_left_at_once_when_both_have_said_yes() -> None:
    assert not [case for case, _ in explored() if case.state is State.ASKING and case.both_said_yes]


def test_the_closing_moment_never_moves() -> None:
    for case, _, _, decision in decisions():
        assert case.closes_at in (None, decision.case.closes_at)


def test_what_has_left_introduced_or_ended_stays_so() -> None:
    for case, _, _, decision in decisions():
        after = decision.case
        assert case.left_at in (None, after.left_at)
        assert case.introduced_at in (None, after.introduced_at)
        assert case.state is not State.CONFIRMED or after.state is State.CONFIRMED
        assert case.state is not State.CLOSED or after.state in (State.CLOSED, State.CONFIRMED)


def test_a_case_has_a_reason_exactly_when_it_was_asked_and_closed() -> None:
    for case, _ in explored():
        asked_and_closed = case.state is State.CLOSED and case.verified_at is not None
        assert (case.reason is not None) == asked_and_closed


def test_an_open_case_always_knows_what_it_waits_for() -> None:
    for case, _ in explored():
        in_flight = case.state is State.INTRODUCING
        over = case.state in (State.CONFIRMED, State.CLOSED)
        assert (next_due_at(case, TIMING) is None) == (in_flight or over)
        assert not in_flight or Envelope.QUEUED in {side.envelope for _, side in case.sides}


def test_nobody_is_written_to_before_the_requester_is_verified() -> None:
    for _, _, _, decision in decisions():
        assert decision.case.verified_at is not None or not decision.mails


def test_the_requester_is_never_mistaken_for_a_side() -> None:
    case, now = next(at for at in explored() if at[0].state is State.ASKING)
    for command in (Answer(RITA, True), Undo(RITA), Correct(RITA)):
        with pytest.raises(KeyError):
            decide(case, command, now, TIMING)
