"""What an operator reads: the ledger, the mails that need a person, what arrived, and reports of abuse."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, defer, selectinload

from service.delivery.deliver import may_be_retried
from service.inbound.effects import Effect
from service.inbound.store import FAILED
from service.introductions.quotas import OPEN, requests_per_day
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

LOOKED_AT = 1000
"""How many of the mails that failed the page of an operator asks the kernel about."""


TAKEN = (MailState.LEASED, MailState.HANDOVER)
TROUBLED = OutboxMail.state.in_((MailState.FAILED, MailState.UNKNOWN))


class Queue(NamedTuple):
    """How many mails are on their way."""

    waiting: int
    taken: int
    """In a worker's hands."""
    again: int
    """To be tried again."""
    unknown: int
    """Nobody can know whether the relay took them."""


class Troubled(NamedTuple):
    """The mails that failed: those that may be tried once more, the newest first; the others are counted."""

    mails: list[OutboxMail]
    more: int
    """Those of them for which there was no room."""
    unneeded: int
    """Those that nobody needs any more."""
    older: int
    """Those that were not looked at."""


class Load(NamedTuple):
    """How much of its limits a requester's address has used up."""

    address: str
    open: int
    recent: int
    """Requests in the last 24 hours."""
    allowed: int
    """How many of them it may make, with the reports that stand against it."""
    reports: int

    @property
    def is_full(self) -> bool:
        return self.recent >= self.allowed


class LeftAlone(NamedTuple):
    """The suppressions: how many are for everyone, how many for one requester, and the newest."""

    by_everyone: int
    by_requester: int
    newest: list[Suppression]


def ledger(session: Session, history: bool = False) -> list[dict[str, Any]]:
    """The current ledger entries by introduction, or with ``history`` the superseded ones too."""
    entries = select(LedgerEntry).order_by(LedgerEntry.introduction_id, LedgerEntry.id)
    if not history:
        entries = entries.where(LedgerEntry.superseded_at.is_(None))
    return [_as_dict(entry) for entry in session.scalars(entries)]


def queue(session: Session) -> Queue:
    """How many mails are on their way, by how far they are."""
    state = OutboxMail.state
    on_their_way = state.in_((*TAKEN, MailState.QUEUED, MailState.RETRY, MailState.UNKNOWN))
    found = select(state, func.count()).where(on_their_way).group_by(state)
    counts = Counter(dict(session.execute(found).all()))
    return Queue(
        waiting=counts[MailState.QUEUED],
        taken=sum(counts[taken] for taken in TAKEN),
        again=counts[MailState.RETRY],
        unknown=counts[MailState.UNKNOWN],
    )


def troubled_mails(session: Session) -> list[OutboxMail]:
    """Mails that failed for good, or of which nobody can know whether the relay took them, oldest first."""
    return list(session.scalars(select(OutboxMail).where(TROUBLED).order_by(OutboxMail.id)))


def troubled(session: Session, limit: int) -> Troubled:
    """The same mails as a person needs them: first of all those that can be helped."""
    newest = select(OutboxMail).where(TROUBLED).order_by(OutboxMail.id.desc()).limit(LOOKED_AT)
    mails = list(session.scalars(newest.options(selectinload(OutboxMail.introduction))))
    retriable = [mail for mail in mails if may_be_retried(mail)]
    total = session.scalar(select(func.count()).select_from(OutboxMail).where(TROUBLED)) or 0
    return Troubled(
        mails=retriable[:limit],
        more=len(retriable[limit:]),
        unneeded=len(mails) - len(retriable),
        older=total - len(mails),
    )


def waiting_mails(session: Session, limit: int) -> list[OutboxMail]:
    """Mails that were held back or are tried again, the next one first."""
    waiting = select(OutboxMail).where(OutboxMail.state == MailState.RETRY)
    return list(session.scalars(waiting.order_by(OutboxMail.due_at, OutboxMail.id).limit(limit)))


def relay_pause(session: Session, now: datetime) -> Installation | None:
    """Until when all mail is paused, and what the relay said; None if it is not."""
    paused = select(Installation).where(Installation.relay_paused_until > now)
    return session.scalars(paused).first()


def received(session: Session, limit: int) -> list[dict[str, Any]]:
    """The latest mails that arrived, the newest first. Without tokens and senders, and without the mails."""
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
    """What stands before the plus sign says what an address of ours is for; behind it is the token."""
    return recipient.partition("@")[0].partition("+")[0]


def raw_mail(session: Session, id: int) -> bytes | None:
    """A mail that arrived, as it came; None where there is none, or it is no longer kept."""
    return session.scalar(select(InboundMail.raw).where(InboundMail.id == id))


def kept_for_operator(session: Session) -> int:
    """How many mails to the operator are kept, INBOUND_KEEP long: nobody reads them but by `raw_mail`."""
    kept = InboundMail.outcome == Effect.FOR_THE_OPERATOR, InboundMail.raw.is_not(None)
    return session.scalar(select(func.count()).where(*kept)) or 0


def failed_inbound(session: Session, limit: int) -> list[InboundMail]:
    """The latest mails that arrived and could not be processed so far, or for good; without their bytes."""
    # An attempt is counted before it is made: the first may be under way at this moment.
    tried_again = and_(InboundMail.attempts > 1, InboundMail.outcome == "")
    failed = select(InboundMail).where(or_(tried_again, InboundMail.outcome == FAILED))
    newest = failed.order_by(InboundMail.id.desc()).limit(limit)
    return list(session.scalars(newest.options(defer(InboundMail.raw))))


def left_alone(session: Session, limit: int) -> LeftAlone:
    """The suppression list, as far as hashes tell."""
    everyone = select(func.count()).where(Suppression.requester_hash == "")
    requester = select(func.count()).where(Suppression.requester_hash != "")
    newest = select(Suppression).order_by(Suppression.created_at.desc(), Suppression.address_hash)
    return LeftAlone(
        session.scalar(everyone) or 0,
        session.scalar(requester) or 0,
        list(session.scalars(newest.limit(limit))),
    )


def loads(session: Session, settings: Settings, now: datetime) -> list[Load]:
    """The requesters who have one request left for today at most, or were reported; the fullest first."""
    recent = _requests(session, Introduction.created_at > now - timedelta(hours=24))
    standing = select(Report.requester_address, func.count()).where(Report.dismissed_at.is_(None))
    reports = _counts(session, standing.group_by(Report.requester_address))
    allowed = dict.fromkeys(recent, settings.VERIFICATIONS_PER_DAY)
    allowed |= {who: requests_per_day(Context(session, settings, now), who) for who in reports}
    near = [who for who in allowed if who in reports or recent[who] >= allowed[who] - 1]
    still = _requests(session, Introduction.state.in_(OPEN), Introduction.requester_address.in_(near))
    found = [
        Load(who, still.get(who, 0), recent.get(who, 0), allowed[who], reports.get(who, 0)) for who in near
    ]
    return sorted(found, key=lambda load: (load.allowed - load.recent, load.address))


def _requests(session: Session, *where: ColumnElement[bool]) -> dict[str, int]:
    address = Introduction.requester_address
    return _counts(session, select(address, func.count()).where(*where).group_by(address))


def _counts(session: Session, counted: Select[str, int]) -> dict[str, int]:
    return dict(session.execute(counted).all())


def standing_reports(session: Session) -> list[Report]:
    """Reports of abuse that nobody has dismissed."""
    standing = select(Report).where(Report.dismissed_at.is_(None))
    return list(session.scalars(standing.order_by(Report.id)))


def _as_dict(entry: LedgerEntry) -> dict[str, Any]:
    said = entry.says()
    return {
        "introduction": entry.introduction_id,
        "outcome": said.outcome.value,
        "reason": said.reason.value if said.reason else None,
        "marks": said.marks.as_dict(),
        "recorded_at": entry.recorded_at.isoformat(),
    }
