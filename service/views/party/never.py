"""/never/<token>: other wishes than an answer. The link is in every ask; a choice and a press decide."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service.introductions import presses, quotas, wishes
from service.introductions.links import lock_mail, read_mail
from service.introductions.presses import Undecided
from service.mail.tokens import Tokens
from service.store.context import Context
from service.store.models import OutboxMail
from service.views.site import choices, links
from service.views.site.current import reading, writing

from . import wishing

pages = Blueprint("never", __name__)
links.require(pages, Tokens.read_never, read_mail)

ONE_CLICK_BODY = {"List-Unsubscribe": ["One-Click"]}
"""The whole body of a one-click POST (RFC 8058 3.2), url-encoded or multipart: no page of ours sends it."""


@pages.get("/never/<token>")
def show(link: str | int) -> ResponseReturnValue:
    with reading() as context:
        return _page(context.session, read_mail(context.session, link))


@pages.post("/never/<token>")
def decide(link: str | int) -> ResponseReturnValue:
    """Do what was chosen on the page, or stop mail at once for a mail program's own button (RFC 8058)."""
    press, choice = choices.read(), wishing.ONE_CLICK
    with writing() as context:
        # The quotas are locked before any introduction, as a wish changes what may be asked.
        quotas.lock(context.session)
        mail = lock_mail(context.session, link)
        requester = mail.case.requester_name
        if request.form.to_dict(flat=False) == ONE_CLICK_BODY:
            wishes.one_click(context, mail)
        elif why := presses.undecided(context, presses.mailbox_of(mail.case, mail.to), press):
            return _page(context.session, mail, why), choices.status(why)
        else:
            choice = press.choice
            _grant(context, mail, choice)
    return wishing.done(choice, requester)


def _grant(context: Context, mail: OutboxMail, choice: str) -> None:
    if choice == wishing.TAKE_BACK:
        wishes.take_back_report(context, mail.case, mail.to, mail.recipient)
    else:
        wishes.from_mail(context, mail, wishing.chosen(choice, mail.case, mail.to))


def _page(session: Session, mail: OutboxMail, undecided: Undecided | None = None) -> str:
    return render_template(
        "never.html",
        address=mail.recipient,
        requester=mail.case.requester_name,
        mailbox=presses.mailbox_of(mail.case, mail.to),
        offered=wishing.offered(session, mail.case, mail.to, mail.recipient),
        undecided=undecided,
    )
