"""Whether a queued mail may still leave."""

from __future__ import annotations

from collections.abc import Callable

from .case import Case, Side
from .commands import Mail
from .states import About, ConsentState, MailKind, Role, State

RECHECKS = 3
"""How often one side is asked to answer once more, because an answer came too quickly for a person."""


def still_wanted(case: Case, mail: Mail) -> bool:
    """Tell whether a queued mail may still leave; it is asked again in the last statement before it goes."""
    rule = _RULES.get(mail.kind)
    return rule is None or rule(case, mail)


def _verification(case: Case, _: Mail) -> bool:
    return case.state is State.UNVERIFIED


def _ask(case: Case, mail: Mail) -> bool:
    is_newest = mail.number == 1 + case.side(mail.to).corrected
    return is_newest and _is_asked(case, mail.to) and not case.a_no_stands


def _reminder(case: Case, mail: Mail) -> bool:
    side = case.side(mail.to)
    held = case.a_no_stands and not side.remind_at
    return _may_be_reminded(side) and _is_asked(case, mail.to) and not held


def _is_asked(case: Case, to: Role) -> bool:
    return case.state is State.ASKING and case.side(to).state is ConsentState.ASKED


def _receipt(case: Case, mail: Mail) -> bool:
    # It promises an introduction, which a closed case cannot keep.
    return case.side(mail.to).answers == mail.number and case.state is not State.CLOSED


def _recheck(case: Case, mail: Mail) -> bool:
    side = case.side(mail.to)
    is_newest = mail.number == min(side.suspects, RECHECKS)
    return case.is_open and side.state is ConsentState.ASKED and is_newest


def _introduction(case: Case, mail: Mail) -> bool:
    # The requester's copy may leave after both of the others were accepted.
    copy = mail.to is Role.REQUESTER and case.introduced_at is not None
    return case.both_said_yes and (case.state is State.INTRODUCING or copy)


def _undeliverable(case: Case, mail: Mail) -> bool:
    lost = case.side(Role(mail.about)).state is ConsentState.UNDELIVERABLE
    return case.state is State.ASKING and lost


def _follow_up(case: Case, mail: Mail) -> bool:
    return case.state in (State.INTRODUCED, State.CONFIRMED) and case.side(mail.to).in_touch is None


def _declined(case: Case, mail: Mail) -> bool:
    side = case.side(Role(mail.about))
    return side.tells_requester and mail.number == side.answers


def _not_come_about(case: Case, _: Mail) -> bool:
    return case.state is State.CLOSED


def _may_be_reminded(side: Side) -> bool:
    """Not after any answer, and not of an ask that has meanwhile been made anew elsewhere."""
    asked, reminded = side.asked_at, side.reminded_at
    return not side.answers and asked is not None and reminded is not None and asked <= reminded


def _unclear(case: Case, mail: Mail) -> bool:
    """Whether there is a button on the page of whoever replied with something that was not understood.

    When it is too late for any button, they are told just that.
    """
    to, about = mail.to, mail.about
    if to is Role.REQUESTER:
        return case.state is State.UNVERIFIED or case.is_open
    if about is About.END:
        return case.state is State.CLOSED and case.introduced_at is None
    side = case.side(to)
    if about is About.HANDOFF:
        return case.followed_up_at is not None and side.in_touch is None
    asked = side.state in (ConsentState.ASKED, ConsentState.YES, ConsentState.NO)
    return case.is_open and asked and to is not case.requester_is


_RULES: dict[MailKind, Callable[[Case, Mail], bool]] = {
    MailKind.VERIFY: _verification,
    MailKind.ASK: _ask,
    MailKind.REMINDER: _reminder,
    MailKind.RECEIPT: _receipt,
    MailKind.RECHECK: _recheck,
    MailKind.UNCLEAR: _unclear,
    MailKind.INTRODUCTION: _introduction,
    MailKind.UNDELIVERABLE: _undeliverable,
    MailKind.FOLLOW_UP: _follow_up,
    MailKind.DECLINED: _declined,
    MailKind.NOT_COME_ABOUT: _not_come_about,
}
"""A kind that is not here is always wanted: it tells of something that cannot be undone."""
