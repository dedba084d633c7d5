"""The filters and variables that every template may use."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from service.language import languages, wording
from service.mail.flowed import unflowed
from service.mail.render import spans
from service.settings.timing import timing

from . import choices
from .current import settings

URL = re.compile(r"(https?://[^\s<>\"]+)")


def moment(at: datetime) -> str:
    """Format a moment in the zone that this installation shows."""
    return languages.moment(at, settings().TIMEZONE)


def lead_and_quote(text: str) -> Markup:
    """Format a text of `wording.ConsentWords`: our words, then what somebody typed as a quotation."""
    lead, _, typed = text.partition("\n")
    if not typed:
        return Markup("<p>{}</p>").format(lead)
    return Markup('<p class="lead-in">{}</p><blockquote dir="auto">{}</blockquote>').format(lead, typed)


def on_record(words: str) -> Markup:
    """Format words on record: our words, and what somebody typed as quotations."""
    own, typed = Markup('<p dir="auto">{}</p>'), Markup('<blockquote dir="auto">{}</blockquote>')
    runs = wording.runs(words)
    return Markup("").join((typed if is_typed else own).format(text) for is_typed, text in runs)


def bdi(typed: str) -> Markup:
    """Isolate something typed, such as a name, so that it keeps its own direction (HTML's bdi element)."""
    return Markup("<bdi>{}</bdi>").format(typed)


def mail_text(text: str) -> Markup:
    """Format the text of a mail, each of its lines in a direction of its own."""
    # In one block for all, a bracket of one line would be paired with that of another.
    return Markup("").join(_block(escape(line)) for line in text.split("\n"))


def linked_mail_text(text: str) -> Markup:
    """Format the text of a mail as it arrived: whole paragraphs again (RFC 3676), with links to click on."""
    return Markup("").join(_block(_with_links(paragraph)) for paragraph in unflowed(text))


def _block(content: Markup) -> Markup:
    return Markup('<div dir="auto">{}</div>').format(content)


def _with_links(text: str) -> Markup:
    return Markup("").join(_link(part) if URL.fullmatch(part) else escape(part) for part in URL.split(text))


def _link(url: str) -> Markup:
    return Markup('<a href="{0}">{0}</a>').format(url)


def init_app(app: Flask) -> None:
    """Add the filters and variables to the templates of an application."""
    app.jinja_env.filters.update(
        moment=moment,
        bdi=bdi,
        lead_and_quote=lead_and_quote,
        on_record=on_record,
        mail_text=mail_text,
        linked_mail_text=linked_mail_text,
    )
    app.jinja_env.globals["word_to_type"] = choices.word
    app.context_processor(_variables)


def _variables() -> dict[str, Any]:
    return {
        "settings": settings(),
        "wording": wording,
        "answer_within": languages.span(settings().ANSWER_WITHIN.total_seconds()),
        "hold_for": languages.span(timing(settings()).hold.total_seconds()),
        **spans(settings()),
    }
