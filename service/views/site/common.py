"""What every page shares: the application's parts, the time, and the words templates may use."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from flask import Flask, current_app
from markupsafe import Markup, escape

from service.language import wording
from service.mail.flowed import unflowed
from service.settings.table import Settings
from service.settings.timing import timing
from service.store import context
from service.store.context import Context
from service.store.db import Database

URL = re.compile(r"(https?://[^\s<>\"]+)")


def settings() -> Settings:
    value: Settings = current_app.config["SETTINGS"]
    return value


def database() -> Database:
    value: Database = current_app.extensions["db"]
    return value


def now() -> datetime:
    clock: Callable[[], datetime] = current_app.config["CLOCK"]
    return clock()


def writing() -> AbstractContextManager[Context]:
    """Open a transaction that commits at the end of the block: the one thing that a button does."""
    return context.writing(database(), settings(), now())


def reading() -> AbstractContextManager[Context]:
    """Open a transaction in which nothing can be written: what a page shows."""
    return context.reading(database(), settings(), now())


def moment(at: datetime) -> str:
    """Write a moment in the zone that this installation shows."""
    return wording.moment(at, settings().TIMEZONE)


def said(words: str) -> Markup:
    """One of the texts of `wording.ConsentWords`: our words, then what somebody typed as a quotation."""
    lead, _, typed = words.partition("\n")
    if not typed:
        return Markup("<p>{}</p>").format(lead)
    return Markup('<p class="lead-in">{}</p><blockquote dir="auto">{}</blockquote>').format(lead, typed)


def own(typed: str) -> Markup:
    """Something typed, such as a name, that keeps its own direction in a sentence of the other one."""
    return Markup("<bdi>{}</bdi>").format(typed)


def letter(text: str) -> Markup:
    """Show the text of a mail, each of its lines in a direction of its own."""
    # In one block for all, a bracket of one line would be paired with that of another.
    return Markup("").join(_line(escape(line)) for line in text.split("\n"))


def linked(text: str) -> Markup:
    """Show the text of a mail as it arrived, whole paragraphs again, with its web addresses clickable."""
    return Markup("").join(_line(_with_links(paragraph)) for paragraph in unflowed(text))


def _line(said_in_it: Markup) -> Markup:
    return Markup('<div dir="auto">{}</div>').format(said_in_it)


def _with_links(text: str) -> Markup:
    return Markup("").join(_link(part) if URL.fullmatch(part) else escape(part) for part in URL.split(text))


def _link(url: str) -> Markup:
    return Markup('<a href="{0}">{0}</a>').format(url)


def register(app: Flask) -> None:
    app.jinja_env.filters.update(moment=moment, said=said, letter=letter, linked=linked, own=own)
    app.context_processor(_shared)


def _shared() -> dict[str, Any]:
    return {
        "settings": settings(),
        "wording": wording,
        "answer_within": wording.span(settings().ANSWER_WITHIN.total_seconds()),
        "hold_for": wording.span(timing(settings()).hold.total_seconds()),
    }
