"""The forms of a page, as a program reads them: every control in its order, seen by people or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit


@dataclass
class Control:
    """A choice, a button, or another field; ``value`` is what it would send."""

    kind: str
    name: str
    value: str
    is_on: bool = True
    """Whether it is sent as the page stands: a radio or a box only where it is checked."""


@dataclass
class Form:
    """A form that posts, and where to."""

    path: str
    controls: list[Control] = field(default_factory=list)

    @property
    def choices(self) -> list[Control]:
        return [control for control in self.controls if control.kind == "radio"]

    @property
    def buttons(self) -> list[Control]:
        return [control for control in self.controls if control.kind == "submit"]

    def as_it_stands(self) -> dict[str, str]:
        """What it sends without a button."""
        on = (control for control in self.controls if control.is_on and control.kind != "submit")
        return {control.name: control.value for control in on if control.name}

    def pressed(self, button: Control | None, choice: Control | None = None) -> dict[str, str]:
        """What it sends when a button is pressed, after a choice was made."""
        more = {control.name: control.value for control in (choice, button) if control and control.name}
        return self.as_it_stands() | more


@dataclass
class _Forms(HTMLParser):
    page: str
    found: list[Form] = field(default_factory=list)
    _form: Form | None = None
    _select: str = ""
    _textarea: Control | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = None
            if given.get("method", "get").lower() == "post":
                self._form = Form(on_this_site(urljoin(self.page, given.get("action", ""))))
                self.found.append(self._form)
        elif self._form and "disabled" not in given:
            self._control(self._form, tag, given)

    def _control(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "button":
            form.controls.append(Control("submit", name, value))
        elif tag == "input":
            kind = given.get("type", "text")
            is_on = kind not in ("radio", "checkbox") or "checked" in given
            form.controls.append(Control(kind, name, value or ("on" if kind == "checkbox" else ""), is_on))
        elif tag == "textarea":
            self._textarea = Control("textarea", name, "")
            form.controls.append(self._textarea)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            form.controls.append(Control("option", self._select, value, "selected" in given))

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._textarea.value += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = None


def on_this_site(address: str) -> str:
    """An address without its scheme and host."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def forms_of(html: str, page: str) -> list[Form]:
    """Read the forms of a page at this address that post."""
    parser = _Forms(page)
    parser.feed(html)
    return parser.found


def form_with(html: str, page: str, choice: str) -> tuple[Form, Control]:
    """Find the form that has a choice, and that choice."""
    for form in forms_of(html, page):
        for control in form.choices:
            if control.name == "choice" and control.value == choice:
                return form, control
    raise AssertionError(f"{page} has no choice {choice!r}")
