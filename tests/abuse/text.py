"""Every character in the place of a domain's dot and beside it: which of them a newcomer may write there.

`python -m tests.abuse.text` plays all of Unicode within minutes and prints what passes; `make test` plays
all that is no letter, and one letter of each script.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain

import click

from service.language import free_text, newcomers
from service.language.languages import speaking
from service.language.scripts import script_of

FRAMES = (
    "evil{}com",
    "evil{}com/login",
    "evil {}com",
    "evil{} com",
    "evil {} com",
    "evil.{}com",
    "evil{}.com",
    "evil.com{}",
    "{}evil.com",
    "https:{}//evil",
    "paypal{}.{}com",
    "020{}7946{}0958",
    "ri{}ta{}@{}evil.com",
)
"""What a program, or a person, may take for an address, a link or a number once a character stands in it."""

IN_ITS_PLACE = ("evil{}com", "evil{}.com", "evil.{}com", "evil {} com")
"""The frames of letters, of which there are 140,000."""
STEP = 997
"""One in so many of the 970,000 that are nobody's character or a private one is played."""


def is_taken(text: str) -> bool:
    """Whether a newcomer may write this."""
    try:
        newcomers.check_text(free_text.tidy(text))
    except free_text.NotAllowed:
        return False
    return True


def passing(letters: Iterable[str], frames: Iterable[str] = FRAMES) -> Iterator[tuple[str, str]]:
    """Each frame that is taken with a letter in it, and that letter."""
    with speaking("en"):
        for letter in letters:
            yield from ((frame, letter) for frame in frames if is_taken(frame.replace("{}", letter)))


def of_categories(first: str) -> list[str]:
    """Every character whose Unicode category begins with one of these letters."""
    everything = map(chr, range(sys.maxunicode + 1))
    return [letter for letter in everything if unicodedata.category(letter)[0] in first]


def one_of_each_script() -> list[str]:
    """The first letter of each script that has a name."""
    scripts: dict[str, str] = {}
    for letter in of_categories("L"):
        scripts.setdefault(script_of(letter), letter)
    return list(scripts.values())


def main() -> None:
    seen: dict[str, list[str]] = {}
    played = chain(
        passing(of_categories("MNPSZ")),
        passing(of_categories("L"), IN_ITS_PLACE),
        passing(of_categories("C")[::STEP]),
    )
    for frame, letter in played:
        seen.setdefault(frame, []).append(letter)
    for frame, letters in seen.items():
        click.echo(f"{frame}: {len(letters)} characters, of which no letters:")
        for letter in letters:
            category = unicodedata.category(letter)
            if category[0] != "L":
                click.echo(f"    U+{ord(letter):04X} {category} {unicodedata.name(letter, '')}")


if __name__ == "__main__":
    main()
