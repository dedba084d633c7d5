"""Links: of another purpose, tampered with, of another party, revoked, after the end, of an older key."""

from __future__ import annotations

import base64

import pytest

from service.introductions import decisions
from service.lifecycle import ConsentState, Failed, MailKind, Role
from service.mail.tokens import BadLink, Link, Tokens
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, SECRET, HandClock, Story

NEWER = "Zk4w-Tr8uYq1cVbN6mSd"
PURPOSES = ("requester", "answer", "follow_up", "never", "sign_in")
TAG = "00ff10203040506f"
READ = {"never": TAG, "sign_in": Link(7, 1)}


def make(tokens: Tokens, purpose: str) -> str:
    maker = getattr(tokens, f"make_{purpose}")
    if purpose == "never":
        return str(maker(TAG))
    return str(maker(7) if purpose == "sign_in" else maker(7, 3))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_token_is_read_for_its_own_purpose_and_refused_for_every_other(purpose: str) -> None:
    tokens = Tokens([SECRET])
    token = make(tokens, purpose)
    assert getattr(tokens, f"read_{purpose}")(token) == READ.get(purpose, Link(7, 3))
    for other in PURPOSES:
        if other != purpose:
            with pytest.raises(BadLink):
                getattr(tokens, f"read_{other}")(token)


def test_the_form_of_a_token_is_fixed_since_it_stands_in_mails_that_were_sent() -> None:
    tokens = Tokens(["the key before the last", "the newest key of all"])
    made = {
        tokens.make_requester(17, 3): "WzE3LDNd.L1qejjHGchJZnE9mJt2CRawMvik",
        tokens.make_answer(17, 3): "WzE3LDNd.wczEFAAq8rfQrpWesnSkNAudYNE",
        tokens.make_follow_up(17, 3): "WzE3LDNd.-VVOrRXoNNtSA6ENHc71N0VMCHE",
        tokens.make_sign_in(17): "WzE3LDFd.X3gvlLufdvnxeWLWGMFOIUgAWMA",
        tokens.make_never("00ff17a9c3d4e5f6"): "ad7rpkod2ts7mapwn557gflhojqru4y",
        tokens.make_address("intro", "00ff17a9c3d4e5f6", 258): "ad7rpkod2ts7mavgq6sluz5tzci4wtq",
    }
    assert list(made) == list(made.values())


def test_a_never_link_that_names_its_mail_by_number_still_opens() -> None:
    tokens = Tokens(["the key before the last", "the newest key of all"])
    assert tokens.read_never("WzE3LDFd.agOkbL5GJDXnrm8CXBZc79gJH7w") == 17


def test_a_token_that_was_changed_anywhere_is_refused_or_means_the_same() -> None:
    tokens = Tokens([SECRET])
    token = tokens.make_answer(7, 3)
    for position in range(len(token)):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        try:
            # The last character of base64 has variants that decode to the same bytes.
            assert tokens.read_answer(changed) == Link(7, 3)
            assert position == len(token) - 1
        except BadLink:
            pass


@pytest.mark.parametrize("garbage", ["", ".", "a.b", "é", "\x00", "W10.x", "A" * 5000, "null"])
def test_garbage_is_a_bad_link_and_nothing_worse(garbage: str) -> None:
    with pytest.raises(BadLink):
        Tokens([SECRET]).read_answer(garbage)
    with pytest.raises(BadLink):
        Tokens([SECRET]).read_never(garbage)


def test_a_token_of_a_fallback_key_is_accepted_and_a_new_one_is_signed_with_the_newest() -> None:
    old = Tokens([SECRET]).make_answer(7, 3)
    both = Tokens([SECRET, NEWER])
    assert both.read_answer(old) == Link(7, 3)
    assert Tokens([NEWER]).read_answer(both.make_answer(7, 3)) == Link(7, 3)
    with pytest.raises(BadLink):
        Tokens([NEWER]).read_answer(old)


def test_a_code_is_six_digits_of_one_request_in_one_browser() -> None:
    tokens = Tokens([SECRET])
    codes = {tokens.make_code(number, browser) for number in range(200) for browser in ("here", "there")}
    assert len(codes) > 390
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in codes)
    assert any(code.startswith("0") for code in codes)
    code = tokens.make_code(7, "here")
    assert tokens.is_code_of(7, "here", code)
    for number, browser, typed in (
        (8, "here", code),
        (7, "there", code),
        (7, "here", code[1:]),
        (7, "here", ""),
    ):
        assert not tokens.is_code_of(number, browser, typed)


def test_a_code_of_a_fallback_key_is_accepted_and_a_mail_has_the_newest() -> None:
    old, both = Tokens([SECRET]).make_code(7, "here"), Tokens([SECRET, NEWER])
    assert both.is_code_of(7, "here", old)
    assert both.make_code(7, "here") == Tokens([NEWER]).make_code(7, "here") != old
    assert not Tokens([NEWER]).is_code_of(7, "here", old)


def test_a_seal_is_of_one_consent_and_one_text_by_any_key() -> None:
    old, both = Tokens([SECRET]).seal_words(7, "the words"), Tokens([SECRET, NEWER])
    assert both.is_seal_of(7, "the words", old)
    assert both.seal_words(7, "the words") == Tokens([NEWER]).seal_words(7, "the words") != old
    for consent_id, words, seal in ((8, "the words", old), (7, "the word", old), (7, "the words", "")):
        assert not both.is_seal_of(consent_id, words, seal)
    assert not Tokens([NEWER]).is_seal_of(7, "the words", old)


def test_what_a_page_or_a_mail_carries_still_counts_after_an_upgrade() -> None:
    """The salts and the digest stay as they are: a form may be open, and a code be typed, in between."""
    tokens = Tokens(["a-key-of-these-very-tests"])
    assert tokens.seal_words(7, "the words") == "FMwfkuSz6GqFlMcXzXhZKCpw5D76qhrvcJV6XqgUrTU"
    assert tokens.make_code(7, "here") == "943185"


def test_a_token_holds_numbers_and_no_person() -> None:
    payload = Tokens([SECRET]).make_answer(7, 3).rpartition(".")[0]
    assert base64.urlsafe_b64decode(payload + "==") == b"[7,3]"


def test_a_link_of_another_purpose_or_of_nobody_gets_a_page_that_says_what_to_do(story: Story) -> None:
    story.ask()
    answer, requester = story.link(LINDA, "/a/")[3:], story.link(RITA, "/r/")[3:]
    for path in (f"/r/{answer}", f"/f/{answer}", f"/a/{requester}", f"/never/{answer}", f"/a/{answer[:-3]}"):
        for response in (story.client.get(path), story.post(path, choice="yes", action="verify")):
            assert response.status_code == 404
            assert "open it again from the email" in response.text
    assert story.consent(LINDA).state is ConsentState.ASKED


def test_the_link_of_one_party_never_answers_for_the_other(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    assert story.consent(LINDA).state is ConsentState.YES
    assert story.consent(NATASHA).state is ConsentState.ASKED


def test_a_follow_up_link_does_not_answer_an_ask(story: Story) -> None:
    story.introduce()
    story.sweep(days=3)
    follow_up = story.link(LINDA, "/f/")[3:]
    assert story.post(f"/a/{follow_up}", choice="no").status_code == 404


def test_a_revoked_link_tells_of_the_newer_one(story: Story) -> None:
    story.ask()
    old = story.link(LINDA, "/a/")
    story.answer(LINDA, "yes")
    story.choose(old, "undo")
    for response in (story.client.get(old), story.post(old, choice="yes"), story.post(old, choice="undo")):
        assert response.status_code == 410
        assert "latest email" in response.text
    assert story.consent(LINDA).state is ConsentState.ASKED


def test_the_link_to_a_corrected_address_is_revoked_but_its_never_still_works(story: Story) -> None:
    wrong = "natasha@wrong.test"
    story.ask(b_email=wrong)
    answer, never = story.link(wrong, "/a/"), story.link(wrong, "/never/")
    bounce(story, wrong)
    assert story.post(story.link(RITA, "/r/"), action="correct", side="b", email=NATASHA).status_code == 303
    story.sweep()
    assert story.post(answer, choice="yes").status_code == 410
    assert story.choose(never, "never").status_code == 200
    assert story.consent(NATASHA).state is ConsentState.ASKED
    assert story.answer(NATASHA, "yes").status_code == 303


def bounce(story: Story, address: str) -> None:
    """The ask was accepted by the relay and came back later."""
    assert story.consent(address).side is Role.B
    with story.writing() as context:
        introduction = decisions.lock(context.session, story.introduction().id)
        command = Failed(MailKind.ASK, Role.B, "550 5.1.1 no such user")
        decisions.apply(context, introduction, command)


def test_links_of_an_older_key_work_while_it_is_a_fallback(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story(environ, clock, relay)
    story.ask()
    link = story.link(LINDA, "/a/")
    rotated = Story({**environ, "SECRET_KEY": NEWER, "SECRET_KEY_FALLBACKS": SECRET}, clock, relay)
    assert rotated.client.get(link).status_code == 200
    dropped = Story({**environ, "SECRET_KEY": NEWER}, clock, relay)
    assert dropped.client.get(link).status_code == 404
    for each in (story, rotated, dropped):
        each.db.engine.dispose()


@pytest.mark.parametrize(
    "path",
    [
        "/r/x",
        "/r/x/language",
        "/a/x",
        "/a/x/options",
        "/a/x/language",
        "/f/x",
        "/never/x",
    ],
)
def test_token_pages_are_kept_in_no_cache_and_told_to_no_other_site(story: Story, path: str) -> None:
    response = story.client.post(path)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in response.headers
