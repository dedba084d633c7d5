"""HTML as the lines that one sees, with "> " before what is quoted and "| " before what is indented."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple

from .phrases import TURNING, words_in, words_of

BLOCKS = words_of("""
address article aside blockquote body center dd details div dl dt fieldset figure footer form h1 h2 h3 h4 h5
h6 header hr html li main nav ol p pre section summary table tbody td tfoot th thead tr ul
""")
VOID = words_of("area base br col embed hr img input link meta param source track wbr")
SPACED = words_of("blockquote h1 h2 h3 h4 h5 h6 ol p pre table ul")
UNSEEN = words_of("head script style")
DOUBTFUL = words_of("del s strike noscript object select template textarea title")
"""What is crossed out, or shown by some programs and not by others: no words in it are plainly said."""
CITED = re.compile(r"quote|cite")
"""How mail programs name what holds a quotation; one without such a name is only an indented paragraph."""
OPENERS = re.compile(r"divRplyFwdMsg|appendonsend")
"""From here on Outlook quotes. It becomes a line, so that no answer stands below it; `quoting` wants more to
believe that a quotation begins."""
SIGNED = re.compile(r"(?i)signature")
NOTHING = re.compile(r"0+(\.0*)?[a-z%]*")
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
    mark: str = ""
    """What stands before its lines: "> " where it is quoted, "| " where it is indented."""
    signed: bool = False
    gone: bool = False
    """Nothing inside can be seen, whatever it says of itself."""
    unseen: bool = False
    """Invisible (CSS 2 11.2), which is inherited, so that an element inside may take it back."""
    tiny: bool = False
    """Written in letters of no size, which likewise is inherited."""


class _Lines(HTMLParser):
    """Collects the lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._line: list[str] = []
        self._open = [_Open("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag in BLOCKS or tag == "br":
            self.break_line(tag == "br")
        self._space(tag, told)
        if OPENERS.search(told.get("id", "")):
            self.lines.append("---")
        alt = told.get("alt", "")
        if tag == "img" and not (self._open[-1].signed and TURNING.isdisjoint(words_in(alt))):
            self.handle_data(alt)
        if tag in VOID:
            return
        if len(self._open) > DEEPEST:
            raise TooDeep
        style = _declared(told.get("style", ""))
        self._open.append(self._within(tag, told, style))
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
        if not (now.gone or now.unseen or now.tiny):
            self._line.append(data)

    def break_line(self, even_empty: bool = False) -> None:
        """End the line that stands open, if there is anything in it."""
        text = re.sub(r"[ \t\r\n]+", " ", "".join(self._line)).lstrip(" ")
        self._line = []
        if text or even_empty:
            self.lines.append(self._open[-1].mark + text if text else text)

    def _space(self, tag: str, told: dict[str, str]) -> None:
        """An empty line above what is shown with a margin; Outlook's own paragraphs have none."""
        if tag in SPACED and "MsoNormal" not in told.get("class", ""):
            self.lines.append("")

    def _within(self, tag: str, told: dict[str, str], style: dict[str, str]) -> _Open:
        around = self._open[-1]
        named = f"{told.get('class', '')} {told.get('id', '')}"
        # A class may give it a size as well, so it is taken for one that does.
        size = style.get("font-size") or style.get("font") or told.get("size") or told.get("class")
        return _Open(
            tag,
            mark="> " if _quotes(tag, told, named) else around.mark or _indented(tag),
            signed=around.signed or SIGNED.search(named) is not None,
            gone=around.gone or self._is_never_shown(tag) or "hidden" in told or _is_gone(style),
            unseen=style.get("visibility", "hidden" if around.unseen else "") in ("hidden", "collapse"),
            tiny=NOTHING.fullmatch(size) is not None if size else around.tiny,
        )

    def _is_never_shown(self, tag: str) -> bool:
        """A head that comes after something else is none, and what is in it is shown."""
        return tag in UNSEEN and not (tag == "head" and any(self.lines))


def _quotes(tag: str, told: dict[str, str], named: str) -> bool:
    """Gmail's "gmail_quote" is also the name of a box that holds comments between quotations."""
    cited = tag == "blockquote" and (told.get("type") == "cite" or CITED.search(named) is not None)
    return cited or "yahoo_quoted" in named or told.get("name") == "quote"


def _indented(tag: str) -> str:
    return "| " if tag == "blockquote" else ""


def _is_gone(style: dict[str, str]) -> bool:
    hidden = style.get("display") == "none" or style.get("mso-hide") == "all"
    return hidden or NOTHING.fullmatch(style.get("opacity", "1")) is not None


def _declared(style: str) -> dict[str, str]:
    """The properties of a style; of two the last one counts (CSS 2 6.4)."""
    pairs = (part.partition(":") for part in re.sub(r"\s|!important", "", style).lower().split(";"))
    return {name: value for name, _, value in pairs}


def seen(html: str) -> list[str] | None:
    """The lines of a page, or None where it is built as no mail program builds one."""
    if len(UNCLOSED.findall(html)) > MOST_UNCLOSED or len(DECLARED.findall(html)) > MOST_DECLARED:
        return None
    reader = _Lines()
    try:
        # Programs that show mail end a comment there; after "]>" it is Outlook's, whose end comes later.
        reader.feed(re.sub(r"(?<!\]>)<!--+>", "", html).replace("--!>", "-->"))
        reader.close()
    except (AssertionError, TooDeep):
        return None
    reader.break_line()
    return reader.lines
