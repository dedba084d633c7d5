"""Text in lines that are short where lines are shown, and whole again where they can be (RFC 3676).

A line that ends in a space goes on in the next one. A reader that knows ``format=flowed`` puts them together
and breaks them where its window ends; every other shows lines of a readable length. Only a space can become
a break, so a link stays whole, and so does a paragraph of a script that has no spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDTH = 72
QUOTE = "> "
SIGNATURE = "-- "
BREAK = re.compile(r"\r\n|\r|\n")


def flowed(text: str) -> str:
    """Write text as ``format=flowed; delsp=no``. Each of its lines is a paragraph, or quoted by ``> ``."""
    return "\n".join(line for paragraph in BREAK.split(text) for line in _lines(paragraph))


def unflowed(text: str) -> list[str]:
    """Join the paragraphs that `flowed` broke into lines; a quoted one begins with ``> ``."""
    paragraphs: list[str] = []
    goes_on = was_quoted = False
    for line in BREAK.split(text.removesuffix("\n")):
        quoted = line.startswith(">")
        words = line if quoted else line.removeprefix(" ")
        if goes_on and quoted == was_quoted:
            paragraphs[-1] += words.removeprefix(QUOTE) if quoted else words
        else:
            paragraphs.append(words)
        goes_on, was_quoted = line.endswith(" ") and line != SIGNATURE, quoted
    return paragraphs


def _lines(paragraph: str) -> Iterator[str]:
    if paragraph == SIGNATURE:
        yield paragraph
    elif paragraph.rstrip(" ") == ">":
        yield ">"
    elif paragraph.startswith(QUOTE):
        # The space behind the mark is the stuffing of what follows, whatever that begins with (4.5).
        yield from (QUOTE + line for line in _broken(paragraph.removeprefix(QUOTE), WIDTH - len(QUOTE)))
    else:
        yield from map(_stuffed, _broken(paragraph, WIDTH))


def _broken(paragraph: str, width: int) -> Iterator[str]:
    """Lines that are the paragraph when they are put together; every one but the last ends in a space."""
    line = ""
    for word in re.findall(r"[^ ]+ *|^ +", paragraph.rstrip(" ")):
        # A line of its own must not look like what begins a signature (4.3).
        if line.strip() and line != SIGNATURE and len(line + word.rstrip(" ")) > width:
            yield line
            line = ""
        line += word
    yield line


def _stuffed(line: str) -> str:
    """Put a space before what would be read as a quotation, as stuffing, or as the start of a mail (4.4)."""
    return f" {line}" if line.startswith((" ", ">", "From ")) else line
