"""/a/<token>: a party's page. It tells what a yes means, and has two large buttons."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service import introductions, limits, wording
from service.lifecycle import ConsentState, Envelope
from service.models import Consent, Introduction
from service.tokens import Tokens

from .common import database, moment, now, settings
from .forms import AnswerForm
from .security import hide_link

pages = Blueprint("answer", __name__)
pages.before_request(hide_link)


@pages.get("/a/<token>")
def show(token: str) -> ResponseReturnValue:
    with database().reading() as session:
        consent = introductions.by_answer_link(session, settings(), token)
        return _page(session, consent, token, AnswerForm.of(consent))


@pages.post("/a/<token>")
def answer(token: str) -> ResponseReturnValue:
    form = AnswerForm(request.form)
    said = request.form.get("answer")
    if said not in ("yes", "no"):
        abort(400)
    with database().transaction() as session:
        consent = introductions.by_answer_link(session, settings(), token)
        # A slip in a detail must not stand in the way of a no.
        if said == "yes" and not form.validate():
            return _page(session, consent, token, form), 422
        introductions.answer(
            session,
            settings(),
            token,
            said == "yes",
            form.shared(wording.is_asked_about_need(consent.introduction, consent.side)),
            form.tell_requester.data,
            "\n".join(wording.consent_words(consent.introduction, consent.side)),
            now(),
        )
    return redirect(url_for("answer.show", token=token), 303)


@pages.post("/a/<token>/undo")
def undo(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        consent = introductions.undo(session, settings(), token, now())
        fresh = Tokens(settings().secret_keys).make_answer(consent.id, consent.version)
    return redirect(url_for("answer.show", token=fresh), 303)


@pages.post("/a/<token>/never")
def never(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        introductions.never_by_answer_link(session, settings(), token, now())
    return render_template("never_done.html")


def _page(session: Session, consent: Consent, token: str, form: AnswerForm) -> str:
    introduction = consent.introduction
    closes_at = introduction.closes_at
    return render_template(
        "answer.html",
        token=token,
        form=form,
        you=consent,
        other=introduction.other(consent.side),
        case=introduction,
        words=wording.consent_words(introduction, consent.side),
        has_need=wording.is_asked_about_need(introduction, consent.side),
        is_open=introduction.to_case().is_open and _may_answer(consent),
        left_alone=limits.is_suppressed(session, consent.email, introduction.requester_address),
        answered=consent.state in (ConsentState.YES, ConsentState.NO),
        arrived=_how_it_arrived(introduction, consent),
        closes=moment(closes_at) if closes_at else "",
        introduced_by=moment(closes_at + settings().HOLD_FOR) if closes_at else "",
    )


def _how_it_arrived(introduction: Introduction, you: Consent) -> str:
    """What became of this side's copy of an introduction that has left, in a word of the page."""
    failed = [side for side in introduction.consents if side.envelope is Envelope.FAILED]
    if len(failed) == len(introduction.consents):
        return "to neither"
    if you in failed:
        return "not to you"
    if failed:
        return "not to the other"
    return "to you" if you.envelope is Envelope.ACCEPTED else "soon"


def _may_answer(consent: Consent) -> bool:
    return consent.state is not ConsentState.WAITING and consent.side is not consent.introduction.requester_is
