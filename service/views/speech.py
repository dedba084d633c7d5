"""Which language a page is in: the one of the person whose link it is, or the browser's."""

from __future__ import annotations

from flask import request

from service.languages import LANGUAGES

from .common import settings


def language() -> str:
    """The tag of the language of this request."""
    return request.accept_languages.best_match(list(LANGUAGES)) or settings().LANGUAGE
