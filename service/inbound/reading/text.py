"""Text as it looks and as it is compared."""

from __future__ import annotations

import re
import unicodedata

OVERRIDES = "\u202d\u202e"
"""These turn the letters that one sees around, so they must not be passed over like other invisible ones."""
ADDRESS = r"[^\s@<>]+@[^\s@<>]+"
"""What looks like an email address, as a regular expression; whether it is one of ours, a signature tells.

What strangers write is matched loosely, and reading knows no settings, so the rule of `settings.values`
is not used here.
"""
APOSTROPHES = str.maketrans("’‘`´", "''''")


def clean(line: str) -> str:
    """Return a line as it looks: one form for each letter (NFKC), nothing invisible, single spaces."""
    text = unicodedata.normalize("NFKC", line.replace("\t", " "))
    if not (text.isascii() and text.isprintable()):
        text = "".join(letter for letter in text if letter in OVERRIDES or _is_visible(letter))
    return " ".join(text.split())


def _is_visible(letter: str) -> bool:
    return unicodedata.category(letter) not in ("Cc", "Cf")


def fold(text: str) -> str:
    """Return the one way to write each word: small letters, plain apostrophes, Arabic without vowel signs."""
    plain = re.sub(r"[\u064b-\u065f\u0670\u0640]", "", text.casefold().translate(APOSTROPHES))
    return re.sub("[أإآٱ]", "ا", plain)


def split_words(line: str) -> list[str]:
    """Return the words of a line, folded and without the marks around them but for a question mark."""
    return [word for word in (part.strip(".,;:!|()<>*_،") for part in fold(line).split()) if word]


def statement_words(line: str) -> list[str]:
    """Return the words of a line, or none if it asks something."""
    return [] if "?" in line or "؟" in line else split_words(line)


def letter_runs(text: str) -> frozenset[str]:
    """Return the runs of letters in a name or an address, folded."""
    return frozenset(re.findall(r"[^\W\d_]+", fold(clean(text))))


def one_line(text: str) -> str:
    """Return the text in printable letters, on one line, at most 200 characters long."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:2000])
    return " ".join(shown.split())[:200].strip()
