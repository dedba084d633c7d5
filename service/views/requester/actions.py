"""What both pages of one introduction do for its requester: the one behind their link, and the desk's."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from service.desk import overview
from service.desk.overview import Standing
from service.introductions import quotas as limits
from service.introductions import requests as introductions
from service.language import wording
from service.language.languages import gettext
from service.lifecycle import NEVER, AlreadyVerified, CaseClosed, ConsentState, Role
from service.settings.timing import introduced_by
from service.store.models import Consent, Introduction
from service.views.site.common import database, moment, now, settings
from service.views.site.forms import CorrectionForm


def verify(token: str) -> None:
    # A second click finds it done: the page tells how things stand.
    with suppress(AlreadyVerified), database().transaction() as session:
        introductions.verify(session, settings(), token, now())


def withdraw(token: str) -> None:
    with suppress(CaseClosed), database().transaction() as session:
        introductions.withdraw(session, settings(), token, now())


def correct(token: str) -> CorrectionForm | None:
    """Correct an address as the form says; answers with the form where something is wrong with it."""
    form = CorrectionForm(request.form)
    if not form.validate():
        return form
    side, email = Role(form.side.data or ""), form.email.data or ""
    try:
        with database().transaction() as session:
            introductions.correct(session, settings(), token, side, email, now())
    except introductions.SameAddress:
        form.complain(gettext("This address is already part of this introduction. Please give another one."))
        return form
    except limits.CannotBeAsked:
        form.complain(
            gettext("This address cannot be asked at the moment. We cannot say more; nothing new was sent.")
        )
        return form
    return None


def told(session: Session, introduction: Introduction, form: CorrectionForm) -> dict[str, Any]:
    """What the templates tell of an introduction. Before it has left, it never depends on a single answer."""
    closes_at = introduction.closes_at
    stands = overview.standing(introduction)
    is_open = introduction.to_case().is_open
    ahead = overview.ahead(introduction, settings(), now())
    return {
        "form": form,
        "case": introduction,
        "stands": stands,
        "may_withdraw": stands is Standing.UNVERIFIED or (stands is not Standing.WITHDRAWN and is_open),
        "never_again": _never_again(introduction),
        "is_late": ahead is not None and ahead.is_late,
        "told_noes": {Role(mail.about) for mail in overview.told_noes(session, introduction)},
        "lost": overview.lost(introduction),
        "correctable": _correctable(introduction),
        "closes": moment(closes_at) if closes_at else "",
        "known_by": moment(introduced_by(closes_at, settings())) if closes_at else "",
        "lapses": moment(introduction.created_at + settings().VERIFY_WITHIN),
        "order_line": wording.order_line(introduction),
    }


def _never_again(introduction: Introduction) -> bool:
    """Whether it was by "never contact me again" that the requester, one of the two, took it back."""
    own = introduction.requester_is
    return own is not None and introduction.consent(own).method == NEVER


def _correctable(introduction: Introduction) -> list[Consent]:
    """The sides whose address may be corrected; the kernel decides again when it is."""
    closes_at = introduction.closes_at
    if not introduction.to_case().is_open or closes_at is None or now() >= closes_at:
        return []
    lost = ConsentState.UNDELIVERABLE
    return [side for side in introduction.consents if side.state is lost and not side.corrected]
