"""Every mail, written from its folder in templates/email/ and put into a form that plain SMTP takes.

A mail with a link is written when it is sent, so that no live link rests in the database. Names and
subjects were checked when they were typed; here they are made safe once more, because a header is where
a mail can be turned into another one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from markupsafe import escape

from service.language.languages import speaking
from service.lifecycle import ASKING_MAILS, About, Mail, MailKind, Role
from service.settings.table import Settings
from service.store.models import Introduction, OutboxMail, Report, SignIn
from service.store.outbox import SentWords

from . import addresses
from .addresses import Purpose
from .message import Address, FixedMessage
from .render import Rendering, facts, language_of, name_of, spans, to_operator, write
from .signing import sign
from .tokens import Tokens

UNSUBSCRIBABLE = (MailKind.ASK, MailKind.REMINDER, MailKind.FOLLOW_UP)
"""Kinds that somebody gets who did not ask for anything; the rest answers what the person did."""
ABOUT_ANSWER = (About.CASE, About.ANSWER)
"""What a mail that asks is about; one about an unclear reply may be about the handoff or the end as well."""
ON_BEHALF = (MailKind.ASK, MailKind.REMINDER, MailKind.INTRODUCTION)
"""Kinds that speak for the requester, whose address is verified by then; the rest is TwoYes speaking."""


class Composed(NamedTuple):
    """A mail: its bytes, and what stays on record of the words of that very rendering."""

    message: bytes
    words: SentWords | None


def compose(mail: OutboxMail, settings: Settings, now: datetime) -> Composed:
    """Write the whole mail (RFC 5322), dated ``now``, of any kind that is not stored ready (``mail.body``).

    ``mail.introduction`` and its consents must be loaded; nothing is read or written here.
    """
    if mail.sign_in:
        return _sign_in_message(mail, mail.sign_in, settings, now)
    introduction = mail.case
    links = _links(mail, settings)
    with speaking(language_of(introduction, mail.kind, mail.to)):
        written = write(mail.kind, facts(introduction, mail.to, settings, mail.about) | links)
    sender = _sender(introduction, mail.kind, addresses.signed(Purpose.INTRO, mail, settings), settings)
    message = FixedMessage(
        message_id=mail.message_id,
        sender=sender,
        to=[Address(name_of(introduction, mail.to), mail.recipient)],
        # Where nothing comes back to us, From is all there is.
        reply_to=[sender] if settings.INBOUND_DOMAIN else [],
        at=now,
        more=dict(_list_headers(mail, links, settings)) | _thread(mail, settings),
        subject=written.subject,
        text=written.text,
        html=written.html,
    )
    return Composed(sign(message.as_bytes(), now, settings), _words(mail, written, settings))


def _sign_in_message(mail: OutboxMail, sign_in: SignIn, settings: Settings, now: datetime) -> Composed:
    """Write the link to sign in. Whoever asked for it need not have a name here, nor be who gets it."""
    token = Tokens(settings.secret_keys).make_sign_in(sign_in.id)
    known = {"sign_in_url": f"{settings.PUBLIC_URL}/desk/in/{token}", "placeholder": False}
    with speaking(sign_in.language):
        written = write(mail.kind, spans(settings) | known)
    message = FixedMessage(
        message_id=mail.message_id,
        sender=Address(addresses.sender_name(settings), addresses.bare(settings)),
        to=[Address("", mail.recipient)],
        at=now,
        subject=written.subject,
        text=written.text,
        html=written.html,
    )
    return Composed(sign(message.as_bytes(), now, settings), None)


def _words(mail: OutboxMail, written: Rendering, settings: Settings) -> SentWords | None:
    """Give what stays on record: of a mail to a party its subject, and of one that asks all that it said."""
    if mail.to is Role.REQUESTER:
        return None
    if mail.kind not in ASKING_MAILS or mail.about not in ABOUT_ANSWER:
        return SentWords(written.subject)
    return SentWords(written.subject, _masked(written.text, settings), _masked(written.html, settings))


def _masked(text: str, settings: Settings) -> str:
    """Mask the links and signed addresses in a part of a mail: no live token may rest in the database."""
    for start in (settings.PUBLIC_URL, str(escape(settings.PUBLIC_URL))):
        text = re.sub(rf"{re.escape(start)}/[^\s\"'<>]+", "[link]", text)
    return re.sub(rf"{addresses.SIGNED.pattern}@{re.escape(addresses.domain(settings))}", "[address]", text)


def introduction_message(introduction: Introduction, message_id: str, settings: Settings) -> bytes:
    """Write the introduction: one message to both. It carries neither link nor token, so it may be stored."""
    both = [Address(consent.name, consent.email) for consent in introduction.consents]
    copied = introduction.cc_requester and introduction.requester_is is None
    requester = Address(introduction.requester_name, introduction.requester_email)
    with speaking(language_of(introduction, MailKind.INTRODUCTION, Role.A)):
        written = write(MailKind.INTRODUCTION, facts(introduction, Role.A, settings))
    at = introduction.hold_until or introduction.created_at
    message = FixedMessage(
        message_id=message_id,
        sender=_sender(introduction, MailKind.INTRODUCTION, addresses.bare(settings), settings),
        to=both,
        cc=[requester] if copied else [],
        reply_to=both,
        at=at,
        subject=written.subject,
        text=written.text,
        html=written.html,
    )
    return sign(message.as_bytes(), at, settings)


def stopped_message(
    operator: str, message_id: str, report: Report, *, persons: int, cases: int, settings: Settings
) -> bytes:
    """Write to an operator that reports stopped a requester, dated as ``report``, which did it.

    It carries no token, so it may be stored.
    """
    with speaking(settings.LANGUAGE):
        known = to_operator(report.requester_address, persons, cases, settings)
        written = write(MailKind.STOPPED, known)
    message = FixedMessage(
        message_id=message_id,
        sender=Address(addresses.sender_name(settings), addresses.bare(settings)),
        to=[Address("", operator)],
        at=report.reported_at,
        subject=written.subject,
        text=written.text,
        html=written.html,
    )
    return sign(message.as_bytes(), report.reported_at, settings)


def message_id(settings: Settings, of: Introduction | SignIn | Report, mail: Mail) -> str:
    """Make the fixed Message-ID of a mail (RFC 5322 3.6.4); the copies of the introduction are one message.

    It tells its kind and nothing else: a number or a time in it would tell when the other side answered.
    """
    # Left out where it is the case, as it was before there was any other: a reminder finds its old ask.
    about = () if mail.about is About.CASE else (mail.about.value,)
    since = of.reported_at if isinstance(of, Report) else of.created_at
    what = (of.id, since.timestamp(), mail.kind.value, mail.to.value, mail.number, *about)
    key = settings.SECRET_KEY.encode()[:64]
    digest = hashlib.blake2b(repr(what).encode(), key=key, digest_size=16).hexdigest()
    return f"<{mail.kind.value}.{digest}@{addresses.bare(settings).rpartition('@')[2]}>"


def _thread(mail: OutboxMail, settings: Settings) -> dict[str, str]:
    """Put a reminder below its ask in a mail program."""
    if mail.kind is not MailKind.REMINDER:
        return {}
    asked = 1 + mail.case.consent(mail.to).corrected
    ask = message_id(settings, mail.case, Mail(MailKind.ASK, mail.to, asked))
    return {"In-Reply-To": ask, "References": ask}


def _list_headers(mail: OutboxMail, links: dict[str, Any], settings: Settings) -> Iterator[tuple[str, str]]:
    """Offer the program's own "unsubscribe" (RFC 2369); in one click (RFC 8058) where the pages are https."""
    if mail.kind not in UNSUBSCRIBABLE:
        return
    ways = [links["never_url"]]
    if settings.INBOUND_DOMAIN:
        # The first way that a program knows is taken, so the page stands first (RFC 2369 2).
        ways.append(f"mailto:{addresses.signed(Purpose.STOP, mail, settings)}?subject=unsubscribe")
    # Folded before each address, which is long and must stay whole.
    yield "List-Unsubscribe", ",".join(f"\r\n <{way}>" for way in ways)
    if links["never_url"].startswith("https:"):
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"


def _sender(introduction: Introduction, kind: MailKind, email: str, settings: Settings) -> Address:
    name = addresses.sender_name(settings)
    if kind in ON_BEHALF:
        name = f"{introduction.requester_name} via {name}"
    return Address(name, email)


def _links(mail: OutboxMail, settings: Settings) -> dict[str, Any]:
    introduction, tokens = mail.case, Tokens(settings.secret_keys)
    if mail.to is Role.REQUESTER:
        token = tokens.make_requester(introduction.id, introduction.version)
        code = tokens.make_code(introduction.id, introduction.browser) if introduction.browser else ""
        return {"requester_url": f"{settings.PUBLIC_URL}/r/{token}", "code": code}
    consent = introduction.consent(mail.to)
    answer = tokens.make_answer(consent.id, consent.version)
    follow_up = tokens.make_follow_up(consent.id, consent.version)
    return {
        "answer_url": f"{settings.PUBLIC_URL}/a/{answer}",
        "follow_up_url": f"{settings.PUBLIC_URL}/f/{follow_up}",
        "never_url": f"{settings.PUBLIC_URL}/never/{tokens.make_never(mail.tag)}",
        "still_open": introduction.to_case().is_open,
    }
