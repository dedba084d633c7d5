"""One rule for each command that people and mails bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from .case import Case, Side, Timing
from .commands import (
    Accepted,
    Answer,
    AskLater,
    Command,
    Confirm,
    Correct,
    Decision,
    Event,
    Failed,
    HandedOver,
    Mail,
    RemindNow,
    Tick,
    Undo,
    Verify,
    Withdraw,
)
from .consequences import ask_failed, close, envelope_settled, may_be_reminded, remind, settle, summarise
from .due import tick
from .later import may_ask_later
from .refusals import (
    AlreadyLeft,
    AlreadyVerified,
    CaseClosed,
    NoReminder,
    NotAgreed,
    NotAsked,
    NotCorrectable,
    NothingToUndo,
    NotIntroduced,
    NotLater,
    TooSoon,
    VerificationLapsed,
)
from .relevance import RECHECKS, still_wanted
from .states import NEVER, PAGE, About, ConsentState, Envelope, MailKind, Order, Reason, Role, State

ANSWERED = (ConsentState.YES, ConsentState.NO)
ASKING_MAILS = (MailKind.ASK, MailKind.REMINDER, MailKind.RECHECK, MailKind.UNCLEAR)
"""The mails that ask a side for its answer: who cannot get one of them cannot be asked."""
LINKED = (*ASKING_MAILS, MailKind.RECEIPT, MailKind.FOLLOW_UP)
"""The mails that carry a side's link, for a scanner to press what is behind it."""


def decide(case: Case, command: Command, now: datetime, timing: Timing) -> Decision:
    """Decide what follows when ``command`` meets ``case`` at ``now``.

    Raises a Refused, named for what is odd, when the command does not fit; then nothing changes.
    """
    rule: Callable[..., Decision] = _RULES[type(command)]
    return rule(case, command, now, timing)


def _verify(case: Case, _: Verify, now: datetime, timing: Timing) -> Decision:
    if case.verified_at is not None:
        raise AlreadyVerified
    if case.state is State.CLOSED or now >= case.created_at + timing.verify_within:
        raise VerificationLapsed
    turns = 1 if case.order is Order.TOGETHER else 2
    case = replace(case, state=State.ASKING, verified_at=now, closes_at=now + turns * timing.answer_within)
    decision = Decision(case, (Event("verified", Role.REQUESTER),))
    if case.requester_is:
        own = replace(
            case.side(case.requester_is), state=ConsentState.YES, asked_at=now, answered_at=now, answers=1
        )
        event = Event("answered", case.requester_is, {"answer": "yes", "method": "request"})
        decision = decision.then(case.with_side(case.requester_is, own), event)
    return settle(decision, now, timing)


def _answer(case: Case, command: Answer, now: datetime, timing: Timing) -> Decision:
    side = _answering_side(case, command)
    said = ConsentState.YES if command.yes else ConsentState.NO
    detail = {"answer": said.value, "method": command.method} | command.evidence
    if _is_suspect(side, command, said, now, timing):
        return _ask_once_more(case, command, side, detail, now, timing)
    side = replace(side, touched_at=now)
    tells = command.tell_requester and said is ConsentState.NO
    if side.state is said and side.tells_requester == tells:
        # A second click on the same button: what was queued is built anew, as the details may be new.
        again = Decision(case.with_side(command.side, side), (Event("answered again", command.side, detail),))
        return settle(again, now, timing)
    side = replace(side, state=said, answered_at=now, answers=side.answers + 1, tells_requester=tells)
    decision = Decision(case.with_side(command.side, side), (Event("answered", command.side, detail),))
    if command.side is not case.requester_is and command.method != NEVER:
        decision = decision.then(decision.case, Mail(MailKind.RECEIPT, command.side, side.answers))
    if tells:
        mail = Mail(MailKind.DECLINED, Role.REQUESTER, side.answers, About(command.side))
        decision = decision.then(decision.case, mail)
    return settle(decision, now, timing)


def _answering_side(case: Case, command: Answer) -> Side:
    """Find the side that answers. "Never again" is a no even where nobody was asked yet."""
    side = _open_side(case, command.side)
    never = command.method == NEVER and not command.yes
    if not never and (side.state is ConsentState.WAITING or command.side is case.requester_is):
        raise NotAsked
    return side


def _is_suspect(side: Side, command: Answer, said: ConsentState, now: datetime, timing: Timing) -> bool:
    """Whether it is another answer than the one before, and comes sooner than a person changes their mind."""
    return command.method == PAGE and side.state is not said and timing.is_too_soon(now, side.touched_at)


def _ask_once_more(
    case: Case, command: Answer, side: Side, detail: dict[str, Any], now: datetime, timing: Timing
) -> Decision:
    """Nothing follows from a suspect answer, and none stands beside it: only a later one counts."""
    side = replace(side, touched_at=now, suspects=side.suspects + 1)
    if side.state in ANSWERED:
        side = _without_answer(side)
    event = Event("answer suspect", command.side, detail)
    decision = settle(Decision(case.with_side(command.side, side), (event,)), now, timing)
    if decision.case.side(command.side).state is not ConsentState.ASKED or side.suspects > RECHECKS:
        return decision
    return decision.then(decision.case, Mail(MailKind.RECHECK, command.side, side.suspects))


def _without_answer(side: Side) -> Side:
    return replace(
        side,
        state=ConsentState.ASKED,
        answered_at=None,
        answers=side.answers + 1,
        tells_requester=False,
    )


def _undo(case: Case, command: Undo, now: datetime, timing: Timing) -> Decision:
    side = _open_side(case, command.side)
    if side.state not in ANSWERED or command.side is case.requester_is:
        raise NothingToUndo
    side = replace(_without_answer(side), version=side.version + 1, touched_at=now)
    decision = Decision(case.with_side(command.side, side), (Event("answer taken back", command.side),))
    decision = decision.then(decision.case, Mail(MailKind.RECEIPT, command.side, side.answers))
    return settle(decision, now, timing)


def _ask_later(case: Case, command: AskLater, now: datetime, timing: Timing) -> Decision:
    """Taken or refused for what this side knows: whatever the other said, it makes no difference here."""
    side = _open_side(case, command.side)
    if side.state is ConsentState.WAITING or command.side is case.requester_is:
        raise NotAsked
    in_time = case.closes_at is not None and now < command.at < case.closes_at
    if not in_time or not may_ask_later(case, command.side, now, timing):
        raise NotLater
    event = Event("later asked for", command.side, {"at": command.at.isoformat(timespec="seconds")})
    return Decision(case.with_side(command.side, replace(side, remind_at=command.at)), (event,))


def _withdraw(case: Case, _: Withdraw, now: datetime, timing: Timing) -> Decision:
    _refuse_unless_open(case, also=State.UNVERIFIED)
    event = Event("withdrawn", Role.REQUESTER)
    if case.verified_at is None:
        return Decision(replace(case, state=State.CLOSED), (event,))
    if case.requester_is:
        return _withdraw_as_a_party(Decision(case, (event,)), case.requester_is, now, timing)
    return close(Decision(case, (event,)), Reason.WITHDRAWN, now)


def _withdraw_as_a_party(decision: Decision, own: Role, now: datetime, timing: Timing) -> Decision:
    """Towards the other side it is a no, and private like every no until the closing moment."""
    side = decision.case.side(own)
    if side.state is ConsentState.NO:
        raise CaseClosed
    side = replace(side, state=ConsentState.NO, answered_at=now, answers=side.answers + 1)
    return settle(decision.then(decision.case.with_side(own, side)), now, timing)


def _correct(case: Case, command: Correct, now: datetime, timing: Timing) -> Decision:
    _refuse_unless_open(case)
    side = case.side(command.side)
    past = case.closes_at is not None and now >= case.closes_at
    if side.state is not ConsentState.UNDELIVERABLE or side.corrected or past:
        raise NotCorrectable
    side = replace(
        side,
        state=ConsentState.WAITING,
        asked_at=None,
        remind_at=None,
        mailed_at=None,
        touched_at=None,
        corrected=True,
        version=side.version + 1,
    )
    event = Event("address corrected", Role.REQUESTER, {"side": command.side.value})
    return settle(Decision(case.with_side(command.side, side), (event,)), now, timing)


def _remind_now(case: Case, _: RemindNow, now: datetime, timing: Timing) -> Decision:
    """Taken or refused for reasons that the requester knows, so that it tells nothing of the two.

    Who chose a moment themselves is left alone until then.
    """
    _refuse_unless_open(case)
    began, ends = case.verified_at, case.closes_at
    if not case.reminders or not began or not ends or now >= min(began + timing.remind_after, ends):
        raise NoReminder
    decision = Decision(case, (Event("reminder asked for", Role.REQUESTER),))
    roles = [role for role in may_be_reminded(case) if not case.side(role).remind_at]
    return remind(decision, roles, Role.REQUESTER, now)


def _handed_over(case: Case, command: HandedOver, now: datetime, _: Timing) -> Decision:
    event = Event(f"{command.kind.value} handed over", "relay", {"to": command.to.value})
    if command.kind is not MailKind.INTRODUCTION:
        # Some scanners press before the relay has accepted the mail.
        return Decision(_mailed(case, command.kind, command.to, now), (event,))
    if not still_wanted(case, Mail(MailKind.INTRODUCTION, command.to)):
        raise NotAgreed
    return Decision(replace(case, left_at=case.left_at or now), (event,))


def _accepted(case: Case, command: Accepted, now: datetime, _: Timing) -> Decision:
    name = "mail accepted" if command.certain else "mail possibly accepted"
    if command.certain:
        case = _mailed(case, command.kind, command.to, now)
    decision = Decision(case, (_mail_event(name, command),))
    if command.to is Role.REQUESTER:
        return decision
    side = case.side(command.to)
    if command.kind is MailKind.ASK and side.asked_at is None:
        state = ConsentState.ASKED if side.state is ConsentState.WAITING else side.state
        return decision.then(case.with_side(command.to, replace(side, asked_at=now, state=state)))
    if command.kind is MailKind.INTRODUCTION and case.state is State.INTRODUCING:
        return envelope_settled(decision, command.to, Envelope.ACCEPTED, now)
    return decision


def _mailed(case: Case, kind: MailKind, to: Role, now: datetime) -> Case:
    """Note that a mail with a link is out: from now on a scanner may press what is behind it."""
    if kind is MailKind.VERIFY:
        return replace(case, mailed_at=now)
    if kind not in LINKED or to is Role.REQUESTER:
        return case
    return case.with_side(to, replace(case.side(to), mailed_at=now))


def _failed(case: Case, command: Failed, now: datetime, _: Timing) -> Decision:
    name = "mail came back" if command.came_back else "mail failed"
    decision = Decision(case, (_mail_event(name, command),))
    if command.to is Role.REQUESTER:
        return decision
    if command.kind is MailKind.ASK or (command.came_back and command.kind in ASKING_MAILS):
        return ask_failed(decision, command.to)
    if command.kind is MailKind.INTRODUCTION and case.state is State.INTRODUCING:
        return envelope_settled(decision, command.to, Envelope.FAILED, now)
    if command.kind is MailKind.INTRODUCTION and case.state in (State.INTRODUCED, State.CONFIRMED):
        side = replace(case.side(command.to), envelope=Envelope.FAILED)
        mail = Mail(MailKind.UNDELIVERED, Role.REQUESTER, about=About(command.to))
        return decision.then(case.with_side(command.to, side), mail)
    return decision


def _confirm(case: Case, command: Confirm, now: datetime, timing: Timing) -> Decision:
    if case.introduced_at is None:
        raise NotIntroduced
    side = case.side(command.side)
    contradicts = side.in_touch is not None and side.in_touch is not command.in_touch
    if command.method == PAGE and contradicts and timing.is_too_soon(now, side.touched_at):
        raise TooSoon
    side = replace(side, in_touch=command.in_touch, touched_at=now)
    detail = {"in_touch": command.in_touch, "method": command.method} | command.evidence
    event = Event("handoff answered", command.side, detail)
    decision = Decision(case.with_side(command.side, side), (event,))
    # The requester's own word does not confirm a handoff that they asked for.
    counts = command.in_touch and command.side is not case.requester_is
    if not counts or case.state is State.CONFIRMED:
        return decision
    confirmed = replace(decision.case, state=State.CONFIRMED, reason=None)
    return summarise(decision.then(confirmed, Event("handoff confirmed", command.side)))


def _open_side(case: Case, role: Role) -> Side:
    _refuse_unless_open(case)
    return case.side(role)


def _refuse_unless_open(case: Case, also: State | None = None) -> None:
    if case.is_open or case.state is also:
        return
    if case.state is State.CLOSED:
        raise CaseClosed
    raise NotAsked if case.state is State.UNVERIFIED else AlreadyLeft


def _mail_event(name: str, command: Accepted | Failed) -> Event:
    detail = {"mail": command.kind.value, "to": command.to.value, "reply": command.reply}
    if isinstance(command, Accepted) and command.server:
        detail["server"] = command.server
    return Event(name, "relay", detail)


_RULES: dict[type[Command], Callable[..., Decision]] = {
    Verify: _verify,
    Answer: _answer,
    Undo: _undo,
    AskLater: _ask_later,
    Withdraw: _withdraw,
    Correct: _correct,
    RemindNow: _remind_now,
    HandedOver: _handed_over,
    Accepted: _accepted,
    Failed: _failed,
    Confirm: _confirm,
    Tick: tick,
}
