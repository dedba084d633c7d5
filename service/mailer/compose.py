"""Every mail, written from its folder in templates/email/ and put into a form that plain SMTP takes.

A mail with a link is written when it is sent, so that no live link rests in the database. Names and
subjects were checked when they were typed; here they are made safe once more, because a header is where
a mail can be turned into another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from service import wording
from service.lifecycle import ConsentState, Envelope, MailKind, Order, Role, State
from service.models import Consent, Introduction, OutboxMail
from service.settings import Settings
from service.tokens import Tokens

from .message import Address, FixedMessage, one_line

TEMPLATES = Path(__file__).parents[2] / "templates" / "email"
UNSUBSCRIBABLE = (MailKind.ASK, MailKind.REMINDER, MailKind.FOLLOW_UP)
"""Kinds that somebody gets who did not ask for anything."""
ON_BEHALF = (MailKind.ASK, MailKind.REMINDER, MailKind.INTRODUCTION)
"""Kinds that speak for the requester, whose address is verified by then; the rest is TwoYes speaking."""


@dataclass(frozen=True)
class Preview:
    """A mail as it will be, with labelled placeholders for what is not known yet."""

    subject: str
    text: str
    html: str


def compose(mail: OutboxMail, settings: Settings, now: datetime) -> bytes:
    """The whole mail (RFC 5322, 7-bit), dated ``now``, of any kind but the introduction (``mail.body``).

    ``mail.introduction`` and its consents must be loaded; nothing is read or written here.
    """
    introduction = mail.introduction
    links = _links(mail, settings)
    facts = _facts(introduction, mail.to, settings) | links
    written = _write(mail.kind, facts)
    name = _name_of(introduction, mail.to)
    return FixedMessage(
        message_id=mail.message_id,
        sender=_sender(introduction, mail.kind, settings),
        to=[Address(name, mail.recipient)],
        at=now,
        more=dict(_list_headers(mail.kind, links)) | _thread(mail, settings),
        subject=written.subject,
        text=written.text,
        html=written.html,
    ).as_bytes()


def introduction_message(introduction: Introduction, message_id: str, settings: Settings) -> bytes:
    """The introduction: one message to both. It carries no link, so it may be stored."""
    both = [Address(consent.name, consent.email) for consent in introduction.consents]
    copied = introduction.cc_requester and introduction.requester_is is None
    requester = Address(introduction.requester_name, introduction.requester_email)
    written = _write(MailKind.INTRODUCTION, _facts(introduction, Role.A, settings))
    return FixedMessage(
        message_id=message_id,
        sender=_sender(introduction, MailKind.INTRODUCTION, settings),
        to=both,
        cc=[requester] if copied else [],
        reply_to=both,
        at=introduction.hold_until or introduction.created_at,
        subject=written.subject,
        text=written.text,
        html=written.html,
    ).as_bytes()


def preview(introduction: Introduction, kind: MailKind, role: Role, settings: Settings) -> Preview:
    """A mail about an introduction that need not be saved. No link in it works."""
    facts = _facts(introduction, role, settings) | _placeholders(introduction, role, settings)
    return _write(kind, facts)


def message_id(settings: Settings, introduction: Introduction, kind: MailKind, to: Role, round: int) -> str:
    """The fixed Message-ID of a mail (RFC 5322 3.6.4); the copies of the introduction are one message.

    It tells its kind and nothing else: a number or a time in it would tell when the other side answered.
    """
    what = (introduction.id, introduction.created_at.timestamp(), kind.value, to.value, round)
    key = settings.SECRET_KEY.encode()[:64]
    digest = hashlib.blake2b(repr(what).encode(), key=key, digest_size=16).hexdigest()
    return f"<{kind.value}.{digest}@{envelope_sender(settings).rpartition('@')[2]}>"


def _thread(mail: OutboxMail, settings: Settings) -> dict[str, str]:
    """A reminder stands below its ask in a mail program."""
    if mail.kind is not MailKind.REMINDER:
        return {}
    asked = 1 + mail.introduction.consent(mail.to).corrected
    ask = message_id(settings, mail.introduction, MailKind.ASK, mail.to, asked)
    return {"In-Reply-To": ask, "References": ask}


def _list_headers(kind: MailKind, links: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The mail program's own "unsubscribe" (RFC 2369); in one click (RFC 8058) where the pages are https."""
    if kind in UNSUBSCRIBABLE:
        # Folded before the address, which is long and must stay whole.
        yield "List-Unsubscribe", f"\r\n <{links['never_url']}>"
        if links["never_url"].startswith("https:"):
            yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"


def envelope_sender(settings: Settings) -> str:
    """The bare address that every mail comes from."""
    return parseaddr(settings.MAIL_DEFAULT_SENDER)[1]


def _sender(introduction: Introduction, kind: MailKind, settings: Settings) -> Address:
    name = parseaddr(settings.MAIL_DEFAULT_SENDER)[0] or "TwoYes"
    if kind in ON_BEHALF:
        name = f"{introduction.requester_name} via {name}"
    return Address(name, envelope_sender(settings))


def _name_of(introduction: Introduction, role: Role) -> str:
    return introduction.requester_name if role is Role.REQUESTER else introduction.consent(role).name


# --- What the templates know ------------------------------------------------------------------------


def _facts(introduction: Introduction, role: Role, settings: Settings) -> dict[str, Any]:
    """What every kind may use. ``you`` and ``other`` are there only for a mail to one of the two."""
    facts: dict[str, Any] = {
        "case": introduction,
        "requester": one_line(introduction.requester_name),
        "name": one_line(_name_of(introduction, role)),
        "sides": introduction.consents,
        "is_party": introduction.requester_is is not None,
        "ended": _ending(introduction),
        "placeholder": False,
        "closes": _moment(introduction, settings, held=False),
        "introduced_by": _moment(introduction, settings, held=True),
        "verify_within": wording.span(settings.VERIFY_WITHIN.total_seconds()),
    }
    if role is not Role.REQUESTER:
        facts |= {"you": introduction.consent(role), "other": introduction.other(role), "role": role}
    return facts


def _moment(introduction: Introduction, settings: Settings, held: bool) -> str:
    """The closing moment, or the latest moment at which the introduction arrives."""
    if introduction.closes_at is None:
        return ""
    at = introduction.closes_at + settings.HOLD_FOR if held else introduction.closes_at
    return wording.moment(at, settings.TIMEZONE)


def _ending(introduction: Introduction) -> str:
    """How the summary puts it. What stopped a case before the introduction is one word: a no is private."""
    if introduction.state is State.CONFIRMED:
        return "confirmed"
    if _lost(introduction):
        return "undelivered"
    return "introduced" if introduction.introduced_at else "nothing"


def _lost(introduction: Introduction) -> list[Consent]:
    """The sides whose copy of the introduction was refused or came back."""
    return [side for side in introduction.consents if side.envelope is Envelope.FAILED]


def _links(mail: OutboxMail, settings: Settings) -> dict[str, Any]:
    introduction, tokens = mail.introduction, Tokens(settings.secret_keys)
    if mail.to is Role.REQUESTER:
        token = tokens.make_requester(introduction.id, introduction.version)
        return {"requester_url": f"{settings.PUBLIC_URL}/r/{token}"}
    consent = introduction.consent(mail.to)
    answer = tokens.make_answer(consent.id, consent.version)
    follow_up = tokens.make_follow_up(consent.id, consent.version)
    return {
        "answer_url": f"{settings.PUBLIC_URL}/a/{answer}",
        "follow_up_url": f"{settings.PUBLIC_URL}/f/{follow_up}",
        "never_url": f"{settings.PUBLIC_URL}/never/{tokens.make_never(mail.id)}",
        "still_open": introduction.to_case().is_open,
    }


def _placeholders(introduction: Introduction, role: Role, settings: Settings) -> dict[str, Any]:
    name = one_line(_name_of(introduction, role))
    rounds = 1 if introduction.order is Order.TOGETHER else 2
    within = wording.span(rounds * settings.ANSWER_WITHIN.total_seconds())
    until = f"[a date: {within} after you confirm]"
    return {
        "placeholder": True,
        "closes": until,
        "introduced_by": until,
        "requester_url": "[the link to your page]",
        "answer_url": f"[a link for {name} alone]",
        "follow_up_url": f"[a link for {name} alone]",
        "never_url": f"[a second link for {name} alone]",
        "still_open": True,
    }


# --- Writing ----------------------------------------------------------------------------------------


def _write(kind: MailKind, facts: dict[str, Any]) -> Preview:
    subject, text, html = (
        _environment.get_template(f"{kind.value}/{part}").render(facts)
        for part in ("subject.txt", "body.txt", "body.html")
    )
    return Preview(one_line(subject), text.strip() + "\n", html)


def _quoted(text: str) -> str:
    """Typed text in the plain part, marked line by line so that it cannot pass for ours."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _declining(sides: list[Consent]) -> list[Consent]:
    return [side for side in sides if side.state is ConsentState.NO and side.tells_requester]


def _unreachable(sides: list[Consent]) -> list[Consent]:
    return [side for side in sides if side.state is ConsentState.UNDELIVERABLE]


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": one_line, "quoted": _quoted}
    environment.filters |= {"declining": _declining, "unreachable": _unreachable}
    environment.globals |= {"wording": wording, "lost": _lost}
    return environment


_environment = _make_environment()
