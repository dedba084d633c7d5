"""Forms behind a mailed link: a choice, of which none is made beforehand, and then a press.

`templates/pages/_choices.html` writes them; `introductions.presses` tells whether a person sent one.
"""

from __future__ import annotations

from flask import request

from service.introductions.presses import Press, Undecided
from service.language.languages import LANGUAGES, gettext, speaking

DECOY_CHOICE, DECOY_BUTTON = "accept", "confirm"
"""The choice and the button that only a program uses."""


def read() -> Press:
    """Read the choice of a form, with the signs that a program made it."""
    choice = request.form.get("choice", "")
    return Press(
        choice,
        used_decoy=choice == DECOY_CHOICE or DECOY_BUTTON in request.form,
        typed_word=_is_word(request.form.get("word", "")),
    )


def status(undecided: Undecided | None) -> int:
    """Return the HTTP status of a page that is shown again: whoever chose to do nothing did nothing wrong."""
    return 200 if undecided is Undecided.NOTHING else 422


def word() -> str:
    """Return the word to type behind the link of a suspect mailbox, in the page's language."""
    return gettext("hello")


def _is_word(typed: str) -> bool:
    """Whether it is the word in one of our languages: the page may have been in another a moment ago."""
    return typed.strip().strip("“”\"'«»").casefold() in _words()


def _words() -> set[str]:
    words = set()
    for language in LANGUAGES:
        with speaking(language):
            words.add(word().casefold())
    return words
