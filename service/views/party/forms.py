"""The form of the answer page."""

from __future__ import annotations

from typing import Self

from wtforms import BooleanField, RadioField, StringField, TextAreaField

from service.introductions.answers import Details
from service.language import free_text
from service.language.languages import lazy_gettext
from service.store.models import Consent
from service.store.models.columns import MAX_PHONE_LENGTH
from service.views.site.forms import FALSE_VALUES, Form, choices, text_of
from service.views.site.validators import FreeText


class AnswerForm(Form):
    """What a party may add on the answer page. The answer itself is the choice they make."""

    phone = StringField(
        lazy_gettext("Phone number"),
        [FreeText(free_text.check_phone, MAX_PHONE_LENGTH)],
        filters=[free_text.tidy],
        render_kw={"autocomplete": "tel", "type": "tel", "inputmode": "tel"},
    )
    line = TextAreaField(
        lazy_gettext("A note of your own"),
        [FreeText(free_text.check_text, free_text.LINE_LENGTH)],
        filters=[free_text.tidy],
        render_kw={"rows": 3},
    )
    looking = RadioField(
        lazy_gettext("Are you looking for this now?"),
        choices=choices(
            {"yes": lazy_gettext("Yes, I’m looking now"), "no": lazy_gettext("No, not at the moment")}
        ),
        validate_choice=False,
    )
    tell_requester = BooleanField(false_values=FALSE_VALUES)

    @classmethod
    def of(cls, consent: Consent) -> Self:
        """Fill the form as a party left it."""
        looking = {True: "yes", False: "no", None: None}[consent.looking]
        tells = consent.tells_requester
        return cls(phone=consent.phone, line=consent.line, looking=looking, tell_requester=tells)

    def details(self, *, has_need: bool) -> Details:
        """Gather what goes on record; only the side with the need is asked whether it is looking."""
        looking = {"yes": True, "no": False}.get(self.looking.data or "") if has_need else None
        return Details(phone=text_of(self.phone), line=text_of(self.line), looking=looking)
