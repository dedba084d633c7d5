"""DKIM: checked by dkimpy, and by a verifier of our own that shares no code with what signed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from service.lifecycle import MailKind, Role
from service.mail.smtp import Kind, SmtpSession
from service.settings.environment import SettingsError, load
from service.settings.table import Settings
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, SECRET, Story

from .test_compose import NOW, case, raw

RSA = rsa.generate_private_key(65537, 2048)
PEM = RSA.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.NoEncryption(),
).decode()
PKCS8 = RSA.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
SPKI = RSA.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
EDWARDS = SigningKey(bytes(range(32)))
SEED = base64.b64encode(bytes(EDWARDS)).decode()
BASE = {
    "SECRET_KEY": SECRET,
    "DATABASE_URL": "sqlite:///unused.db",
    "PUBLIC_URL": "https://twoyes.test",
    "MAIL_DEFAULT_SENDER": "TwoYes <hello@twoyes.test>",
    "INBOUND_DOMAIN": "in.twoyes.test",
}
BOTH = {"DKIM_PRIVATE_KEY": PEM, "DKIM_ED25519_PRIVATE_KEY": SEED}
SETTINGS = load({**BASE, **BOTH})
RECORDS = {
    "twoyes": b"v=DKIM1; k=rsa; p=" + base64.b64encode(SPKI),
    "twoyes-ed25519": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(EDWARDS.verify_key)),
}
PUBLISHED = {
    f"{selector}._domainkey.{domain}.".encode(): record
    for selector, record in RECORDS.items()
    for domain in ("in.twoyes.test", "twoyes.test", "other.test")
}
MUST_BE_COVERED = {
    *("from", "to", "cc", "subject", "date", "message-id", "reply-to", "in-reply-to", "references"),
    *("mime-version", "content-type", "content-transfer-encoding", "auto-submitted"),
    *("list-unsubscribe", "list-unsubscribe-post"),
}


# --- A verifier, from RFC 6376 (3.4, 3.5, 3.7, 5.4.2) and RFC 8463 -----------------------------------


def headers_of(message: bytes) -> list[tuple[str, bytes]]:
    head = message.partition(b"\r\n\r\n")[0]
    found = re.findall(rb"(?ms)^([^\s:]+):(.*?)(?=\r\n\S|\Z)", head)
    return [(name.decode().lower(), value) for name, value in found]


def tags_of(signature: bytes) -> dict[str, bytes]:
    tags = [tag.partition(b"=") for tag in signature.split(b";") if tag.strip()]
    return {name.strip().decode(): re.sub(rb"\s+", b"", value) for name, _, value in tags}


def relaxed_header(name: str, value: bytes) -> bytes:
    value = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.encode() + b":" + value


def relaxed_body(message: bytes) -> bytes:
    lines = message.partition(b"\r\n\r\n")[2].split(b"\r\n")
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def signed_headers(message: bytes, signature: bytes) -> bytes:
    """What was hashed: the named headers from the last one upwards, and the signature without its b=."""
    left = headers_of(message)
    lines = []
    for name in tags_of(signature)["h"].decode().lower().split(":"):
        at = next((at for at in reversed(range(len(left))) if left[at][0] == name), None)
        if at is not None:
            lines.append(relaxed_header(*left.pop(at)) + b"\r\n")
    unsigned = re.sub(rb"(;\s*b=)[^;]*", rb"\1", signature)
    return b"".join(lines) + relaxed_header("dkim-signature", unsigned)


def verified(message: bytes, signature: bytes) -> bool:
    tags = tags_of(signature)
    body_hash = base64.b64encode(hashlib.sha256(relaxed_body(message)).digest())
    if (tags["v"], tags["c"], tags["bh"]) != (b"1", b"relaxed/relaxed", body_hash):
        return False
    name = tags["s"] + b"._domainkey." + tags["d"] + b"."
    key = base64.b64decode(tags_of(PUBLISHED[name])["p"])
    data, given = signed_headers(message, signature), base64.b64decode(tags["b"])
    try:
        if tags["a"] == b"ed25519-sha256":
            VerifyKey(key).verify(hashlib.sha256(data).digest(), given)
        else:
            assert tags["a"] == b"rsa-sha256"
            public = serialization.load_der_public_key(key)
            assert isinstance(public, rsa.RSAPublicKey)
            public.verify(given, data, padding.PKCS1v15(), hashes.SHA256())
    except (BadSignatureError, InvalidSignature):
        return False
    return True


def signatures(message: bytes) -> list[bytes]:
    return [value for name, value in headers_of(message) if name == "dkim-signature"]


def verdicts(message: bytes) -> list[bool]:
    """What our own verifier says to each signature, and then what dkimpy says."""
    checker = dkim.DKIM(message)
    theirs = [
        _said(partial(checker.verify, idx=index, dnsfunc=_dns)) for index in range(len(signatures(message)))
    ]
    return [*(verified(message, signature) for signature in signatures(message)), *theirs]


def _said(check: Callable[[], bool]) -> bool:
    try:
        return bool(check())
    except dkim.ValidationError:
        return False


def _dns(name: bytes | str, timeout: int = 5) -> bytes:
    return PUBLISHED[name.encode() if isinstance(name, str) else name]


def ask(settings: Settings = SETTINGS, kind: MailKind = MailKind.ASK) -> bytes:
    return raw(case(), kind, Role.A, settings)


# --- What it must say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [MailKind.ASK, MailKind.REMINDER, MailKind.RECEIPT, MailKind.FOLLOW_UP, MailKind.INTRODUCTION]
)
def test_every_mail_bears_both_signatures_and_both_are_good(kind: MailKind) -> None:
    message = ask(kind=kind)
    assert [tags_of(signature)["a"] for signature in signatures(message)] == [
        b"rsa-sha256",
        b"ed25519-sha256",
    ]
    assert verdicts(message) == [True] * 4


@pytest.mark.parametrize("keys", [{}, *({name: value} for name, value in BOTH.items())])
def test_a_mail_has_a_signature_for_each_key_there_is(keys: dict[str, str]) -> None:
    message = ask(load({**BASE, **keys}))
    assert verdicts(message) == [True] * 2 * len(keys)
    assert message.endswith(ask(load(BASE)))


def test_a_signature_covers_the_headers_that_count_and_none_can_be_added() -> None:
    message = ask(kind=MailKind.REMINDER)
    standing = [name for name, _ in headers_of(message)]
    for signature in signatures(message):
        named = tags_of(signature)["h"].decode().split(":")
        assert set(named) == MUST_BE_COVERED
        assert all(named.count(name) == standing.count(name) + 1 for name in MUST_BE_COVERED)
        assert "l" not in tags_of(signature)


def test_a_signature_bears_the_moment_of_the_mail_so_that_it_is_the_same_bytes_each_time() -> None:
    assert ask() == ask()
    times = {tags_of(signature)["t"] for signature in signatures(ask())}
    assert times == {str(int(NOW.timestamp())).encode()}
    held = raw(case(hold_until=NOW + timedelta(days=1)), MailKind.INTRODUCTION, Role.A, SETTINGS)
    assert tags_of(signatures(held)[0])["t"] == str(int(NOW.timestamp()) + 86400).encode()


@pytest.mark.parametrize(
    ("changes", "domain"),
    [
        ({}, b"in.twoyes.test"),
        ({"INBOUND_DOMAIN": ""}, b"twoyes.test"),
        ({"DKIM_DOMAIN": "other.test"}, b"other.test"),
    ],
)
def test_the_domain_that_signs_is_the_one_that_the_mail_comes_from(
    changes: dict[str, str], domain: bytes
) -> None:
    message = ask(load({**BASE, **BOTH, **changes}))
    assert {tags_of(signature)["d"] for signature in signatures(message)} == {domain}
    assert verdicts(message) == [True] * 4


def test_a_selector_is_the_one_in_the_settings() -> None:
    settings = load({**BASE, **BOTH, "DKIM_SELECTOR": "march", "DKIM_ED25519_SELECTOR": "april"})
    assert [tags_of(signature)["s"] for signature in signatures(ask(settings))] == [b"march", b"april"]


def test_no_line_of_a_signature_is_longer_than_mail_likes() -> None:
    head = ask().partition(b"\r\nFrom:")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"List-Unsubscribe: \r\n <https://twoyes", b"List-Unsubscribe: \r\n <https://evil"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", b"List-Unsubscribe-Post: List-Unsubscribe=No"),
        (b"\r\nFrom:", b"\r\nFrom: eve@evil.test\r\nFrom:"),
        (b"\r\nSubject:", b"\r\nSubject: You won\r\nSubject:"),
        (b"\r\nReply-To:", b"\r\nX-Was:"),
        (b"\r\nDate:", b"\r\nCc: eve@evil.test\r\nDate:"),
        (b"\r\nDate:", b"\r\nReferences: <x@evil.test>\r\nDate:"),
        (b"\r\nContent-Type: multipart", b"\r\nContent-Type: text/html\r\nContent-Type: multipart"),
        (b"Hello Linda", b"Hello Lindo"),
        (b"Auto-Submitted: auto-generated", b"Auto-Submitted: no"),
    ],
)
def test_a_change_on_the_way_breaks_both_signatures(old: bytes, new: bytes) -> None:
    message = ask()
    changed = message.replace(old, new, 1)
    assert changed != message
    assert verdicts(changed) == [False] * 4


def test_what_was_added_below_the_body_breaks_both_signatures() -> None:
    assert verdicts(ask() + b"P.S. Send money.\r\n") == [False] * 4


def test_new_line_breaks_and_a_trace_on_the_way_do_not_matter() -> None:
    message = b"Received: from a by b\r\n" + ask()
    refolded = re.sub(rb"(?m)^(Auto-Submitted:) ", rb"\1\r\n\t", message)
    assert refolded != message
    assert verdicts(refolded) == [True] * 4


# --- On the wire ------------------------------------------------------------------------------------


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, **BOTH, "INBOUND_DOMAIN": "in.twoyes.test"}


def test_what_the_relay_is_given_is_still_signed(story: Story) -> None:
    story.introduce()
    assert len(story.relay.messages) > 5
    for mail in story.relay.messages:
        assert verdicts(mail.data) == [True] * 4
    kinds = {row.kind for kind in MailKind for row in story.outbox(kind)}
    assert {MailKind.VERIFY, MailKind.ASK, MailKind.RECEIPT, MailKind.INTRODUCTION} <= kinds


def test_a_stored_introduction_is_stored_with_its_signature(story: Story) -> None:
    story.introduce()
    (row,) = story.outbox(MailKind.INTRODUCTION, LINDA)
    assert row.body is not None
    assert verdicts(row.body) == [True] * 4


def test_dots_and_line_ends_on_the_wire_leave_a_signature_good() -> None:
    introduction = case()
    introduction.need = ".\n..two dots\n" + "a line " * 40
    message = raw(introduction, MailKind.ASK, Role.A, SETTINGS)
    with FaultySmtp() as relay, SmtpSession(load({**BASE, **relay.environ})) as session:
        assert session.send("hello@twoyes.test", LINDA, message, lambda: True).kind is Kind.ACCEPTED
    assert verdicts(relay.messages[0].data) == [True] * 4


def test_an_address_outside_ascii_is_signed_as_it_stands() -> None:
    introduction = case()
    introduction.consents[0].email = "línda@salon.test"
    message = raw(introduction, MailKind.ASK, Role.A, SETTINGS)
    assert "línda@salon.test".encode() in message
    assert verdicts(message) == [True] * 4


# --- Settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pem", [PEM, PKCS8, PEM.replace("\n", "\r\n"), PEM.replace("\n", "\\n"), PEM.strip()]
)
def test_a_key_is_read_in_the_forms_in_which_it_is_handed_out(pem: str) -> None:
    settings = load({**BASE, "DKIM_PRIVATE_KEY": pem})
    assert verdicts(ask(settings)) == [True] * 2


ENCRYPTED = RSA.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.BestAvailableEncryption(b"x"),
).decode()
PUBLIC = RSA.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DKIM_PRIVATE_KEY", "a key"),
        ("DKIM_PRIVATE_KEY", PEM[:300]),
        ("DKIM_PRIVATE_KEY", PEM.replace(PEM.splitlines()[5], "")),
        ("DKIM_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----\n!!!!\n-----END RSA PRIVATE KEY-----"),
        ("DKIM_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----\n\n-----END RSA PRIVATE KEY-----"),
        ("DKIM_PRIVATE_KEY", "/etc/twoyes/dkim.pem"),
        ("DKIM_PRIVATE_KEY", ENCRYPTED),
        ("DKIM_PRIVATE_KEY", PUBLIC.decode()),
        ("DKIM_ED25519_PRIVATE_KEY", "not base64!"),
        ("DKIM_ED25519_PRIVATE_KEY", base64.b64encode(bytes(31)).decode()),
        ("DKIM_ED25519_PRIVATE_KEY", base64.b64encode(bytes(64)).decode()),
        ("DKIM_ED25519_PRIVATE_KEY", SEED[:-1]),
        ("DKIM_ED25519_PRIVATE_KEY", f"{SEED[:9]}!{SEED[9:]}"),
        ("DKIM_ED25519_PRIVATE_KEY", "schlüssel"),
    ],
)
def test_a_key_that_cannot_sign_stops_the_start_with_the_settings_name_and_is_not_shown(
    name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: ") as stopped:
        load({**BASE, name: value})
    assert value not in str(stopped.value)


def made_of(p: int, q: int, modulus: int) -> str:
    numbers = (0, modulus, 65537, pow(65537, -1, (p - 1) * (q - 1)), p, q, 1, 1, 1)
    fields = b"".join(b"\x02\x7f" + number.to_bytes(127, "big") for number in numbers)
    pem = base64.encodebytes(b"\x30\x82" + len(fields).to_bytes(2, "big") + fields).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{pem}-----END RSA PRIVATE KEY-----"


def test_a_key_that_is_too_short_to_be_trusted_or_whose_numbers_do_not_fit_stops_the_start() -> None:
    p, q = 2**127 - 1, 2**521 - 1
    with pytest.raises(SettingsError, match=r"^DKIM_PRIVATE_KEY: this RSA key has 648 bits"):
        load({**BASE, "DKIM_PRIVATE_KEY": made_of(p, q, p * q)})
    with pytest.raises(SettingsError, match=r"^DKIM_PRIVATE_KEY: write an RSA key"):
        load({**BASE, "DKIM_PRIVATE_KEY": made_of(p, q, p * q + 2)})
