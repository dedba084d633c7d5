"""Other wishes than an answer: which of them are offered to whom, and the page once one is recorded."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import abort, render_template

from service.introductions.wishes import Wish
from service.lifecycle import Role
from service.store.models import Introduction

LATER = "later-"
"""How a choice of "ask me later" begins; its moment follows."""


def offered(introduction: Introduction, reader: Role) -> tuple[Wish, ...]:
    """List the wishes that the reader of a mail or a page may have about an introduction."""
    if reader in (Role.REQUESTER, introduction.requester_is):
        # Nobody can be protected from themselves, only from TwoYes.
        return (Wish.NEVER,)
    return (Wish.NOT_FROM, Wish.NEVER, Wish.REPORT)


def chosen(word: str, introduction: Introduction, reader: Role) -> Wish:
    """Read a wish, if it was there to be chosen; else the answer is 400."""
    if word not in [wish.value for wish in offered(introduction, reader)]:
        abort(400)
    return Wish(word)


def chosen_moment(choice: str) -> datetime:
    """Read a choice of "ask me later": its moment in seconds, as `templates/pages/answer.html` has it.

    Whether it may be chosen is for the kernel to say.
    """
    seconds = choice.removeprefix(LATER)
    # As short as this it is a moment that every platform and database knows.
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 10):
        abort(400)
    return datetime.fromtimestamp(int(seconds), UTC)


def done(wish: Wish, requester: str) -> str:
    """Render the page that tells what was recorded; after the commit, so what it says is saved."""
    return render_template("wish_done.html", wish=wish.value, requester=requester)
