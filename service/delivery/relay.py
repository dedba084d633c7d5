"""The pause of a relay that is in trouble itself: it stops all mail and burns nobody's attempts."""

from __future__ import annotations

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store import outbox
from service.store.context import Context
from service.store.models import Installation
from service.store.models.columns import MAX_REPLY_LENGTH

log = logging.getLogger(__name__)


def is_paused(context: Context) -> bool:
    """Tell whether no mail is sent at the moment."""
    paused_until = context.session.scalars(select(Installation.relay_paused_until)).one()
    return paused_until is not None and paused_until > context.now


def pause(context: Context, reply: str) -> None:
    """Pause all mail, for longer with each failure in a row."""
    installation = context.session.scalars(select(Installation).with_for_update()).one()
    installation.relay_failures += 1
    pause = outbox.backoff(context.settings, installation.relay_failures)
    installation.relay_paused_until, installation.relay_reply = context.now + pause, reply[:MAX_REPLY_LENGTH]
    # What the relay said may name an address, so it is kept in the row and not in the log.
    log.warning("the relay is in trouble and paused for %d s", pause.total_seconds())


def resume(session: Session) -> None:
    """End the pause: the relay accepted a mail."""
    installation = session.scalars(select(Installation)).one()
    if installation.relay_failures:
        installation.relay_failures, installation.relay_paused_until, installation.relay_reply = 0, None, ""
