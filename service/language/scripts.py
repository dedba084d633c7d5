"""Letters by their script, and words by what they look like (Unicode's UTS #39, in small)."""

from __future__ import annotations

import unicodedata
from functools import cache

from .data_files import data

# Chinese, Japanese and Korean are written in several of these at once, and without spaces between words.
EAST_ASIAN = "EAST ASIAN"
EAST_ASIAN_SCRIPTS = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"}
CASED = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN"}
# Grave to caron, dots below to ogonek: what languages set on letters that have no code point of their own.
ACCENTS = set(map(chr, [*range(0x300, 0x30D), *range(0x323, 0x329), 0x331]))
JOINERS = set("\u200c\u200d")
MOST_MARKS = 2
"""How many accents a letter may bear that no code point holds together."""


@cache
def script_of(letter: str) -> str:
    """Name the script of a letter, a mark or a script's own punctuation, as its name begins; "" for none."""
    script = unicodedata.name(letter, "").partition(" ")[0]
    return EAST_ASIAN if script in EAST_ASIAN_SCRIPTS else script


def is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] == "L"


def is_mark(letter: str) -> bool:
    return unicodedata.category(letter)[0] == "M" or letter in JOINERS


def is_word(text: str) -> bool:
    """Tell whether letters and marks are a word as languages write them: in one script, nothing on top."""
    bases = [letter for letter in text if is_letter(letter)]
    scripts = {script_of(letter) for letter in bases}
    if len(scripts) != 1 or all(unicodedata.category(letter) == "Lm" for letter in bases):
        return False
    script = scripts.pop()
    # Among the letters without case are Latin clicks and dots, which look like punctuation.
    if script == "LATIN" and any(unicodedata.category(letter) == "Lo" for letter in bases):
        return False
    return not _has_odd_marks(unicodedata.normalize("NFC", text), script)


def _has_odd_marks(word: str, script: str) -> bool:
    in_a_row = 0
    for letter in word:
        in_a_row = in_a_row + 1 if is_mark(letter) else 0
        is_own = script_of(letter) == script or (letter in JOINERS and script not in CASED)
        if in_a_row and not is_own and (letter not in ACCENTS or in_a_row > MOST_MARKS):
            return True
    return is_mark(word[0])


def looks_like(text: str) -> str:
    """Write a text in the one form that all share that look like it: "PаypaI" as "paypal" is written."""
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(_lookalikes())
    seen = "".join(letter for letter in plain if not is_mark(letter))
    return seen.replace("i", "l").replace("rn", "m").replace("vv", "w")


@cache
def _lookalikes() -> dict[int, str]:
    pairs = " ".join(data("newcomers")["lookalikes"].values()).split()
    return {ord(pair[0]): pair[1:] for pair in pairs}
