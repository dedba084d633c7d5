"""The introduction as one of the two may read it before both have said yes."""

from __future__ import annotations

from typing import NamedTuple

from service.language.languages import gettext, speaking
from service.lifecycle import MailKind, Role
from service.settings.table import Settings
from service.store.models import Consent, Introduction

from .render import Rendering, facts, language_of, write


class SideDetails(NamedTuple):
    """What an introduction tells of a side, under the names that its template knows."""

    name: str
    email: str
    blurb: str
    endorsement: str
    phone: str = ""
    line: str = ""


def introduction_before(introduction: Introduction, reader: Role, settings: Settings) -> Rendering:
    """Render the introduction as it would be sent, for the eyes of ``reader``, who sees their own side whole.

    Of the other side it holds what the ask tells anyway. Their address stays out entirely, and so does what
    they add with their answer: that would tell not only their number but that they said yes.
    """
    with speaking(language_of(introduction, MailKind.INTRODUCTION, reader)):
        sides = [_whole(side) if side.side is reader else _masked(side) for side in introduction.consents]
        return write(MailKind.INTRODUCTION, facts(introduction, reader, settings) | {"sides": sides})


def _whole(side: Consent) -> SideDetails:
    return SideDetails(side.name, side.email, side.blurb, side.endorsement, side.phone, side.line)


def _masked(side: Consent) -> SideDetails:
    address = gettext("[known once both have said yes]")
    return SideDetails(side.name, address, side.blurb, side.endorsement)
