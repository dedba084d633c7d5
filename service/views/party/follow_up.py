"""/f/<token>: whether the two are in touch; a choice and a press tell."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from service.introductions import answers, presses, requests
from service.introductions.links import lock_consent, read_consent
from service.introductions.presses import Undecided
from service.language.languages import spoken
from service.lifecycle import TooSoon
from service.mail.tokens import Link, Tokens
from service.store.context import Context
from service.store.models import Consent
from service.views.site import choices, links
from service.views.site.current import reading, writing

pages = Blueprint("follow_up", __name__)
links.require(pages, Tokens.read_follow_up, links.by_id(Consent))

YES, NO = "yes", "no"
"""The choices of the form, beside the one that does nothing."""


@pages.get("/f/<token>")
def show(link: Link) -> ResponseReturnValue:
    with reading() as context:
        return _page(read_consent(context.session, link))


@pages.post("/f/<token>")
def confirm(link: Link) -> ResponseReturnValue:
    press = choices.read()
    with writing() as context:
        consent = lock_consent(context.session, link)
        if why := presses.undecided(context, consent, press) or _confirm(context, consent, press.choice):
            return _page(consent, why), choices.status(why)
        requests.choose_language(consent.introduction, consent.side, spoken())
    return redirect(url_for("follow_up.show"), 303)


def _confirm(context: Context, consent: Consent, choice: str) -> Undecided | None:
    """Record a yes or a no, unless it contradicts one of seconds ago. Aborts with 400 for another word."""
    if choice not in (YES, NO):
        abort(400)
    try:
        answers.confirm(context, consent, in_touch=choice == YES)
    except TooSoon:
        return Undecided.TOO_SOON
    return None


def _page(consent: Consent, undecided: Undecided | None = None) -> str:
    introduction = consent.introduction
    return render_template(
        "follow_up.html",
        you=consent,
        other=introduction.other(consent.side),
        case=introduction,
        undecided=undecided,
    )
