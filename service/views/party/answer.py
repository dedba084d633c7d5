"""/a/<token>: a party's page. It tells what a yes means, and asks for a choice and then for a press."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.introductions import answers, presses, quotas, requests, wishes
from service.introductions.links import lock_consent, read_consent
from service.introductions.presses import Undecided
from service.language import wording
from service.language.languages import spoken
from service.lifecycle import Answer, ConsentState, Envelope, MailKind
from service.mail.masked import introduction_before
from service.mail.render import language_of
from service.mail.tokens import Link, Tokens
from service.settings.timing import introduction_deadline
from service.store.context import Context
from service.store.models import Consent, Introduction
from service.store.suppressions import is_suppressed
from service.views.site import choices, links
from service.views.site.current import reading, settings, writing
from service.views.site.filters import moment

from . import wishing
from .forms import AnswerForm

pages = Blueprint("answer", __name__)
links.require(pages, Tokens.read_answer, links.by_id(Consent))

YES, NO, UNDO = "yes", "no", "undo"
"""The choices of the form, beside the one that does nothing."""


@pages.get("/a/<token>")
def show(link: Link) -> ResponseReturnValue:
    with reading() as context:
        consent = read_consent(context.session, link)
        return _page(context, consent, AnswerForm.of(consent))


@pages.post("/a/<token>")
def answer(link: Link) -> ResponseReturnValue:
    form, press = AnswerForm(request.form), choices.read()
    with writing() as context:
        consent = lock_consent(context.session, link)
        why = presses.undecided(context, consent, press) or _if_words_changed(consent, press.choice)
        # A slip in a detail must not stand in the way of a no.
        if why or (press.choice == "yes" and not form.validate()):
            return _page(context, consent, form, undecided=why), choices.status(why)
        _record(context, consent, press.choice, form)
        requests.choose_language(consent.introduction, consent.side, spoken())
        current = Tokens(settings().secret_keys).make_answer(consent.id, consent.version)
    return redirect(url_for("answer.show", token=current), 303)


@pages.post("/a/<token>/options")
def choose_option(link: Link) -> ResponseReturnValue:
    press = choices.read()
    with writing() as context:
        # The quotas are locked before any introduction, as a wish changes what may be asked.
        quotas.lock(context.session)
        consent = lock_consent(context.session, link)
        if why := presses.undecided(context, consent, press):
            page = _page(context, consent, AnswerForm.of(consent), undecided_option=why)
            return page, choices.status(why)
        requests.choose_language(consent.introduction, consent.side, spoken())
        if press.choice.startswith(wishing.LATER):
            answers.ask_later(context, consent, wishing.chosen_moment(press.choice))
            return redirect(url_for("answer.show"), 303)
        _grant(context, consent, press.choice)
        requester = consent.introduction.requester_name
    return wishing.done(press.choice, requester)


def _grant(context: Context, consent: Consent, choice: str) -> None:
    introduction, side = consent.introduction, consent.side
    if choice == wishing.TAKE_BACK:
        wishes.take_back_report(context, introduction, side, consent.email)
    else:
        wishes.from_page(context, consent, wishing.chosen(choice, introduction, side))


def _if_words_changed(consent: Consent, choice: str) -> Undecided | None:
    """Tell whether a yes or no would be given to other words than those that its page showed."""
    seal, tokens = request.form.get("words", ""), Tokens(settings().secret_keys)
    if choice in (YES, NO) and not tokens.is_seal_of(consent.id, _words(consent), seal):
        return Undecided.WORDS_CHANGED
    return None


def _record(context: Context, consent: Consent, choice: str, form: AnswerForm) -> None:
    """Record a yes or a no with what was added, or take either back. Aborts with 400 for another word."""
    if choice == UNDO:
        answers.undo(context, consent)
    elif choice in (YES, NO):
        introduction, side = consent.introduction, consent.side
        given = Answer(side, yes=choice == YES, tell_requester=form.tell_requester.data)
        details = form.details(has_need=wording.is_asked_about_need(introduction, side))
        answers.answer(context, consent, given, details, _words(consent))
    else:
        abort(400)


def _words(consent: Consent) -> str:
    return str(wording.consent_words(consent.introduction, consent.side))


def _page(
    context: Context,
    consent: Consent,
    form: AnswerForm,
    *,
    undecided: Undecided | None = None,
    undecided_option: Undecided | None = None,
) -> str:
    introduction = consent.introduction
    closes_at = introduction.closes_at
    suppressed_for = wishing.suppressed_for(context.session, consent.email, introduction.requester_address)
    may_ask_later = not suppressed_for and answers.may_ask_later(context, consent)
    return render_template(
        "answer.html",
        form=form,
        undecided=undecided,
        undecided_option=undecided_option,
        seal=Tokens(settings().secret_keys).seal_words(consent.id, _words(consent)),
        you=consent,
        other=introduction.other(consent.side),
        case=introduction,
        consent_words=wording.consent_words(introduction, consent.side),
        has_need=wording.is_asked_about_need(introduction, consent.side),
        is_open=introduction.to_case().is_open and _may_answer(consent),
        preview=introduction_before(introduction, consent.side, settings()),
        preview_language=language_of(introduction, MailKind.INTRODUCTION, consent.side),
        offered=wishing.offered(context.session, introduction, consent.side, consent.email),
        suppressed_for=suppressed_for,
        stopped_by_one_click=not suppressed_for and is_suppressed(context.session, consent.email),
        remind_choices=answers.moments_for_later(context, consent) if may_ask_later else (),
        reminded_at=moment(consent.remind_at) if may_ask_later and consent.remind_at else "",
        is_asked_again=_is_asked_again(consent),
        answered=consent.state in (ConsentState.YES, ConsentState.NO),
        delivery=_delivery(introduction, consent),
        closes=moment(closes_at) if closes_at else "",
        introduction_deadline=moment(introduction_deadline(closes_at, settings())) if closes_at else "",
    )


def _is_asked_again(you: Consent) -> bool:
    """Tell whether two answers contradicted each other so soon that neither counts, and none came since."""
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
