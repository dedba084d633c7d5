"""Which browser this is: a random word in its session, which the row of what was asked for in it keeps.

Behind a link that was asked for here one press is a person's: a program that scans mail has no such cookie.
"""

from __future__ import annotations

import hmac
import secrets

from flask import session

from service.store.models import Introduction, SignIn


def word() -> str:
    """Return the word of this browser, which is made once."""
    if not known():
        # It outlasts the browser's window: between the form and the mail there may be days.
        session.permanent = True
        session["browser"] = secrets.token_urlsafe(32)
    return known()


def known() -> str:
    """Return the word of this browser, "" where it has none."""
    return str(session.get("browser", ""))


def has_asked_for(row: Introduction | SignIn) -> bool:
    """Tell whether what a row stands for was asked for in this browser."""
    return row.browser is not None and hmac.compare_digest(row.browser.encode(), known().encode())
