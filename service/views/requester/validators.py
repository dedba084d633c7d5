"""Validators of the request: what is not asked where the requester is one of the two."""

from __future__ import annotations

from wtforms import Field, Form
from wtforms.validators import StopValidation


class SkipOwnSide:
    """Skip a field of the side that the requester is: it is filled from the requester."""

    def __call__(self, form: Form, field: Field) -> None:
        if form["requester_is"].data == field.name[0]:
            raise StopValidation


class OptionalOnOwnSide:
    """Let a field of the side that the requester is be empty."""

    def __call__(self, form: Form, field: Field) -> None:
        if form["requester_is"].data == field.name[0] and not field.data:
            raise StopValidation
