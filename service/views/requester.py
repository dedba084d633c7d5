"""/r/<token>: the requester's page of one introduction: confirm, follow, correct, withdraw."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service import introductions, wording
from service.lifecycle import ConsentState, Envelope, Role, State
from service.models import Consent, Introduction

from .common import database, moment, now, settings
from .forms import CorrectionForm
from .security import hide_link

pages = Blueprint("requester", __name__)
pages.before_request(hide_link)


@pages.get("/r/<token>")
def show(token: str) -> ResponseReturnValue:
    with database().reading() as session:
        introduction = introductions.by_requester_link(session, settings(), token)
        return _page(introduction, token, CorrectionForm())


@pages.post("/r/<token>")
def act(token: str) -> ResponseReturnValue:
    acts: dict[str, Callable[[str], ResponseReturnValue]]
    acts = {"verify": _verify, "withdraw": _withdraw, "correct": _correct}
    return acts.get(request.form.get("action", ""), _unknown)(token)


def _unknown(_: str) -> NoReturn:
    abort(400)


def _verify(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        introductions.verify(session, settings(), token, now())
    return _back(token)


def _withdraw(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        introductions.withdraw(session, settings(), token, now())
    return _back(token)


def _correct(token: str) -> ResponseReturnValue:
    form = CorrectionForm(request.form)
    if not form.validate():
        return _show_slip(token, form), 422
    try:
        with database().transaction() as session:
            _write_correction(session, token, form)
    except introductions.SameAddress:
        form.complain("This address is already part of this introduction. Please give another one.")
        return _show_slip(token, form), 422
    return _back(token)


def _write_correction(session: Session, token: str, form: CorrectionForm) -> None:
    side = Role(form.side.data or "")
    introductions.correct(session, settings(), token, side, form.email.data or "", now())


def _show_slip(token: str, form: CorrectionForm) -> str:
    with database().reading() as session:
        introduction = introductions.by_requester_link(session, settings(), token)
        return _page(introduction, token, form)


def _back(token: str) -> ResponseReturnValue:
    return redirect(url_for("requester.show", token=token), 303)


def _page(introduction: Introduction, token: str, form: CorrectionForm) -> str:
    closes_at = introduction.closes_at
    return render_template(
        "requester.html",
        token=token,
        form=form,
        case=introduction,
        stands=_how_it_stands(introduction),
        is_open=introduction.to_case().is_open,
        lost=[side.name for side in introduction.consents if side.envelope is Envelope.FAILED],
        correctable=_correctable(introduction),
        closes=moment(closes_at) if closes_at else "",
        known_by=moment(closes_at + settings().HOLD_FOR) if closes_at else "",
        lapses=moment(introduction.created_at + settings().VERIFY_WITHIN),
        order_line=wording.order_line(introduction),
    )


def _how_it_stands(introduction: Introduction) -> str:
    """The state in a word of this page. Before the introduction it never tells one answer from another."""
    if introduction.verified_at is None:
        return "gone" if introduction.state is State.CLOSED else "unverified"
    if introduction.state is State.CONFIRMED:
        return "confirmed"
    if introduction.left_at:
        return _how_it_went(introduction)
    return "nothing" if introduction.state is State.CLOSED else "asked"


def _how_it_went(introduction: Introduction) -> str:
    if introduction.state is State.CLOSED and introduction.introduced_at is None:
        return "undelivered"
    return "introduced" if introduction.introduced_at else "leaving"


def _correctable(introduction: Introduction) -> list[Consent]:
    """The sides whose address may be corrected; the kernel decides again when it is."""
    closes_at = introduction.closes_at
    if not introduction.to_case().is_open or closes_at is None or now() >= closes_at:
        return []
    lost = ConsentState.UNDELIVERABLE
    return [side for side in introduction.consents if side.state is lost and not side.corrected]
