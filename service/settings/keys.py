"""DKIM keys in settings: they are checked before anything starts."""

from __future__ import annotations

import base64

from dkim.crypto import parse_pem_private_key

MIN_RSA_BITS = 1024
"""Verifiers take no shorter key (RFC 8301 3.2)."""


def rsa_key(text: str) -> str:
    r"""Return the PEM text of an RSA key that can sign. Raises ValueError with the reason for any other.

    Line ends may be written as ``\n``, because an environment file cannot hold them.
    """
    pem = text.replace("\\n", "\n").replace("\r\n", "\n").strip()
    bits = _rsa_bits(pem)
    if not bits:
        raise ValueError("write an RSA key in PEM form, without a passphrase")
    if bits < MIN_RSA_BITS:
        raise ValueError(f"this RSA key has {bits} bits; it must have {MIN_RSA_BITS}, and better 2048")
    return pem


def ed25519_key(text: str) -> str:
    """Return the base64 of an Ed25519 key (RFC 8463 3). Raises ValueError for any other text."""
    try:
        size = len(base64.b64decode(text, validate=True))
    except ValueError:
        size = 0
    if size != 32:
        raise ValueError("write the 32 bytes of an Ed25519 key in base64")
    return text


def _rsa_bits(pem: str) -> int:
    """Return the length of an RSA key in bits, or 0 for what is none."""
    try:
        key = parse_pem_private_key(pem.encode())
    except Exception:  # noqa: BLE001
        # dkimpy's parser expects a key; what else it is given, it fails at in many ways.
        return 0
    modulus: int = key["modulus"]
    return modulus.bit_length() if key["prime1"] * key["prime2"] == modulus else 0
