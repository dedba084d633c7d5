"""The suppression list: who is not written to, by anyone or for one requester, kept as salted hashes."""

from __future__ import annotations

import hashlib
from datetime import datetime

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


def has_opted_out(session: Session, email: str, requester: str = "") -> bool:
    """Tell the same of suppressions that somebody chose: what one click stopped, an answer starts again."""
    chosen = suppression_of(session, email, requester) & ~Suppression.one_click
    return session.scalars(select(Suppression).where(chosen)).first() is not None


def suppressed_since(session: Session, email: str, requester: str) -> datetime | None:
    """Tell since when one requester may not write to an address; None if that was never asked for."""
    row = session.get(Suppression, _key(session, email, requester))
    return row.created_at if row else None


def suppress(context: Context, email: str, requester: str = "") -> None:
    """Put an address on the list, for everyone or for one requester; twice changes nothing."""
    row = _lock(context.session, email, requester)
    if row is None:
        _add(context, email, requester)
    else:
        row.one_click = False


def suppress_by_one_click(context: Context, email: str) -> bool:
    """Put an address on the list until its person answers; False, and nothing changes, if it is there."""
    is_new = _lock(context.session, email, "") is None
    if is_new:
        _add(context, email, "", one_click=True)
    return is_new


def lift(session: Session, email: str, requester: str = "") -> None:
    """Take an address off the list, for everyone or for one requester. Raises NotSuppressed."""
    row = _lock(session, email, requester)
    if row is None:
        raise NotSuppressed
    session.delete(row)


def lift_one_click(session: Session, email: str) -> bool:
    """Take an address off the list that one click put there; False if none did."""
    row = _lock(session, email, "")
    if row is None or not row.one_click:
        return False
    session.delete(row)
    return True


def _add(context: Context, email: str, requester: str, *, one_click: bool = False) -> None:
    address, of_requester = _key(context.session, email, requester)
    context.session.add(
        Suppression(
            address_hash=address,
            requester_hash=of_requester,
            created_at=context.now,
            one_click=one_click,
        )
    )
    context.session.flush()


def _lock(session: Session, email: str, requester: str) -> Suppression | None:
    """Read a row anew, locked: an answer and a "never again" of one person may meet here."""
    return session.get(Suppression, _key(session, email, requester), with_for_update=True)


def _key(session: Session, email: str, requester: str) -> tuple[str, str]:
    return address_hash(session, email), address_hash(session, requester) if requester else ""
