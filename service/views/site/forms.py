"""What every form shares. CSRF protection is Flask-WTF's, for the whole application (`service.views`)."""

from __future__ import annotations

from typing import Any

import wtforms
from wtforms import Field, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # its stubs are older

from service.language import free_text
from service.language.languages import LANGUAGES, lazy_gettext, spoken

from .validators import EmailAddress, FreeText, OneOf, Required

FALSE_VALUES = (False, "", "0", "n", "no", "off", "false")
"""What an unchecked box may be sent as."""


class Form(wtforms.Form):
    """A form of ours; `templates/pages/_fields.html` shows what is wrong with it."""

    @property
    def fields_with_errors(self) -> list[Field]:
        """Return them in the order of the page, for the summary above the form."""
        return [field for field in self if field.errors]


def name_field(label: str, *validators: Any, **kwargs: Any) -> StringField:
    """Make the field of a person's name; ``validators`` run before its own."""
    validators = (
        *validators,
        Required(lazy_gettext("Please fill in the name.")),
        FreeText(free_text.check_name, free_text.NAME_LENGTH),
    )
    return StringField(label, validators, filters=[free_text.tidy], **kwargs)


def email_field(label: str, *validators: Any, **kwargs: Any) -> StringField:
    """Make the field of an email address; ``validators`` run before its own."""
    validators = (*validators, Required(lazy_gettext("Please fill in the email address.")), EmailAddress())
    return StringField(label, validators, filters=[free_text.tidy], **kwargs)


def text_field(label: str, *validators: Any, **kwargs: Any) -> TextAreaField:
    """Make a field of free text that holds no contact data; ``validators`` run before its own."""
    validators = (*validators, FreeText(free_text.check_text, free_text.TEXT_LENGTH))
    return TextAreaField(label, validators, filters=[free_text.tidy], **kwargs)


def radio_field(
    label: str, values: Any, labels: dict[str, str], default: str | None, **kwargs: Any
) -> RadioField:
    """Make a choice of one of ``values``, an enum or strings; ``labels`` are by value."""
    # WTForms' own check says "Not a valid choice", which helps nobody.
    return RadioField(
        label, [OneOf(values)], choices=choices(labels), default=default, validate_choice=False, **kwargs
    )


def language_field(label: str, *validators: Any) -> SelectField:
    """Make the choice of somebody's language; by default it is the page's."""
    validators = (*validators, OneOf(tuple(LANGUAGES)))
    return SelectField(label, validators, choices=choices(LANGUAGES), default=spoken, validate_choice=False)


def choices(labels: dict[str, str]) -> list[SelectChoice]:
    """Return labels by value as WTForms takes them."""
    return [SelectChoice(value, label) for value, label in labels.items()]


def text_of(field: Field) -> str:
    """Return what was typed in a field; "" where nothing was."""
    return str(field.data or "")


def add_error(field: Field, message: str) -> None:
    """Add an error to a field that has been validated."""
    field.errors = [*field.errors, message]
