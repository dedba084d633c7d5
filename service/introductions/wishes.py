"""The wishes that count as a no: never again, not from this requester, or to report abuse.

Each puts the address on the suppression list, which is kept as salted hashes, and counts as a no in the open
cases that it is about. No receipt follows, and a later yes of that address is refused. A report can be taken
back. One click in a mail program (RFC 8058) stops mail as well, but it is no answer, and an answer lifts it.
The quotas are locked before any introduction, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from service import lifecycle
from service.lifecycle import NEVER, Role
from service.store import outbox, suppressions
from service.store.context import Context
from service.store.models import Consent, Introduction, OutboxMail, canonical

from . import decisions, quotas, reports


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


class NothingToTakeBack(Exception):
    """This person has made no report of this introduction, or has taken it back."""


def from_page(context: Context, consent: Consent, wish: Wish) -> None:
    """Grant a wish of the answer page; the quotas and the introduction are locked."""
    _grant(context, consent.introduction, consent.side, consent.email, wish)


def from_mail(context: Context, mail: OutboxMail, wish: Wish) -> None:
    """Grant a wish behind the link of a mail, for whoever that mail went to; locked as above."""
    _grant(context, mail.case, mail.to, mail.recipient, wish)


def one_click(context: Context, mail: OutboxMail) -> None:
    """Stop all mail to whoever a mail went to, until they answer: it is no answer in any case (RFC 8058)."""
    quotas.lock(context.session)
    if suppressions.suppress_by_one_click(context, mail.recipient):
        decisions.write_event(context, mail.case, lifecycle.Event("mail stopped by one click", mail.to))


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
    reports.write(context, introduction, side, email)


def take_back_report(context: Context, introduction: Introduction, reader: Role, email: str) -> None:
    """Take a report back, with the suppression that came with it; the no stands until they change it.

    A suppression that is older, or that another report of theirs needs, stays. Raises NothingToTakeBack.
    """
    quotas.lock(context.session)
    report = reports.of_reader(context.session, introduction, reader, email)
    if report is None:
        raise NothingToTakeBack
    reports.take_back(context, report)
    since = suppressions.suppressed_since(context.session, email, report.requester_address)
    theirs = [report, *reports.of_person(context.session, email, report.requester_address)]
    came_with_them = since is not None and since >= min(each.reported_at for each in theirs)
    if came_with_them and all(each.taken_back_at for each in theirs):
        suppressions.lift(context.session, email, report.requester_address)
        outbox.revive_suppressed(context, email)


def lift(context: Context, email: str, requester: str) -> None:
    """Take one suppression back, for somebody who wrote to an operator that they changed their mind.

    The one for everyone, or with ``requester`` the one for that requester's address. A no that came with the
    wish stands until they change it themselves; an event beside it tells what an operator did. Raises
    suppressions.NotSuppressed.
    """
    quotas.lock(context.session)
    suppressions.lift(context.session, email, requester)
    outbox.revive_suppressed(context, email)
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
