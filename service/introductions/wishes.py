"""The wishes that count as a no: never again, not from this requester, or to report abuse.

Each puts the address on the suppression list, which is kept as salted hashes, and counts as a no in the open
cases that it is about. No receipt follows, and a later yes of that address is refused. The quotas are locked
before any introduction, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from service import lifecycle
from service.lifecycle import NEVER, Role
from service.store import suppressions
from service.store.context import Context
from service.store.models import Consent, Introduction, OutboxMail, Report, canonical

from . import decisions, quotas


class Wish(StrEnum):
    """The word of a wish in pages and forms. "Ask me later" is `answers.ask_later`: it is no no."""

    NEVER = "never"
    NOT_FROM = "not-from"
    REPORT = "report"


WORDS_SHOWN = {
    Wish.NEVER: "Never contact me again.",
    Wish.NOT_FROM: "Nothing more from this person.",
    Wish.REPORT: "This is abuse, and I report it.",
}
"""What the answer that a wish comes to keeps as the words it was given to."""


OPERATOR = "operator"
"""The actor of an event that an operator brought about."""


class UnknownReport(Exception):
    """There is no report of this number that still stands."""


def from_page(context: Context, consent: Consent, wish: Wish) -> None:
    """Grant a wish of the answer page; the quotas and the introduction are locked."""
    _grant(context, consent.introduction, consent.side, consent.email, wish)


def from_mail(context: Context, mail: OutboxMail, wish: Wish) -> None:
    """Grant a wish behind the link of a mail, for whoever that mail went to; locked as above."""
    _grant(context, mail.case, mail.to, mail.recipient, wish)


def never_again(context: Context, email: str) -> None:
    """Suppress an address for everyone here; it counts as a no in every open case of that address."""
    quotas.lock(context.session)
    suppressions.suppress(context, email)
    _say_no(context, Wish.NEVER, email)


def not_from(context: Context, email: str, requester: str) -> None:
    """Suppress an address for one requester; a no in every open case of that requester with the address."""
    quotas.lock(context.session)
    suppressions.suppress(context, email, requester)
    _say_no(context, Wish.NOT_FROM, email, requester)


def report(context: Context, introduction: Introduction, side: Role, email: str) -> None:
    """Report a request as abuse, once for each side of it; it stops what `not_from` stops.

    Whoever is asked now is not bound by the report of somebody at an address that was corrected since.
    """
    quotas.lock(context.session)
    suppressions.suppress(context, email, introduction.requester_address)
    _say_no(context, Wish.REPORT, email, introduction.requester_address)
    _write_report(context, introduction, side)


def dismiss_report(session: Session, report_id: int, now: datetime) -> None:
    """Dismiss a report that an operator found to be none; the address stays suppressed.

    Raises UnknownReport.
    """
    report = session.get(Report, report_id, with_for_update=True)
    if report is None or report.dismissed_at is not None:
        raise UnknownReport(report_id)
    report.dismissed_at = now


def lift(context: Context, email: str, requester: str) -> None:
    """Take one suppression back, for somebody who wrote to an operator that they changed their mind.

    The one for everyone, or with ``requester`` the one for that requester's address. A no that came with the
    wish stands until they change it themselves; an event beside it tells what an operator did. Raises
    suppressions.NotSuppressed.
    """
    quotas.lock(context.session)
    suppressions.lift(context.session, email, requester)
    lifted = lifecycle.Event("suppression lifted", OPERATOR)
    for introduction in _lock_cases(context.session, email, requester, Consent.method == NEVER):
        decisions.write_event(context, introduction, lifted)


def _grant(context: Context, introduction: Introduction, reader: Role, email: str, wish: Wish) -> None:
    # The requester cannot be protected from themselves, only from TwoYes.
    if wish is Wish.NEVER or reader in (Role.REQUESTER, introduction.requester_is):
        never_again(context, email)
    elif wish is Wish.NOT_FROM:
        not_from(context, email, introduction.requester_address)
    else:
        report(context, introduction, reader, email)


def _say_no(context: Context, wish: Wish, email: str, requester: str = "") -> None:
    is_open = Introduction.state.in_(quotas.OPEN)
    for introduction in _lock_cases(context.session, email, requester, is_open):
        for consent in introduction.consents:
            if consent.address == canonical(email) and introduction.to_case().is_open:
                consent.method, consent.words_shown = NEVER, WORDS_SHOWN[wish]
                evidence = {"words": WORDS_SHOWN[wish]}
                command = lifecycle.Answer(consent.side, yes=False, method=NEVER, evidence=evidence)
                decisions.apply(context, introduction, command)


def _lock_cases(
    session: Session, email: str, requester: str, which: ColumnElement[bool]
) -> Iterator[Introduction]:
    """Lock the introductions of an address, or of that address and a requester, each before it is given.

    Two of these never wait for each other: whoever locks more than one holds the lock of the quotas.
    """
    cases = (
        select(Introduction.id)
        .distinct()
        .join(Consent)
        .where(Consent.address == canonical(email), which)
        .order_by(Introduction.id)
    )
    if requester:
        cases = cases.where(Introduction.requester_address == canonical(requester))
    for introduction_id in session.scalars(cases).all():
        yield decisions.lock(session, introduction_id)


def _write_report(context: Context, introduction: Introduction, side: Role) -> None:
    same = select(Report).where(Report.introduction_id == introduction.id, Report.side == side)
    if context.session.scalars(same).first() is not None:
        return
    report = Report(
        introduction_id=introduction.id,
        side=side,
        requester_address=introduction.requester_address,
        reported_at=context.now,
    )
    context.session.add(report)
    decisions.write_event(context, introduction, lifecycle.Event("reported", side))
