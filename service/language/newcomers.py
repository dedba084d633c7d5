"""What newcomers may write: requesters of whom no introduction was confirmed yet, so strangers to everybody.

Their texts reach people who asked for nothing, so nothing in them may be taken for an address, a link or a
number, by a mail program or by a person. What is allowed is a list, not what is forbidden: words of one
script, the punctuation of sentences with a space behind it, and short numbers. `free_text` holds as well.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from . import free_text
from .data_files import data
from .free_text import NotAllowed
from .languages import gettext
from .numbers import is_short
from .scripts import is_letter, is_word, looks_like, script_of
from .shapes import plain, shape_of, without_pictures, words_of

MOST_WORDS = 10
"""How many words a name has at most: as the longest Spanish ones, and no sentence of a lure fits in."""

LENGTH_OF_A_BRAND = 6

OPENS, CLOSES = "\"'“”„‚«‹(¿¡€$£¥-", "\"'”“»›).,;:!?،؛؟।॥%€$£¥°+-"
# What stands inside of a word, as in 24/7 and 50%/day; a number with its unit: 2.5m.
JOINS = r"(?:['&–-]|[%€$£]?/)"
PART = r"(?:9+(?:[.,:]9+)+a{0,3}|[a字9]+)"
ALONE = r"[-–—&+/*:;,!?%€$£«»“”„\"'=،؛؟।॥]{1,3}|\.{3,}"
TEXT_CHUNK = re.compile(rf"[{re.escape(OPENS)}]*{PART}(?:{JOINS}{PART})*[{re.escape(CLOSES)}]*|{ALONE}")
NAME_CHUNK = re.compile(r"[\"'“”„‚«‹(-]*[a字]+(?:['–-][a字]+)*[\"'”“»›).,]*|[-–]")

# In the scripts of Europe, where a letter is no word and is not one syllable.
LETTER_BY_LETTER = re.compile(
    r"""
    (?<!\w) (?:[A-Za-zÀ-ӿ]\s+){3,} [A-Za-zÀ-ӿ] (?!\w)                  # e v i l
    | (?<!\w) (?:[a-zα-ωа-я][.,-]?\s+){3,} [a-zα-ωа-я] (?!\w)          # e. v. i. l, but not J. R. R. T.
    """,
    re.VERBOSE,
)


def check_name(text: str, our_names: tuple[str, ...] = ()) -> None:
    """Raise NotAllowed for a name that is not made as people's names are, or is an office's or a brand's.

    ``our_names`` are what this installation calls itself.
    """
    free_text.check_name(text)
    name = plain(text)
    if any(letter.isdigit() for letter in name):
        raise NotAllowed(gettext("Please leave digits out of the name."))
    _check_chunks(name, NAME_CHUNK)
    _check_spelling(text)
    if len({script_of(letter) for letter in name if is_letter(letter)}) > 1:
        raise NotAllowed(gettext("Please write the whole name in one alphabet."))
    if len(name.split()) > MOST_WORDS:
        raise NotAllowed(gettext("Please give just the name."))
    _check_person(name, our_names)


def check_text(text: str) -> None:
    """Raise NotAllowed for text that holds anything but words, punctuation and short numbers."""
    free_text.check_text(text)
    text = without_pictures(text)
    if not is_short(plain(text)):
        raise NotAllowed(
            gettext(
                "Please leave long numbers out here. "
                "Up to four digits, years, dates, times and round sums are fine."
            )
        )
    _check_chunks(plain(text), TEXT_CHUNK)
    _check_spelling(text)


def _check_chunks(text: str, allowed: re.Pattern[str]) -> None:
    """Look at whatever stands between two spaces."""
    for chunk in text.split():
        if not allowed.fullmatch(shape_of(chunk)):
            raise NotAllowed(_what_is_odd(chunk))
        if not all(is_word(word) for word in words_of(chunk)):
            raise NotAllowed(gettext("Please write “%(word)s” in the letters of one alphabet.", word=chunk))


def _what_is_odd(chunk: str) -> str:
    punctuation = re.search(r"([.,;:!?)])[^.,;:!?)]", chunk)
    if punctuation:
        return gettext(
            "Please put a space after the “%(sign)s” in “%(word)s”.", sign=punctuation[1], word=chunk
        )
    odd = next((sign for sign in chunk if not sign.isalnum() and sign not in CLOSES), chunk)
    return gettext("Please leave out the “%(sign)s”.", sign=odd)


def _check_spelling(text: str) -> None:
    """Refuse an address that a program does not see, and a person does."""
    # Not the plain text, in which "и т.д." has spaces between its letters.
    letters = LETTER_BY_LETTER.search(unicodedata.normalize("NFKC", text))
    found = letters or _address_in_words().search(plain(text))
    if found:
        raise NotAllowed(gettext("Please leave out “%(words)s”.", words=" ".join(found[0].split())))


@cache
def _address_in_words() -> re.Pattern[str]:
    words = {name: "|".join(found) for name, found in data("newcomers")["texts"].items()}
    return re.compile(
        rf"""
        (?i:\b(?:{words["schemes"]})\s*:|\bwww\b)
        | \w+[\s)]*\.\s*(?:{words["ends"]}|{words["ends"].upper()})\b               # evil. com
        | (?i:\b(?:{words["dots"]})\b[\s)"'-]*(?:{words["ends"]})\b)                # evil (dot) com
        | (?i:\b(?:{words["plain_dots"]})\b[\s)"'-]*(?:{words["countries"]})\b)     # evil punkt de
        """,
        re.VERBOSE,
    )


def _check_person(name: str, our_names: tuple[str, ...]) -> None:
    """Refuse the name of a brand, of this installation, and of an office that people take orders from."""
    taken = [word for word in re.split(r"[\W_]+", name) if looks_like(word) in _taken_words()]
    taken += [brand for brand in (*data("newcomers")["names"]["brands"], *our_names) if _names(name, brand)]
    if taken:
        raise NotAllowed(
            gettext("Please give the name of a person: we can’t take “%(word)s” as one.", word=taken[0])
        )


def _names(name: str, brand: str) -> bool:
    """Tell whether a name holds that of a brand, however it is spaced; a short one may be part of any."""
    whole, part = _squeezed(name), _squeezed(brand)
    return whole == part or (len(part) >= LENGTH_OF_A_BRAND and part in whole)


def _squeezed(name: str) -> str:
    return looks_like(re.sub(r"[\W_]+", "", name))


@cache
def _taken_words() -> frozenset[str]:
    names = data("newcomers")["names"]
    return frozenset(map(looks_like, [*names["roles"], *names["short_brands"]]))
