"""Signed links: one make and one read for each purpose. The only user of itsdangerous.

A token carries an id and a version, never a person and never a time; the deadline is a column. The
purpose is the salt, so a link of one purpose is worthless for another. Never key anything on the text of
a token: the last character of base64 has variants that decode to the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

from itsdangerous import BadData, Signer, URLSafeSerializer
from itsdangerous.encoding import base64_decode

TAG_BYTES, SEAL_BYTES = 8, 10
CODE_DIGITS = 6


class BadLink(Exception):
    """The token was not made by us for this purpose, or was changed on its way."""


class Link(NamedTuple):
    """What a token points at: a row, and the version of its links."""

    id: int
    version: int


class Tokens:
    """Makes and reads the tokens of all purposes.

    ``secret_keys`` is a list from the oldest to the newest; the newest signs, all are accepted.
    """

    def __init__(self, secret_keys: list[str]) -> None:
        self._keys = secret_keys

    def make_requester(self, introduction_id: int, version: int) -> str:
        """Sign the link to the requester's page of one introduction."""
        return self._make("requester", introduction_id, version)

    def read_requester(self, token: str) -> Link:
        return self._read("requester", token)

    def make_answer(self, consent_id: int, version: int) -> str:
        """Sign the link to a party's answer page."""
        return self._make("answer", consent_id, version)

    def read_answer(self, token: str) -> Link:
        return self._read("answer", token)

    def make_follow_up(self, consent_id: int, version: int) -> str:
        """Sign the link to a party's page for "are you in touch?"."""
        return self._make("follow-up", consent_id, version)

    def read_follow_up(self, token: str) -> Link:
        return self._read("follow-up", token)

    def make_sign_in(self, sign_in_id: int) -> str:
        """Sign the link that signs in to the desk, once."""
        return self._make("sign-in", sign_in_id, 1)

    def read_sign_in(self, token: str) -> Link:
        return self._read("sign-in", token)

    def make_never(self, tag: str) -> str:
        """Sign a link for "never contact me again", bound to the mail: it works while that is on record.

        ``tag`` is an `OutboxMail.tag`: from two numbers one could tell how many mails others got in between.
        """
        return self.make_address("never", tag, 1)

    def read_never(self, token: str) -> str | int:
        """Read the tag of a mail, or the number of one in a link that names it by that. Raises BadLink."""
        try:
            return self.read_address("never", token)[0]
        except BadLink:
            return self._read("never", token).id

    def seal_words(self, consent_id: int, words: str) -> str:
        """Sign the words that a party's page shows: its form carries the seal, and an answer is to them."""
        return self._word_seals(consent_id, words)[-1]

    def is_seal_of(self, consent_id: int, words: str, seal: str) -> bool:
        """Tell whether a form carries the seal of these very words."""
        return any(
            hmac.compare_digest(good, seal.encode())
            for good in map(str.encode, self._word_seals(consent_id, words))
        )

    def make_code(self, introduction_id: int, browser: str) -> str:
        """Derive the six digits that verify a request, typed in the browser that it was made in.

        They are stored nowhere: the mail derives them when it is sent, the page when they are typed.
        """
        return self._codes(introduction_id, browser)[-1]

    def is_code_of(self, introduction_id: int, browser: str, code: str) -> bool:
        """Tell whether these are the six digits of a request, by any of the keys."""
        # A list, so that the time it takes does not tell which of them it was.
        same = [
            hmac.compare_digest(good.encode(), code.encode())
            for good in self._codes(introduction_id, browser)
        ]
        return any(same)

    def make_address(self, purpose: str, tag: str, version: int) -> str:
        """Write what stands behind the plus sign of an address that mail comes back to.

        ``tag`` is an `OutboxMail.tag`. Base32 in small letters, as some servers change the case of a local
        part; 31 characters, so that with ``bounce+`` it stays far below the 64 of RFC 5321 4.5.3.1.1.
        """
        named = bytes.fromhex(tag) + bytes([version % 256])
        sealed = named + self._seals(purpose, named)[-1]
        return base64.b32encode(sealed).decode().rstrip("=").lower()

    def read_address(self, purpose: str, token: str) -> tuple[str, int]:
        """Read the tag, and the version of the links modulo 256. Raises BadLink."""
        try:
            sealed = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
        except (binascii.Error, ValueError):
            raise BadLink from None
        # The last letter has bits to spare: without this one address would have eight spellings.
        if base64.b32encode(sealed).decode().rstrip("=").lower() != token.lower():
            raise BadLink
        named, seal = sealed[: TAG_BYTES + 1], sealed[TAG_BYTES + 1 :]
        if not any(hmac.compare_digest(seal, good) for good in self._seals(purpose, named)):
            raise BadLink
        return named[:TAG_BYTES].hex(), named[TAG_BYTES]

    def _seals(self, purpose: str, named: bytes) -> list[bytes]:
        """Sign with each key, oldest first, cut to what an address has room for (80 bits)."""
        signers = [Signer(key, salt=f"{purpose}-address", digest_method=hashlib.sha256) for key in self._keys]
        return [base64_decode(signer.get_signature(named))[:SEAL_BYTES] for signer in signers]

    def _word_seals(self, consent_id: int, words: str) -> list[str]:
        signers = [Signer(key, salt="words", digest_method=hashlib.sha256) for key in self._keys]
        return [signer.get_signature(f"{consent_id}\n{words}").decode() for signer in signers]

    def _codes(self, introduction_id: int, browser: str) -> list[str]:
        signers = [Signer(key, salt="code", digest_method=hashlib.sha256) for key in self._keys]
        seals = [base64_decode(signer.get_signature(f"{introduction_id}\n{browser}")) for signer in signers]
        return [f"{int.from_bytes(seal) % 10**CODE_DIGITS:0{CODE_DIGITS}}" for seal in seals]

    def _make(self, purpose: str, id: int, version: int) -> str:
        return str(URLSafeSerializer(self._keys, salt=purpose).dumps([id, version]))

    def _read(self, purpose: str, token: str) -> Link:
        try:
            id, version = URLSafeSerializer(self._keys, salt=purpose).loads(token)
        except (BadData, TypeError, ValueError):
            raise BadLink from None
        return Link(int(id), int(version))
