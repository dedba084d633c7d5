"""Where the person's own words end and the quoted mail begins, in the styles of the mail programs."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from .phrases import REVERSALS
from .text import fold, split_words
from .word_lists import alternatives, entries, phrases


class QuoteStyle(Enum):
    """How a quotation is told from what is not."""

    MARKS = "each line of it begins with >"
    REST = "it goes to the end"
    FORWARD = "it is passed on, not answered"


class SplitMail(NamedTuple):
    """A mail split where its quotation begins; `below` are the unquoted lines after that."""

    own: list[str]
    style: QuoteStyle | None
    below: list[str]


WROTE = re.compile(
    rf"\b({alternatives(entries('quotations', 'wrote'))})\b|"
    rf"{alternatives(entries('quotations', 'wrote_within'))}"
)
DATED = re.compile(r"\d{4}|\d{1,2}[:.h]\d{2}")
OPENER = re.compile(rf"({alternatives(entries('quotations', 'openers'))})\b|\d|[\w.]{{2,4}},? \d")
PRONOUNS = phrases("quotations", "pronouns")
ORIGINAL = phrases("quotations", "original_message")
FORWARDED = phrases("quotations", "forwarded_message")
LABELS = phrases("quotations", "header_labels")
LABELLED = re.compile(r"\*?([^:*]{1,20}?) ?:\*?( |$)")
BLOCK = 8
"""Lines in which a header block or an introduction is looked for."""


class QuotedSender(NamedTuple):
    """What a quotation of our mail names. What else looks like a quotation is taken for somebody's words."""

    domain: str
    name: str
    """The name under which our mail was answered, or "" where it has none."""

    def is_named_in(self, text: str) -> bool:
        """Tell whether this text, in the form of `fold`, names our mail."""
        return f"@{self.domain}" in text or (len(self.name) > 3 and self.name in text)


def split_quote(lines: list[str], sender: QuotedSender) -> SplitMail:
    """Split a mail at the first sign of a quotation of our mail."""
    for at, line in enumerate(lines):
        style, wide = _quote_begins(lines, at, sender) if line else (None, 0)
        if style is QuoteStyle.MARKS:
            rest = lines[at + wide :]
            below = [line for line in rest if not line.startswith(">")]
            return SplitMail(lines[:at], _style_of(rest), below)
        if style:
            return SplitMail(lines[:at], style, [])
    return SplitMail(lines, None, [])


def _quote_begins(lines: list[str], at: int, sender: QuotedSender) -> tuple[QuoteStyle | None, int]:
    """Return the style of the quotation that begins here, and how many lines introduce it."""
    line = lines[at]
    if line.startswith(">"):
        return _marked_begins(lines[at : at + BLOCK], sender), 0
    if _is_forwarded(line):
        return QuoteStyle.FORWARD, 1
    below = at + 1 if fold(line.strip("-_=: ")) in ORIGINAL and line.startswith("--") else at
    if _is_header_block(lines[below : below + BLOCK], sender):
        return QuoteStyle.REST, 1
    wide = _introduced(lines, at, sender)
    if not wide:
        return None, 0
    if next((line for line in lines[at + wide :] if line), "").startswith(">"):
        return QuoteStyle.MARKS, wide
    text = fold(" ".join(lines[at : at + wide]))
    return QuoteStyle.REST if WROTE.search(text) and f"@{sender.domain}" in text else None, wide


def _marked_begins(marked: list[str], sender: QuotedSender) -> QuoteStyle | None:
    """Read the first lines of a marked quotation: Apple's programs mark its introduction as well."""
    inside = [line.lstrip("> ") for line in marked]
    if _is_forwarded(inside[0]):
        return QuoteStyle.FORWARD
    return QuoteStyle.MARKS if _is_header_block(inside, sender) or _introduced(inside, 0, sender) else None


def _is_forwarded(line: str) -> bool:
    return fold(line.strip("-_=: ")) in FORWARDED


def _style_of(rest: list[str]) -> QuoteStyle:
    """Return its style: a forwarded mail may be marked line by line like an answered one."""
    quoted = (line.strip("> ") for line in rest if line.strip("> "))
    return QuoteStyle.FORWARD if _is_forwarded(next(quoted, "")) else QuoteStyle.MARKS


def _is_header_block(lines: list[str], sender: QuotedSender) -> bool:
    """Tell the few header fields that Outlook and its like write above what they quote."""
    labels: set[str] = set()
    block: list[str] = []
    for line in lines:
        found = LABELLED.match(line)
        if found is None or fold(found[1]) not in LABELS:
            break
        labels.add(fold(found[1]))
        block.append(line)
    text = fold(" ".join(block))
    return len(labels) >= 3 and sender.is_named_in(text) and _is_dated(text)


def _introduced(lines: list[str], at: int, sender: QuotedSender) -> int:
    """Return how many lines "On Monday … wrote:" takes, three at most; 0 where it is not that.

    It must name a moment and us: people write "wrote:" too.
    """
    for wide in (1, 2, 3):
        inside = lines[at : at + wide]
        if len(inside) < wide or "" in inside:
            break
        text = fold(" ".join(inside))
        if not text.endswith(":"):
            continue
        if not _is_introduction(inside, text, sender):
            break
        if wide > 1 and _introduced(lines, at + 1, sender):
            # The first line is the person's own: "From 10.03.2027".
            break
        if WROTE.search(text) or "@" in text:
            return wide
    return 0


def _is_introduction(lines: list[str], text: str, sender: QuotedSender) -> bool:
    """Tell whether these lines, folded into ``text``, name a moment and us and hold no sentence."""
    broken = len(lines) > 1
    if not _is_dated(fold(lines[0]) if broken else text):
        return False
    if broken and (not OPENER.match(text) or lines[0].endswith((".", "!", "?"))):
        return False
    said = set(split_words(text)) - set(split_words(sender.name))
    return said.isdisjoint(REVERSALS | PRONOUNS) and sender.is_named_in(text)


def _is_dated(text: str) -> bool:
    """Tell whether a text names a day or a time; an address may hold digits too."""
    return any(DATED.search(word) for word in text.split() if "@" not in word)
