"""Signed links, read: the row behind each, and the introduction's row locked where a verb needs it."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.mail.tokens import BadLink, Link, Tokens
from service.settings.table import Settings
from service.store.models import Consent, Introduction, OutboxMail

from . import decisions

Row = TypeVar("Row", Introduction, Consent)


class LinkReplaced(Exception):
    """The link was right once; a newer one took its place."""


def by_requester_link(session: Session, settings: Settings, token: str) -> Introduction:
    """The introduction behind a requester's link. Raises BadLink or LinkReplaced."""
    link = Tokens(settings.secret_keys).read_requester(token)
    return _current(session.get(Introduction, link.id), link)


def by_answer_link(session: Session, settings: Settings, token: str) -> Consent:
    """The consent behind a party's link. Raises BadLink or LinkReplaced."""
    link = Tokens(settings.secret_keys).read_answer(token)
    return _current(session.get(Consent, link.id), link)


def by_follow_up_link(session: Session, settings: Settings, token: str) -> Consent:
    """The consent behind a follow-up link. Raises BadLink or LinkReplaced."""
    link = Tokens(settings.secret_keys).read_follow_up(token)
    return _current(session.get(Consent, link.id), link)


def by_never_link(session: Session, settings: Settings, token: str) -> OutboxMail:
    """The mail behind a "never contact me again" link. Raises BadLink."""
    named = Tokens(settings.secret_keys).read_never(token)
    column = OutboxMail.tag if isinstance(named, str) else OutboxMail.id
    mail = session.scalars(select(OutboxMail).where(column == named)).first()
    if mail is None:
        raise BadLink
    return mail


def lock_by_requester_link(session: Session, settings: Settings, token: str) -> Introduction:
    """Like `by_requester_link`, with the introduction locked and the link checked under the lock."""
    introduction = by_requester_link(session, settings, token)
    link = Tokens(settings.secret_keys).read_requester(token)
    return _current(decisions.lock(session, introduction.id), link)


def lock_by_answer_link(session: Session, settings: Settings, token: str) -> Consent:
    """Like `by_answer_link`, with the introduction locked and the link checked under the lock."""
    return _lock_consent(session, Tokens(settings.secret_keys).read_answer(token))


def lock_by_follow_up_link(session: Session, settings: Settings, token: str) -> Consent:
    """Like `by_follow_up_link`, with the introduction locked and the link checked under the lock."""
    return _lock_consent(session, Tokens(settings.secret_keys).read_follow_up(token))


def lock_by_mail(session: Session, mail: OutboxMail, version: int) -> Consent:
    """The consent of the party that a mail went to, locked. ``version`` is of its links, modulo 256.

    Raises LinkReplaced if the mail went to nobody who is a party now, or its links were replaced.
    """
    consent = lock_party(session, mail)
    if consent is None or consent.version % 256 != version:
        raise LinkReplaced
    return consent


def lock_party(session: Session, mail: OutboxMail) -> Consent | None:
    """The consent of the party that a mail went to, locked; None if it went to nobody who is a party now."""
    introduction = decisions.lock(session, mail.case.id)
    return introduction.party_of(mail)


def _lock_consent(session: Session, link: Link) -> Consent:
    consent = session.get(Consent, link.id)
    if consent is None:
        raise BadLink
    introduction = decisions.lock(session, consent.introduction_id)
    return _current(introduction.consent(consent.side), link)


def _current(row: Row | None, link: Link) -> Row:
    if row is None:
        raise BadLink
    if row.version != link.version:
        raise LinkReplaced
    return row
