"""What the fields of a form are checked for; the messages are for the people who fill it in."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from wtforms import Field, Form
from wtforms.validators import StopValidation, ValidationError

from service.language import free_text
from service.language.languages import gettext, lazy_gettext

Result = TypeVar("Result")


class Given:
    """The field must not be empty; the message says what is missing."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __call__(self, _: Form, field: Field) -> None:
        if not field.data:
            raise StopValidation(str(self.message))


class Allowed:
    """The text is short enough, and one of the checks of `service.free_text` passes it."""

    def __init__(self, check: Callable[[str], None], longest: int) -> None:
        self.check, self.longest = check, longest

    def __call__(self, _: Form, field: Field) -> None:
        text = field.data or ""
        if len(text) > self.longest:
            message = gettext(
                "Please keep this to %(longest)d characters; it has %(length)d now.",
                longest=self.longest,
                length=len(text),
            )
            raise ValidationError(message)
        if text:
            _as_message(self.check, text)


class Mailable:
    """An email address, kept from here on in the form that plain SMTP takes."""

    def __call__(self, _: Form, field: Field) -> None:
        field.data = _as_message(free_text.clean_email, field.data)


class OneOf:
    """One of an enum's words, or of the words given."""

    def __init__(
        self, words: type[StrEnum] | tuple[str, ...], message: str = lazy_gettext("Please choose one.")
    ) -> None:
        self.words, self.message = [str(word) for word in words], message

    def __call__(self, _: Form, field: Field) -> None:
        if field.data not in self.words:
            raise StopValidation(str(self.message))


class NotOwnSide:
    """Nothing is asked about the side that the requester is: it is filled from the requester."""

    def __call__(self, form: Form, field: Field) -> None:
        if form["requester_is"].data == field.name[0]:
            raise StopValidation


class OptionalOnOwnSide:
    """On the side that the requester is, an empty field will do."""

    def __call__(self, form: Form, field: Field) -> None:
        if form["requester_is"].data == field.name[0] and not field.data:
            raise StopValidation


def _as_message(check: Callable[[str], Result], text: str) -> Result:
    try:
        return check(text)
    except free_text.NotAllowed as refusal:
        raise ValidationError(str(refusal)) from None
