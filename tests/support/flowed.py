"""Reading ``format=flowed`` back, as RFC 3676 says it (4.1 to 4.5); none of the service's code is used."""

from __future__ import annotations

import re


def unflowed(text: str) -> str:
    """The paragraphs of a text, one a line; a quoted one bears ``> ``."""
    paragraphs: list[str] = []
    open_depth = -1
    for line in text.replace("\r\n", "\n").removesuffix("\n").split("\n"):
        marks = re.match(r">*", line)
        assert marks is not None
        depth = len(marks[0])
        content = line[depth:].removeprefix(" ")
        if depth == open_depth and content != "-- ":
            paragraphs[-1] += content
        else:
            paragraphs.append(_marked(depth, content))
        open_depth = depth if content.endswith(" ") and content != "-- " else -1
    return "\n".join(paragraphs) + "\n"


def _marked(depth: int, content: str) -> str:
    marks = ">" * depth
    return f"{marks} {content}" if marks and content else marks + content
