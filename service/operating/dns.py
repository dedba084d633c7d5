"""`twoyes dns`: the DNS records that mail in both directions needs, ready to be published."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import urlsplit

from dkim.crypto import parse_pem_private_key
from nacl.signing import SigningKey

from service.mail import addresses
from service.settings.table import Settings
from service.settings.urls import ip_address, is_loopback

MAX_STRING_LENGTH = 255
"""Bytes of one string of a TXT record; a longer text is several (RFC 1035 3.3, RFC 7208 3.3)."""
RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d0101010500")
"""The algorithm of an RSA key in DER: its object identifier and no parameters (RFC 3279 2.3.1)."""


def records(settings: Settings) -> Iterator[str]:
    """Yield the lines of a zone file (RFC 1035 5.1); a comment says what has to be looked at."""
    domain, host = addresses.domain(settings), urlsplit(settings.PUBLIC_URL).hostname or ""
    for name, used in (("the domain", domain), ("MAIL_SERVER", settings.MAIL_SERVER), ("PUBLIC_URL", host)):
        if is_loopback(used):
            yield f"; Do not publish this: {name} is {used}, which only this machine can reach."
    if settings.INBOUND_DOMAIN:
        yield f"; The server that receives mail for {domain}: the mail server in front, or twoyes listen."
        yield f"{domain}. MX 10 {host}."
    yield "; Whoever sends this mail. If your relay's documentation names an include:, use that."
    yield _txt(domain, f"v=spf1 {_sender(settings.MAIL_SERVER)} -all")
    for selector, key in _public_keys(settings):
        yield _txt(f"{selector}._domainkey.{addresses.signing_domain(settings)}", f"v=DKIM1; {key}")
    yield "; Start with p=none and read the reports; then p=quarantine, then p=reject."
    yield _txt(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}")


def _sender(relay: str) -> str:
    """Return the mechanism of SPF for a host name or an address (RFC 7208 5.3, 5.6)."""
    address = ip_address(relay)
    return f"ip{address.version}:{address}" if address else f"a:{relay}"


def _public_keys(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield each selector, and its key as a DKIM record has it (RFC 6376 3.6.1, RFC 8463 4)."""
    if settings.DKIM_PRIVATE_KEY:
        yield settings.DKIM_SELECTOR, f"k=rsa; p={_base64(rsa_public_key(settings.DKIM_PRIVATE_KEY))}"
    if settings.DKIM_ED25519_PRIVATE_KEY:
        public = SigningKey(base64.b64decode(settings.DKIM_ED25519_PRIVATE_KEY)).verify_key.encode()
        yield settings.DKIM_ED25519_SELECTOR, f"k=ed25519; p={_base64(public)}"


def rsa_public_key(pem: str) -> bytes:
    """Return the SubjectPublicKeyInfo of an RSA key in DER (RFC 5280 4.1.2.7, RFC 8017 A.1.1)."""
    key = parse_pem_private_key(pem.encode())
    public = _der(0x30, _integer(key["modulus"]) + _integer(key["publicExponent"]))
    return _der(0x30, _der(0x30, RSA_ENCRYPTION) + _der(0x03, b"\0" + public))


def _integer(value: int) -> bytes:
    # A first bit that is set would make it negative.
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _txt(name: str, text: str) -> str:
    strings = (f'"{text[at : at + MAX_STRING_LENGTH]}"' for at in range(0, len(text), MAX_STRING_LENGTH))
    return f"{name}. TXT {' '.join(strings)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
