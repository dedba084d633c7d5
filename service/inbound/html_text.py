"""HTML as the lines that one sees, with "> " before what is quoted."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple

from .phrases import words_of

BLOCKS = words_of("""
address article aside blockquote body center dd details div dl dt fieldset figure footer form h1 h2 h3 h4 h5
h6 header hr html li main nav ol p pre section summary table tbody td tfoot th thead tr ul
""")
VOID = words_of("area base br col embed hr img input link meta param source track wbr")
SPACED = words_of("blockquote h1 h2 h3 h4 h5 h6 ol p pre table ul")
UNSEEN = words_of("head script style template title noscript object select textarea")
STRUCK = words_of("del s strike")
QUOTES = re.compile(r"gmail_attr|moz-cite-prefix|moz-forward-container|yahoo_quoted")
"""What holds a quotation and nothing else; Gmail's "gmail_quote" also holds comments between quotes."""
OPENERS = re.compile(
    r"divRplyFwdMsg|appendonsend|OutlookMessageHeader|mail-editor-reference-message-container|zwchr|"
    r"messageReplySection|stopSpelling"
)
"""From such an element on, everything below is quoted: it stands beside the quotation, not around it."""
HIDDEN = re.compile(r"display:none|visibility:hidden|font-size:0(?![.\d])|mso-hide:all|opacity:0(?![.\d])")
DEEPEST = 300
UNCLOSED, MOST_UNCLOSED = re.compile(r"<(?=[^<>]*(<|\Z))"), 5
DECLARED, MOST_DECLARED = re.compile(r"<[!?]"), 1000
"""How many brackets may lack their partner, and how many comments there may be (Outlook's are many):
`html.parser` takes quadratic time on both."""


class TooDeep(Exception):
    """Nested as nobody writes, so it is not read."""


class _Open(NamedTuple):
    """An element that is open, and what holds for all inside it."""

    tag: str
    quoted: bool
    hidden: bool


class _Lines(HTMLParser):
    """Collects the lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._line: list[str] = []
        self._open = [_Open("", quoted=False, hidden=False)]
        self._below_opener = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag in BLOCKS or tag == "br":
            self.break_line(tag == "br")
        self._space(tag, told)
        named = f"{told.get('class', '')} {told.get('id', '')} {told.get('name', '')}"
        self._below_opener = self._below_opener or OPENERS.search(named) is not None
        if tag == "img":
            self._show_image(told.get("alt", ""))
        if tag in VOID:
            return
        if len(self._open) > DEEPEST:
            raise TooDeep
        self._open.append(_Open(tag, self._quotes(tag, told, named), self._hides(tag, told)))
        if tag in STRUCK or "line-through" in told.get("style", ""):
            self.handle_data("~")
        if tag == "li":
            self.handle_data("- ")

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.break_line()
        for at in range(len(self._open) - 1, 0, -1):
            if self._open[at].tag == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        if not self._open[-1].hidden:
            self._line.append(data)

    def break_line(self, even_empty: bool = False) -> None:
        """End the line that stands open, if there is anything in it."""
        text = re.sub(r"[ \t\r\n]+", " ", "".join(self._line)).lstrip(" ")
        self._line = []
        quoted = self._below_opener or self._open[-1].quoted
        if text or even_empty:
            self.lines.append(f"> {text}" if quoted and text else text)

    def _space(self, tag: str, told: dict[str, str]) -> None:
        """An empty line above what is shown with a margin; Outlook's own paragraphs have none."""
        if tag in SPACED and "MsoNormal" not in told.get("class", ""):
            self.lines.append("")

    def _quotes(self, tag: str, told: dict[str, str], named: str) -> bool:
        marked = QUOTES.search(named) is not None or told.get("name") == "quote"
        return self._open[-1].quoted or tag == "blockquote" or marked

    def _hides(self, tag: str, told: dict[str, str]) -> bool:
        style = re.sub(r"\s", "", told.get("style", "")).lower()
        return self._open[-1].hidden or tag in UNSEEN or "hidden" in told or HIDDEN.search(style) is not None

    def _show_image(self, alt: str) -> None:
        """A small picture in a line is a letter to the reader, such as a thumb that points down."""
        if alt and (len(alt) <= 3 or not re.search(r"[A-Za-z]", alt)):
            self.handle_data(alt)


def seen(html: str) -> list[str] | None:
    """The lines of a page, or None where it is built as no mail program builds one."""
    if len(UNCLOSED.findall(html)) > MOST_UNCLOSED or len(DECLARED.findall(html)) > MOST_DECLARED:
        return None
    reader = _Lines()
    try:
        reader.feed(html)
        reader.close()
    except (AssertionError, TooDeep):
        return None
    reader.break_line()
    return reader.lines
