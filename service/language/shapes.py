"""A text in the plainest letters that look the same, and the shape of what stands between its spaces."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from .free_text import BLANK, with_spaced_titles
from .scripts import EAST_ASIAN, is_letter, is_mark, script_of

LETTER, IDEOGRAPH, DIGIT, CLOSING = "a", "字", "9", "."
"""What stands for each in a shape: "Linda’s 2nd," has the shapes a'a and 9a followed by a comma."""

APOSTROPHES = dict.fromkeys(map(ord, "´`ʹʻʼʽʾʿ’‘′＇ꞌ"), "'")
HYPHENS = {0x2010: "-", 0x2011: "-", 0x05BE: "-", 0x2044: "/"}
# They stand between East Asian letters without a space.
EAST_ASIAN_MARKS = re.compile("[、。〈-】〔-〛・！（），：；？·…“”,]+")
# Emoji, and dingbats but for the digits among them, with what colours and joins them.
PICTURES = (
    r"[\u2600-\u2775\u2794-\u27bf\u2b50\u2b55\U0001f300-\U0001f64f"
    r"\U0001f680-\U0001f6ff\U0001f900-\U0001faff\ufe0f\u200d]++"
)
LOOSE_PICTURES = re.compile(rf"(?<!\S){PICTURES}|{PICTURES}(?![^\s.,;:!?)])")
BULLET = re.compile(r"^\s*[•·*–-]\s+", re.MULTILINE)
# Two genders in one word, or one and many: Kolleg:innen, étudiant·e·s, amigo(a), friend(s).
ENDING = re.compile(
    r"(?<=[^\W\d_])(?:[:*_](?:e|r|n|en|in|innen)|(?:·(?:e|s|es|ne|nes|trice|trices))+"
    r"|\((?:s|e|n|r|er|in|nen|innen|es|a|as)\))(?![\w(:*_·]|\.\w)"
)
CATALAN_L = re.compile(r"(?<=[^\W\d_]l)·(?=l)")


def plain(text: str) -> str:
    """Write a text so that the same rules fit all: one kind of apostrophe, of letter and of digit.

    What may stand between letters in some languages and looks like no address there is left out.
    """
    text = _with_east_asian_spaces(text.translate(BLANK | APOSTROPHES))
    text = CATALAN_L.sub("", ENDING.sub("", text))
    text = unicodedata.normalize("NFKC", text).translate(HYPHENS)
    text = "".join(str(unicodedata.decimal(letter, letter)) for letter in text)
    return BULLET.sub(" ", with_spaced_titles(text))


def without_pictures(text: str) -> str:
    """Leave out the emoji that stand between words and not within one."""
    return LOOSE_PICTURES.sub(" ", text)


def _with_east_asian_spaces(text: str) -> str:
    def space(found: re.Match[str]) -> str:
        around = text[max(found.start() - 1, 0) : found.start()] + text[found.end() : found.end() + 1]
        return " " if any(script_of(letter) == EAST_ASIAN for letter in around) else found[0]

    return EAST_ASIAN_MARKS.sub(space, text)


def shape_of(chunk: str) -> str:
    """Write every letter as LETTER or IDEOGRAPH and every digit as DIGIT; a mark belongs to its letter."""
    signs = [_shape_of(chunk, place) for place in range(len(chunk))]
    return "".join(signs)


def _shape_of(chunk: str, place: int) -> str:
    sign = chunk[place]
    if is_letter(sign):
        return IDEOGRAPH if script_of(sign) == EAST_ASIAN else LETTER
    if sign.isdecimal():
        return DIGIT
    if is_mark(sign) and place:
        return ""
    if _is_own_punctuation(chunk, place):
        return LETTER if place + 1 < len(chunk) else CLOSING
    return sign


def _is_own_punctuation(chunk: str, place: int) -> bool:
    """Tell whether a sign belongs to the one script around it, as that between syllables of Tibetan does."""
    sign, around = chunk[place], chunk[max(place - 1, 0) : place] + chunk[place + 1 : place + 2]
    scripts = {script_of(letter) for letter in around if is_letter(letter) or is_mark(letter)}
    is_own = scripts == {script_of(sign)} or (sign in "\"'" and scripts == {"HEBREW"})
    return is_own and unicodedata.category(sign)[0] == "P"


def words_of(chunk: str) -> list[str]:
    """Return what has to be a word of one script; East Asian letters may stand beside any others."""

    def is_part(letter: str) -> bool:
        return is_mark(letter) or (is_letter(letter) and script_of(letter) != EAST_ASIAN)

    return ["".join(word) for belongs, word in groupby(chunk, is_part) if belongs]
