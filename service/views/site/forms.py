"""The forms. CSRF protection is Flask-WTF's, for the whole application; see `service.views.register`."""

from __future__ import annotations

from typing import Any, Self

import wtforms
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # its stubs are older

from service.introductions.answers import Details
from service.introductions.requests import Party, Request
from service.language import free_text
from service.language.languages import LANGUAGES, gettext, lazy_gettext, spoken
from service.lifecycle import Order, Role
from service.store.models import Consent, FirstWriter, Introduction, Need, Sought, canonical

from .checks import Allowed, Given, Mailable, NotOwnSide, OneOf, OptionalOnOwnSide

NEITHER = "neither"
OFF = (False, "", "0", "n", "no", "off", "false")


class Form(wtforms.Form):
    """A form of ours; `templates/pages/_fields.html` shows what is wrong with it."""

    @property
    def fields_with_errors(self) -> list[Field]:
        """For the summary above the form, in the order of the page."""
        return [field for field in self if field.errors]


def _name(label: str, *before: Any, **more: Any) -> StringField:
    checks = [
        *before,
        Given(lazy_gettext("Please fill in the name.")),
        Allowed(free_text.check_name, free_text.NAME_LENGTH),
    ]
    return StringField(label, checks, filters=[free_text.tidy], **more)


def _email(label: str, *before: Any, **more: Any) -> StringField:
    checks = [*before, Given(lazy_gettext("Please fill in the email address.")), Mailable()]
    return StringField(label, checks, filters=[free_text.tidy], **more)


def _text(label: str, *before: Any, **more: Any) -> TextAreaField:
    checks = [*before, Allowed(free_text.check_text, free_text.TEXT_LENGTH)]
    return TextAreaField(label, checks, filters=[free_text.tidy], **more)


def _radio(label: str, words: Any, choices: dict[str, str], default: str | None, **more: Any) -> RadioField:
    # WTForms' own check says "Not a valid choice", which helps nobody.
    return RadioField(
        label, [OneOf(words)], choices=_choices(choices), default=default, validate_choice=False, **more
    )


def _language(label: str, *before: Any) -> SelectField:
    """In which language somebody is written to; the page's own until another is chosen."""
    checks = [*before, OneOf(tuple(LANGUAGES))]
    return SelectField(label, checks, choices=_choices(LANGUAGES), default=spoken, validate_choice=False)


def _choices(labels: dict[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in labels.items()]


class RequestForm(Form):
    """What a requester fills in. The field names are part of the service's interface."""

    language = HiddenField(default=spoken)
    requester_name = _name(lazy_gettext("Your name"), render_kw={"autocomplete": "name"})
    requester_email = _email(
        lazy_gettext("Your email address"),
        description=lazy_gettext(
            "We’ll send you a link first. Nothing goes to anyone else until you confirm."
        ),
        render_kw={"autocomplete": "email", "type": "email", "inputmode": "email"},
    )
    requester_is = _radio(
        lazy_gettext("Are you one of the two?"),
        (NEITHER, "a", "b"),
        {
            NEITHER: lazy_gettext("No, I know them both"),
            "a": lazy_gettext("Yes, I’m the first person"),
            "b": lazy_gettext("Yes, I’m the second person"),
        },
        NEITHER,
    )

    a_name = _name(lazy_gettext("Name"), NotOwnSide(), render_kw={"autocomplete": "off"})
    a_email = _email(
        lazy_gettext("Email address"), NotOwnSide(), render_kw={"autocomplete": "off", "type": "email"}
    )
    a_language = _language(lazy_gettext("Which language do they read?"), NotOwnSide())
    a_blurb = _text(
        lazy_gettext("What may we tell the second person about them?"),
        OptionalOnOwnSide(),
        Given(lazy_gettext("Please say in a sentence who this is.")),
        description=lazy_gettext("A sentence or two on who they are and what they do."),
    )
    a_endorsement = _text(
        lazy_gettext("How do you know them, and what can you vouch for?"),
        NotOwnSide(),
        description=lazy_gettext("In your own words. We never write this for you."),
    )

    b_name = _name(lazy_gettext("Name"), NotOwnSide(), render_kw={"autocomplete": "off"})
    b_email = _email(
        lazy_gettext("Email address"), NotOwnSide(), render_kw={"autocomplete": "off", "type": "email"}
    )
    b_language = _language(lazy_gettext("Which language do they read?"), NotOwnSide())
    b_blurb = _text(
        lazy_gettext("What may we tell the first person about them?"),
        OptionalOnOwnSide(),
        Given(lazy_gettext("Please say in a sentence who this is.")),
        description=lazy_gettext("A sentence or two on who they are and what they do."),
    )
    b_endorsement = _text(
        lazy_gettext("How do you know them, and what can you vouch for?"),
        NotOwnSide(),
        description=lazy_gettext("In your own words. We never write this for you."),
    )

    need = _text(
        lazy_gettext("What is needed?"),
        Given(lazy_gettext("Please say what is needed: a product, a service, a piece of advice.")),
        description=lazy_gettext("Both read this, and each other’s name, before they answer."),
    )
    need_of = _radio(
        lazy_gettext("Whose need is it?"),
        Need,
        {
            "a": lazy_gettext("The first person’s"),
            "b": lazy_gettext("The second person’s"),
            "both": lazy_gettext("Both of them"),
        },
        None,
    )
    sought = _radio(
        lazy_gettext("As far as you know, are they looking for it now?"),
        Sought,
        {"yes": lazy_gettext("Yes"), "no": lazy_gettext("No"), "unsure": lazy_gettext("I’m not sure")},
        "unsure",
    )

    order = _radio(
        lazy_gettext("Who should we ask first?"),
        Order,
        {
            "together": lazy_gettext("Both at once"),
            "a_first": lazy_gettext("The first person, and the second only after a yes"),
            "b_first": lazy_gettext("The second person, and the first only after a yes"),
        },
        "together",
    )
    first_writer = _radio(
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
        lazy_gettext("Send one reminder to anyone who hasn’t answered"), default=True, false_values=OFF
    )
    cc_requester = BooleanField(
        lazy_gettext("Send me a copy of the introduction"), default=True, false_values=OFF
    )

    @classmethod
    def of(cls, asked: Introduction) -> Self:
        """Fill in the form as an introduction was asked for, to ask for another one like it.

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

    def to_request(self) -> Request:
        """Read what was filled in, once `validate` has passed it."""
        own = _role_or_none(self.requester_is.data)
        return Request(
            requester_name=_typed(self.requester_name),
            requester_email=_typed(self.requester_email),
            a=self._party(Role.A, own),
            b=self._party(Role.B, own),
            need=_typed(self.need),
            need_of=Need(self.need_of.data),
            sought=Sought(self.sought.data),
            # The requester's own yes is their request, so only one side is left to be asked.
            order=Order.TOGETHER if own else Order(self.order.data),
            first_writer=FirstWriter(self.first_writer.data),
            reminders=self.reminders.data,
            cc_requester=self.cc_requester.data,
            requester_is=own,
            language=_typed(self.language),
        )

    def _party(self, role: Role, own: Role | None) -> Party:
        blurb = _typed(self[f"{role}_blurb"])
        if role is own:
            name, email = _typed(self.requester_name), _typed(self.requester_email)
            return Party(name, email, blurb, language=_typed(self.language))
        name, email, endorsement, language = (
            _typed(self[f"{role}_{part}"]) for part in ("name", "email", "endorsement", "language")
        )
        return Party(name, email, blurb, endorsement, language=language)

    def _addresses_differ(self) -> bool:
        """Mark each address that is there before; the requester's own side has theirs by right."""
        seen = {canonical(_typed(self.requester_email))}
        fits = True
        for role in ("a", "b"):
            field = self[f"{role}_email"]
            if role == self.requester_is.data or not field.data:
                continue
            if canonical(field.data) in seen:
                _complain(field, _same_address(field.data, self.requester_email.data))
                fits = False
            seen.add(canonical(field.data))
        return fits

    def title_of(self, field: Field) -> str:
        """Name a field by itself: both of the two have a "Name"."""
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


class AnswerForm(Form):
    """What a party may add on the answer page. The answer itself is the button they press."""

    phone = StringField(
        lazy_gettext("Phone number"),
        [Allowed(free_text.check_phone, free_text.PHONE_LENGTH)],
        filters=[free_text.tidy],
        render_kw={"autocomplete": "tel", "type": "tel", "inputmode": "tel"},
    )
    line = TextAreaField(
        lazy_gettext("A note of your own"),
        [Allowed(free_text.check_text, free_text.LINE_LENGTH)],
        filters=[free_text.tidy],
        render_kw={"rows": 3},
    )
    looking = RadioField(
        lazy_gettext("Are you looking for this now?"),
        choices=_choices(
            {"yes": lazy_gettext("Yes, I’m looking now"), "no": lazy_gettext("No, not at the moment")}
        ),
        validate_choice=False,
    )
    tell_requester = BooleanField(false_values=OFF)

    @classmethod
    def of(cls, consent: Consent) -> Self:
        """Fill in the form as a party left it."""
        looking = {True: "yes", False: "no", None: None}[consent.looking]
        tells = consent.tells_requester
        return cls(phone=consent.phone, line=consent.line, looking=looking, tell_requester=tells)

    def details(self, has_need: bool) -> Details:
        """Read what goes on record; only the side with the need is asked whether it is looking."""
        looking = {"yes": True, "no": False}.get(self.looking.data or "") if has_need else None
        return Details(phone=_typed(self.phone), line=_typed(self.line), looking=looking)


class CorrectionForm(Form):
    """A new address for a side that could not be reached."""

    side = StringField(validators=[OneOf(("a", "b"))])
    email = _email(lazy_gettext("Correct address"), render_kw={"autocomplete": "off", "type": "email"})

    def complain(self, message: str) -> None:
        _complain(self.email, message)


class SignInForm(Form):
    """The address that a link to sign in goes to."""

    email = _email(
        lazy_gettext("Your email address"),
        render_kw={"autocomplete": "email", "type": "email", "inputmode": "email"},
    )


def _typed(field: Field) -> str:
    return str(field.data or "")


def _role_or_none(word: str) -> Role | None:
    return None if word == NEITHER else Role(word)


def _same_address(email: str, requester_email: str | None) -> str:
    if canonical(email) == canonical(requester_email or ""):
        return gettext("This is your own address. If you’re one of the two, please say so above.")
    return gettext("Both people have the same address here. An introduction takes two.")


def _complain(field: Field, message: str) -> None:
    field.errors = [*field.errors, message]
