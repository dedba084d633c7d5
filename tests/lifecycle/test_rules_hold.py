"""The rules of the design hold, whatever people, mails and the clock do.

A small world is played around the kernel: an outbox, a fence, a relay whose results come in any order, or
never, people who press every button at any time, and a clock that jumps. Hypothesis looks for a story in
which a rule breaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.lifecycle import (
    About,
    Accepted,
    AlreadyLeft,
    Answer,
    AskLater,
    Case,
    CaseClosed,
    Command,
    Confirm,
    ConsentState,
    Correct,
    Decision,
    Envelope,
    Failed,
    HandedOver,
    Mail,
    MailKind,
    Order,
    Refused,
    Role,
    State,
    Timing,
    Undo,
    decide,
    next_due_at,
    still_wanted,
)
from service.lifecycle.ledger import Entry, Facts, judge

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
    SUSPECT_WITHIN,
    SUSPICIOUS,
    TICK,
    TIMING,
    VERIFY,
    WITHDRAW,
)

FACTS = Facts("a new reception", frozenset({LINDA}), frozenset({LINDA}), frozenset(SIDES))
Key = tuple[MailKind, Role, int, About]
ONCE_EACH = (MailKind.INTRODUCTION, MailKind.REMINDER, MailKind.SUMMARY, MailKind.NOT_COME_ABOUT)
ALIVE = ("queued", "handover", "unknown")


def key_of(mail: Mail) -> Key:
    """What tells a mail from every other of its case."""
    return mail.kind, mail.to, mail.number, mail.about


@dataclass
class Row:
    """A mail in the outbox: queued, handover, sent, unknown, failed or skipped."""

    mail: Mail
    status: str = "queued"
    due_at: datetime | None = None
    sent_again: int = 0

    @property
    def key(self) -> Key:
        return key_of(self.mail)


@dataclass(frozen=True, eq=False)
class Trace:
    """What a side said: yes, yes by reply, no or undo."""

    at: datetime
    side: Role
    what: str


@dataclass(frozen=True)
class Handover:
    """A mail as it was handed to the relay, and the case at that moment."""

    at: datetime
    mail: Mail
    case: Case
    again: bool


@dataclass
class World:
    """What surrounds the kernel."""

    case: Case
    now: datetime = START
    rows: dict[Key, Row] = field(default_factory=dict)
    handed: list[Handover] = field(default_factory=list)
    ledger: list[Entry] = field(default_factory=list)
    timing: Timing = TIMING
    traces: list[Trace] = field(default_factory=list)
    later: dict[Role, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.enqueue(Mail(MailKind.VERIFY, RITA))

    def meet(self, command: Command) -> Decision:
        """One transaction: the decision, the outbox and the ledger."""
        before = self.case
        decision = decide(before, command, self.now, self.timing)
        self.note(command)
        self.case = decision.case
        assert before.state is self.case.state or decision.events
        if taken_back(before, self.case):
            self.delete_unsent_introduction()
        for mail in decision.mails:
            self.enqueue(mail)
        entry = judge(self.case, FACTS)
        if entry is not None and self.ledger[-1:] != [entry]:
            self.ledger.append(entry)
        return decision

    def note(self, command: Command) -> None:
        """Keep what was said, to tell later what came too soon after what."""
        if isinstance(command, Answer):
            word = ("yes by reply" if command.method == "reply" else "yes") if command.yes else "no"
            self.traces.append(Trace(self.now, command.side, word))
        elif isinstance(command, Undo):
            self.traces.append(Trace(self.now, command.side, "undo"))
        elif isinstance(command, AskLater):
            self.later[command.side] = command.at

    def try_to(self, command: Command) -> None:
        """Press a button that may be refused."""
        try:
            self.meet(command)
        except Refused:
            return

    def enqueue(self, mail: Mail) -> None:
        row = self.rows.setdefault(key_of(mail), Row(mail, due_at=mail.due_at))
        if row.status == "skipped":
            row.status, row.due_at = "queued", mail.due_at

    def delete_unsent_introduction(self) -> None:
        for row in self.of(MailKind.INTRODUCTION):
            assert row.status in ("queued", "skipped", "failed"), row
            del self.rows[row.key]

    def of(self, kind: MailKind) -> list[Row]:
        return [row for row in self.rows.values() if row.mail.kind is kind]

    def having(self, *statuses: str) -> list[Row]:
        return [row for row in self.rows.values() if row.status in statuses]

    def ready(self) -> list[Row]:
        return [row for row in self.having("queued") if row.due_at is None or row.due_at <= self.now]

    def hand_over(self, row: Row) -> None:
        """The fence, and the dot."""
        mail = row.mail
        if not still_wanted(self.case, mail):
            row.status = "skipped"
            return
        check_at_the_fence(self, mail)
        self.handed.append(Handover(self.now, mail, self.case, again=row.sent_again > 0))
        row.status = "handover"
        self.meet(HandedOver(mail.to, mail.kind))

    def accept(self, row: Row, *, certain: bool = True) -> None:
        row.status = "sent"
        self.meet(Accepted(row.mail.kind, row.mail.to, certain=certain))

    def fail(self, row: Row) -> None:
        came_back = row.status == "sent"
        row.status = "failed"
        self.meet(Failed(row.mail.kind, row.mail.to, came_back=came_back))

    def lose_track_of(self, row: Row) -> None:
        """Nobody knows whether it was taken: it is sent again once, and then taken for accepted."""
        if row.sent_again or row.mail.kind not in (MailKind.ASK, MailKind.INTRODUCTION):
            self.accept(row, certain=False)
        else:
            row.status, row.sent_again = "queued", 1

    def next_moment(self) -> datetime | None:
        due = [
            row.due_at for row in self.having("queued") if row.due_at is not None and row.due_at > self.now
        ]
        ticks = next_due_at(self.case, self.timing)
        return min([*due, *([ticks] if ticks else [])], default=None)

    def run_out(self) -> None:
        """Let all mails settle and all time pass."""
        for _ in range(60):
            for row in self.having("handover"):
                self.accept(row)
            for row in self.ready():
                self.hand_over(row)
            moment = self.next_moment()
            if not self.ready() and not self.having("handover"):
                if moment is None:
                    return
                self.now = max(self.now, moment)
                self.meet(TICK)
        raise AssertionError("the case never comes to rest")


def taken_back(before: Case, after: Case) -> bool:
    queued = Envelope.QUEUED in {side.envelope for _, side in before.sides}
    return queued and {side.envelope for _, side in after.sides} == {Envelope.NONE}


def check_at_the_fence(world: World, mail: Mail) -> None:  # noqa: C901 (a list of what holds)
    """What must hold in the moment in which a mail is handed over."""
    case = world.case
    asking = mail.kind in (MailKind.ASK, MailKind.REMINDER)
    if mail.kind is MailKind.INTRODUCTION:
        assert case.both_said_yes
        for side in SIDES:
            if side is not case.requester_is and not case.left_at:
                check_that_a_person_said_yes(world, side)
    if mail.kind is MailKind.RECHECK:
        assert case.side(mail.to).state is ConsentState.ASKED
        assert mail.number <= 3
    if asking or mail.kind is MailKind.INTRODUCTION:
        wished_for = mail.kind is MailKind.REMINDER and mail.to in world.later
        assert wished_for or not case.a_no_stands
    if mail.kind is MailKind.ASK:
        assert mail.number == 1 + case.side(mail.to).corrected
    if mail.kind is MailKind.REMINDER:
        assert case.reminders or mail.to in world.later
        assert case.side(mail.to).remind_at in (None, world.later.get(mail.to))
        assert world.now >= (case.side(mail.to).remind_at or START)
        assert case.side(mail.to).answers == 0
        assert case.side(mail.to).asked_at is not None
    if mail.kind is MailKind.DECLINED:
        assert any(side.tells_requester for _, side in case.sides)
    if case.verified_at is None:
        assert mail.kind is MailKind.VERIFY
    if mail.kind in (MailKind.NOT_COME_ABOUT, MailKind.SUMMARY) and not case.left_at:
        assert case.closes_at is not None
        assert world.now >= case.closes_at
    if mail.kind in ONCE_EACH and not world.rows[key_of(mail)].sent_again:
        assert not handed_to(world, mail.kind, mail.to)


def check_that_a_person_said_yes(world: World, side: Role) -> None:
    """The last word of this side is a yes, and one of its repetitions was not too quick for a person."""
    within, traces = world.timing.suspect_within, [trace for trace in world.traces if trace.side is side]
    assert not within or all(trace.at + within <= world.now for trace in traces)
    before, last_words = [*traces], list[Trace]()
    while before and before[-1].what in ("yes", "yes by reply"):
        last_words.append(before.pop())
    assert any(is_a_persons(word, traces, within) for word in last_words)


def is_a_persons(word: Trace, traces: list[Trace], within: timedelta) -> bool:
    if word.what == "yes by reply" or not within:
        return True
    earlier = traces[: traces.index(word)]
    return not [it for it in earlier if it.what in ("no", "undo") and word.at < it.at + within]


sides = st.sampled_from(SIDES)
jumps = st.sampled_from(
    [
        SUSPECT_WITHIN / 2,
        SUSPECT_WITHIN,
        MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        HOUR,
        DAY,
        3 * DAY,
        4 * DAY,
        7 * DAY,
        14 * DAY,
        24 * DAY,
        60 * DAY,
    ]
)


class TheWorld(RuleBasedStateMachine):
    """Everybody does anything at any time."""

    @initialize(
        requester_is=st.sampled_from([None, LINDA, NATASHA]),
        order=st.sampled_from(Order),
        reminders=st.booleans(),
        copy=st.booleans(),
        verified=st.sampled_from([True, True, True, False]),
        timing=st.sampled_from([TIMING, SUSPICIOUS, replace(SUSPICIOUS, hold_for=timedelta(0))]),
    )
    def rita_fills_in_the_form(
        self,
        requester_is: Role | None,
        order: Order,
        reminders: bool,
        copy: bool,
        verified: bool,
        timing: Timing,
    ) -> None:
        self.world = World(Case(START, requester_is, order, reminders, copy), timing=timing)
        self.case_before = self.world.case
        if verified:
            self.world.meet(VERIFY)

    # What people do.

    @rule()
    def rita_verifies(self) -> None:
        self.world.try_to(VERIFY)

    @rule(side=sides, method=st.sampled_from(["page", "page", "reply"]))
    def a_party_says_yes(self, side: Role, method: str) -> None:
        self.world.try_to(Answer(side, yes=True, method=method))

    @rule()
    def both_say_yes(self) -> None:
        for side in (*SIDES, *SIDES):
            self.everything_ready_leaves_and_is_accepted()
            self.world.now += self.world.timing.suspect_within
            self.world.try_to(Answer(side, yes=True))
        self.everything_ready_leaves_and_is_accepted()

    @rule(side=sides, method=st.sampled_from(["page", "never"]), tell=st.booleans())
    def a_party_says_no(self, side: Role, method: str, tell: bool) -> None:
        self.world.try_to(Answer(side, yes=False, method=method, tell_requester=tell))

    @rule(side=sides)
    def a_party_takes_the_answer_back(self, side: Role) -> None:
        self.world.try_to(Undo(side))

    @rule(side=sides, wait=jumps)
    def a_party_asks_for_later(self, side: Role, wait: timedelta) -> None:
        before = self.world.case
        self.world.try_to(AskLater(side, self.world.now + wait))
        assert self.world.case == before.with_side(side, self.world.case.side(side))

    @precondition(lambda self: self.world.now > START + DAY)
    @rule()
    def rita_withdraws(self) -> None:
        self.world.try_to(WITHDRAW)

    @rule()
    def rita_sends_the_reminder(self) -> None:
        self.world.try_to(REMIND_NOW)

    @rule(side=sides)
    def rita_corrects_an_address(self, side: Role) -> None:
        self.world.try_to(Correct(side))

    @rule(side=sides, in_touch=st.booleans())
    def a_party_answers_the_follow_up(self, side: Role, in_touch: bool) -> None:
        self.world.try_to(Confirm(side, in_touch))

    # What the clock does.

    @rule(jump=jumps, ticks=st.booleans())
    def time_passes(self, jump: timedelta, ticks: bool) -> None:
        self.world.now += jump
        if ticks:
            self.world.meet(TICK)

    @rule()
    def the_sweep_comes_by(self) -> None:
        self.world.meet(TICK)
        assert self.world.meet(TICK) == Decision(self.world.case)
        due = next_due_at(self.world.case, self.world.timing)
        assert due is None or due > self.world.now

    # What mails do.

    @precondition(lambda self: self.world.ready())
    @rule(data=st.data())
    def a_mail_leaves(self, data: st.DataObject) -> None:
        self.world.hand_over(data.draw(st.sampled_from(self.world.ready())))

    @rule()
    def everything_ready_leaves_and_is_accepted(self) -> None:
        for row in self.world.ready():
            if row.key in self.world.rows:
                self.world.hand_over(row)
        for row in self.world.having("handover"):
            self.world.accept(row)

    @precondition(lambda self: self.world.having("handover"))
    @rule(data=st.data(), result=st.sampled_from(["accept", "accept", "fail", "lose_track_of"]))
    def a_result_comes_in(self, data: st.DataObject, result: str) -> None:
        row = data.draw(st.sampled_from(self.world.having("handover")))
        getattr(self.world, result)(row)

    @precondition(lambda self: self.world.ready())
    @rule(data=st.data())
    def a_recipient_is_refused_before_the_dot(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.world.ready()))
        if still_wanted(self.world.case, row.mail):
            self.world.fail(row)

    @precondition(lambda self: self.world.having("sent"))
    @rule(data=st.data())
    def a_mail_bounces_after_acceptance(self, data: st.DataObject) -> None:
        self.world.fail(data.draw(st.sampled_from(self.world.having("sent"))))

    # What always holds.

    @invariant()
    def only_who_said_yes_in_vain_is_told_that_it_did_not_come_about(self) -> None:
        for row in self.world.of(MailKind.NOT_COME_ABOUT):
            assert self.world.case.introduced_at is None
            assert self.world.case.side(row.mail.to).state is ConsentState.YES

    @invariant()
    def once_the_introduction_has_left_nothing_stops_it(self) -> None:
        case = self.world.case
        if case.left_at is None:
            return
        for command in (Undo(LINDA), Undo(NATASHA), WITHDRAW, Answer(LINDA, yes=False)):
            assert isinstance(refusal(case, command, self.world), AlreadyLeft | CaseClosed)
        for role, side in case.sides:
            if side.envelope is Envelope.QUEUED:
                assert still_wanted(case, Mail(MailKind.INTRODUCTION, role))
        assert case.both_said_yes

    @invariant()
    def what_the_case_waits_for_is_really_on_its_way(self) -> None:
        case = self.world.case
        for role, side in case.sides:
            silent = side.state is ConsentState.ASKED and not side.answers
            unsent = case.state is State.ASKING and silent and not side.asked_at
            if unsent and not case.a_no_stands and self.world.now < (case.closes_at or START):
                assert self.is_on_its_way(Mail(MailKind.ASK, role, 1 + side.corrected))
            if side.envelope is Envelope.QUEUED:
                assert self.is_on_its_way(Mail(MailKind.INTRODUCTION, role))

    def is_on_its_way(self, mail: Mail) -> bool:
        row = self.world.rows.get(key_of(mail))
        return row is not None and row.status in ALIVE

    @invariant()
    def rita_is_told_of_every_address_that_cannot_be_reached(self) -> None:
        case = self.world.case
        lost = [role for role, side in case.sides if side.state is ConsentState.UNDELIVERABLE]
        told = {row.mail.about for row in self.world.of(MailKind.UNDELIVERABLE)}
        assert {About(role) for role in lost} <= told

    @invariant()
    def a_second_side_is_asked_only_after_a_first_yes(self) -> None:
        first = {Order.A_FIRST: LINDA, Order.B_FIRST: NATASHA}.get(self.world.case.order)
        for handed in self.world.handed:
            if first and handed.mail.kind is MailKind.ASK and handed.mail.to is not first:
                assert handed.case.side(first).state is ConsentState.YES

    @invariant()
    def the_closing_moment_never_moves(self) -> None:
        assert self.case_before.closes_at in (None, self.world.case.closes_at)
        self.case_before = self.world.case

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.run_out()
        check_the_end(self.world)


def refusal(case: Case, command: Command, world: World) -> Refused | None:
    try:
        decide(case, command, world.now, world.timing)
    except Refused as refused:
        return refused
    return None


def check_the_end(world: World) -> None:
    """What must hold when all time has passed and all mails are settled."""
    case = world.case
    assert case.state in (State.CONFIRMED, State.CLOSED)
    assert next_due_at(case, world.timing) is None
    if case.verified_at is None:
        assert not world.ledger
        assert {handed.mail.kind for handed in world.handed} <= {MailKind.VERIFY}
        return
    assert world.ledger[-1] == judge(case, FACTS)
    assert (world.ledger[-1].outcome == "referral") == (case.state is State.CONFIRMED)
    [summary] = world.of(MailKind.SUMMARY)
    assert summary.status in ("sent", "failed")
    check_what_the_introduced_got(world)


def check_what_the_introduced_got(world: World) -> None:
    if world.case.introduced_at is None:
        assert not world.of(MailKind.FOLLOW_UP)
        return
    assert all(handed_to(world, MailKind.INTRODUCTION, side) for side in SIDES)
    copies = [row for row in world.of(MailKind.INTRODUCTION) if row.mail.to is RITA]
    assert len(copies) == (world.case.cc_requester and world.case.requester_is is None)
    assert all(row.status in ("sent", "failed") for row in copies)
    if world.case.state is State.CLOSED:
        assert len(world.of(MailKind.FOLLOW_UP)) == 2


def handed_to(world: World, kind: MailKind, to: Role) -> bool:
    return any(handed.mail.kind is kind and handed.mail.to is to for handed in world.handed)


TestTheRulesHold = TheWorld.TestCase


# What Rita can tell from her mails.

minutes = st.integers(1, 8 * 24 * 60)
Step = tuple[int, Command]


def steps(side: Role, *, may_agree: bool) -> st.SearchStrategy[list[Step]]:
    words: list[Command] = [Answer(side, yes=False), Answer(side, yes=False, method="never"), Undo(side)]
    words += [AskLater(side, START + days * DAY) for days in (2, 5)]
    if may_agree:
        words.append(Answer(side, yes=True))
    return st.lists(st.tuples(minutes, st.sampled_from(words)), max_size=4)


@st.composite
def two_lives(draw: st.DrawFn) -> tuple[dict[str, Any], list[Step], list[Step], list[Step], Role | None]:
    """A request, what Rita does, what the two say in one life and in another, and whose address is bad.

    One side never says yes, so nothing leaves in either life. Who cannot be reached says nothing. Whether
    the second side of an ordered case can be reached is known only after a first yes, which the design
    accepts ("the requester is told at once that an address cannot be reached"); so that is left out.
    """
    order = draw(st.sampled_from(Order))
    about = {
        "order": order,
        "reminders": draw(st.booleans()),
        "requester_is": draw(st.sampled_from([None, LINDA, NATASHA])),
        "cc_requester": draw(st.booleans()),
    }
    may_be_bad = {Order.A_FIRST: [LINDA], Order.B_FIRST: [NATASHA], Order.TOGETHER: [*SIDES]}[order]
    bad = draw(st.sampled_from([None, *(side for side in may_be_bad if side is not about["requester_is"])]))
    never_agrees = bad or about["requester_is"] or draw(sides)
    if never_agrees is about["requester_is"]:
        never_agrees = NATASHA if never_agrees is LINDA else LINDA

    def life() -> list[Step]:
        said = [step for side in SIDES if side is not bad for step in draw(of_side[side])]
        return [step for step in said if step[1].side is not about["requester_is"]]  # type: ignore[union-attr]

    of_side = {side: steps(side, may_agree=side is not never_agrees) for side in SIDES}
    rita: list[Command] = [WITHDRAW, REMIND_NOW, *([Correct(bad)] if bad else [])]
    does = draw(st.lists(st.tuples(minutes, st.sampled_from(rita)), max_size=2))
    return about, does, life(), life(), bad


@given(lives=two_lives())
def test_rita_s_mails_before_the_end_do_not_depend_on_a_private_answer(
    lives: tuple[dict[str, Any], list[Step], list[Step], list[Step], Role | None],
) -> None:
    about, does, one, other, bad = lives
    assert mails_to_rita(about, does + one, bad) == mails_to_rita(about, does + other, bad)


def mails_to_rita(about: dict[str, Any], script: list[Step], bad: Role | None) -> list[tuple[datetime, Key]]:
    """When which mails reach Rita up to the closing moment, where every mail takes no time at all."""
    world = World(Case(START, **about))
    world.meet(VERIFY)
    closes_at = world.case.closes_at
    assert closes_at is not None
    everything_leaves(world)
    bounce = [(30, Failed(MailKind.ASK, bad))] if bad else []
    for minute, command in sorted([*script, *bounce], key=lambda step: step[0]):
        go_on_until(world, START + minute * MINUTE)
        world.try_to(command)
        everything_leaves(world)
    go_on_until(world, closes_at)
    assert world.case.left_at is None
    to_rita = [(handed.at, handed.mail) for handed in world.handed if handed.mail.to is RITA]
    return [(at, key_of(mail)) for at, mail in to_rita]


def go_on_until(world: World, then: datetime) -> None:
    while (moment := world.next_moment()) is not None and moment <= then:
        world.now = max(world.now, moment)
        world.meet(TICK)
        everything_leaves(world)
    world.now = max(world.now, then)


def everything_leaves(world: World) -> None:
    for row in world.ready():
        world.hand_over(row)
        if row.status == "handover":
            world.accept(row)
