"""/a/<token>: a party's page. It tells what a yes means, and has two large buttons."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service.introductions import quotas as limits
from service.introductions import requests as introductions
from service.introductions import wishes
from service.language import wording
from service.lifecycle import ConsentState, Envelope, MailKind
from service.mail.masked import introduction_before
from service.mail.render import language_of
from service.mail.tokens import Tokens
from service.settings.timing import introduction_deadline
from service.store.models import Consent, Introduction
from service.views.site import locale
from service.views.site.current import database, now, settings
from service.views.site.filters import moment

from . import wishing
from .forms import AnswerForm

pages = Blueprint("answer", __name__)
pages.before_request(locale.use_language_of_link(Tokens.read_answer, Consent))


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
            form.shared(has_need=wording.is_asked_about_need(consent.introduction, consent.side)),
            form.tell_requester.data,
            str(wording.consent_words(consent.introduction, consent.side)),
            now(),
        )
    return redirect(url_for("answer.show", token=token), 303)


@pages.post("/a/<token>/undo")
def undo(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        consent = introductions.undo(session, settings(), token, now())
        fresh = Tokens(settings().secret_keys).make_answer(consent.id, consent.version)
    return redirect(url_for("answer.show", token=fresh), 303)


@pages.post("/a/<token>/wish")
def wish(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        consent = introductions.by_answer_link(session, settings(), token)
        case = consent.introduction
        wished = wishing.chosen(request.form.get("wish", ""), case, consent.side)
        wishes.by_answer_link(session, settings(), token, wished, now())
    return wishing.done(wished, case.requester_name)


@pages.post("/a/<token>/later")
def later(token: str) -> ResponseReturnValue:
    at = wishing.chosen_moment(request.form.get("at", ""))
    with database().transaction() as session:
        introductions.ask_later(session, settings(), token, at, now())
    return redirect(url_for("answer.show", token=token), 303)


@pages.post("/a/<token>/language")
def language(token: str) -> ResponseReturnValue:
    with database().transaction() as session:
        introductions.choose_language(session, settings(), token, locale.posted_language())
    return redirect(url_for("answer.show", token=token, lang=None), 303)


def _page(session: Session, consent: Consent, token: str, form: AnswerForm) -> str:
    introduction = consent.introduction
    closes_at = introduction.closes_at
    suppressed_for = _suppressed_for(session, consent)
    may_ask_later = not suppressed_for and introductions.may_ask_later(settings(), consent, now())
    return render_template(
        "answer.html",
        token=token,
        form=form,
        you=consent,
        other=introduction.other(consent.side),
        case=introduction,
        consent_words=wording.consent_words(introduction, consent.side),
        has_need=wording.is_asked_about_need(introduction, consent.side),
        is_open=introduction.to_case().is_open and _may_answer(consent),
        preview=introduction_before(introduction, consent.side, settings()),
        preview_language=language_of(introduction, MailKind.INTRODUCTION, consent.side),
        offered=wishing.offered(introduction, consent.side),
        suppressed_for=suppressed_for,
        remind_choices=introductions.moments_for_later(settings(), consent, now()) if may_ask_later else (),
        reminded_at=moment(consent.remind_at) if may_ask_later and consent.remind_at else "",
        is_asked_again=_is_asked_again(consent),
        answered=consent.state in (ConsentState.YES, ConsentState.NO),
        delivery=_delivery(introduction, consent),
        closes=moment(closes_at) if closes_at else "",
        introduction_deadline=moment(introduction_deadline(closes_at, settings())) if closes_at else "",
    )


def _suppressed_for(session: Session, you: Consent) -> str:
    """By whom this address is not written to any more: "everyone", "requester", or nobody."""
    if limits.is_suppressed(session, you.email):
        return "everyone"
    requester = you.introduction.requester_address
    return "requester" if limits.is_suppressed(session, you.email, requester) else ""


def _is_asked_again(you: Consent) -> bool:
    """Whether an answer came so soon after the mail that it was not taken, and none came since."""
    return you.state is ConsentState.ASKED and you.suspects > 0 and you.touched_at is not None


def _delivery(introduction: Introduction, you: Consent) -> str:
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
