"""The rows that signed links, or the browser's word, lead to: to be read by a page, or locked for a verb.

A link has been read from its token by then (`service.mail.tokens`). Whether it is still the current one is
checked here; for a verb under the lock, as both parties may press in the same instant.
"""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.lifecycle import State
from service.mail.tokens import BadLink, Link
from service.store.models import Consent, Introduction, OutboxMail

from . import decisions

Row = TypeVar("Row", Introduction, Consent)


class LinkReplaced(Exception):
    """The link was right once; a newer one took its place."""


def read_introduction(session: Session, link: Link) -> Introduction:
    """Read the introduction behind a requester's link. Raises BadLink or LinkReplaced."""
    return _current(session.get(Introduction, link.id), link)


def lock_introduction(session: Session, link: Link) -> Introduction:
    """Lock the introduction behind a requester's link. Raises BadLink or LinkReplaced."""
    if session.get(Introduction, link.id) is None:
        raise BadLink
    return _current(decisions.lock(session, link.id), link)


def read_requested(session: Session, browser: str) -> Introduction | None:
    """Read the request that six digits typed in a browser are for: its newest unverified, or its newest."""
    is_unverified = Introduction.state == State.UNVERIFIED
    asked_here = select(Introduction).where(Introduction.browser == browser)
    newest = asked_here.order_by(is_unverified.desc(), Introduction.id.desc()).limit(1)
    return session.scalars(newest).first()


def lock_requested(session: Session, browser: str) -> Introduction | None:
    """Lock the request that the six digits typed in a browser are for."""
    introduction = read_requested(session, browser)
    return decisions.lock(session, introduction.id) if introduction else None


def read_consent(session: Session, link: Link) -> Consent:
    """Read the consent behind a party's link. Raises BadLink or LinkReplaced."""
    return _current(session.get(Consent, link.id), link)


def lock_consent(session: Session, link: Link) -> Consent:
    """Lock the introduction of the consent behind a party's link. Raises BadLink or LinkReplaced."""
    consent = session.get(Consent, link.id)
    if consent is None:
        raise BadLink
    introduction = decisions.lock(session, consent.introduction_id)
    return _current(introduction.consent(consent.side), link)


def read_mail(session: Session, tag: str | int) -> OutboxMail:
    """Read the mail behind its "never contact me again" link (`Tokens.read_never`). Raises BadLink."""
    column = OutboxMail.tag if isinstance(tag, str) else OutboxMail.id
    mail = session.scalars(select(OutboxMail).where(column == tag)).first()
    if mail is None:
        raise BadLink
    return mail


def lock_mail(session: Session, tag: str | int) -> OutboxMail:
    """Lock the introduction of the mail behind its "never contact me again" link. Raises BadLink."""
    mail = read_mail(session, tag)
    decisions.lock(session, mail.case.id)
    return mail


def lock_recipient(session: Session, mail: OutboxMail, version: int) -> Consent:
    """Lock the introduction of the party that a mail went to. ``version`` is of its links, modulo 256.

    Raises LinkReplaced if the mail went to nobody who is a party now, or its links were replaced.
    """
    consent = lock_party(session, mail)
    if consent is None or consent.version % 256 != version:
        raise LinkReplaced
    return consent


def lock_party(session: Session, mail: OutboxMail) -> Consent | None:
    """Lock the introduction of a mail; None if the mail went to nobody who is a party now."""
    introduction = decisions.lock(session, mail.case.id)
    return introduction.party_of(mail)


def _current(row: Row | None, link: Link) -> Row:
    if row is None:
        raise BadLink
    if row.version != link.version:
        raise LinkReplaced
    return row
