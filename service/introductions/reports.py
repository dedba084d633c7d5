"""Reports of abuse: when they stop a requester, who is told of that, and how one is dismissed or taken back.

One person's word stops nobody: it takes three persons in three cases. Until then each report lowers what its
requester may send. The quotas are locked before any introduction, as everywhere.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import lifecycle
from service.lifecycle import Mail, MailKind, Role
from service.mail import compose
from service.store import outbox
from service.store.context import Context
from service.store.models import Consent, Introduction, Report, canonical
from service.store.suppressions import address_hash

from . import decisions

ENOUGH_TO_STOP = 3
"""How many persons, and in how many cases, stop a requester with reports that stand."""
STANDS = Report.dismissed_at.is_(None) & Report.taken_back_at.is_(None)

log = logging.getLogger(__name__)


class UnknownReport(Exception):
    """There is no report of this number that still stands."""


class Tally(NamedTuple):
    """The reports that stand against a requester: how many persons made them, in how many cases."""

    persons: int
    cases: int

    @property
    def stops(self) -> bool:
        """Tell whether they stop the requester."""
        return self.weight >= ENOUGH_TO_STOP

    @property
    def weight(self) -> int:
        """How often they halve what the requester may send: a person or a case counts once."""
        return min(self.persons, self.cases)


def tally(session: Session, requester: str, closed_by: datetime | None = None) -> Tally:
    """Count the reports that stand against a requester, of all cases or of those closed by a moment."""
    standing = (
        select(Report, Consent.email)
        .join(Introduction, Introduction.id == Report.introduction_id)
        .join(Consent, (Consent.introduction_id == Report.introduction_id) & (Consent.side == Report.side))
        .where(Report.requester_address == canonical(requester), STANDS)
    )
    if closed_by:
        standing = standing.where(Introduction.closes_at <= closed_by)
    persons, cases = set(), set()
    for report, email in session.execute(standing):
        # Of the first reports only the side is on record.
        persons.add(report.reporter_hash or address_hash(session, email))
        cases.add(report.introduction_id)
    return Tally(len(persons), len(cases))


def of_reader(session: Session, introduction: Introduction, reader: Role, email: str) -> Report | None:
    """Return the report that somebody made of an introduction and has not taken back, or None."""
    report = _of_side(session, introduction, reader)
    if report is None or report.taken_back_at is not None:
        return None
    if report.reporter_hash is None:
        return report if introduction.consent(reader).address == canonical(email) else None
    return report if report.reporter_hash == address_hash(session, email) else None


def of_person(session: Session, email: str, requester: str) -> list[Report]:
    """Return every report that somebody made of a requester, those that were taken back as well."""
    is_theirs = Report.reporter_hash == address_hash(session, email)
    of_requester = Report.requester_address == canonical(requester)
    return list(session.scalars(select(Report).where(is_theirs, of_requester)))


def write(context: Context, introduction: Introduction, side: Role, email: str) -> None:
    """Put a report on record, once for each side, and tell the operators if it stops the requester.

    One that was taken back stands again, for whoever makes it now; one that was dismissed stays so.
    """
    session, requester = context.session, introduction.requester_address
    report = _of_side(session, introduction, side)
    if report is not None and report.taken_back_at is None:
        return
    was_stopped = tally(session, requester).stops
    if report is None:
        report = Report(introduction_id=introduction.id, side=side, requester_address=requester)
        session.add(report)
    report.reported_at, report.taken_back_at = context.now, None
    report.reporter_hash = address_hash(session, email)
    decisions.write_event(context, introduction, lifecycle.Event("reported", side))
    session.flush()
    standing = tally(session, requester)
    if standing.stops and not was_stopped:
        _tell_operators(context, report, standing)


def take_back(context: Context, report: Report) -> None:
    """Take a report back, for the person who made it. The no that came with it stands."""
    report.taken_back_at = context.now
    introduction = context.session.get_one(Introduction, report.introduction_id)
    decisions.write_event(context, introduction, lifecycle.Event("report taken back", report.side))


def dismiss(session: Session, report_id: int, now: datetime) -> None:
    """Dismiss a report that an operator found to be none; the address stays suppressed.

    Raises UnknownReport.
    """
    report = session.scalars(select(Report).where(Report.id == report_id, STANDS).with_for_update()).first()
    if report is None:
        raise UnknownReport(report_id)
    report.dismissed_at = now


def _tell_operators(context: Context, report: Report, standing: Tally) -> None:
    """Queue a mail to each operator. It carries no link that opens anything, so it is stored ready."""
    settings = context.settings
    if not settings.OPERATORS:
        log.warning(
            "reports of abuse stop the requester of introduction %s, and OPERATORS names nobody to tell",
            report.introduction_id,
        )
    for number, operator in enumerate(settings.OPERATORS, start=1):
        mail = Mail(MailKind.STOPPED, Role.REQUESTER, number)
        message_id = compose.message_id(settings, report, mail)
        counts = standing._asdict()
        body = compose.stopped_message(operator, message_id, report, **counts, settings=settings)
        outbox.enqueue_to_operator(context, operator, number, message_id, body)


def _of_side(session: Session, introduction: Introduction, side: Role) -> Report | None:
    same = select(Report).where(Report.introduction_id == introduction.id, Report.side == side)
    return session.scalars(same).first()
