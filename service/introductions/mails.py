"""The mails of an introduction, put into the outbox: each of them once."""

from __future__ import annotations

from service import lifecycle
from service.lifecycle import MailKind
from service.mail import compose
from service.store import outbox
from service.store.context import Context
from service.store.models import Introduction


def enqueue(context: Context, introduction: Introduction, mail: lifecycle.Mail) -> bool:
    """Queue a mail; one that was queued before is queued again only if it was skipped meanwhile.

    False if there is such a mail already and it goes its way.
    """
    row = outbox.find(context.session, introduction, mail)
    if row:
        return outbox.revive(context, row, mail.due_at)
    message_id, body = _written(context, introduction, mail)
    outbox.enqueue(context, introduction, mail, message_id, body)
    return True


def _written(context: Context, introduction: Introduction, mail: lifecycle.Mail) -> tuple[str, bytes | None]:
    """Give the Message-ID of a mail and, of an introduction, the bytes: every copy is the same message."""
    is_introduction = mail.kind is MailKind.INTRODUCTION
    first = outbox.find_introduction(context.session, introduction) if is_introduction else None
    if first:
        return first.message_id, first.body
    message_id = compose.message_id(context.settings, introduction, mail)
    if not is_introduction:
        return message_id, None
    return message_id, compose.introduction_message(introduction, message_id, context.settings)
