"""/r/<token>: the requester's page of one introduction: confirm, follow, correct, withdraw."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service import introductions, limits, wording
from service.languages import gettext
from service.lifecycle import (
    NEVER,
    AlreadyVerified,
    CaseClosed,
    ConsentState,
    Envelope,
    Reason,
    Role,
    State,
)
from service.models import Consent, Introduction
from service.tokens import Tokens

from . import speech
from .common import database, moment, now, settings
from .forms import CorrectionForm
from .security import hide_link

pages = Blueprint("requester", __name__)
pages.before_request(hide_link)
pages.before_request(speech.of_reader(Tokens.read_requester, Introduction))


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
    # A second click finds it done: the page tells how things stand.
    with suppress(AlreadyVerified), database().transaction() as session:
        introductions.verify(session, settings(), token, now())
    return _back(token)


def _withdraw(token: str) -> ResponseReturnValue:
    with suppress(CaseClosed), database().transaction() as session:
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
        form.complain(gettext("This address is already part of this introduction. Please give another one."))
        return _show_slip(token, form), 422
    except limits.CannotBeAsked:
        form.complain(
            gettext("This address cannot be asked at the moment. We cannot say more; nothing new was sent.")
        )
        return _show_slip(token, form), 422
    return _back(token)


@pages.post("/r/<token>/language")
def language(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        introductions.choose_requester_language(session, settings(), token, speech.chosen())
    return redirect(url_for("requester.show", token=token, lang=None), 303)


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
    stands = _how_it_stands(introduction)
    return render_template(
        "requester.html",
        token=token,
        form=form,
        case=introduction,
        stands=stands,
        may_withdraw=stands == "unverified" or (stands != "withdrawn" and introduction.to_case().is_open),
        never_again=_never_again(introduction),
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
    if _is_withdrawn(introduction):
        return "withdrawn"
    return "nothing" if introduction.state is State.CLOSED else "asked"


def _is_withdrawn(introduction: Introduction) -> bool:
    """Where the requester is one of the two, the case stays open with their no until the closing moment."""
    own = introduction.requester_is
    said_no = own is not None and introduction.consent(own).state is ConsentState.NO
    return said_no or introduction.reason is Reason.WITHDRAWN


def _never_again(introduction: Introduction) -> bool:
    """Whether it was by "never contact me again" that the requester, one of the two, took it back."""
    own = introduction.requester_is
    return own is not None and introduction.consent(own).method == NEVER


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
