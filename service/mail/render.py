"""The words of every mail: its folder in templates/email/, filled in, in its reader's language.

A body is written once, of the parts that _parts.txt makes text of and _parts.mjml makes MJML of, so that the
two say the same. MJML becomes HTML here, in this process, and nothing in it is fetched from anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mrml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from service.language import languages, wording
from service.language.languages import direction, gettext, ngettext, speaking, spoken
from service.lifecycle import (
    About,
    ConsentState,
    Envelope,
    MailKind,
    Order,
    Role,
    State,
)
from service.settings.table import Settings
from service.settings.timing import introduction_deadline
from service.store.models import Consent, Introduction

from .message import one_line

TEMPLATES = Path(__file__).parents[1] / "templates" / "email"
REFUSED_BY_MRML = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and halves of letters: Unicode's categories Cc and Cs, but for the line break."""


@dataclass(frozen=True)
class Rendering:
    """A mail in one language. Each part is rendered when it is first asked for, as HTML costs the most."""

    kind: MailKind
    language: str
    known: dict[str, Any]

    @cached_property
    def subject(self) -> str:
        return one_line(self._render(_as_text, "subject.txt"))

    @cached_property
    def text(self) -> str:
        return re.sub(r"\n{3,}", "\n\n", self._render(_as_text, "body.jinja")).strip() + "\n"

    @cached_property
    def html(self) -> str:
        # Without fonts of its own mrml links none, whatever the templates ask for.
        options = mrml.RenderOptions(fonts={})
        mjml = _visible(self._render(_as_mjml, "body.jinja"))
        return str(mrml.to_html(mjml, render_options=options).content)

    def _render(self, environment: Environment, part: str) -> str:
        way = direction(self.language)
        layout = {"language": self.language, "direction": way, "start": "right" if way == "rtl" else "left"}
        with speaking(self.language):
            return environment.get_template(f"{self.kind.value}/{part}").render(self.known | layout)


def preview(introduction: Introduction, kind: MailKind, role: Role, settings: Settings) -> Rendering:
    """Render a mail about an introduction that need not be saved. No link in it works."""
    with speaking(language_of(introduction, kind, role)):
        known = facts(introduction, role, settings) | placeholders(introduction, role, settings)
        return write(kind, known)


def language_of(introduction: Introduction, kind: MailKind, role: Role) -> str:
    """Give the tag of the language that a mail is written in."""
    languages = {consent.language or "en" for consent in introduction.consents}
    if kind is MailKind.INTRODUCTION and len(languages) == 1:
        return languages.pop()
    if kind is MailKind.INTRODUCTION or role is Role.REQUESTER:
        # Where the two have no language in common, the requester's is the likeliest that both read.
        return introduction.requester_language or "en"
    return introduction.consent(role).language or "en"


def name_of(introduction: Introduction, role: Role) -> str:
    """Give the name to greet a reader by; "" for whoever has not yet shown that the request is theirs.

    Until then a stranger may have typed it: "Hello your parcel is held" would reach anybody's mailbox.
    """
    if role is not Role.REQUESTER:
        return introduction.consent(role).name
    return introduction.requester_name if introduction.verified_at else ""


# --- What the templates know ------------------------------------------------------------------------


def facts(
    introduction: Introduction, role: Role, settings: Settings, about: About = About.CASE
) -> dict[str, Any]:
    """Collect what every kind may use. ``you`` and ``other`` are there only for a mail to one of the two.

    ``about`` is the outbox row's: in a mail about an unclear reply it says which question was meant.
    """
    known: dict[str, Any] = {
        "case": introduction,
        "requester": one_line(introduction.requester_name),
        "name": one_line(name_of(introduction, role)),
        "sides": introduction.consents,
        "is_party": introduction.requester_is is not None,
        "after": about is About.HANDOFF,
        "too_late": about is About.END,
        "replies": settings.INBOUND_DOMAIN is not None,
        "ended": _ending(introduction),
        "correctable": any(not side.corrected for side in _unreachable(introduction.consents)),
        "placeholder": False,
        "closes": _moment(introduction, settings, held=False),
        "introduced_by": _moment(introduction, settings, held=True),
    }
    known |= _names(introduction) | spans(settings)
    if role is not Role.REQUESTER:
        known |= {"you": introduction.consent(role), "other": introduction.other(role), "role": role}
    return known


def spans(settings: Settings) -> dict[str, str]:
    """How long the links work that do not end with a case."""
    return {
        "verify_within": languages.span(settings.VERIFY_WITHIN.total_seconds()),
        "sign_in_within": languages.span(settings.SIGN_IN_WITHIN.total_seconds()),
    }


def to_operator(requester: str, persons: int, cases: int, settings: Settings) -> dict[str, Any]:
    """Collect what an operator is told when reports of abuse stop a requester."""
    return {
        "address": one_line(requester),
        "persons": persons,
        "cases": cases,
        "operator_url": f"{settings.PUBLIC_URL}/operator",
        "placeholder": False,
    }


def _names(introduction: Introduction) -> dict[str, str]:
    """Who is named in sentences about both; the partner is who a requester who is a party is to meet."""
    one, two = (one_line(side.name) for side in introduction.consents)
    lost = wording.listed([one_line(side.name) for side in _lost(introduction)])
    partner = two if introduction.requester_is is Role.A else one
    return {"one": one, "two": two, "partner": partner, "lost": lost}


def _moment(introduction: Introduction, settings: Settings, held: bool) -> str:
    """Tell the closing moment, or the latest moment at which the introduction arrives."""
    if introduction.closes_at is None:
        return ""
    at = introduction_deadline(introduction.closes_at, settings) if held else introduction.closes_at
    return languages.moment(at, settings.TIMEZONE)


def _ending(introduction: Introduction) -> str:
    """How the summary puts it. What stopped a case before the introduction is one word: a no is private."""
    if introduction.state is State.CONFIRMED:
        return "confirmed"
    if _lost(introduction):
        return "undelivered"
    return "introduced" if introduction.introduced_at else "nothing"


def _lost(introduction: Introduction) -> list[Consent]:
    """Find the sides whose copy of the introduction was refused or came back."""
    return [side for side in introduction.consents if side.envelope is Envelope.FAILED]


def placeholders(introduction: Introduction, role: Role, settings: Settings) -> dict[str, Any]:
    turns = 1 if introduction.order is Order.TOGETHER else 2
    within = languages.span(turns * settings.ANSWER_WITHIN.total_seconds())
    until = gettext("[a date: %(span)s after you confirm]", span=within)
    return {"placeholder": True, "closes": until, "introduced_by": until} | _named_links(introduction, role)


def _named_links(introduction: Introduction, role: Role) -> dict[str, Any]:
    """In the place of each link, whose it is."""
    name = one_line(name_of(introduction, role))
    link = gettext("[a link for %(name)s alone]", name=name)
    return {
        "requester_url": gettext("[the link to your page]"),
        "code": "",
        "answer_url": link,
        "follow_up_url": link,
        "never_url": gettext("[a second link for %(name)s alone]", name=name),
        "still_open": True,
    }


# --- Writing ----------------------------------------------------------------------------------------


def write(kind: MailKind, known: dict[str, Any]) -> Rendering:
    """Render a mail in the language spoken now."""
    return Rendering(kind, spoken(), known)


def _visible(text: str) -> str:
    return REFUSED_BY_MRML.sub(" ", text)


def _broken(text: str) -> Markup:
    """Typed text in the HTML part; some mail programs keep no line break but this one."""
    return Markup("<br />").join(text.splitlines())


def _left_to_right(text: str) -> str:
    """Isolate a number whose parts a right-to-left sentence would turn around (UAX #9, section 2.5)."""
    return f"\u2066{text}\u2069" if direction(spoken()) == "rtl" else text


def _declining(sides: list[Consent]) -> list[Consent]:
    return [side for side in sides if side.state is ConsentState.NO and side.tells_requester]


def _unreachable(sides: list[Consent]) -> list[Consent]:
    return [side for side in sides if side.state is ConsentState.UNDELIVERABLE]


def _make_environment(form: str) -> Environment:
    """How to write ``txt`` or ``mjml``. A translation is text and is escaped like what was typed."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=form == "mjml",  # noqa: S701 - in plain text it would be wrong.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": one_line, "broken": _broken, "ltr": _left_to_right}
    environment.filters |= {"quoted": wording.quoted, "runs": wording.runs}
    environment.filters |= {"declining": _declining, "unreachable": _unreachable}
    environment.globals |= {"_": gettext, "ngettext": ngettext, "wording": wording}
    environment.globals |= {"layout": f"_layout.{form}", "parts": f"_parts.{form}"}
    return environment


_as_text = _make_environment("txt")
_as_mjml = _make_environment("mjml")
