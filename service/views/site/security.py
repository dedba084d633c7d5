"""Headers on every answer: nothing from elsewhere, nothing in a frame, no link in a Referer."""

from __future__ import annotations

from flask import Response, g, request

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

PRIVATE = ("/a/", "/r/", "/f/", "/never/", "/desk/in/", "/mailbox")
"""How the addresses begin that are credentials; every mail of the local mailbox holds such links too."""


def add_headers(response: Response) -> Response:
    """Add the headers that every page has; a page that needs another policy has set it before."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer" if is_private() else "same-origin")
    if is_private() or g.get("personal", False):
        # The address of such a page is a credential, or it is one person's: it must not stay in caches.
        response.headers["Cache-Control"] = "no-store"
    return response


def keep_out_of_caches() -> None:
    """Before every request of a page that is for one person, who is signed in or about to be."""
    g.personal = True


def is_private() -> bool:
    # By the address and not by the view: an answer that no view gave, such as a 405, needs it as well.
    return request.path.startswith(PRIVATE)
