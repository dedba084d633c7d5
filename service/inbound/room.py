"""How much mail is taken in: bytes of one mail, of a sender, of a case, of an hour, and in all.

Whoever holds a token of ours may send to it, and all of it is stored. So what is kept is counted by who acts:

- A sender's bytes are counted over a day, wherever they go. But a sender can be forged: what somebody sends
  to an address that was mailed to themselves is not refused for it, so nobody can use up their share.
- A case's bytes are counted for each person whose mail the token was in: no one of them uses up another's.
- Addresses without a token are open to everybody, and have but a part of the room for all.

Every limit is counted under the lock under which the mail is stored (`store.receive`), from the rows that are
kept: what is forgotten makes room.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from service.mail.addresses import Purpose
from service.settings.table import Settings
from service.store.models import InboundMail, OutboxMail, canonical

from .envelope import NULL_SENDER

MAX_OTHER = 256 * 1024
"""Bytes of a mail to an address without a token, or to one that a mail program writes to by itself."""
PEOPLE_OF_A_CASE = 3
PART_WITHOUT_TOKEN = 4
"""Which part of the room for all is for addresses without a token: a quarter."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def max_size(purpose: Purpose, settings: Settings) -> int:
    """Return how many bytes a mail to an address of this purpose may have."""
    largest = {
        Purpose.INTRO: settings.INBOUND_REPLY_SIZE,
        Purpose.BOUNCE: settings.INBOUND_MAX_SIZE,
        Purpose.STOP: MAX_OTHER,
        Purpose.PLAIN: MAX_OTHER,
    }[purpose]
    return min(largest, settings.INBOUND_MAX_SIZE)


def can_fit(settings: Settings, mail: InboundMail, about: OutboxMail | None) -> bool:
    """Tell whether a mail would be within every limit if nothing else were kept."""
    return all(mail.size <= most for most, _ in _limits(settings, mail, about))


def has_room(session: Session, settings: Settings, mail: InboundMail, about: OutboxMail | None) -> bool:
    """Tell whether a mail that is to be stored is within every limit; ``about`` is what its address names."""
    return all(
        (session.scalar(select(func.sum(InboundMail.size)).where(*counted)) or 0) + mail.size <= most
        for most, counted in _limits(settings, mail, about)
    )


def _limits(
    settings: Settings, mail: InboundMail, about: OutboxMail | None
) -> Iterator[tuple[int, list[ColumnElement[bool]]]]:
    """Yield the limits for a mail, each with what is counted for it; what costs least comes first."""
    is_kept = InboundMail.raw.is_not(None)
    is_own = about is not None and canonical(about.recipient) == canonical(mail.sender)
    if mail.sender not in ("", NULL_SENDER) and not is_own:
        by_sender = [InboundMail.sender == mail.sender, InboundMail.received_at > mail.received_at - DAY]
        yield settings.INBOUND_BYTES_PER_SENDER, by_sender
    part, of_all = 1, list[ColumnElement[bool]]()
    if about is None:
        part, of_all = PART_WITHOUT_TOKEN, [InboundMail.outbox_id.is_(None)]
    else:
        same = select(OutboxMail.id).where(
            OutboxMail.introduction_id == about.introduction_id, OutboxMail.to == about.to
        )
        yield settings.INBOUND_BYTES_PER_CASE // PEOPLE_OF_A_CASE, [is_kept, InboundMail.outbox_id.in_(same)]
    lately = InboundMail.received_at > mail.received_at - HOUR
    yield settings.INBOUND_BYTES_PER_HOUR // part, [is_kept, lately, *of_all]
    yield settings.INBOUND_BYTES // part, [is_kept, *of_all]
