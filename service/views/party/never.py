"""/never/<token>: other wishes than an answer. The link is in every ask; a button behind it decides."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from service.introductions import quotas, wishes
from service.introductions.links import lock_mail, read_mail
from service.introductions.wishes import Wish
from service.mail.tokens import Tokens
from service.views.site import links
from service.views.site.current import reading, writing

from . import wishing

pages = Blueprint("never", __name__)
links.require(pages, Tokens.read_never, read_mail)


@pages.get("/never/<token>")
def show(link: str | int) -> ResponseReturnValue:
    with reading() as context:
        mail = read_mail(context.session, link)
        return render_template(
            "never.html",
            address=mail.recipient,
            requester=mail.case.requester_name,
            offered=wishing.offered(mail.case, mail.to),
        )


@pages.post("/never/<token>")
def decide(link: str | int) -> ResponseReturnValue:
    """Grant a wish: of a button of the page, or of a mail program's own, which posts none (RFC 8058)."""
    with writing() as context:
        # The quotas are locked before any introduction, as a wish changes what may be asked.
        quotas.lock(context.session)
        mail = lock_mail(context.session, link)
        pressed = request.form.get("wish")
        wish = wishing.chosen(Wish.NEVER if pressed is None else pressed, mail.case, mail.to)
        requester = mail.case.requester_name
        wishes.from_mail(context, mail, wish, one_click=pressed is None)
    return wishing.done(wish, requester)
