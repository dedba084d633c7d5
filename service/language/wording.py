"""Words for people that pages and mails share: moments, who asks for what, and what a yes means.

Everything is said in the language that is spoken at the time (`service.languages`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from babel.lists import format_list

from service.lifecycle import Order, Role
from service.store.models import FirstWriter, Introduction, Need

from .languages import gettext, spoken

QUOTED = ">"
"""Begins each line that somebody typed, in the text of a mail and in words on record."""


def listed(names: list[str]) -> str:
    """Names in a sentence: ``Linda``, or ``Linda and Natasha``; nothing where there is none."""
    return format_list(names, locale=spoken()) if names else ""


def ask_line(introduction: Introduction, role: Role) -> str:
    """Who asks ``role``, and what for."""
    requester = introduction.requester_name
    if introduction.requester_is:
        return gettext("%(requester)s would like to be introduced to you.", requester=requester)
    other = introduction.other(role).name
    return gettext(
        "%(requester)s would like to introduce you to %(other)s.", requester=requester, other=other
    )


def need_lead(introduction: Introduction, role: Role) -> str:
    """Return what stands before the need when ``role`` reads it."""
    other = introduction.other(role).name
    if introduction.need_of is Need.BOTH:
        return gettext("It’s about something you and %(other)s both need:", other=other)
    if _has_need(introduction, role):
        return gettext("It’s about something you need:")
    return gettext("It’s about something %(other)s needs:", other=other)


def need_title(introduction: Introduction) -> str:
    """Return the need's heading where both sides read it."""
    if introduction.need_of is Need.BOTH:
        return gettext("What you both need")
    name = introduction.consent(Role(introduction.need_of.value)).name
    return gettext("What %(name)s needs", name=name)


def first_writer_line(introduction: Introduction) -> str:
    """Who writes first, for both sides to read."""
    if introduction.first_writer is FirstWriter.EITHER:
        return gettext("Either of you can write first.")
    name = introduction.consent(Role(introduction.first_writer.value)).name
    return gettext("%(name)s will write first.", name=name)


def is_asked_about_need(introduction: Introduction, role: Role) -> bool:
    """Whether the answer page asks this side if it is looking now."""
    return _has_need(introduction, role)


def _has_need(introduction: Introduction, role: Role) -> bool:
    return introduction.need_of is Need.BOTH or introduction.need_of.value == role.value


def about_lead(introduction: Introduction, role: Role) -> str:
    """Return what stands before the requester's words about the side across from ``role``."""
    requester, other = introduction.requester_name, introduction.other(role)
    if introduction.requester_is is other.side:
        return gettext("%(requester)s writes about themselves:", requester=requester)
    return gettext("%(requester)s writes about %(name)s:", requester=requester, name=other.name)


def knows_lead(introduction: Introduction, name: str) -> str:
    """Return what stands before the requester's endorsement of somebody."""
    return gettext("How %(requester)s knows %(name)s:", requester=introduction.requester_name, name=name)


def quoted(typed: str) -> str:
    """Mark what somebody typed line by line, as mails do, so that it cannot pass for our words."""
    return "\n".join(f"{QUOTED} {line}".rstrip() for line in typed.splitlines())


class ConsentWords(NamedTuple):
    """What the answer page tells one of the two before it asks for an answer.

    A line break inside a text separates our words from those that somebody typed. As a string they are
    what goes on record as the words that an answer was given to.
    """

    line: str
    need: str
    about_other: list[str]
    about_you: list[str]
    if_both_say_yes: str
    if_not: str

    def __str__(self) -> str:
        texts = [self.line, self.need, *self.about_other, *self.about_you, self.if_both_say_yes, self.if_not]
        split = (text.partition("\n") for text in texts)
        return "\n".join(f"{lead}\n{quoted(typed)}" if typed else lead for lead, _, typed in split)


def runs(words: str) -> Iterator[tuple[bool, str]]:
    """Divide words on record: whether somebody typed them, and those words without their marks."""
    for typed, lines in groupby(filter(None, words.splitlines()), lambda line: line.startswith(QUOTED)):
        yield (
            typed,
            "\n".join(line.removeprefix(QUOTED).removeprefix(" ") if typed else line for line in lines),
        )


def gist(words: str) -> str:
    """Shorten words on record, of a page or an ask, to who asks, the need, and what a yes shares.

    The need is the first thing quoted in both, and what a yes shares stands below the last.
    """
    lines = [line for line in words.splitlines() if line]
    typed = [line.startswith(QUOTED) for line in lines]
    if True not in typed:
        return words
    need = typed.index(True)
    below_need = next((at for at in range(need, len(lines)) if not typed[at]), len(lines))
    below_all = len(lines) - typed[::-1].index(True)
    return "\n".join(lines[:below_need] + lines[below_all : below_all + 1])


def consent_words(introduction: Introduction, role: Role) -> ConsentWords:
    """Find the words for ``role``."""
    return ConsentWords(
        ask_line(introduction, role),
        f"{need_lead(introduction, role)}\n{introduction.need}",
        _about_other(introduction, role),
        _about_you(introduction, role),
        _what_a_yes_shares(introduction, role),
        gettext(
            "If either of you says no, or doesn’t answer, nothing is shared, and nobody is told who said "
            "what."
        ),
    )


def _about_other(introduction: Introduction, role: Role) -> list[str]:
    """Return what the requester writes about the side across from ``role``."""
    other = introduction.other(role)
    words = []
    if other.blurb:
        words.append(f"{about_lead(introduction, role)}\n{other.blurb}")
    if other.endorsement and introduction.requester_is is not other.side:
        words.append(f"{knows_lead(introduction, other.name)}\n{other.endorsement}")
    return words


def _about_you(introduction: Introduction, role: Role) -> list[str]:
    """Return what the requester writes about ``role``."""
    you = introduction.consent(role)
    words = [f"{told_about_you(introduction, role)}\n{you.blurb}"]
    if you.endorsement:
        words.append(f"{knows_you_lead(introduction)}\n{you.endorsement}")
    return words


def knows_you_lead(introduction: Introduction) -> str:
    """Return what stands before the requester's endorsement of the reader, below `told_about_you`."""
    return gettext("And how %(requester)s knows you:", requester=introduction.requester_name)


def told_about_you(introduction: Introduction, role: Role) -> str:
    """Return what stands before the requester's words about ``role`` when ``role`` reads them."""
    requester = introduction.requester_name
    if introduction.requester_is:
        return gettext(
            "The introduction will say this about you, written by %(requester)s:",
            requester=requester,
        )
    return gettext(
        "We tell %(other)s your name, what is needed, and this about you, written by %(requester)s:",
        other=introduction.other(role).name,
        requester=requester,
    )


def _what_a_yes_shares(introduction: Introduction, role: Role) -> str:
    you, other = introduction.consent(role), introduction.other(role).name
    if introduction.cc_requester and not introduction.requester_is:
        shared = gettext(
            "If you both say yes, one email introduces you to each other. In it, %(other)s and %(requester)s "
            "will see your name, your address %(address)s, the words above, and anything you add below.",
            other=other,
            requester=introduction.requester_name,
            address=you.email,
        )
    else:
        shared = gettext(
            "If you both say yes, one email introduces you to each other. In it, %(other)s will see your "
            "name, your address %(address)s, the words above, and anything you add below.",
            other=other,
            address=you.email,
        )
    return f"{shared} {first_writer_line(introduction)}"


def what_a_reply_shares(introduction: Introduction, role: Role) -> str:
    """Return what a yes by reply shares: as on the page, but for what can be added only there."""
    you, other = introduction.consent(role), introduction.other(role).name
    if introduction.cc_requester and not introduction.requester_is:
        return gettext(
            "If you both say yes, one email introduces you to each other. In it, %(other)s and %(requester)s "
            "will see your name, your address %(address)s, and the words above.",
            other=other,
            requester=introduction.requester_name,
            address=you.email,
        )
    return gettext(
        "If you both say yes, one email introduces you to each other. In it, %(other)s will see your name, "
        "your address %(address)s, and the words above.",
        other=other,
        address=you.email,
    )


def order_line(introduction: Introduction) -> str:
    """How the sides are asked. The same words before and after the second is: that would tell a yes."""
    if introduction.requester_is or introduction.order is Order.TOGETHER:
        return ""
    first = Role.A if introduction.order is Order.A_FIRST else Role.B
    return gettext(
        "We ask %(first)s first, and %(second)s only after a yes. Nobody learns more than that until it’s "
        "over.",
        first=introduction.consent(first).name,
        second=introduction.other(first).name,
    )
