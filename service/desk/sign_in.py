"""Signing in to the desk by a link to one's own address. There are no passwords.

Whoever asks for a link learns nothing about an address: only one that has made a verified request, or that
OPERATORS names, is written to.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.introductions import quotas
from service.lifecycle import Mail, MailKind, Role
from service.mail.compose import message_id
from service.mail.tokens import BadLink, Link
from service.settings.table import Settings
from service.store import outbox
from service.store.context import Context
from service.store.models import Desk, Introduction, SignIn, canonical

LINKS_PER_ADDRESS = ((timedelta(hours=1), 3), (timedelta(hours=24), 10))
"""How many links one address gets in a time: whoever asks for them need not be whoever gets them, and all
mails of an address share MAILS_PER_ADDRESS_PER_DAY."""


class LinkUsed(Exception):
    """A link that has signed somebody in before, or all sessions were ended since."""


class LinkLapsed(Exception):
    """A link that is older than SIGN_IN_WITHIN."""


class DeskSession(NamedTuple):
    """What a session remembers."""

    address: str
    generation: int


def is_operator(settings: Settings, address: str) -> bool:
    """Tell whether OPERATORS names this address, however either of the two is spelt."""
    return canonical(address) in {canonical(operator) for operator in settings.OPERATORS}


def email_on_record(session: Session, settings: Settings, address: str) -> str | None:
    """Tell where mail for an address goes, if it has a desk: it made a verified request, or is an operator's.

    That is the spelling that was verified: a server may tell capital letters from small ones (RFC 5321 2.4).
    """
    verified = (
        select(Introduction.requester_email)
        .where(Introduction.requester_address == canonical(address), Introduction.verified_at.is_not(None))
        .order_by(Introduction.id.desc())
    )
    found = session.scalars(verified.limit(1)).first()
    operators = (operator for operator in settings.OPERATORS if canonical(operator) == canonical(address))
    return found or next(operators, None)


def ask_for_link(context: Context, address: str, language: str, browser: str) -> None:
    """Queue a mail with a link to sign in, if the address has a desk and had not enough of them lately.

    ``browser`` is the random word of the browser that it is asked for in.
    """
    session, settings, now = context.session, context.settings, context.now
    quotas.lock(session)
    had_enough = any(_links_since(session, address, now - span) >= most for span, most in LINKS_PER_ADDRESS)
    email = email_on_record(session, settings, address)
    sign_in = SignIn(
        address=canonical(address),
        email=email or address,
        language=language,
        created_at=now,
        browser=browser,
    )
    session.add(sign_in)
    session.flush()
    its_id = message_id(settings, sign_in, Mail(MailKind.SIGN_IN, Role.REQUESTER))
    mail = outbox.enqueue_sign_in(context, sign_in, its_id)
    if email is None or had_enough:
        # Written, and taken back: the time that this takes must not tell who has a desk.
        session.delete(mail)
        session.delete(sign_in)


def read(context: Context, link: Link) -> SignIn:
    """Read the sign-in behind a link that still works. Raises BadLink, LinkUsed or LinkLapsed."""
    return _open(context, context.session.get(SignIn, link.id))


def lock(context: Context, link: Link) -> SignIn:
    """Lock the sign-in behind a link that still works. Raises BadLink, LinkUsed or LinkLapsed."""
    return _open(context, context.session.get(SignIn, link.id, with_for_update=True))


def sign_in(context: Context, row: SignIn) -> DeskSession:
    """Use a locked sign-in up, and begin a session."""
    row.used_at = context.now
    return DeskSession(row.address, generation(context.session, row.address))


def generation(session: Session, address: str) -> int:
    """Give the number that a session of this address must name to count."""
    desk = session.get(Desk, address)
    return desk.generation if desk else 0


def end_all(context: Context, address: str) -> None:
    """End every session of a canonical address, and use up the links that could begin another."""
    session = context.session
    quotas.lock(session)
    desk = session.get(Desk, address, with_for_update=True) or Desk(address=address, generation=0)
    session.add(desk)
    desk.generation += 1
    links = update(SignIn).where(SignIn.address == address, SignIn.used_at.is_(None))
    session.execute(links.values(used_at=context.now))


def _open(context: Context, row: SignIn | None) -> SignIn:
    if row is None:
        raise BadLink
    if row.used_at is not None:
        raise LinkUsed
    if not row.is_open(context.settings.SIGN_IN_WITHIN, context.now):
        raise LinkLapsed
    return row


def _links_since(session: Session, address: str, since: datetime) -> int:
    recent = select(func.count()).where(SignIn.address == canonical(address), SignIn.created_at > since)
    return session.scalar(recent) or 0
