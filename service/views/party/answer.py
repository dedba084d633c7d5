"""/a/<token>: a party's page. It tells what a yes means, and has two large buttons."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service.introductions import answers, quotas, requests, wishes
from service.introductions.links import lock_consent, read_consent
from service.language import wording
from service.lifecycle import Answer, ConsentState, Envelope, MailKind
from service.mail.masked import introduction_before
from service.mail.render import language_of
from service.mail.tokens import Link, Tokens
from service.settings.timing import introduction_deadline
from service.store.context import Context
from service.store.models import Consent, Introduction
from service.store.suppressions import is_suppressed
from service.views.site import links, locale
from service.views.site.current import reading, settings, writing
from service.views.site.filters import moment

from . import wishing
from .forms import AnswerForm

pages = Blueprint("answer", __name__)
links.require(pages, Tokens.read_answer, links.by_id(Consent))


@pages.get("/a/<token>")
def show(link: Link) -> ResponseReturnValue:
    with reading() as context:
        consent = read_consent(context.session, link)
        return _page(context, consent, AnswerForm.of(consent))


@pages.post("/a/<token>")
def answer(link: Link) -> ResponseReturnValue:
    form = AnswerForm(request.form)
    said = request.form.get("answer")
    if said not in ("yes", "no"):
        abort(400)
    with writing() as context:
        consent = lock_consent(context.session, link)
        # A slip in a detail must not stand in the way of a no.
        if said == "yes" and not form.validate():
            return _page(context, consent, form), 422
        introduction, side = consent.introduction, consent.side
        given = Answer(side, yes=said == "yes", tell_requester=form.tell_requester.data)
        details = form.details(has_need=wording.is_asked_about_need(introduction, side))
        answers.answer(context, consent, given, details, str(wording.consent_words(introduction, side)))
    return redirect(url_for("answer.show"), 303)


@pages.post("/a/<token>/undo")
def undo(link: Link) -> ResponseReturnValue:
    with writing() as context:
        consent = lock_consent(context.session, link)
        answers.undo(context, consent)
        fresh = Tokens(settings().secret_keys).make_answer(consent.id, consent.version)
    return redirect(url_for("answer.show", token=fresh), 303)


@pages.post("/a/<token>/wish")
def wish(link: Link) -> ResponseReturnValue:
    with writing() as context:
        # The quotas are locked before any introduction, as a wish changes what may be asked.
        quotas.lock(context.session)
        consent = lock_consent(context.session, link)
        wish = wishing.chosen(request.form.get("wish", ""), consent.introduction, consent.side)
        wishes.from_page(context, consent, wish)
        requester = consent.introduction.requester_name
    return wishing.done(wish, requester)


@pages.post("/a/<token>/later")
def later(link: Link) -> ResponseReturnValue:
    at = wishing.chosen_moment(request.form.get("at", ""))
    with writing() as context:
        answers.ask_later(context, lock_consent(context.session, link), at)
    return redirect(url_for("answer.show"), 303)


@pages.post("/a/<token>/language")
def language(link: Link) -> ResponseReturnValue:
    with writing() as context:
        consent = lock_consent(context.session, link)
        requests.choose_language(consent.introduction, consent.side, locale.posted_language())
    return redirect(url_for("answer.show", lang=None), 303)


def _page(context: Context, consent: Consent, form: AnswerForm) -> str:
    introduction = consent.introduction
    closes_at = introduction.closes_at
    suppressed_for = _suppressed_for(context.session, consent)
    may_ask_later = not suppressed_for and answers.may_ask_later(context, consent)
    return render_template(
        "answer.html",
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
        remind_choices=answers.moments_for_later(context, consent) if may_ask_later else (),
        reminded_at=moment(consent.remind_at) if may_ask_later and consent.remind_at else "",
        is_asked_again=_is_asked_again(consent),
        answered=consent.state in (ConsentState.YES, ConsentState.NO),
        delivery=_delivery(introduction, consent),
        closes=moment(closes_at) if closes_at else "",
        introduction_deadline=moment(introduction_deadline(closes_at, settings())) if closes_at else "",
    )


def _suppressed_for(session: Session, you: Consent) -> str:
    """Tell by whom this address is not written to any more: "everyone", "requester", or nobody."""
    if is_suppressed(session, you.email):
        return "everyone"
    requester = you.introduction.requester_address
    return "requester" if is_suppressed(session, you.email, requester) else ""


def _is_asked_again(you: Consent) -> bool:
    """Tell whether an answer came so soon after the mail that it was not taken, and none came since."""
    return you.state is ConsentState.ASKED and you.suspects > 0 and you.touched_at is not None


def _delivery(introduction: Introduction, you: Consent) -> str:
    """Tell what became of this side's copy of an introduction that has left, in a word of the page."""
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
