"""Other wishes than an answer: which of them are offered to whom, and the page once one is recorded."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import abort, render_template
from sqlalchemy.orm import Session

from service.introductions import reports
from service.introductions.wishes import Wish
from service.lifecycle import Role
from service.store.models import Introduction
from service.store.suppressions import has_opted_out

LATER = "later-"
"""How a choice of "ask me later" begins; its moment follows."""
TAKE_BACK = "take-back"
"""The choice of whoever has made a report: it is no wish, but takes one back."""
ONE_CLICK = "one-click"
"""The word of what a mail program's own button does, for the page that tells of it."""


def suppressed_for(session: Session, email: str, requester: str) -> str:
    """Tell for whom an address chose not to be written to any more: "everyone", "requester", or nobody."""
    if has_opted_out(session, email):
        return "everyone"
    return "requester" if has_opted_out(session, email, requester) else ""


def offered(session: Session, introduction: Introduction, reader: Role, email: str) -> list[str]:
    """List the choices of the reader of a mail or a page, at this address, as things stand."""
    stopped = suppressed_for(session, email, introduction.requester_address)
    done = {"everyone": (Wish.NEVER, Wish.NOT_FROM), "requester": (Wish.NOT_FROM,)}.get(stopped, ())
    choices = [wish.value for wish in _possible(introduction, reader) if wish not in done]
    if reports.of_reader(session, introduction, reader, email):
        return [TAKE_BACK, *(choice for choice in choices if choice != Wish.REPORT)]
    return choices


def chosen(word: str, introduction: Introduction, reader: Role) -> Wish:
    """Read a wish that its reader may have, also one that was granted before; else the answer is 400."""
    if word not in [wish.value for wish in _possible(introduction, reader)]:
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


def done(choice: str, requester: str) -> str:
    """Render the page that tells what was recorded; after the commit, so what it says is saved."""
    return render_template("wish_done.html", choice=choice, requester=requester)


def _possible(introduction: Introduction, reader: Role) -> tuple[Wish, ...]:
    if reader in (Role.REQUESTER, introduction.requester_is):
        # Nobody can be protected from themselves, only from TwoYes.
        return (Wish.NEVER,)
    return (Wish.NOT_FROM, Wish.NEVER, Wish.REPORT)
