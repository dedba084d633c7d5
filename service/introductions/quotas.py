"""Who may not be written to, and how often somebody may be: suppression, open asks, verification mails."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from service.lifecycle import State
from service.settings.table import Settings
from service.store.models import Consent, Installation, Introduction, Report, Suppression, canonical

TURNS = 0x54776F596573
"""The number of PostgreSQL's advisory lock for the limits: "TwoYes" in ASCII."""
OPEN = (State.ASKING, State.AGREED, State.INTRODUCING)
REPORTS_BEFORE_NONE = 3
"""How many standing reports of abuse end a requester's requests; each one before halves them."""


class TooManyRequests(Exception):
    """This requester's address has made enough requests for one day, or was reported too often."""


class CannotBeAsked(Exception):
    """One of the two cannot be asked. Which one, and why, is not told."""


class NeverAgain(Exception):
    """This address asked never to be contacted again, so no answer of it can be followed by a mail."""


class NotSuppressed(Exception):
    """This address is not on the suppression list, or not in this way."""


def take_turns(session: Session) -> None:
    """Let one transaction at a time ask or change the limits; taken before any introduction is locked.

    Two verifications, or a verification and a "never again", would otherwise not see each other. SQLite
    has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(TURNS)))


def address_hash(session: Session, email: str) -> str:
    """The salted hash under which an address is kept on the suppression list."""
    salt = session.scalars(select(Installation.address_salt)).one()
    return hashlib.blake2b(canonical(email).encode(), key=salt.encode(), digest_size=32).hexdigest()


def suppression_of(session: Session, email: str, requester: str = "") -> ColumnElement[bool]:
    """Which suppressions keep a mail from an address: of everyone here, or of this requester's address."""
    named = [""] + ([address_hash(session, requester)] if requester else [])
    of = Suppression.address_hash == address_hash(session, email)
    return of & Suppression.requester_hash.in_(named)


def is_suppressed(session: Session, email: str, requester: str = "") -> bool:
    """Whether nobody may write to an address, or not on behalf of this requester's address."""
    found = session.scalars(select(Suppression).where(suppression_of(session, email, requester)))
    return found.first() is not None


def suppress(session: Session, email: str, now: datetime, requester: str = "") -> None:
    """Put an address on the suppression list, for everyone or for one requester; twice changes nothing."""
    of = address_hash(session, requester) if requester else ""
    key = (address_hash(session, email), of)
    if session.get(Suppression, key) is None:
        session.add(Suppression(address_hash=key[0], requester_hash=of, created_at=now))


def lift(session: Session, email: str, requester: str = "") -> None:
    """Take an address off the suppression list: for everyone, or for one requester. Raises NotSuppressed."""
    of = address_hash(session, requester) if requester else ""
    row = session.get(Suppression, (address_hash(session, email), of))
    if row is None:
        raise NotSuppressed
    session.delete(row)


def check_verifications(session: Session, settings: Settings, email: str, now: datetime) -> None:
    """Raise TooManyRequests if the address had its verification mails for the last 24 hours.

    How many these are falls with each report of abuse that stands against the address, from the closing
    moment of its case on; several reports stop the address at once.
    """
    since = now - timedelta(hours=24)
    recent = select(func.count()).where(
        Introduction.requester_address == canonical(email), Introduction.created_at > since
    )
    if (session.scalar(recent) or 0) >= requests_per_day(session, settings, email, now):
        raise TooManyRequests


def requests_per_day(session: Session, settings: Settings, email: str, now: datetime) -> int:
    """How many requests are taken from an address in 24 hours."""
    standing = (
        select(func.count())
        .select_from(Report)
        .join(Introduction)
        .where(Report.requester_address == canonical(email), Report.dismissed_at.is_(None))
    )
    if (session.scalar(standing) or 0) >= REPORTS_BEFORE_NONE:
        return 0
    # A lower limit before the closing moment would tell the requester that one of the two had said no.
    told = session.scalar(standing.where(Introduction.closes_at <= now)) or 0
    return max(settings.VERIFICATIONS_PER_DAY >> told, 1)


def check_can_be_asked(session: Session, settings: Settings, introduction: Introduction) -> None:
    """Raise CannotBeAsked if either party is suppressed, asked too much, or in the same open case."""
    if _same_pair_is_open(session, introduction):
        raise CannotBeAsked
    for consent in introduction.consents:
        if consent.side is not introduction.requester_is:
            check_address(session, settings, consent.email, introduction.requester_address)


def check_address(session: Session, settings: Settings, email: str, requester: str) -> None:
    """Raise CannotBeAsked if one more ask must not go to this address."""
    too_many = _open_asks(session, email) >= settings.OPEN_ASKS_PER_ADDRESS
    if too_many or is_suppressed(session, email, requester):
        raise CannotBeAsked


def _open_asks(session: Session, email: str) -> int:
    """In how many open cases somebody else asks this address, answered or not.

    A count that an answer lowered would tell it, to whoever waits to be let in.
    """
    asked = or_(Introduction.requester_is.is_(None), Introduction.requester_is != Consent.side)
    cases = (
        select(func.count())
        .select_from(Consent)
        .join(Introduction)
        .where(Consent.address == canonical(email), asked, Introduction.state.in_(OPEN))
    )
    return session.scalar(cases) or 0


def _same_pair_is_open(session: Session, introduction: Introduction) -> bool:
    addresses = {consent.address for consent in introduction.consents}
    same = select(Introduction).where(
        Introduction.id != introduction.id,
        Introduction.requester_address == introduction.requester_address,
        Introduction.state.in_(OPEN),
        *(_has_party(address) for address in addresses),
    )
    return session.scalars(same.limit(1)).first() is not None


def _has_party(address: str) -> ColumnElement[bool]:
    party = select(Consent.id).where(Consent.introduction_id == Introduction.id, Consent.address == address)
    return exists(party)
