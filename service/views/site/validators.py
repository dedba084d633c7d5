"""WTForms validators; their messages are for the people who fill in the form."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from wtforms import Field, Form
from wtforms.validators import StopValidation, ValidationError

from service.language import free_text
from service.language.languages import gettext, lazy_gettext

Result = TypeVar("Result")


class Required:
    """Refuse an empty field; ``message`` says what is missing."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __call__(self, _: Form, field: Field) -> None:
        if not field.data:
            raise StopValidation(str(self.message))


class FreeText:
    """Refuse text that is longer than ``max_length`` characters, or that a check of `free_text` refuses."""

    def __init__(self, check: Callable[[str], None], max_length: int) -> None:
        self.check, self.max_length = check, max_length

    def __call__(self, _: Form, field: Field) -> None:
        text = field.data or ""
        if len(text) > self.max_length:
            message = gettext(
                "Please keep this to %(longest)d characters; it has %(length)d now.",
                longest=self.max_length,
                length=len(text),
            )
            raise ValidationError(message)
        if text:
            _as_message(self.check, text)


class EmailAddress:
    """Refuse what is no email address, and keep an address in the form that plain SMTP takes."""

    def __call__(self, _: Form, field: Field) -> None:
        field.data = _as_message(free_text.clean_email, field.data)


class OneOf:
    """Refuse what is neither a value of an enum nor one of the strings given."""

    def __init__(
        self, values: type[StrEnum] | tuple[str, ...], message: str = lazy_gettext("Please choose one.")
    ) -> None:
        self.values, self.message = [str(value) for value in values], message

    def __call__(self, _: Form, field: Field) -> None:
        if field.data not in self.values:
            raise StopValidation(str(self.message))


def _as_message(check: Callable[[str], Result], text: str) -> Result:
    try:
        return check(text)
    except free_text.NotAllowed as refusal:
        raise ValidationError(str(refusal)) from None
