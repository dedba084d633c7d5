"""What both pages of one introduction do for its requester: the one behind their link, and the desk's."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from flask import abort, request

from service.desk import overview
from service.desk.overview import Status
from service.introductions import quotas, requests
from service.language import wording
from service.language.languages import gettext
from service.lifecycle import NEVER, AlreadyVerified, CaseClosed, ConsentState, NoReminder, Role
from service.settings.timing import introduction_deadline
from service.store.context import Context
from service.store.models import Consent, Introduction
from service.views.site.filters import moment

from .forms import CorrectionForm


def act(context: Context, introduction: Introduction, action: str) -> CorrectionForm | None:
    """Do to a locked introduction what was pressed; the quotas are locked too. Aborts with 400 for nonsense.

    Return the form where something is wrong with a correction. Raises what the verb refuses, but where a
    second press finds it done, or one too late finds it due: then the page tells how things stand.
    """
    match action:
        case "verify":
            with suppress(AlreadyVerified):
                requests.verify(context, introduction)
        case "withdraw":
            with suppress(CaseClosed):
                requests.withdraw(context, introduction)
        case "remind":
            with suppress(NoReminder):
                requests.remind(context, introduction)
        case "correct":
            return _correct(context, introduction)
        case _:
            abort(400)
    return None


def _correct(context: Context, introduction: Introduction) -> CorrectionForm | None:
    form = CorrectionForm(request.form)
    if not form.validate():
        return form
    try:
        requests.correct(context, introduction, Role(form.side.data or ""), form.email.data or "")
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
