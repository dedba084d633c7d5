"""A yes with a condition anywhere in it is no yes: every yes of the corpus, with one line more."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message

import pytest

from service.inbound.reading.parsing import field, leaves, parse, text_of
from service.inbound.reading.phrases import Intent
from service.inbound.reading.quoting import QuotedSender, QuoteStyle, split_quote
from service.inbound.reading.text import clean

from .test_reading import EXPECTED, OURS, raw, reading

CONDITIONS = [
    "but not before March",
    "Only kidding",
    "Just Kidding",
    "PLEASE CALL ME FIRST",
    "Wrong Person",
    "if she pays for it",
    "PS: only by mail",
    "On second thoughts, wait.",
    "From March",
    "ASK MY HUSBAND",
    "Changed My Mind",
    "2027",
    "?",
    ":-(",
    "aber erst ab Mai",
    "Ab Januar",
    "Keine Weitergabe",
    "Bitte Diskretion",
    "BITTE VORHER ANRUFEN",
    "nur per Telefon",
    "si elle m'appelle d'abord",
    "Dès Janvier",
    "APPELEZ MOI D'ABORD",
    "mais pas maintenant",
    "solo si llama antes",
    "LLAMAR PRIMERO",
    "Desde Enero",
    "pero todavía no",
    "لكن ليس الان",
    "بشرط أن تتصل أولا",
    "بعد رمضان",
]
SAID = [
    name for name, row in EXPECTED.items() if row.get("intent") == "yes" and reading(raw(name)).addressed_to
]
"""Those that are addressed to us alone, so that they would be an answer."""
QUOTES = ("<blockquote", '<div id="appendonsend', '<div class="gmail_quote', '<div name="quote', "<hr")


def parts_of(name: str, kind: str) -> list[str]:
    return [text_of(part) for part in leaves(parse(raw(name))) if part.get_content_type() == kind]


def written(name: str, kind: str, text: str) -> Intent:
    """What the mail says if this is all of its text."""
    message: Message = parse(raw(name))
    head = {one: field(message, one) for one in ("From", "To", "Subject")}
    head["Content-Type"] = f"{kind}; charset=utf-8"
    lines = "\r\n".join(f"{one}: {value}" for one, value in head.items())
    return reading(f"{lines}\r\n\r\n".encode() + text.encode()).intent


def places(lines: list[str]) -> Iterator[int]:
    """Wherever a person may write: above the quotation, and below it if it has an end."""
    own, style, _ = split_quote(
        [" ".join(line.split()) for line in lines], QuotedSender(OURS, "rita quill via twoyes")
    )
    yield from range(len(own) + 1)
    if style in (None, QuoteStyle.MARKS):
        yield len(lines)


@pytest.mark.parametrize("name", SAID)
def test_one_line_more_in_the_text_and_it_is_no_yes(name: str) -> None:
    lines = "\n\n".join(parts_of(name, "text/plain")).splitlines()
    if not lines:
        return
    assert written(name, "text/plain", "\n".join(lines)) is Intent.YES
    for at in places(lines):
        for condition in CONDITIONS:
            for more in ([condition], ["", condition, ""], ["-- ", condition], ["Linda Marsh", condition]):
                text = "\n".join([*lines[:at], *more, *lines[at:]])
                assert written(name, "text/plain", text) is not Intent.YES, (at, more)


@pytest.mark.parametrize("name", SAID)
def test_one_line_more_on_the_page_and_it_is_no_yes(name: str) -> None:
    pages = parts_of(name, "text/html")
    page = cleaned_page(pages[0]) if pages else ""
    if not page:
        return
    assert written(name, "text/html", page) is Intent.YES
    said = reading(raw(name)).first_line.rstrip(".!")
    begins = page.index(said)
    names_us = page.find("via TwoYes", begins)
    quoted = [page.find(quote, begins) for quote in QUOTES] + [page.rfind("<div", 0, names_us)]
    ends = min(at for at in quoted if at > 0)
    tags = [at for at in range(begins + len(said), ends + 1) if page[at : at + 1] == "<"]
    for at in (begins, *tags):
        for condition in CONDITIONS[at % 3 :: 3]:
            for more in (f"<div>{condition}</div>", f"<blockquote>{condition}</blockquote>"):
                text = page[:at] + more + page[at:]
                assert written(name, "text/html", text) is not Intent.YES, (at, more)


def cleaned_page(page: str) -> str:
    """Without the letters that nobody sees, and in plain ones."""
    return "\n".join(clean(line) for line in page.splitlines())
