"""The addresses of ours that mail comes back to, where INBOUND_DOMAIN is set.

    intro+TOKEN@…    From and Reply-To: a reply finds the mail that it answers
    bounce+TOKEN@…   the envelope sender (VERP): so does a delivery report
    stop+TOKEN@…     List-Unsubscribe (RFC 2369): whoever writes there wants no more mail

A token names a mail of the outbox and is signed for its purpose, so nobody can make up an address that
counts. Servers change the case of local parts, so case never matters.
"""

from __future__ import annotations

import re
from email.utils import parseaddr
from enum import StrEnum
from typing import NamedTuple

from service.lifecycle import Role
from service.settings.table import Settings
from service.store.models import OutboxMail
from service.store.models.columns import MAX_EMAIL_LENGTH

from .tokens import Tokens

SIGNED = re.compile(r"(intro|bounce|stop)\+([a-z0-9]+)")
ROLE_ADDRESSES = ("postmaster", "abuse")
"""What every domain with mail must have (RFC 5321 4.5.1, RFC 2142 2)."""


class NotOwnAddress(Exception):
    """Another domain, or a local part that we never write into a mail and need not have."""


class Purpose(StrEnum):
    """What an address of ours is for; it stands in front of the plus sign."""

    INTRO = "intro"
    BOUNCE = "bounce"
    STOP = "stop"
    PLAIN = "plain"
    """An address without a token: it names no mail."""


class OwnAddress(NamedTuple):
    """What an address of ours says: which mail it was written into, and the version of its links then."""

    purpose: Purpose
    tag: str = ""
    """`OutboxMail.tag`; empty where the purpose is PLAIN."""
    version: int = 0
    """Modulo 256."""


def bare(settings: Settings) -> str:
    """Return the address that a mail comes from where no token may stand in it."""
    if settings.INBOUND_DOMAIN:
        return f"{Purpose.INTRO}@{settings.INBOUND_DOMAIN}"
    return parseaddr(settings.MAIL_DEFAULT_SENDER)[1]


def domain(settings: Settings) -> str:
    """Return the domain that mails come from."""
    return bare(settings).rpartition("@")[2]


def signing_domain(settings: Settings) -> str:
    """Return the domain of DKIM signatures."""
    return settings.DKIM_DOMAIN or domain(settings)


def sender_name(settings: Settings) -> str:
    """Under which name of ours mails come."""
    return parseaddr(settings.MAIL_DEFAULT_SENDER)[0] or "TwoYes"


def signed(purpose: Purpose, mail: OutboxMail, settings: Settings) -> str:
    """Sign the address for one purpose in one mail, whose ``introduction`` must be loaded.

    Without INBOUND_DOMAIN nothing comes back to us, and it is MAIL_DEFAULT_SENDER for every purpose. Where
    there is no introduction, nothing that comes back would have an effect, so the address names no mail.
    """
    if not settings.INBOUND_DOMAIN or mail.introduction is None:
        return bare(settings)
    token = Tokens(settings.secret_keys).make_address(purpose, mail.tag, _version(mail))
    return f"{purpose}+{token}@{settings.INBOUND_DOMAIN}"


def read(address: str, settings: Settings) -> OwnAddress:
    """Read what a bare address says, however it is spelt.

    Raises NotOwnAddress for whatever is no address of ours, `tokens.BadLink` for one that we did not sign.
    """
    # Some letters outside ASCII become ASCII in small letters, such as the Kelvin sign.
    if not address.isascii() or len(address) > MAX_EMAIL_LENGTH:
        raise NotOwnAddress
    local, _, host = address.lower().rpartition("@")
    if host != settings.INBOUND_DOMAIN:
        raise NotOwnAddress
    if local in (Purpose.INTRO, *ROLE_ADDRESSES, _default_local(settings)):
        return OwnAddress(Purpose.PLAIN)
    found = SIGNED.fullmatch(local)
    if not found:
        raise NotOwnAddress
    return OwnAddress(Purpose(found[1]), *Tokens(settings.secret_keys).read_address(found[1], found[2]))


def _version(mail: OutboxMail) -> int:
    """Return the version of the links of the person who gets this mail."""
    return mail.case.version if mail.to is Role.REQUESTER else mail.case.consent(mail.to).version


def _default_local(settings: Settings) -> str:
    return parseaddr(settings.MAIL_DEFAULT_SENDER)[1].rpartition("@")[0].lower()
