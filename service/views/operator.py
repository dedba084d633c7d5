"""/operator: what needs a person: mails that failed, reports of abuse, suppressions, limits, the queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NoReturn

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service.delivery.deliver import NotRetriable, retry_by_hand
from service.introductions import reports, wishes
from service.language.free_text import NotAllowed, clean_email
from service.language.languages import gettext
from service.operating import records
from service.operating.health import healthz
from service.store.models import Introduction, Report
from service.store.suppressions import NotSuppressed
from service.views.site.auth import operator_required
from service.views.site.current import database, now, settings, writing

pages = Blueprint("operator", __name__)

MAX_ROWS = 50
"""How many rows of one kind the page shows."""


@pages.get("/operator")
@operator_required
def show() -> ResponseReturnValue:
    health, _ = healthz()
    at = now()
    with database().reading() as session:
        return render_template(
            "operator.html",
            broker_is_up=health["broker"] == "up",
            oldest_due=_since(health["oldest_queued_mail"], at),
            oldest_arrived=_since(health["oldest_inbound_mail"], at),
            pause=records.relay_pause(session, at),
            queue=records.queue(session),
            failed_mails=records.summarize_failed_mails(session, MAX_ROWS),
            waiting=records.waiting_mails(session, MAX_ROWS),
            purpose=records.purpose,
            mails_to_operator=records.count_mails_to_operator(session),
            failed_inbound_mails=records.failed_inbound_mails(session, MAX_ROWS),
            reports=_reports(session),
            near_limit=records.near_limit(session, settings(), at),
            suppressions=records.suppressions(session, MAX_ROWS),
        )


@pages.post("/operator")
@operator_required
def act() -> ResponseReturnValue:
    actions: dict[str, Callable[[], str]] = {"retry": _retry, "dismiss": _dismiss, "lift": _lift}
    # Shown once on the page; it is kept in a cookie on the way there, so it names no address.
    flash(actions.get(request.form.get("action", ""), _unknown)())
    return redirect(url_for("operator.show"), 303)


def _unknown() -> NoReturn:
    abort(400)


def _retry() -> str:
    mail = _number("mail")
    try:
        with database().transaction() as session:
            retry_by_hand(session, mail, now())
    except NotRetriable:
        return gettext(
            "Email %(mail)d was left alone: it has been sent in the meantime, or nobody needs it any more.",
            mail=mail,
        )
    return gettext("Email %(mail)d is queued again and will be sent in a moment.", mail=mail)


def _dismiss() -> str:
    report = _number("report")
    try:
        with database().transaction() as session:
            reports.dismiss(session, report, now())
    except reports.UnknownReport:
        return gettext("Report %(report)d was already dismissed, or taken back.", report=report)
    return gettext(
        "Report %(report)d is dismissed and no longer lowers any limit. We still don’t write to whoever "
        "reported it.",
        report=report,
    )


def _lift() -> str:
    try:
        email = clean_email(request.form.get("email", ""))
        requester = request.form.get("requester", "").strip()
        requester = clean_email(requester) if requester else ""
        with writing() as context:
            wishes.lift(context, email, requester)
    except NotAllowed as refusal:
        return str(refusal)
    except NotSuppressed:
        return gettext("That address isn’t on the list, or not in that way. Nothing has changed.")
    return gettext("We may write to that address again. Their earlier no stands until they change it.")


def _number(field: str) -> int:
    value = request.form.get(field, "")
    # What no page of ours sends: as long as this, it would not fit any database's column.
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        abort(400)
    return int(value)


def _since(age: float | None, at: datetime) -> datetime | None:
    return None if age is None else at - timedelta(seconds=age)


def _reports(session: Session) -> list[tuple[Report, Introduction]]:
    """Read the reports that stand, each with what was reported."""
    standing = records.standing_reports(session)
    return [(report, session.get_one(Introduction, report.introduction_id)) for report in standing]
