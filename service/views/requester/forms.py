"""The forms of the requester's pages: the request, the six digits that verify it, a corrected address."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Self

from wtforms import BooleanField, Field, HiddenField, StringField
from wtforms.validators import StopValidation

from service.introductions.requests import Party, Request
from service.language import newcomers
from service.language.free_text import NotAllowed
from service.language.languages import gettext, lazy_gettext, spoken
from service.lifecycle import Order, Role
from service.mail.tokens import CODE_DIGITS
from service.store.models import FirstWriter, Introduction, Need, Sought, canonical
from service.views.site.forms import (
    FALSE_VALUES,
    Form,
    add_error,
    email_field,
    language_field,
    name_field,
    radio_field,
    text_field,
    text_of,
)
from service.views.site.validators import OneOf, Required

from .validators import OptionalOnOwnSide, SkipOwnSide

NEITHER = "neither"
NAMES = ("requester_name", "a_name", "b_name")
TEXTS = ("a_blurb", "a_endorsement", "b_blurb", "b_endorsement", "need")


class RequestForm(Form):
    """What a requester fills in. The field names are part of the service's interface."""

    language = HiddenField(default=spoken)
    requester_name = name_field(lazy_gettext("Your name"), render_kw={"autocomplete": "name"})
    requester_email = email_field(
        lazy_gettext("Your email address"),
        description=lazy_gettext(
            "We’ll send you a link first. Nothing goes to anyone else until you confirm."
        ),
        render_kw={"autocomplete": "email", "type": "email", "inputmode": "email"},
    )
    requester_is = radio_field(
        lazy_gettext("Are you one of the two?"),
        (NEITHER, "a", "b"),
        {
            NEITHER: lazy_gettext("No, I know them both"),
            "a": lazy_gettext("Yes, I’m the first person"),
            "b": lazy_gettext("Yes, I’m the second person"),
        },
        NEITHER,
    )

    a_name = name_field(lazy_gettext("Name"), SkipOwnSide(), render_kw={"autocomplete": "off"})
    a_email = email_field(
        lazy_gettext("Email address"), SkipOwnSide(), render_kw={"autocomplete": "off", "type": "email"}
    )
    a_language = language_field(lazy_gettext("Which language do they read?"), SkipOwnSide())
    a_blurb = text_field(
        lazy_gettext("What may we tell the second person about them?"),
        OptionalOnOwnSide(),
        Required(lazy_gettext("Please say in a sentence who this is.")),
        description=lazy_gettext("A sentence or two on who they are and what they do."),
    )
    a_endorsement = text_field(
        lazy_gettext("How do you know them, and what can you vouch for?"),
        SkipOwnSide(),
        description=lazy_gettext("In your own words. We never write this for you."),
    )

    b_name = name_field(lazy_gettext("Name"), SkipOwnSide(), render_kw={"autocomplete": "off"})
    b_email = email_field(
        lazy_gettext("Email address"), SkipOwnSide(), render_kw={"autocomplete": "off", "type": "email"}
    )
    b_language = language_field(lazy_gettext("Which language do they read?"), SkipOwnSide())
    b_blurb = text_field(
        lazy_gettext("What may we tell the first person about them?"),
        OptionalOnOwnSide(),
        Required(lazy_gettext("Please say in a sentence who this is.")),
        description=lazy_gettext("A sentence or two on who they are and what they do."),
    )
    b_endorsement = text_field(
        lazy_gettext("How do you know them, and what can you vouch for?"),
        SkipOwnSide(),
        description=lazy_gettext("In your own words. We never write this for you."),
    )

    need = text_field(
        lazy_gettext("What is needed?"),
        Required(lazy_gettext("Please say what is needed: a product, a service, a piece of advice.")),
        description=lazy_gettext("Both read this, and each other’s name, before they answer."),
    )
    need_of = radio_field(
        lazy_gettext("Whose need is it?"),
        Need,
        {
            "a": lazy_gettext("The first person’s"),
            "b": lazy_gettext("The second person’s"),
            "both": lazy_gettext("Both of them"),
        },
        None,
    )
    sought = radio_field(
        lazy_gettext("As far as you know, are they looking for it now?"),
        Sought,
        {"yes": lazy_gettext("Yes"), "no": lazy_gettext("No"), "unsure": lazy_gettext("I’m not sure")},
        "unsure",
    )

    order = radio_field(
        lazy_gettext("Who should we ask first?"),
        Order,
        {
            "together": lazy_gettext("Both at once"),
            "a_first": lazy_gettext("The first person, and the second only after a yes"),
            "b_first": lazy_gettext("The second person, and the first only after a yes"),
        },
        "together",
    )
    first_writer = radio_field(
        lazy_gettext("Who writes first once they’re introduced?"),
        FirstWriter,
        {
            "a": lazy_gettext("The first person"),
            "b": lazy_gettext("The second person"),
            "either": lazy_gettext("Either of them"),
        },
        "either",
    )
    reminders = BooleanField(
        lazy_gettext("Send one reminder to anyone who hasn’t answered"),
        default=True,
        false_values=FALSE_VALUES,
    )
    cc_requester = BooleanField(
        lazy_gettext("Send me a copy of the introduction"), default=True, false_values=FALSE_VALUES
    )

    @classmethod
    def of(cls, asked: Introduction) -> Self:
        """Fill the form as an introduction was asked for, to ask for another one like it.

        But for the languages of the two, which they may have chosen themselves: that would tell who looked.
        """
        about = {
            f"{side.side}_{part}": getattr(side, part)
            for side in asked.consents
            for part in ("name", "email", "blurb", "endorsement")
            if side.side is not asked.requester_is or part == "blurb"
        }
        same = ("requester_name", "requester_email", "need", "need_of", "sought", "order", "first_writer")
        more = {name: getattr(asked, name) for name in (*same, "reminders", "cc_requester")}
        return cls(language=spoken(), requester_is=asked.requester_is or NEITHER, **about, **more)

    def process(self, *given: Any, **more: Any) -> None:
        """Fill the form; after a change of the page's language, whatever had that language follows it."""
        super().process(*given, **more)
        before, self.language.data = self.language.data, spoken()
        for field in (self.a_language, self.b_language):
            if field.data == before:
                field.data = spoken()

    def validate(self, extra_validators: Any = None) -> bool:
        fits = super().validate(extra_validators)
        return self._addresses_differ() and fits

    def fits_newcomer(self, our_names: tuple[str, ...]) -> bool:
        """Mark what a requester may not write of whom no introduction was confirmed yet."""
        own = self.requester_is.data
        typed = [name for name in (*NAMES, *TEXTS) if name not in (f"{own}_name", f"{own}_endorsement")]
        for field in (self[name] for name in typed if self[name].data and not self[name].errors):
            try:
                if field.name in NAMES:
                    newcomers.check_name(field.data, our_names)
                else:
                    newcomers.check_text(field.data)
            except NotAllowed as refusal:
                add_error(field, str(refusal))
        return not self.fields_with_errors

    def to_request(self) -> Request:
        """Return what was filled in, once `validate` has passed it."""
        own = _role_or_none(self.requester_is.data)
        return Request(
            requester_name=text_of(self.requester_name),
            requester_email=text_of(self.requester_email),
            a=self._party(Role.A, own),
            b=self._party(Role.B, own),
            need=text_of(self.need),
            need_of=Need(self.need_of.data),
            sought=Sought(self.sought.data),
            # The requester's own yes is their request, so only one side is left to be asked.
            order=Order.TOGETHER if own else Order(self.order.data),
            first_writer=FirstWriter(self.first_writer.data),
            reminders=self.reminders.data,
            cc_requester=self.cc_requester.data,
            requester_is=own,
            language=text_of(self.language),
        )

    def _party(self, role: Role, own: Role | None) -> Party:
        blurb = text_of(self[f"{role}_blurb"])
        if role is own:
            name, email = text_of(self.requester_name), text_of(self.requester_email)
            return Party(name, email, blurb, language=text_of(self.language))
        name, email, endorsement, language = (
            text_of(self[f"{role}_{part}"]) for part in ("name", "email", "endorsement", "language")
        )
        return Party(name, email, blurb, endorsement, language=language)

    def _addresses_differ(self) -> bool:
        """Mark each address that is there before; the requester's own side has theirs by right."""
        seen = {canonical(text_of(self.requester_email))}
        fits = True
        for role in ("a", "b"):
            field = self[f"{role}_email"]
            if role == self.requester_is.data or not field.data:
                continue
            if canonical(field.data) in seen:
                add_error(field, _same_address(field.data, self.requester_email.data))
                fits = False
            seen.add(canonical(field.data))
        return fits

    def title_of(self, field: Field) -> str:
        """Return what a field is called by itself: both of the two have a "Name"."""
        if field.name.startswith("a_"):
            return gettext("First person, %(label)s", label=field.label.text)
        if field.name.startswith("b_"):
            return gettext("Second person, %(label)s", label=field.label.text)
        return str(field.label.text)

    @property
    def filled(self) -> list[tuple[str, str]]:
        """Every field as name and value, for the preview's hidden inputs."""
        pairs = ((field.name, field.data) for field in self)
        return [(name, "y" if value is True else str(value)) for name, value in pairs if value]


class CorrectionForm(Form):
    """A new address for a side that could not be reached."""

    side = StringField(validators=[OneOf(("a", "b"))])
    email = email_field(lazy_gettext("Correct address"), render_kw={"autocomplete": "off", "type": "email"})

    def add_error(self, message: str) -> None:
        add_error(self.email, message)


def _digits(typed: str | None) -> str:
    """Return digits of any script as ASCII, without spaces, hyphens and marks that nobody sees."""
    seen = (letter for letter in typed or "" if unicodedata.category(letter) not in ("Zs", "Cf", "Cc", "Pd"))
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in seen)


def _is_code(_: Form, field: StringField) -> None:
    if not re.fullmatch(f"[0-9]{{{CODE_DIGITS}}}", field.data or ""):
        raise StopValidation(gettext("Please type the six digits from our email."))


class CodeForm(Form):
    """The six digits of the verification mail."""

    code = StringField(
        lazy_gettext("The six digits from our email"),
        [_is_code],
        filters=[_digits],
        render_kw={"type": "text", "inputmode": "numeric", "autocomplete": "one-time-code"},
    )

    def add_error(self, message: str) -> None:
        add_error(self.code, message)


def _role_or_none(word: str) -> Role | None:
    return None if word == NEITHER else Role(word)


def _same_address(email: str, requester_email: str | None) -> str:
    if canonical(email) == canonical(requester_email or ""):
        return gettext("This is your own address. If you’re one of the two, please say so above.")
    return gettext("Both people have the same address here. An introduction takes two.")
