"""Read HTML as the lines that one sees, with "> " before what is quoted and "| " before what is indented."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple

from .phrases import REVERSALS
from .text import split_words
from .word_lists import alternatives, entries, phrases

BLOCKS = phrases("html", "blocks")
VOID = phrases("html", "void")
SPACED = phrases("html", "spaced")
UNSEEN = phrases("html", "unseen")
DOUBTFUL = phrases("html", "doubtful")
CITATION = re.compile(alternatives(entries("html", "citations")))
OPENER = re.compile(alternatives(entries("html", "openers")))
"""It becomes a line, so that no answer stands below it; `quoting` wants more to believe in a quotation."""
SIGNATURE = re.compile(r"(?i)signature")
ZERO = re.compile(r"0+(\.0*)?[a-z%]*")
MAX_DEPTH = 300
UNCLOSED, MAX_UNCLOSED = re.compile(r"<(?=[^<>]*(<|\Z))"), 5
DECLARATION, MAX_DECLARATIONS = re.compile(r"<[!?]"), 1000
"""How many brackets may lack their partner, and how many comments there may be (Outlook's are many):
`html.parser` takes quadratic time on both."""


class TooDeep(Exception):
    """Nested as nobody writes, so it is not read."""


class _Element(NamedTuple):
    """An element that is open, and what holds for all inside it."""

    tag: str
    mark: str = ""
    """What stands before its lines: "> " where it is quoted, "| " where it is indented."""
    signature: bool = False
    removed: bool = False
    """Nothing inside can be seen, whatever it says of itself."""
    invisible: bool = False
    """Invisible (CSS 2 11.2), which is inherited, so that an element inside may take it back."""
    tiny: bool = False
    """Written in letters of no size, which likewise is inherited."""


class _LineReader(HTMLParser):
    """Collect the lines of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._line: list[str] = []
        self._open = [_Element("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in BLOCKS or tag == "br":
            self.break_line(even_empty=tag == "br")
        self._space(tag, given)
        if OPENER.search(given.get("id", "")):
            self.lines.append("---")
        alt = given.get("alt", "")
        if tag == "img" and not (self._open[-1].signature and REVERSALS.isdisjoint(split_words(alt))):
            self.handle_data(alt)
        if tag in VOID:
            return
        if len(self._open) > MAX_DEPTH:
            raise TooDeep
        style = _declared(given.get("style", ""))
        self._open.append(self._within(tag, given, style))
        if tag in DOUBTFUL or any("line-through" in value for value in style.values()):
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
        now = self._open[-1]
        if now.tag == "style" and "line-through" in data:
            # Some class is crossed out, and nobody says here which words have it.
            self._line.append("~")
        if not (now.removed or now.invisible or now.tiny):
            self._line.append(data)

    def break_line(self, *, even_empty: bool = False) -> None:
        """End the line that stands open, if there is anything in it."""
        text = re.sub(r"[ \t\r\n]+", " ", "".join(self._line)).lstrip(" ")
        self._line = []
        if text or even_empty:
            self.lines.append(self._open[-1].mark + text if text else text)

    def _space(self, tag: str, given: dict[str, str]) -> None:
        """Set an empty line above what is shown with a margin; Outlook's own paragraphs have none."""
        if tag in SPACED and "MsoNormal" not in given.get("class", ""):
            self.lines.append("")

    def _within(self, tag: str, given: dict[str, str], style: dict[str, str]) -> _Element:
        around = self._open[-1]
        named = f"{given.get('class', '')} {given.get('id', '')}"
        # A class may give it a size as well, so it is taken for one that does.
        size = style.get("font-size") or style.get("font") or given.get("size") or given.get("class")
        return _Element(
            tag,
            mark="> " if _quotes(tag, given, named) else around.mark or _indented(tag),
            signature=around.signature or SIGNATURE.search(named) is not None,
            removed=around.removed or self._is_never_shown(tag) or "hidden" in given or _is_removed(style),
            invisible=style.get("visibility", "hidden" if around.invisible else "") in ("hidden", "collapse"),
            tiny=ZERO.fullmatch(size) is not None if size else around.tiny,
        )

    def _is_never_shown(self, tag: str) -> bool:
        """Tell whether nothing in it is shown: a head that comes after something else is no head."""
        return tag in UNSEEN and not (tag == "head" and any(self.lines))


def _quotes(tag: str, given: dict[str, str], named: str) -> bool:
    """Gmail's "gmail_quote" is also the name of a box that holds comments between quotations."""
    cited = tag == "blockquote" and (given.get("type") == "cite" or CITATION.search(named) is not None)
    return cited or "yahoo_quoted" in named or given.get("name") == "quote"


def _indented(tag: str) -> str:
    return "| " if tag == "blockquote" else ""


def _is_removed(style: dict[str, str]) -> bool:
    hidden = style.get("display") == "none" or style.get("mso-hide") == "all"
    return hidden or ZERO.fullmatch(style.get("opacity", "1")) is not None


def _declared(style: str) -> dict[str, str]:
    """Return the properties of a style; of two the last one counts (CSS 2 6.4)."""
    pairs = (part.partition(":") for part in re.sub(r"\s|!important", "", style).lower().split(";"))
    return {name: value for name, _, value in pairs}


def visible_lines(html: str) -> list[str] | None:
    """Return the lines of a page, or None where it is built as no mail program builds one."""
    if len(UNCLOSED.findall(html)) > MAX_UNCLOSED or len(DECLARATION.findall(html)) > MAX_DECLARATIONS:
        return None
    reader = _LineReader()
    try:
        # Programs that show mail end a comment there; after "]>" it is Outlook's, whose end comes later.
        reader.feed(re.sub(r"(?<!\]>)<!--+>", "", html).replace("--!>", "-->"))
        reader.close()
    except (AssertionError, TooDeep):
        return None
    reader.break_line()
    return reader.lines
