"""/desk/sign-in, /desk/in/<token>: in by a link to one's own address; and out again, here or everywhere."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from service.desk import sign_in as use_cases
from service.introductions import presses
from service.introductions.presses import Undecided
from service.language.languages import gettext, spoken
from service.mail.tokens import BadLink, Link, Tokens
from service.store.models import SignIn
from service.views.site import browser, choices
from service.views.site.auth import current_user, end_session, safe_next, sign_in_required, start_session
from service.views.site.current import reading, writing
from service.views.site.links import by_id, require
from service.views.site.security import keep_out_of_caches

from .forms import SignInForm

SIGN_IN = "sign-in"
"""The choice of the form behind the link, beside the one that does nothing."""

pages = Blueprint("desk", __name__)
pages.before_request(keep_out_of_caches)

links = Blueprint("sign_in", __name__)
"""The page behind the link, whose address is a credential."""
require(links, Tokens.read_sign_in, by_id(SignIn))


@pages.get("/desk/sign-in")
def sign_in() -> ResponseReturnValue:
    if current_user():
        return redirect(safe_next(request.args.get("next", "")), 303)
    return render_template("sign_in.html", form=SignInForm(), next=safe_next(request.args.get("next", "")))


@pages.post("/desk/sign-in")
def ask() -> ResponseReturnValue:
    form, start = SignInForm(request.form), safe_next(request.form.get("next", ""))
    if not form.validate():
        return render_template("sign_in.html", form=form, next=start), 422
    with writing() as context:
        use_cases.ask_for_link(context, form.email.data or "", spoken(), browser.word())
    # Kept in this browser, so that no mail can lead anybody anywhere.
    session["next"] = start
    return redirect(url_for("desk.asked"), 303)


@pages.get("/desk/asked")
def asked() -> ResponseReturnValue:
    return render_template("sign_in_asked.html")


@links.get("/desk/in/<token>")
def show(link: Link) -> ResponseReturnValue:
    with reading() as context:
        return _page(use_cases.read(context, link))


@links.post("/desk/in/<token>")
def use(link: Link) -> ResponseReturnValue:
    press = choices.read()
    with writing() as context:
        row = use_cases.lock(context, link)
        if not browser.has_asked_for(row):
            if why := presses.undecided(context, row, press):
                return _page(row, why), choices.status(why)
            if press.choice != SIGN_IN:
                abort(400)
        who = use_cases.sign_in(context, row)
    return redirect(start_session(who), 303)


@pages.post("/desk/sign-out")
def sign_out() -> ResponseReturnValue:
    end_session()
    return redirect(url_for("desk.sign_in"), 303)


@pages.post("/desk/end-all")
@sign_in_required
def end_all() -> ResponseReturnValue:
    who = current_user()
    if who:
        with writing() as context:
            use_cases.end_all(context, who.address)
    return sign_out()


@links.errorhandler(BadLink)
def incomplete(_: BadLink) -> ResponseReturnValue:
    return _over(gettext("This link is incomplete.")), 404


@links.errorhandler(use_cases.LinkUsed)
def used(_: use_cases.LinkUsed) -> ResponseReturnValue:
    if current_user():
        # A button pressed twice: the first press did it.
        return redirect(safe_next(""), 303)
    return _over(gettext("This link has already been used.")), 410


@links.errorhandler(use_cases.LinkLapsed)
def lapsed(_: use_cases.LinkLapsed) -> ResponseReturnValue:
    return _over(gettext("This link has expired.")), 410


def _page(row: SignIn, undecided: Undecided | None = None) -> str:
    by_choice = not browser.has_asked_for(row)
    return render_template("sign_in_here.html", sign_in=row, by_choice=by_choice, undecided=undecided)


def _over(headline: str) -> str:
    """Show what happened to a link, and the form to get another one."""
    return render_template("sign_in.html", form=SignInForm(), next=safe_next(""), headline=headline)
