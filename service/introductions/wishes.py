"""The wishes that count as a no: never again, not from this requester, or to report abuse.

Each puts the address on the suppression list, which is kept as salted hashes, and counts as a no in the open
cases that it is about. No receipt follows, and a later yes of that address is refused. The limits take their
turn before any introduction is locked, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from service import lifecycle
from service.lifecycle import NEVER, Role
from service.settings.table import Settings
from service.settings.timing import timing
from service.store.models import Consent, Introduction, OutboxMail, Report, canonical

from . import decisions, links
from . import quotas as limits


class Wish(StrEnum):
    """The word of a wish in pages and forms. "Ask me later" is `introductions.ask_later`: it is no no."""

    NEVER = "never"
    NOT_FROM = "not-from"
    REPORT = "report"


WORDS = {
    Wish.NEVER: "Never contact me again.",
    Wish.NOT_FROM: "Nothing more from this person.",
    Wish.REPORT: "This is abuse, and I report it.",
}
"""What the answer that a wish comes to keeps as the words it was given to."""


OPERATOR = "operator"
"""The actor of an event that an operator brought about."""


class UnknownReport(Exception):
    """There is no report of this number that still stands."""


def by_answer_link(session: Session, settings: Settings, token: str, wish: Wish, now: datetime) -> None:
    """A wish pressed on the answer page. Raises BadLink, LinkReplaced or lifecycle.TooSoon."""
    consent = links.by_answer_link(session, settings, token)
    _refuse_if_too_soon(settings, consent.introduction, consent.side, now)
    _grant(session, settings, wish, consent.introduction, consent.side, consent.email, now)


def by_mail_link(
    session: Session, settings: Settings, token: str, wish: Wish, now: datetime, one_click: bool = False
) -> None:
    """A wish pressed behind the link of a mail, for whoever that mail went to.

    ``one_click`` is a mail program's own button (RFC 8058), which scanners do not press. Raises BadLink,
    and lifecycle.TooSoon for a button of the page.
    """
    mail = links.by_never_link(session, settings, token)
    if not one_click:
        _refuse_if_too_soon(settings, mail.case, mail.to, now)
    by_mail(session, settings, mail, wish, now)


def _refuse_if_too_soon(settings: Settings, introduction: Introduction, reader: Role, now: datetime) -> None:
    """A scanner must not report somebody, nor wish anything in a person's name."""
    whose = introduction if reader is Role.REQUESTER else introduction.consent(reader)
    if timing(settings).is_too_soon(now, whose.mailed_at):
        raise lifecycle.TooSoon


def by_mail(session: Session, settings: Settings, mail: OutboxMail, wish: Wish, now: datetime) -> None:
    """A wish of whoever a mail went to."""
    _grant(session, settings, wish, mail.case, mail.to, mail.recipient, now)


def never_again(session: Session, settings: Settings, email: str, now: datetime) -> None:
    """Suppress an address for everyone here; it counts as a no in every open case of that address."""
    limits.take_turns(session)
    limits.suppress(session, email, now)
    _say_no(session, settings, Wish.NEVER, email, None, now)


def not_from(session: Session, settings: Settings, email: str, requester: str, now: datetime) -> None:
    """Suppress an address for one requester; a no in every open case of that requester with the address."""
    limits.take_turns(session)
    limits.suppress(session, email, now, requester)
    _say_no(session, settings, Wish.NOT_FROM, email, requester, now)


def report(
    session: Session, settings: Settings, introduction: Introduction, side: Role, email: str, now: datetime
) -> None:
    """Report a request as abuse, once for each side of it; it stops what `not_from` stops.

    Whoever is asked now is not bound by the report of somebody at an address that was corrected since.
    """
    limits.take_turns(session)
    limits.suppress(session, email, now, introduction.requester_address)
    _say_no(session, settings, Wish.REPORT, email, introduction.requester_address, now)
    _write_report(session, introduction, side, now)


def dismiss_report(session: Session, report_id: int, now: datetime) -> None:
    """An operator looked at it, and it was none. The address stays suppressed. Raises UnknownReport."""
    report = session.get(Report, report_id, with_for_update=True)
    if report is None or report.dismissed_at is not None:
        raise UnknownReport(report_id)
    report.dismissed_at = now


def lift(session: Session, email: str, requester: str, now: datetime) -> None:
    """Somebody wrote to an operator that they changed their mind: take one suppression of theirs back.

    The one for everyone, or with ``requester`` the one for that requester's address. A no that came with the
    wish stands until they change it themselves; an event beside it tells what an operator did. Raises
    limits.NotSuppressed.
    """
    limits.take_turns(session)
    limits.lift(session, email, requester)
    for introduction in _cases_of(session, email, requester or None, Consent.method == NEVER):
        decisions.write_event(session, introduction, lifecycle.Event("suppression lifted", OPERATOR), now)


def _grant(
    session: Session,
    settings: Settings,
    wish: Wish,
    introduction: Introduction,
    to: Role,
    email: str,
    now: datetime,
) -> None:
    # The requester cannot be protected from themselves, only from TwoYes.
    if wish is Wish.NEVER or to in (Role.REQUESTER, introduction.requester_is):
        never_again(session, settings, email, now)
    elif wish is Wish.NOT_FROM:
        not_from(session, settings, email, introduction.requester_address, now)
    else:
        report(session, settings, introduction, to, email, now)


def _say_no(
    session: Session, settings: Settings, wish: Wish, email: str, requester: str | None, now: datetime
) -> None:
    for introduction in _cases_of(session, email, requester, Introduction.state.in_(limits.OPEN)):
        for consent in introduction.consents:
            if consent.address == canonical(email) and introduction.to_case().is_open:
                consent.method, consent.words_shown = NEVER, WORDS[wish]
                command = lifecycle.Answer(consent.side, yes=False, method=NEVER)
                decisions.apply(session, settings, introduction, command, now)


def _cases_of(
    session: Session, email: str, requester: str | None, which: ColumnElement[bool]
) -> Iterator[Introduction]:
    """The introductions of an address, or of that address and a requester, each locked before it is given.

    Locked in one order everywhere, so that two of these never wait for each other.
    """
    cases = (
        select(Introduction.id)
        .distinct()
        .join(Consent)
        .where(Consent.address == canonical(email), which)
        .order_by(Introduction.id)
    )
    if requester is not None:
        cases = cases.where(Introduction.requester_address == canonical(requester))
    for introduction_id in session.scalars(cases).all():
        yield decisions.lock(session, introduction_id)


def _write_report(session: Session, introduction: Introduction, side: Role, now: datetime) -> None:
    same = select(Report).where(Report.introduction_id == introduction.id, Report.side == side)
    if session.scalars(same).first() is not None:
        return
    requester = introduction.requester_address
    session.add(
        Report(introduction_id=introduction.id, side=side, requester_address=requester, reported_at=now)
    )
    decisions.write_event(session, introduction, lifecycle.Event("reported", side), now)
