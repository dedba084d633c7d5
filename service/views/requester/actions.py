"""What both pages of one introduction do for its requester: the one behind their link, and the desk's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from flask import request

from service.desk import overview
from service.desk.overview import Status
from service.introductions import quotas, requests
from service.language import wording
from service.language.languages import gettext
from service.lifecycle import NEVER, AlreadyVerified, CaseClosed, ConsentState, NoReminder, Role
from service.settings.timing import introduction_deadline
from service.store.context import Context
from service.store.models import Consent, Introduction
from service.views.site.current import writing
from service.views.site.filters import moment

from .forms import CorrectionForm

Lock = Callable[[Context], Introduction]
"""How a page locks its introduction: behind the requester's link, or by its number at their desk."""


def verify(lock: Lock) -> None:
    """Ask the parties."""
    # A second click finds it done: the page tells how things stand.
    with suppress(AlreadyVerified), writing() as context:
        # The quotas are locked before any introduction.
        quotas.lock(context.session)
        requests.verify(context, lock(context))


def withdraw(lock: Lock) -> None:
    """Take the request back."""
    with suppress(CaseClosed), writing() as context:
        requests.withdraw(context, lock(context))


def remind(lock: Lock) -> None:
    """Send the reminder now."""
    # A second click finds it done, one that comes too late finds it due: the page tells how things stand.
    with suppress(NoReminder), writing() as context:
        requests.remind(context, lock(context))


def correct(lock: Lock) -> CorrectionForm | None:
    """Correct an address as the form says; return the form where something is wrong with it."""
    form = CorrectionForm(request.form)
    if not form.validate():
        return form
    side, email = Role(form.side.data or ""), form.email.data or ""
    try:
        with writing() as context:
            quotas.lock(context.session)
            requests.correct(context, lock(context), side, email)
    except requests.SameAddress:
        form.add_error(gettext("This address is already part of this introduction. Please use another one."))
        return form
    except quotas.CannotBeAsked:
        form.add_error(
            gettext("This address can’t be asked right now. We can’t say more; nothing new was sent.")
        )
        return form
    return None


def template_variables(context: Context, introduction: Introduction, form: CorrectionForm) -> dict[str, Any]:
    """Return what the templates tell of an introduction: before it is sent, never a single answer."""
    closes_at = introduction.closes_at
    status = overview.status(introduction)
    is_open = introduction.to_case().is_open
    noes = overview.disclosed_noes(context.session, introduction)
    next_step = overview.next_step(introduction, context.settings, context.now)
    return {
        "form": form,
        "case": introduction,
        "status": status,
        "may_withdraw": status is Status.UNVERIFIED or (status is not Status.WITHDRAWN and is_open),
        "never_again": _never_again(introduction),
        "is_late": next_step is not None and next_step.is_late,
        "disclosed_noes": {Role(mail.about) for mail in noes},
        "unreached": overview.unreached_names(introduction),
        "correctable": _correctable(introduction, context.now),
        "closes": moment(closes_at) if closes_at else "",
        "settled_by": moment(introduction_deadline(closes_at, context.settings)) if closes_at else "",
        "lapses": moment(introduction.created_at + context.settings.VERIFY_WITHIN),
        "order_line": wording.order_line(introduction),
    }


def _never_again(introduction: Introduction) -> bool:
    """Whether it was by "never contact me again" that the requester, one of the two, took it back."""
    own = introduction.requester_is
    return own is not None and introduction.consent(own).method == NEVER


def _correctable(introduction: Introduction, now: datetime) -> list[Consent]:
    """List the sides whose address may be corrected; the kernel decides again when it is."""
    closes_at = introduction.closes_at
    if not introduction.to_case().is_open or closes_at is None or now >= closes_at:
        return []
    lost = ConsentState.UNDELIVERABLE
    return [side for side in introduction.consents if side.state is lost and not side.corrected]
