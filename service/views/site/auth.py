"""Who is signed in to the desk: an address in the session's cookie, checked against the database."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from flask import abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from service.desk import sign_in
from service.language.languages import spoken

from . import browser
from .current import database, settings
from .security import keep_out_of_caches

SAFE_NEXT = re.compile(r"/(desk|operator)(/[\w-]+(\.\w+)?)*(\?[\w.~+=&%-]*)?", re.ASCII)
"""The pages that a sign-in may lead to: those behind it, on this site (CWE-601, open redirects)."""
DESK = "/desk"

View = Callable[..., ResponseReturnValue]


class User(NamedTuple):
    """Somebody who is signed in."""

    address: str
    """Canonical, as `Introduction.requester_address`."""
    email: str
    """As it is on record."""
    is_operator: bool
    language: str
    """The tag of the language that this page is in."""


def current_user() -> User | None:
    """Return who is signed in, or None; the database is asked once for each request."""
    if "current_user" not in g:
        g.current_user = _look_up(session.get("address"), session.get("generation"))
    return g.current_user  # type: ignore[no-any-return]


def sign_in_required(view: View) -> View:
    """Decorate a view that is for those who are signed in; others are sent to sign in first."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        keep_out_of_caches()
        if current_user() is None:
            return redirect(url_for("desk.sign_in", next=_this_page()), 303)
        return view(*args, **kwargs)

    return wrapper


def operator_required(view: View) -> View:
    """Decorate a view that is for operators; for others who are signed in it answers 404."""

    @sign_in_required
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        user = current_user()
        if user is None or not user.is_operator:
            abort(404)
        return view(*args, **kwargs)

    return wrapper


def start_session(login: sign_in.DeskSession) -> str:
    """Begin a session, forget what another one left but the browser's word, and return the page to go to."""
    start, word = safe_next(session.get("next", "")), browser.word()
    session.clear()
    session.permanent = True
    session["browser"] = word
    session["address"], session["generation"] = login
    return start


def end_session() -> None:
    """End the session of this browser."""
    session.clear()


def safe_next(address: str) -> str:
    """Return an address as it is if it is a page behind the sign-in, else that of the desk."""
    return address if SAFE_NEXT.fullmatch(address) else DESK


def _this_page() -> str | None:
    """Where somebody wanted to go; a button cannot be pressed once more for them."""
    if request.method not in ("GET", "HEAD"):
        return None
    query = request.query_string.decode("ascii", "ignore")
    return safe_next(f"{request.path}?{query}" if query else request.path)


def _look_up(address: object, generation: object) -> User | None:
    if not isinstance(address, str):
        return None
    with database().reading() as db_session:
        email = sign_in.email_on_record(db_session, settings(), address)
        if email is None or generation != sign_in.generation(db_session, address):
            return None
    return User(address, email, sign_in.is_operator(settings(), address), spoken())
