"""The words of every mail: its folder in templates/email/, filled in, in its reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask_babel import gettext, ngettext
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from service import wording
from service.languages import speaking
from service.lifecycle import ConsentState, Envelope, MailKind, Order, Role, State
from service.models import Consent, Introduction
from service.settings import Settings

from .message import one_line

TEMPLATES = Path(__file__).parents[2] / "templates" / "email"


@dataclass(frozen=True)
class Preview:
    """A mail as it will be, with labelled placeholders for what is not known yet."""

    subject: str
    text: str
    html: str


def preview(introduction: Introduction, kind: MailKind, role: Role, settings: Settings) -> Preview:
    """A mail about an introduction that need not be saved. No link in it works."""
    with speaking(language_of(introduction, kind, role)):
        known = facts(introduction, role, settings) | placeholders(introduction, role, settings)
        return write(kind, known)


def language_of(introduction: Introduction, kind: MailKind, role: Role) -> str:
    """The tag of the language that a mail is written in."""
    languages = {consent.language or "en" for consent in introduction.consents}
    if kind is MailKind.INTRODUCTION and len(languages) == 1:
        return languages.pop()
    if kind is MailKind.INTRODUCTION or role is Role.REQUESTER:
        # Where the two have no language in common, the requester's is the likeliest that both read.
        return introduction.requester_language or "en"
    return introduction.consent(role).language or "en"


def name_of(introduction: Introduction, role: Role) -> str:
    return introduction.requester_name if role is Role.REQUESTER else introduction.consent(role).name


# --- What the templates know ------------------------------------------------------------------------


def facts(introduction: Introduction, role: Role, settings: Settings) -> dict[str, Any]:
    """What every kind may use. ``you`` and ``other`` are there only for a mail to one of the two."""
    known: dict[str, Any] = {
        "case": introduction,
        "requester": one_line(introduction.requester_name),
        "name": one_line(name_of(introduction, role)),
        "sides": introduction.consents,
        "is_party": introduction.requester_is is not None,
        "ended": _ending(introduction),
        "placeholder": False,
        "closes": _moment(introduction, settings, held=False),
        "introduced_by": _moment(introduction, settings, held=True),
        "verify_within": wording.span(settings.VERIFY_WITHIN.total_seconds()),
    }
    if role is not Role.REQUESTER:
        known |= {"you": introduction.consent(role), "other": introduction.other(role), "role": role}
    return known


def _moment(introduction: Introduction, settings: Settings, held: bool) -> str:
    """The closing moment, or the latest moment at which the introduction arrives."""
    if introduction.closes_at is None:
        return ""
    at = introduction.closes_at + settings.HOLD_FOR if held else introduction.closes_at
    return wording.moment(at, settings.TIMEZONE)


def _ending(introduction: Introduction) -> str:
    """How the summary puts it. What stopped a case before the introduction is one word: a no is private."""
    if introduction.state is State.CONFIRMED:
        return "confirmed"
    if _lost(introduction):
        return "undelivered"
    return "introduced" if introduction.introduced_at else "nothing"


def _lost(introduction: Introduction) -> list[Consent]:
    """The sides whose copy of the introduction was refused or came back."""
    return [side for side in introduction.consents if side.envelope is Envelope.FAILED]


def placeholders(introduction: Introduction, role: Role, settings: Settings) -> dict[str, Any]:
    name = one_line(name_of(introduction, role))
    rounds = 1 if introduction.order is Order.TOGETHER else 2
    within = wording.span(rounds * settings.ANSWER_WITHIN.total_seconds())
    until = f"[a date: {within} after you confirm]"
    return {
        "placeholder": True,
        "closes": until,
        "introduced_by": until,
        "requester_url": "[the link to your page]",
        "answer_url": f"[a link for {name} alone]",
        "follow_up_url": f"[a link for {name} alone]",
        "never_url": f"[a second link for {name} alone]",
        "still_open": True,
    }


# --- Writing ----------------------------------------------------------------------------------------


def write(kind: MailKind, known: dict[str, Any]) -> Preview:
    """A mail in the language spoken now."""
    subject, text, html = (
        _environment.get_template(f"{kind.value}/{part}").render(known)
        for part in ("subject.txt", "body.txt", "body.html")
    )
    return Preview(one_line(subject), text.strip() + "\n", html)


def _quoted(text: str) -> str:
    """Typed text in the plain part, marked line by line so that it cannot pass for ours."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _declining(sides: list[Consent]) -> list[Consent]:
    return [side for side in sides if side.state is ConsentState.NO and side.tells_requester]


def _unreachable(sides: list[Consent]) -> list[Consent]:
    return [side for side in sides if side.state is ConsentState.UNDELIVERABLE]


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n"],
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {"line": one_line, "quoted": _quoted}
    environment.filters |= {"declining": _declining, "unreachable": _unreachable}
    environment.globals |= {"wording": wording, "lost": _lost}
    return environment


_environment = _make_environment()
