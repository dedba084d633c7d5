"""The addresses that mail comes back to: whose they are, and that nobody can make one up."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.lifecycle import ConsentState, MailKind, Role
from service.mail.addresses import NotOwnAddress, OwnAddress, Purpose, bare, read, signed
from service.mail.tokens import BadLink, Tokens
from service.settings.environment import load
from service.settings.table import Settings
from service.store.models import Consent, Introduction, OutboxMail
from tests.support.story import LINDA, NATASHA, RITA, SECRET, Story

DOMAIN = "in.twoyes.test"
OLDER = "an0ther-k3y-0f-last-year"
BASE = {
    "SECRET_KEY": SECRET,
    "DATABASE_URL": "sqlite:///unused.db",
    "MAIL_DEFAULT_SENDER": "TwoYes <Hello.There@twoyes.test>",
}
SETTINGS = load({**BASE, "INBOUND_DOMAIN": DOMAIN.upper()})
WITHOUT = load(BASE)
TAG = "00ff10203040506f"
SIGNED = (Purpose.INTRO, Purpose.BOUNCE, Purpose.STOP)


def mail(to: Role = Role.A, version: int = 1) -> OutboxMail:
    introduction = Introduction(version=version)
    introduction.consents = [Consent(side=side, version=version) for side in (Role.A, Role.B)]
    return OutboxMail(tag=TAG, to=to, introduction=introduction)


def token(purpose: Purpose, settings: Settings = SETTINGS) -> str:
    return Tokens(settings.secret_keys).make_address(purpose, TAG, 1)


@pytest.mark.parametrize("purpose", SIGNED)
@pytest.mark.parametrize("to", list(Role))
def test_an_address_says_what_it_is_for_and_which_mail_it_stands_in(purpose: Purpose, to: Role) -> None:
    address = signed(purpose, mail(to, version=3), SETTINGS)
    assert address == address.lower()
    assert read(address, SETTINGS) == OwnAddress(purpose, TAG, 3)


def test_the_version_is_that_of_the_links_of_whoever_gets_the_mail() -> None:
    mails = {to: mail(to) for to in Role}
    for number, (to, row) in enumerate(mails.items(), start=2):
        assert row.introduction is not None
        holder = row.introduction if to is Role.REQUESTER else row.introduction.consent(to)
        holder.version = number
        ours = read(signed(Purpose.INTRO, row, SETTINGS), SETTINGS)
        assert ours.version == number % 256


def test_a_version_of_three_digits_is_still_told_from_the_one_before() -> None:
    ours = read(signed(Purpose.INTRO, mail(version=300), SETTINGS), SETTINGS)
    assert ours.version == 300 % 256


@pytest.mark.parametrize("purpose", SIGNED)
def test_a_local_part_is_no_longer_than_mail_allows(purpose: Purpose) -> None:
    local = signed(purpose, mail(version=255), SETTINGS).partition("@")[0]
    assert len(local) <= 64


@pytest.mark.parametrize("purpose", SIGNED)
def test_the_case_of_an_address_never_matters(purpose: Purpose) -> None:
    address = signed(purpose, mail(), SETTINGS)
    for spelt in (address.upper(), address.title(), address.swapcase()):
        assert read(spelt, SETTINGS) == OwnAddress(purpose, TAG, 1)


@pytest.mark.parametrize("made_for", SIGNED)
@pytest.mark.parametrize("used_for", SIGNED)
def test_a_token_is_worthless_for_another_purpose(made_for: Purpose, used_for: Purpose) -> None:
    address = f"{used_for}+{token(made_for)}@{DOMAIN}"
    if made_for is used_for:
        assert read(address, SETTINGS).tag == TAG
    else:
        with pytest.raises(BadLink):
            read(address, SETTINGS)


def test_every_changed_bit_of_a_token_is_noticed() -> None:
    sealed = base64.b32decode(token(Purpose.INTRO).upper() + "=")
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        forged = base64.b32encode(bytes(changed)).decode().rstrip("=").lower()
        with pytest.raises(BadLink):
            read(f"intro+{forged}@{DOMAIN}", SETTINGS)


@pytest.mark.parametrize("cut", [1, 5, 15, 16, 30])
def test_a_token_that_is_cut_short_or_made_longer_is_refused(cut: int) -> None:
    good = token(Purpose.BOUNCE)
    for forged in (good[:-cut], good + good[:cut]):
        with pytest.raises(BadLink):
            read(f"bounce+{forged}@{DOMAIN}", SETTINGS)


def test_an_address_signed_with_an_earlier_key_still_works_and_with_a_strange_one_never_did() -> None:
    before = SETTINGS.model_copy(update={"SECRET_KEY": OLDER})
    after = SETTINGS.model_copy(update={"SECRET_KEY_FALLBACKS": (OLDER,)})
    address = signed(Purpose.BOUNCE, mail(), before)
    assert read(address, after) == OwnAddress(Purpose.BOUNCE, TAG, 1)
    assert signed(Purpose.BOUNCE, mail(), after) != address
    with pytest.raises(BadLink):
        read(address, SETTINGS)


@pytest.mark.parametrize("local", ["intro", "Postmaster", "ABUSE", "hello.there"])
def test_an_address_without_a_token_is_ours_and_names_no_mail(local: str) -> None:
    assert read(f"{local}@{DOMAIN}", SETTINGS) == OwnAddress(Purpose.PLAIN)


GOOD = token(Purpose.INTRO)
TOKENS = (Tokens([SECRET]).make_address("intro", TAG, version) for version in range(256))
# In small letters the Kelvin sign is a plain k.
KELVIN = next(made for made in TOKENS if "k" in made).replace("k", "\u212a")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        DOMAIN,
        f"@{DOMAIN}",
        f"intro+{GOOD}",
        f"intro+{GOOD}@twoyes.test",
        f"intro+{GOOD}@{DOMAIN}.evil.test",
        f"intro+{GOOD}@evil.{DOMAIN}",
        f"intro+{GOOD}@{DOMAIN}.",
        f"intro+{GOOD}@{DOMAIN}\n",
        f" intro+{GOOD}@{DOMAIN}",
        f"<intro+{GOOD}@{DOMAIN}>",
        f"intro+{GOOD}%evil.test@{DOMAIN}",
        f"intro+{GOOD}@evil.test@{DOMAIN}",
        f"evil.test!intro+{GOOD}@{DOMAIN}",
        f"@evil.test:intro+{GOOD}@{DOMAIN}",
        f'"intro+{GOOD}"@{DOMAIN}',
        f"intro+{GOOD}+{GOOD}@{DOMAIN}",
        f"intro+@{DOMAIN}",
        f"intro+{GOOD}\0@{DOMAIN}",
        f"intro+{KELVIN}@{DOMAIN}",
        f"intro+{GOOD}@\u0131n.twoyes.test",
        f"plain+{GOOD}@{DOMAIN}",
        f"reply+{GOOD}@{DOMAIN}",
        f"bounce@{DOMAIN}",
        f"stop@{DOMAIN}",
        f"linda@{DOMAIN}",
        f"intro+{'a' * 300}@{DOMAIN}",
        "a" * 1_000_000 + f"@{DOMAIN}",
    ],
)
def test_anything_else_is_not_ours(address: str) -> None:
    with pytest.raises(NotOwnAddress):
        read(address, SETTINGS)


def test_where_no_mail_comes_in_no_address_is_ours_and_none_is_signed() -> None:
    for address in (
        signed(Purpose.INTRO, mail(), SETTINGS),
        "hello.there@twoyes.test",
        "intro@none",
        "@none",
    ):
        with pytest.raises(NotOwnAddress):
            read(address, WITHOUT)
    for purpose in SIGNED:
        assert signed(purpose, mail(), WITHOUT) == bare(WITHOUT) == "Hello.There@twoyes.test"


@given(
    st.one_of(
        st.text(),
        st.text().map(lambda local: f"{local}@{DOMAIN}"),
        st.text(st.characters(max_codepoint=127)).map(lambda end: f"intro+{end}@{DOMAIN}"),
        st.text("abcdefghijklmnopqrstuvwxyz234567").map(lambda end: f"bounce+{end}@{DOMAIN}"),
    )
)
@example("\ud800@in.twoyes.test")
def test_whatever_stands_there_is_read_or_refused_by_name(address: str) -> None:
    with suppress(NotOwnAddress, BadLink):
        assert read(address, SETTINGS).purpose is Purpose.PLAIN


# --- On the wire ------------------------------------------------------------------------------------


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN}


def test_every_mail_leaves_with_an_envelope_sender_that_names_its_own_row(story: Story) -> None:
    story.introduce()
    rows = {row.tag: row for kind in MailKind for row in story.outbox(kind)}
    taken = [(read(mail.sender, story.settings), mail.recipients) for mail in story.relay.messages]
    assert {ours.purpose for ours, _ in taken} == {Purpose.BOUNCE}
    assert [(rows[ours.tag].recipient,) for ours, _ in taken] == [recipients for _, recipients in taken]
    assert len({ours.tag for ours, _ in taken}) == len(taken)


def test_the_copies_of_an_introduction_are_the_same_bytes_from_different_envelope_senders(
    story: Story,
) -> None:
    story.introduce()
    copies = [mail for mail in story.relay.messages if b"Message-ID: <introduction." in mail.data]
    assert {mail.recipients for mail in copies} == {(LINDA,), (NATASHA,), (RITA,)}
    assert len({mail.data for mail in copies}) == 1
    assert len({mail.sender for mail in copies}) == 3


def test_an_address_written_before_an_undo_is_seen_to_be_of_before(story: Story) -> None:
    story.ask()
    ask = story.mails(LINDA)[-1]["Reply-To"].addresses[0].addr_spec
    story.answer(LINDA, "yes")
    story.sweep()
    assert story.answer(LINDA, "undo").status_code == 303
    consent = story.consent(LINDA)
    assert consent.version == 2
    assert read(ask, story.settings).version != consent.version % 256


def test_somebody_whose_address_is_outside_ascii_is_asked_where_the_relay_takes_it(story: Story) -> None:
    story.relay.smtputf8 = True
    story.ask(a_email="línda@salon.test")
    assert story.kinds("línda@salon.test") == ["ask"]
    (ask,) = [mail for mail in story.relay.messages if mail.recipients == ("línda@salon.test",)]
    assert ask.smtputf8
    # A reply comes back to an address in plain letters, which every server can write to.
    assert read(ask.sender, story.settings).purpose is Purpose.BOUNCE
    assert not any(mail.smtputf8 for mail in story.relay.messages if mail is not ask)


def test_and_is_told_to_the_requester_as_out_of_reach_where_it_does_not(story: Story) -> None:
    story.ask(a_email="línda@salon.test")
    story.sweep()
    assert story.consent("línda@salon.test").state is ConsentState.UNDELIVERABLE
    assert "undeliverable" in story.kinds(RITA)
    (row,) = story.outbox(MailKind.ASK, "línda@salon.test")
    assert row.reply == "not sent: the relay does not take international addresses (SMTPUTF8)"
