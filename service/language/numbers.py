"""Which numbers are short: counts, years, dates, times and round sums, and nothing that can be dialled."""

from __future__ import annotations

import re
from functools import cache

from .data_files import data

MOST_DIGITS = 4

# What people read as a digit where digits stand around it: "O8OO l23 456".
LIKE_DIGITS = str.maketrans("OoQIlSsZzBb", "00011552288")
MIXED = re.compile(r"\w*\d\w*")
LETTERS_O = re.compile(r"(?<![^\W_])O+(?![^\W_])")
BETWEEN_DIGITS = re.compile(r"(?<=\d)[^\W\d_]{1,3}(?=\d)")
RUN = re.compile(r"\+?\d+(?:[\W_]+\d+)*")

YEAR = r"(?:19|20)\d\d"
PLAIN = rf"""(?:
    {YEAR}[ ]?[/–-][ ]?(?:{YEAR}|\d\d) | {YEAR}                      # 2019-2024, 2019/20
    | \d{{1,2}}[./-][ ]?\d{{1,2}}[./-][ ]?(?:{YEAR}|\d\d)            # 24.11.2026
    | {YEAR}-[01]\d-[0-3]\d                                          # 2026-11-24
    | [012]?\d[.:][0-5]\d                                            # 09.30
    | [1-9]\d{{0,2}}(?:[.,'’]\d00|(?:[ .,'’]000){{1,2}})             # 12,500 and 10 000
)"""
SMALL = r"[1-9]\d?"
PLAIN_RUN = re.compile(rf"(?:{SMALL}[\s,;.)]+)?{PLAIN}(?:[\s,;–-]+{PLAIN})?(?:[\s,;–-]+{SMALL})?", re.VERBOSE)


def is_short(text: str) -> bool:
    """Tell whether all the numbers in a text whose digits are ASCII's are short."""
    digits = BETWEEN_DIGITS.sub("", LETTERS_O.sub(_as_digits, MIXED.sub(_as_digits, _in_digits(text))))
    return all(_is_short(run[0]) for run in RUN.finditer(digits))


def _is_short(run: str) -> bool:
    # Nobody counts like this, but for the thousands: 0800 begins what is dialled.
    if run.startswith("+") or re.search(r"(?<!\d)0(?!00(?!\d))\d\d", run):
        return False
    return len(re.sub(r"\D", "", run)) <= MOST_DIGITS or bool(PLAIN_RUN.fullmatch(run))


def _as_digits(found: re.Match[str]) -> str:
    """Write a word that is all digits, and letters that look like them, in digits; but not "1990s"."""
    word = found[0]
    if re.fullmatch(r"\d+[a-zA-Z]", word):
        return word
    read = word.translate(LIKE_DIGITS)
    return read if read.isdecimal() else word


def _in_digits(text: str) -> str:
    def digit(found: re.Match[str]) -> str:
        return _words()[found[0].lower()]

    return _pattern().sub(digit, text)


@cache
def _words() -> dict[str, str]:
    """Return the words of digits, of those in all languages."""
    lists = [words.split() for words in data("newcomers")["digits"].values()]
    return {
        word: str(digit) for words in lists for digit, both in enumerate(words) for word in both.split("/")
    }


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(sorted(_words(), key=len, reverse=True))})\b", re.IGNORECASE)
