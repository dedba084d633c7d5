"""Lines that people and mail programs write again and again: answers, greetings, regards, notes of devices.

A whole line must be one of these: nothing is searched for inside of a sentence, because what stands around it
may turn it into its contrary.
"""

from __future__ import annotations

import re
from enum import StrEnum

from .text import fold, split_words, statement_words
from .word_lists import alternatives, any_pattern, phrases


class Intent(StrEnum):
    """What the first line of a reply says, if it says one thing and nothing else."""

    YES = "yes"
    NO = "no"
    STOP = "stop"
    UNCLEAR = "unclear"


ANSWERS = {intent: phrases("answers", intent) for intent in (Intent.YES, Intent.NO, Intent.STOP)}
REVERSALS = phrases("answers", "reversals")
MAX_LINE = 60
"""Characters of an answer or a salutation."""

_GREETING = re.compile(rf"({alternatives(phrases('courtesies', 'greetings'))})(?P<whom> .*?)?[,.!:،]?")
_HONORIFICS = phrases("courtesies", "honorifics")
_REGARDS = phrases("courtesies", "regards")
_DEVICES = phrases("device_notes", "devices")
_DEVICE_WORDS = phrases("device_notes", "around") | _DEVICES
_MODEL = re.compile(any_pattern("device_notes", "models"))
_EXCUSE = re.compile(any_pattern("device_notes", "excuses"))
_QUOTED = re.compile(r"[*_\"'«»“”„¡]* ?(.*?) ?[*_\"'«»“”„]*(?:\.|,|،|!{1,3})?[*_\"'«»“”„]* ?")
"""An answer within the marks that people put around it."""


def intent_of(line: str) -> Intent:
    """Return what the line says if it is one of the known answers and nothing else."""
    found = _QUOTED.fullmatch(fold(line)) if len(line) <= MAX_LINE else None
    text = re.sub(r" ?[,،] ?", " ", found[1]) if found else ""
    return next((intent for intent, answers in ANSWERS.items() if text in answers), Intent.UNCLEAR)


def is_greeting(line: str, names: frozenset[str]) -> bool:
    """Tell whether a line is a salutation, such as "Hallo Frau Quill,", to somebody who has these names."""
    found = _GREETING.fullmatch(fold(line)) if len(line) <= MAX_LINE else None
    whom = split_words(found["whom"] or "") if found else []
    return found is not None and (names | _HONORIFICS).issuperset(whom)


def is_regards(line: str) -> bool:
    """Tell whether a line holds thanks and regards, and nothing else."""
    words = statement_words(line)
    return 0 < len(words) <= 7 and _REGARDS.issuperset(words)


def is_device_note(line: str) -> bool:
    """Tell whether a program added this line below a mail: "Sent from my iPhone"."""
    words = statement_words(re.sub(r"<?https?://\S+", "", _EXCUSE.sub("", fold(line))))
    rest = [word for word in words if word not in _DEVICE_WORDS and not _MODEL.fullmatch(word)]
    return 0 < len(words) <= 14 and not rest and not _DEVICES.isdisjoint(words)
