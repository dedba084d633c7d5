"""The languages that TwoYes speaks, and which of them is spoken now.

Pages get theirs from the request (`service.views.site.locale`); mails are written inside `speaking`. Messages
are whole sentences with named places, marked with `gettext`; the catalogues are in translations/ beside this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import flask_babel
from babel.dates import format_date
from flask import Flask
from flask_babel import Babel, force_locale, get_locale
from flask_babel import lazy_gettext as lazy_gettext  # noqa: PLC0414 (for whoever has no request yet)

LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français", "ar": "العربية"}
"""The name that each language calls itself, by tag (RFC 5646)."""
RIGHT_TO_LEFT = ("ar",)
CATALOGUES = Path(__file__).parent / "translations"


def init_app(app: Flask, select: Callable[[], str | None] | None = None) -> None:
    """Give an application its languages; ``select`` returns the tag of that of the request."""
    Babel(app, locale_selector=select, default_translation_directories=str(CATALOGUES))


_mails = Flask("mails")
# Flask-Babel keeps the language with the application context, and a mail has no request.
init_app(_mails)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say everything in this block in ``language``: in a request, a task, or a thread without either."""
    with _mails.app_context(), force_locale(language):
        yield


def spoken() -> str:
    """Return the tag of the language that is spoken now."""
    locale = get_locale()
    return locale.language if locale else "en"


def direction(language: str) -> str:
    """Return ``rtl`` or ``ltr``, as HTML's dir attribute wants it."""
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def gettext(message: str, /, **places: object) -> str:
    """Translate a message into the language spoken now, its places filled."""
    return str(flask_babel.gettext(message, **places))


def ngettext(one: str, many: str, num: int, /, **places: object) -> str:
    """Translate a message for ``num`` things, its places filled; %(num)d is one of them."""
    return str(flask_babel.ngettext(one, many, num, **places))


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Write a moment with its zone, as the language does: ``Tuesday, 24 November 2026, 14:05 UTC``."""
    at = at.astimezone(zone)
    date = format_date(at.date(), "full", locale=dates_of(spoken()))
    return gettext("%(date)s, %(time)s %(zone)s", date=date, time=f"{at:%H:%M}", zone=at.tzname())


def span(seconds: float) -> str:
    """Write a length of time in its largest whole unit, in the language spoken now: ``7 days``."""
    whole = int(seconds)
    if whole and whole % 86400 == 0:
        return ngettext("%(num)d day", "%(num)d days", whole // 86400)
    if whole and whole % 3600 == 0:
        return ngettext("%(num)d hour", "%(num)d hours", whole // 3600)
    if whole and whole % 60 == 0:
        return ngettext("%(num)d minute", "%(num)d minutes", whole // 60)
    return ngettext("%(num)d second", "%(num)d seconds", whole)


def dates_of(language: str) -> str:
    """Return the locale whose dates a language is written with."""
    # Plain English would write dates the American way, which most of its readers here do not.
    return "en_GB" if language == "en" else language
