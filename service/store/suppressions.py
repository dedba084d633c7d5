"""The suppression list: who is not written to, by anyone or for one requester, kept as salted hashes."""

from __future__ import annotations

import hashlib

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from .context import Context
from .models import Installation, Suppression, canonical


class NotSuppressed(Exception):
    """This address is not on the suppression list, or not in this way."""


def address_hash(session: Session, email: str) -> str:
    """Hash an address, however it is spelt, as the suppression list keeps it."""
    salt = session.scalars(select(Installation.address_salt)).one()
    return hashlib.blake2b(canonical(email).encode(), key=salt.encode(), digest_size=32).hexdigest()


def suppression_of(session: Session, email: str, requester: str = "") -> ColumnElement[bool]:
    """Tell which rows keep a mail from an address: those for everyone, and those for this requester."""
    requesters = [""] + ([address_hash(session, requester)] if requester else [])
    is_for_address = Suppression.address_hash == address_hash(session, email)
    return is_for_address & Suppression.requester_hash.in_(requesters)


def is_suppressed(session: Session, email: str, requester: str = "") -> bool:
    """Tell whether nobody may write to an address, or not on behalf of this requester's address."""
    found = session.scalars(select(Suppression).where(suppression_of(session, email, requester)))
    return found.first() is not None


def suppress(context: Context, email: str, requester: str = "") -> None:
    """Put an address on the list, for everyone or for one requester; twice changes nothing."""
    key = _key(context.session, email, requester)
    if context.session.get(Suppression, key) is None:
        context.session.add(Suppression(address_hash=key[0], requester_hash=key[1], created_at=context.now))


def lift(session: Session, email: str, requester: str = "") -> None:
    """Take an address off the list, for everyone or for one requester. Raises NotSuppressed."""
    row = session.get(Suppression, _key(session, email, requester))
    if row is None:
        raise NotSuppressed
    session.delete(row)


def _key(session: Session, email: str, requester: str) -> tuple[str, str]:
    return address_hash(session, email), address_hash(session, requester) if requester else ""
