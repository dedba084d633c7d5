"""/never/<token>: other wishes than an answer. The link is in every ask; a choice and a press decide."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from service.introductions import presses, quotas, wishes
from service.introductions.links import lock_mail, read_mail
from service.introductions.presses import Undecided
from service.introductions.wishes import Wish
from service.mail.tokens import Tokens
from service.store.models import OutboxMail
from service.views.site import choices, links
from service.views.site.current import reading, writing

from . import wishing

pages = Blueprint("never", __name__)
links.require(pages, Tokens.read_never, read_mail)


@pages.get("/never/<token>")
def show(link: str | int) -> ResponseReturnValue:
    with reading() as context:
        return _page(read_mail(context.session, link))


@pages.post("/never/<token>")
def decide(link: str | int) -> ResponseReturnValue:
    """Grant a wish: of a choice of the page, or of a mail program's own button (RFC 8058)."""
    press = choices.read()
    with writing() as context:
        # The quotas are locked before any introduction, as a wish changes what may be asked.
        quotas.lock(context.session)
        mail = lock_mail(context.session, link)
        requester = mail.case.requester_name
        if request.form.get("List-Unsubscribe") == "One-Click":
            wish = Wish.NEVER
        elif why := presses.undecided(context, presses.mailbox_of(mail.case, mail.to), press):
            return _page(mail, why), choices.status(why)
        else:
            wish = wishing.chosen(press.choice, mail.case, mail.to)
        wishes.from_mail(context, mail, wish)
    return wishing.done(wish, requester)


def _page(mail: OutboxMail, undecided: Undecided | None = None) -> str:
    return render_template(
        "never.html",
        address=mail.recipient,
        requester=mail.case.requester_name,
        mailbox=presses.mailbox_of(mail.case, mail.to),
        offered=wishing.offered(mail.case, mail.to),
        undecided=undecided,
    )
