"""Who is signed in to the desk: an address in the session's cookie, checked against the database."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from flask import abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from service.desk import sign_in as desk
from service.language.languages import spoken

from .common import database, settings
from .security import keep_out_of_caches

LOCAL = re.compile(r"/(desk|operator)(/[\w-]+(\.\w+)?)*(\?[\w.~+=&%-]*)?", re.ASCII)
"""The addresses that a sign-in may lead to: pages behind it, here."""
START = "/desk"

View = Callable[..., ResponseReturnValue]


class Visitor(NamedTuple):
    """Somebody who is signed in."""

    address: str
    """Canonical, as `Introduction.requester_address`."""
    email: str
    """As it is on record."""
    is_operator: bool
    language: str
    """The tag of the language that this page is in."""


def visitor() -> Visitor | None:
    """Who is signed in; asked of the database once for each request."""
    if "visitor" not in g:
        g.visitor = _look_up(session.get("address"), session.get("generation"))
    return g.visitor  # type: ignore[no-any-return]


def signed_in(view: View) -> View:
    """Reserve a page for those who are signed in; others are sent to sign in first."""

    @wraps(view)
    def guarded(*given: Any, **named: Any) -> ResponseReturnValue:
        keep_out_of_caches()
        if visitor() is None:
            return redirect(url_for("desk.sign_in", next=_way_back()), 303)
        return view(*given, **named)

    return guarded


def operators_only(view: View) -> View:
    """Reserve a page for operators; for others who are signed in there is no such page."""

    @signed_in
    @wraps(view)
    def guarded(*given: Any, **named: Any) -> ResponseReturnValue:
        who = visitor()
        if who is None or not who.is_operator:
            abort(404)
        return view(*given, **named)

    return guarded


def enter(who: desk.DeskSession) -> str:
    """Begin a session, and forget whatever another one left; answers with the page to go to."""
    start = local(session.get("next", ""))
    session.clear()
    session.permanent = True
    session["address"], session["generation"] = who
    return start


def leave() -> None:
    """End the session of this browser."""
    session.clear()


def local(address: str) -> str:
    """Keep the address of a page behind the sign-in; make the desk's first page of whatever else."""
    return address if LOCAL.fullmatch(address) else START


def _way_back() -> str | None:
    """Where somebody wanted to go; a button cannot be pressed once more for them."""
    if request.method not in ("GET", "HEAD"):
        return None
    query = request.query_string.decode("ascii", "ignore")
    return local(f"{request.path}?{query}" if query else request.path)


def _look_up(address: object, generation: object) -> Visitor | None:
    if not isinstance(address, str):
        return None
    with database().reading() as rows:
        email = desk.email_on_record(rows, settings(), address)
        if email is None or generation != desk.generation(rows, address):
            return None
    return Visitor(address, email, desk.is_operator(settings(), address), spoken())
