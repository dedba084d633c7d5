"""Headers on every answer: nothing from elsewhere, nothing in a frame, no link in a Referer."""

from __future__ import annotations

from flask import Response, g, request

from .current import settings

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"
"""Nothing of a browser that no page of ours uses (https://www.w3.org/TR/permissions-policy/)."""
STRICT_TRANSPORT = "max-age=63072000"
"""Seconds, two years (RFC 6797), for this host alone: others of its domain are not ours to speak for."""

PRIVATE = ("/a/", "/r/", "/f/", "/never/", "/desk/in/", "/mailbox")
"""How the addresses begin that are credentials; every mail of the local mailbox holds such links too."""


def add_headers(response: Response) -> Response:
    """Add the headers that every page has; a page that needs another policy has set it before."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Permissions-Policy", PERMISSIONS)
    if settings().PUBLIC_URL.startswith("https:"):
        response.headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
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
