"""Pages behind a signed link: its token is read once for each request, and tells whose language is spoken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, g
from sqlalchemy.orm import Session

from service.mail.tokens import Link, Tokens

from . import locale
from .current import database, settings

Read = Callable[[Tokens, str], Any]
Find = Callable[[Session, Any], locale.Reader | None]


def require(pages: Blueprint, read: Read, find: Find) -> None:
    """Put the pages of a blueprint, all at ``<token>``, behind a signed link.

    ``read`` reads the token into the ``link`` that each view is given in its place, and ``find`` the row of
    whoever the link was made for: the page speaks their language, even when a newer link has taken its place.
    A page raises BadLink before its view is called. Addresses of the same blueprint keep the token.
    """

    @pages.url_value_preprocessor
    def open_link(_: str | None, values: dict[str, Any] | None) -> None:
        if values is None:
            return
        g.token = values.pop("token")
        values["link"] = read(Tokens(settings().secret_keys), g.token)
        with database().reading() as session:
            locale.use_language_of(find(session, values["link"]))

    @pages.url_defaults
    def keep_token(_: str, values: dict[str, Any]) -> None:
        if "token" not in values:
            values["token"] = g.token


def by_id(row: type[Any]) -> Find:
    """Find a row by the id in its link, whatever the version of the link."""

    def find(session: Session, link: Link) -> Any:
        return session.get(row, link.id)

    return find
