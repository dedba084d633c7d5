"""Read the lists of words and phrases in `data/`, each file once.

A list is an array, or a table of arrays by language. Each file says in comments where its lists come from;
the mails that it names as ``corpus/…`` are those of tests/inbound.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from .text import fold


@cache
def _file(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def entries(file: str, name: str) -> list[str]:
    """Return the entries of a list as they are written, in all its languages. Raises KeyError."""
    found = _file(file)[name]
    arrays = found.values() if isinstance(found, dict) else [found]
    return [entry for array in arrays for entry in array]


def in_language(file: str, name: str, language: str) -> list[str]:
    """Return the entries of a list in one language. Raises KeyError."""
    return list(_file(file)[name][language])


def phrases(file: str, name: str) -> frozenset[str]:
    """Return the entries of a list in the form in which text is compared. Raises KeyError."""
    return frozenset(map(fold, entries(file, name)))


def any_pattern(file: str, name: str) -> str:
    """Return a regular expression that finds any of a list of such expressions. Raises KeyError."""
    return "|".join(entries(file, name))


def alternatives(words: Iterable[str]) -> str:
    """Return a regular expression that finds any of these words, the longest first."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))
