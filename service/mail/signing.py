"""DKIM (RFC 6376, and RFC 8463 for Ed25519): whoever gets a mail can see that it is ours, and unchanged.

With both keys a mail is signed twice, because many servers cannot check Ed25519.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dkim

from service.settings.table import Settings

from . import addresses

COVERED = (
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
    # One click unsubscribes only where these two are signed (RFC 8058 4).
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)


def sign(message: bytes, at: datetime, settings: Settings) -> bytes:
    """Sign a mail, which has CRLF line ends, ``at`` a moment with each key in the settings."""
    return b"".join([*_signatures(message, at, settings), message])


def _signatures(message: bytes, at: datetime, settings: Settings) -> Iterator[bytes]:
    domain = addresses.signing_domain(settings)
    for algorithm, selector, key in (
        (b"rsa-sha256", settings.DKIM_SELECTOR, settings.DKIM_PRIVATE_KEY),
        (b"ed25519-sha256", settings.DKIM_ED25519_SELECTOR, settings.DKIM_ED25519_PRIVATE_KEY),
    ):
        if key:
            yield _Dated(message, at).sign(
                selector.encode(),
                domain.encode(),
                key.encode(),
                signature_algorithm=algorithm,
                canonicalize=(dkim.Relaxed, dkim.Relaxed),
                include_headers=_covered(message),
            )


def _covered(message: bytes) -> list[str]:
    """Each header as often as it stands there and once more, so that none can be added (RFC 6376 5.4.2)."""
    head = message.partition(b"\r\n\r\n")[0].decode()
    standing = [name.lower() for name in re.findall(r"(?m)^([!-9;-~]+):", head)]
    return [name.lower() for name in COVERED for _ in range(standing.count(name.lower()) + 1)]


class _Dated(dkim.DKIM):  # type: ignore[misc]
    """dkimpy asks the clock for ``t=``; a stored mail is signed at its own moment, the same each time."""

    def __init__(self, message: bytes, at: datetime) -> None:
        super().__init__(message)
        self._at = str(int(at.timestamp())).encode()

    def gen_header(self, fields: list[tuple[bytes, bytes]], *more: Any, **named: Any) -> Any:
        dated = [(name, self._at if name == b"t" else value) for name, value in fields]
        return super().gen_header(dated, *more, **named)
