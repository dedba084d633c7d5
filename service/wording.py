"""Words for people that pages and mails share: moments, who asks for what, and what a yes means."""

from __future__ import annotations

from .languages import moment as moment
from .languages import span as span
from .lifecycle import Order, Role
from .models import FirstWriter, Introduction, Need


def listed(names: list[str]) -> str:
    """Names in a sentence: ``Linda``, or ``Linda and Natasha``."""
    return " and ".join(names)


def ask_line(introduction: Introduction, role: Role) -> str:
    """Who asks ``role``, and what for."""
    requester = introduction.requester_name
    if introduction.requester_is:
        return f"{requester} would like to be introduced to you."
    return f"{requester} would like to introduce you to {introduction.other(role).name}."


def need_lead(introduction: Introduction, role: Role) -> str:
    """What stands before the need when ``role`` reads it."""
    if introduction.need_of is Need.BOTH:
        return f"It is about something you and {introduction.other(role).name} both need:"
    if _has_need(introduction, role):
        return "It is about something you need:"
    return f"It is about something {introduction.other(role).name} needs:"


def need_title(introduction: Introduction) -> str:
    """The need's heading where both sides read it."""
    if introduction.need_of is Need.BOTH:
        return "What you both need"
    return f"What {introduction.consent(Role(introduction.need_of.value)).name} needs"


def first_writer_line(introduction: Introduction) -> str:
    """Who writes first, for both sides to read."""
    if introduction.first_writer is FirstWriter.EITHER:
        return "Whoever gets to it first writes first."
    return f"{introduction.consent(Role(introduction.first_writer.value)).name} writes first."


def is_asked_about_need(introduction: Introduction, role: Role) -> bool:
    """Whether the answer page asks this side if it is looking now."""
    return _has_need(introduction, role)


def _has_need(introduction: Introduction, role: Role) -> bool:
    return introduction.need_of is Need.BOTH or introduction.need_of.value == role.value


def consent_words(introduction: Introduction, role: Role) -> list[str]:
    """What the answer page tells ``role`` before the two buttons, kept as what they agreed to.

    A line break inside a text separates our words from those that somebody typed.
    """
    return [
        ask_line(introduction, role),
        f"{need_lead(introduction, role)}\n{introduction.need}",
        *_about_other(introduction, role),
        *_about_you(introduction, role),
        _what_a_yes_shares(introduction, role),
        "If either of you says no, or says nothing, nothing is shared, and nobody is told who said what.",
    ]


def _about_other(introduction: Introduction, role: Role) -> list[str]:
    other, requester = introduction.other(role), introduction.requester_name
    by_themselves = introduction.requester_is is other.side
    words = []
    if other.blurb:
        about = "about themselves" if by_themselves else f"about {other.name}"
        words.append(f"{requester} writes {about}:\n{other.blurb}")
    if other.endorsement and not by_themselves:
        words.append(f"How {requester} knows {other.name}:\n{other.endorsement}")
    return words


def _about_you(introduction: Introduction, role: Role) -> list[str]:
    you, requester = introduction.consent(role), introduction.requester_name
    other = introduction.other(role).name
    if introduction.requester_is:
        lead = f"The introduction will say this about you, in the words of {requester}:"
    else:
        lead = f"{other} is told your name, the need, and this about you, in the words of {requester}:"
    words = [f"{lead}\n{you.blurb}"]
    if you.endorsement:
        words.append(f"And how {requester} knows you:\n{you.endorsement}")
    return words


def _what_a_yes_shares(introduction: Introduction, role: Role) -> str:
    you, other = introduction.consent(role), introduction.other(role).name
    copied = introduction.cc_requester and not introduction.requester_is
    readers = f"{other} and {introduction.requester_name}" if copied else other
    return (
        f"If both of you say yes, one email introduces you to each other. In it {readers} will see "
        f"your name, your address {you.email}, the words above, and whatever you add below. "
        f"{first_writer_line(introduction)}"
    )


def order_line(introduction: Introduction) -> str:
    """How the sides are asked. The same words before and after the second is: that would tell a yes."""
    if introduction.requester_is or introduction.order is Order.TOGETHER:
        return ""
    first = Role.A if introduction.order is Order.A_FIRST else Role.B
    return (
        f"{introduction.consent(first).name} is asked first, and {introduction.other(first).name} only after "
        f"a yes. Nobody learns more than that before the end."
    )
