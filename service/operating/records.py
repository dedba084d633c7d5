"""Queries of the operator: the ledger, failed mails, what arrived, reports, suppressions and limits."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, defer, selectinload

from service.delivery.deliver import may_be_retried
from service.inbound.effects import Effect
from service.inbound.store import FAILED
from service.introductions import reports
from service.introductions.quotas import OPEN, requests_per_day
from service.introductions.reports import STANDS, Tally
from service.settings.table import Settings
from service.store.context import Context
from service.store.models import (
    InboundMail,
    Installation,
    Introduction,
    LedgerEntry,
    MailState,
    OutboxMail,
    Report,
    Suppression,
)

MAX_MAILS_EXAMINED = 1000
"""How many of the mails that failed the kernel is asked about, to tell which can be sent again."""
IN_DELIVERY = (MailState.LEASED, MailState.HANDOVER)
NEEDS_PERSON = OutboxMail.state.in_((MailState.FAILED, MailState.UNKNOWN))


class Queue(NamedTuple):
    """How many mails are on their way."""

    waiting: int
    in_delivery: int
    """In a worker's hands."""
    retrying: int
    """To be tried again."""
    unknown: int
    """Nobody can know whether the relay took them."""


class FailedMails(NamedTuple):
    """The mails that failed: those that may be tried once more, the newest first; the others are counted."""

    mails: list[OutboxMail]
    more: int
    """Those of them for which there was no room."""
    unneeded: int
    """Those that nobody needs any more."""
    older: int
    """Those that were not looked at."""


class Usage(NamedTuple):
    """How much of its limits a requester's address has used up."""

    address: str
    open: int
    recent: int
    """Requests in the last 24 hours."""
    allowed: int
    """How many of them it may make, with the reports that stand against it."""
    reports: int

    @property
    def is_stopped(self) -> bool:
        """Tell whether reports of abuse stop the requester."""
        return self.allowed == 0

    @property
    def is_reached(self) -> bool:
        """Tell whether no request is left for today."""
        return self.recent >= self.allowed


class Suppressions(NamedTuple):
    """The suppressions: how many are for everyone, how many for one requester, and the newest."""

    by_everyone: int
    by_requester: int
    newest: list[Suppression]


def ledger(session: Session, *, history: bool = False) -> list[dict[str, Any]]:
    """Return the current ledger entries by introduction, or with ``history`` the superseded ones too."""
    entries = select(LedgerEntry).order_by(LedgerEntry.introduction_id, LedgerEntry.id)
    if not history:
        entries = entries.where(LedgerEntry.superseded_at.is_(None))
    return [_as_dict(entry) for entry in session.scalars(entries)]


def queue(session: Session) -> Queue:
    """Count the mails that are on their way, by state."""
    state = OutboxMail.state
    on_their_way = state.in_((*IN_DELIVERY, MailState.QUEUED, MailState.RETRY, MailState.UNKNOWN))
    found = select(state, func.count()).where(on_their_way).group_by(state)
    counts = Counter(dict(session.execute(found).all()))
    return Queue(
        waiting=counts[MailState.QUEUED],
        in_delivery=sum(counts[in_delivery] for in_delivery in IN_DELIVERY),
        retrying=counts[MailState.RETRY],
        unknown=counts[MailState.UNKNOWN],
    )


def failed_mails(session: Session) -> list[OutboxMail]:
    """Return mails that failed, or of which nobody can know whether the relay took them; oldest first."""
    return list(session.scalars(select(OutboxMail).where(NEEDS_PERSON).order_by(OutboxMail.id)))


def summarize_failed_mails(session: Session, limit: int) -> FailedMails:
    """Return the same mails as a person needs them: first of all those that can be sent again."""
    newest = select(OutboxMail).where(NEEDS_PERSON).order_by(OutboxMail.id.desc()).limit(MAX_MAILS_EXAMINED)
    mails = list(session.scalars(newest.options(selectinload(OutboxMail.introduction))))
    retriable = [mail for mail in mails if may_be_retried(mail)]
    total = session.scalar(select(func.count()).select_from(OutboxMail).where(NEEDS_PERSON)) or 0
    return FailedMails(
        mails=retriable[:limit],
        more=len(retriable[limit:]),
        unneeded=len(mails) - len(retriable),
        older=total - len(mails),
    )


def waiting_mails(session: Session, limit: int) -> list[OutboxMail]:
    """Return mails that were held back or are tried again, the next one first."""
    waiting = select(OutboxMail).where(OutboxMail.state == MailState.RETRY)
    return list(session.scalars(waiting.order_by(OutboxMail.due_at, OutboxMail.id).limit(limit)))


def relay_pause(session: Session, now: datetime) -> Installation | None:
    """Return until when all mail is paused, and what the relay said; None if it is not."""
    paused = select(Installation).where(Installation.relay_paused_until > now)
    return session.scalars(paused).first()


def inbound_mails(session: Session, limit: int) -> list[dict[str, Any]]:
    """Return the latest mails that arrived, the newest first, without tokens, senders and content."""
    latest = select(
        InboundMail.id,
        InboundMail.received_at,
        InboundMail.way,
        InboundMail.recipient,
        InboundMail.outcome,
        InboundMail.attempts,
    ).order_by(InboundMail.id.desc())
    return [
        {
            "id": row.id,
            "received_at": row.received_at.isoformat(),
            "way": row.way,
            "for": purpose(row.recipient),
            "outcome": row.outcome or "waiting",
            "attempts": row.attempts,
        }
        for row in session.execute(latest.limit(limit))
    ]


def purpose(recipient: str) -> str:
    """Return what an address of ours is for: the part before the plus sign, behind which is the token."""
    return recipient.partition("@")[0].partition("+")[0]


def raw_mail(session: Session, id: int) -> bytes | None:
    """Return a mail that arrived, as it came; None where there is none, or it is no longer kept."""
    return session.scalar(select(InboundMail.raw).where(InboundMail.id == id))


def count_mails_to_operator(session: Session) -> int:
    """Count the mails to the operator that are kept, INBOUND_KEEP long: only `raw_mail` shows them."""
    kept = InboundMail.outcome == Effect.FOR_THE_OPERATOR, InboundMail.raw.is_not(None)
    return session.scalar(select(func.count()).where(*kept)) or 0


def failed_inbound_mails(session: Session, limit: int) -> list[InboundMail]:
    """Return the latest mails that arrived and could not be processed; without their content."""
    # An attempt is counted before it is made: the first may be under way at this moment.
    tried_again = and_(InboundMail.attempts > 1, InboundMail.outcome == "")
    failed = select(InboundMail).where(or_(tried_again, InboundMail.outcome == FAILED))
    newest = failed.order_by(InboundMail.id.desc()).limit(limit)
    return list(session.scalars(newest.options(defer(InboundMail.raw))))


def suppressions(session: Session, limit: int) -> Suppressions:
    """Summarize the suppression list, as far as hashes tell."""
    everyone = select(func.count()).where(Suppression.requester_hash == "")
    requester = select(func.count()).where(Suppression.requester_hash != "")
    newest = select(Suppression).order_by(Suppression.created_at.desc(), Suppression.address_hash)
    return Suppressions(
        session.scalar(everyone) or 0,
        session.scalar(requester) or 0,
        list(session.scalars(newest.limit(limit))),
    )


def near_limit(session: Session, settings: Settings, now: datetime) -> list[Usage]:
    """Return the requesters with at most one request left for today, or reported; the nearest to it first."""
    recent = _count_requests(session, Introduction.created_at > now - timedelta(hours=24))
    standing = select(Report.requester_address, func.count()).where(STANDS)
    reported = _count(session, standing.group_by(Report.requester_address))
    allowed = dict.fromkeys(recent, settings.VERIFICATIONS_PER_DAY)
    allowed |= {who: requests_per_day(Context(session, settings, now), who) for who in reported}
    near = [who for who in allowed if who in reported or recent[who] >= allowed[who] - 1]
    still = _count_requests(session, Introduction.state.in_(OPEN), Introduction.requester_address.in_(near))
    found = [
        Usage(who, still.get(who, 0), recent.get(who, 0), allowed[who], reported.get(who, 0)) for who in near
    ]
    return sorted(found, key=lambda usage: (usage.allowed - usage.recent, usage.address))


def _count_requests(session: Session, *where: ColumnElement[bool]) -> dict[str, int]:
    address = Introduction.requester_address
    return _count(session, select(address, func.count()).where(*where).group_by(address))


def _count(session: Session, counted: Select[str, int]) -> dict[str, int]:
    return dict(session.execute(counted).all())


def standing_reports(session: Session) -> list[Report]:
    """Return the reports of abuse that nobody has dismissed or taken back, oldest first."""
    return list(session.scalars(select(Report).where(STANDS).order_by(Report.id)))


def stopped_requesters(session: Session) -> dict[str, Tally]:
    """Return the requesters whom reports of abuse stop, each with how many persons and cases that makes."""
    reported = session.scalars(select(Report.requester_address).where(STANDS).distinct())
    tallies = {who: reports.tally(session, who) for who in sorted(reported)}
    return {who: tally for who, tally in tallies.items() if tally.stops}


def _as_dict(entry: LedgerEntry) -> dict[str, Any]:
    outcome = entry.says()
    return {
        "introduction": entry.introduction_id,
        "outcome": outcome.outcome.value,
        "reason": outcome.reason.value if outcome.reason else None,
        "marks": outcome.marks.as_dict(),
        "recorded_at": entry.recorded_at.isoformat(),
    }
