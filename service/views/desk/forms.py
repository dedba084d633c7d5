"""The forms of the desk: signing in, searching the introductions, and the dates of the ledger."""

from __future__ import annotations

import re
from datetime import date

from wtforms import StringField
from wtforms.validators import StopValidation

from service.desk.figures import DateRange
from service.language.languages import gettext, lazy_gettext
from service.views.site.forms import Form, email_field

MAX_SEARCH_LENGTH = 200
"""In characters; whatever is behind them is not looked for."""


class SignInForm(Form):
    """The address that a link to sign in goes to."""

    email = email_field(
        lazy_gettext("Your email address"),
        render_kw={"autocomplete": "email", "type": "email", "inputmode": "email"},
    )


class SearchForm(Form):
    """The words to look for in names, addresses and needs."""

    q = StringField(
        lazy_gettext("Search in names, addresses and needs"),
        render_kw={"autocomplete": "off"},
        filters=[str.strip],
    )


def _is_day(_: Form, field: StringField) -> None:
    if field.data and read_day(field.data) is None:
        raise StopValidation(gettext("Please enter a date such as 2026-11-22."))


def read_day(text: str | None) -> date | None:
    """Return a day as a date field sends it (ISO 8601), of this century; None for anything else."""
    if not re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", text or ""):
        return None
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


class DatesForm(Form):
    """The first and the last day, both included; each may be left out."""

    since = StringField(lazy_gettext("First day"), [_is_day], render_kw={"type": "date"})
    until = StringField(lazy_gettext("Last day"), [_is_day], render_kw={"type": "date"})

    def validate_until(self, field: StringField) -> None:
        """Refuse a last day before the first one (WTForms calls this by its name)."""
        first, last = read_day(self.since.data), read_day(field.data)
        if first and last and last < first:
            raise StopValidation(gettext("This is before the first day."))

    def dates(self) -> DateRange:
        """Return the days that were filled in, once `validate` has passed them."""
        return DateRange(read_day(self.since.data), read_day(self.until.data))
