"""Whether a queued mail may still leave."""

from __future__ import annotations

from .case import Case, Side
from .commands import Mail
from .states import About, ConsentState, MailKind, Role, State

RECHECKS = 3
"""How often one side is asked to answer once more, because an answer came too quickly for a person."""


def still_wanted(case: Case, mail: Mail) -> bool:
    """Say whether a queued mail may still leave; it is asked again in the last statement before it goes."""
    kind, to = mail.kind, mail.to
    if kind is MailKind.VERIFY:
        return case.state is State.UNVERIFIED
    if kind in (MailKind.ASK, MailKind.REMINDER):
        side = case.side(to)
        fresh = mail.number == 1 + side.corrected if kind is MailKind.ASK else _may_be_reminded(side)
        waiting = case.state is State.ASKING and side.state is ConsentState.ASKED
        held = case.a_no_stands and not (kind is MailKind.REMINDER and side.remind_at)
        return waiting and fresh and not held
    if kind is MailKind.RECEIPT:
        # It promises an introduction, which a closed case cannot keep.
        return case.side(to).answers == mail.number and case.state is not State.CLOSED
    if kind is MailKind.RECHECK:
        side = case.side(to)
        newest = mail.number == min(side.suspects, RECHECKS)
        return case.is_open and side.state is ConsentState.ASKED and newest
    if kind is MailKind.UNCLEAR:
        return _has_something_to_do(case, to, mail.about)
    if kind is MailKind.INTRODUCTION:
        # The requester's copy may leave after both of the others were accepted.
        copy = to is Role.REQUESTER and case.introduced_at is not None
        return case.both_said_yes and (case.state is State.INTRODUCING or copy)
    if kind is MailKind.UNDELIVERABLE:
        lost = case.side(Role(mail.about)).state is ConsentState.UNDELIVERABLE
        return case.state is State.ASKING and lost
    if kind is MailKind.FOLLOW_UP:
        return case.state in (State.INTRODUCED, State.CONFIRMED) and case.side(to).in_touch is None
    if kind is MailKind.DECLINED:
        side = case.side(Role(mail.about))
        return side.tells_requester and mail.number == side.answers
    if kind is MailKind.NOT_COME_ABOUT:
        return case.state is State.CLOSED
    return True


def _may_be_reminded(side: Side) -> bool:
    """Not after any answer, and not of an ask that has meanwhile been made anew elsewhere."""
    asked, reminded = side.asked_at, side.reminded_at
    return not side.answers and asked is not None and reminded is not None and asked <= reminded


def _has_something_to_do(case: Case, to: Role, about: About) -> bool:
    """Whether there is a button on the page of whoever replied with something that was not understood.

    When it is too late for any button, they are told just that.
    """
    if to is Role.REQUESTER:
        return case.state is State.UNVERIFIED or case.is_open
    if about is About.END:
        return case.state is State.CLOSED and case.introduced_at is None
    side = case.side(to)
    if about is About.HANDOFF:
        return case.followed_up_at is not None and side.in_touch is None
    asked = side.state in (ConsentState.ASKED, ConsentState.YES, ConsentState.NO)
    return case.is_open and asked and to is not case.requester_is
