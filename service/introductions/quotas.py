"""How often somebody may ask and be asked: requests in a day, open asks of an address, one case of a pair."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from service.lifecycle import State
from service.store.context import Context
from service.store.models import Consent, Introduction, canonical
from service.store.suppressions import is_suppressed

from . import reports

ADVISORY_LOCK = 0x54776F596573
"""The number of PostgreSQL's advisory lock for the quotas: "TwoYes" in ASCII."""
OPEN = (State.ASKING, State.AGREED, State.INTRODUCING)


class TooManyRequests(Exception):
    """This requester's address has made enough requests for one day, or was reported too often."""


class CannotBeAsked(Exception):
    """One of the two cannot be asked. Which one, and why, is not told."""


def lock(session: Session) -> None:
    """Have one transaction at a time ask or change the quotas; taken before any introduction is locked.

    Two verifications, or a verification and a "never again", would otherwise not see each other. SQLite
    has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))


def check_requests(context: Context, email: str) -> None:
    """Raise TooManyRequests if the address had its verification mails for the last 24 hours.

    How many these are falls with each report of abuse that stands against the address, from the closing
    moment of its case on; reports of three persons in three cases stop the address at once.
    """
    since = context.now - timedelta(hours=24)
    recent = select(func.count()).where(
        Introduction.requester_address == canonical(email), Introduction.created_at > since
    )
    if (context.session.scalar(recent) or 0) >= requests_per_day(context, email):
        raise TooManyRequests


def requests_per_day(context: Context, email: str) -> int:
    """Tell how many requests are taken from an address in 24 hours."""
    if reports.tally(context.session, email).stops:
        return 0
    # A lower limit before the closing moment would tell the requester that one of the two had said no.
    closed = reports.tally(context.session, email, closed_by=context.now)
    return max(context.settings.VERIFICATIONS_PER_DAY >> closed.weight, 1)


def check_can_be_asked(context: Context, introduction: Introduction) -> None:
    """Raise CannotBeAsked if either party is suppressed, asked too much, or in the same open case."""
    if _same_pair_is_open(context.session, introduction):
        raise CannotBeAsked
    for consent in introduction.consents:
        if consent.side is not introduction.requester_is:
            check_address(context, consent.email, introduction.requester_address)


def check_address(context: Context, email: str, requester: str) -> None:
    """Raise CannotBeAsked if one more ask must not go to this address."""
    too_many = _open_asks(context.session, email) >= context.settings.OPEN_ASKS_PER_ADDRESS
    if too_many or is_suppressed(context.session, email, requester):
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
