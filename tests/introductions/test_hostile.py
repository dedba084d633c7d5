"""What a hostile reader found once, and what must not come back: races, leaks and ways to stop the mail."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text

from service.delivery import deliver as delivery
from service.introductions import decisions
from service.lifecycle import ConsentState, MailKind, State
from service.store import outbox
from service.store.models import MailState
from service.store.suppressions import suppress
from tests.conftest import rows
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

RUTH, OLGA, DORA = "ruth@chess.test", "olga@chess.test", "dora@chess.test"


def test_a_relay_that_hangs_up_on_one_recipient_does_not_stop_everybody_elses_mail(story: Story) -> None:
    poison = "poison@salon.test"
    story.request(a_email=poison)
    story.relay.behave(refuse={poison: "421 4.7.0 try again later"})
    story.verify()
    story.request(requester_email=RUTH, a_email=OLGA, b_email=DORA)
    for _ in range(12):
        story.sweep(hours=3)
    assert story.kinds(NATASHA) == ["ask", "reminder"] or story.kinds(NATASHA) == ["ask"]
    assert story.kinds(RUTH) == ["verify"]


def test_an_ask_that_is_wanted_again_between_the_fence_and_the_record_still_leaves(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.request()
    story.relay.behave(refuse={NATASHA: "451 4.2.0 later"})
    story.verify()
    story.relay.behave(refuse={})
    story.answer(LINDA, "no")
    send = delivery._send
    changed: list[int] = []

    def linda_changes_her_mind(*args: object) -> object:
        outcome = send(*args)  # type: ignore[arg-type]
        if not changed and args[-1].recipient == NATASHA:  # type: ignore[attr-defined]
            changed.append(story.answer(LINDA, "yes").status_code)
        return outcome

    monkeypatch.setattr(delivery, "_send", linda_changes_her_mind)
    story.sweep(hours=3)
    story.sweep(hours=3)
    assert changed == [303]
    assert story.kinds(NATASHA) == ["ask"]


def test_a_double_click_on_never_again_is_kind_twice(story: Story) -> None:
    story.ask()
    path, fields = story.fill_in(story.link(LINDA, "/never/"), "never")
    together = Barrier(2)

    def click(_: int) -> int:
        together.wait()
        return story.app.test_client().post(path, data=fields).status_code

    with ThreadPoolExecutor(2) as hands:
        assert list(hands.map(click, range(2))) == [200, 200]


def test_two_requests_of_the_same_pair_verified_at_once_ask_once(story: Story) -> None:
    story.request()
    one = story.link(RITA, "/r/")
    story.request()
    two = story.link(RITA, "/r/")
    together = Barrier(2)

    def verify(link: str) -> int:
        together.wait()
        return story.app.test_client().post(link, data={"choice": "verify"}).status_code

    with ThreadPoolExecutor(2) as hands:
        assert sorted(hands.map(verify, (one, two))) == [303, 409]
    story.sweep()
    assert story.kinds(LINDA) == ["ask"]


def test_a_never_again_in_the_midst_of_a_verification_is_not_told_to_the_requester(
    story: Story,
) -> None:
    story.ask()
    never, fields = story.fill_in(story.link(LINDA, "/never/"), "never")
    story.request(requester_email=RUTH, b_email=DORA)
    verify, together = story.link(RUTH, "/r/"), Barrier(2)

    def post(path: str, **fields: str) -> int:
        together.wait()
        return story.app.test_client().post(path, data=fields).status_code

    with ThreadPoolExecutor(2) as hands:
        pressed = hands.submit(post, never, **fields)
        verified = hands.submit(post, verify, choice="verify")
        assert pressed.result() == 200
        assert verified.result() in (303, 409)
    story.sweep()
    story.sweep(minutes=1)
    assert "undeliverable" not in story.kinds(RUTH)
    assert story.consent(LINDA).state is not ConsentState.UNDELIVERABLE


def test_the_requesters_copy_never_leaves_alone_or_first(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    link = story.link(LINDA, "/a/")
    story.relay.behave(refuse={LINDA: "451 4.2.0 later", NATASHA: "451 4.2.0 later"})
    story.sweep(minutes=10)
    assert "introduction" not in story.kinds(RITA)
    assert story.choose(link, "undo").status_code == 303


def test_after_never_again_a_yes_is_refused_and_nothing_of_theirs_leaves(story: Story) -> None:
    story.ask()
    link = story.link(LINDA, "/a/")
    path, fields = story.fill_in(link, "yes")
    assert story.choose(link, "never").status_code == 200
    page = story.client.get(link).text
    assert "Take my answer back" not in page
    assert "Yes, introduce us" not in page
    for choice in ("yes", "undo"):
        assert story.post(path, **{**fields, "choice": choice}).status_code == 409
    story.answer(NATASHA, "yes")
    story.sweep(days=8)
    assert "introduction" not in story.kinds(NATASHA)
    assert story.ledger() == [("lead", "declined")]


def test_a_request_that_lapsed_is_no_way_to_try_out_addresses(story: Story) -> None:
    with story.writing() as context:
        suppress(context, NATASHA)
    story.request()
    link = story.link(RITA, "/r/")
    story.clock.advance(days=3)
    assert story.post(link, action="verify").status_code == 410


def test_a_withdrawal_by_a_requester_who_is_a_party_is_a_private_no_until_the_closing_moment(
    story: Story,
) -> None:
    story.ask(requester_is="a", a_name="", a_email="")
    link = story.link(NATASHA, "/a/")
    story.answer(NATASHA, "yes")
    story.sweep()
    before = story.client.get(link).text
    story.post(story.link(RITA, "/r/"), action="withdraw")
    story.sweep(days=6)
    assert story.client.get(link).text == before
    assert story.kinds(NATASHA) == ["ask", "receipt"]
    assert story.introduction().state is State.ASKING
    story.sweep(days=1)
    assert story.ledger() == [("lead", "withdrawn")]
    assert story.kinds(NATASHA) == ["ask", "receipt", "not_come_about"]


def test_when_neither_copy_could_be_delivered_both_hear_that_it_did_not_come_about(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    story.relay.behave(banner="554 5.3.2 no service")
    for _ in range(50):
        story.sweep(hours=3)
    assert story.ledger() == [("lead", "undeliverable")]
    story.relay.behave(banner=None)
    story.sweep(hours=3)
    assert story.kinds(LINDA)[-1] == story.kinds(NATASHA)[-1] == "not_come_about"


def test_what_goes_wrong_is_logged_without_token_name_or_address(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    story.ask()
    link = story.link(LINDA, "/a/")
    with story.db.transaction() as session:
        session.execute(text("ALTER TABLE suppressions RENAME TO gone"))
    story.app.config["PROPAGATE_EXCEPTIONS"] = False
    try:
        with caplog.at_level(logging.ERROR):
            assert story.post(link + "/options", choice="never").status_code == 500
    finally:
        with story.db.transaction() as session:
            session.execute(text("ALTER TABLE gone RENAME TO suppressions"))
    assert "answer.choose_option" in caplog.text
    assert link.split("/")[2] not in caplog.text
    assert LINDA not in caplog.text
    assert "parameters: (" not in caplog.text


@pytest.mark.parametrize("header", ["X-Forwarded-Prefix", "X-Forwarded-Host", "Host"])
def test_no_header_leads_anybody_elsewhere(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp, header: str
) -> None:
    story = Story({**environ, "TRUSTED_PROXIES": "1"}, clock, relay)
    story.ask()
    link = story.link(LINDA, "/a/")
    path, fields = story.fill_in(link, "no")
    response = story.client.post(path, data=fields, headers={header: "//evil.test"})
    assert response.status_code == 303
    assert response.headers["Location"] == link
    assert "evil" not in response.text
    story.sweep()
    assert all(b"evil" not in mail.data for mail in relay.messages)
    story.db.engine.dispose()


def test_one_broken_row_does_not_keep_the_others_from_being_settled(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.request()
    story.relay.behave(rcpt="451 4.2.0 later")
    story.verify()
    end = outbox.failed
    broken = story.outbox(MailKind.ASK, LINDA)[0].id

    def fail(row: object, reply: str) -> None:
        if row.id == broken:  # type: ignore[attr-defined]
            raise RuntimeError("one bad row")
        end(row, reply)  # type: ignore[arg-type]

    monkeypatch.setattr(outbox, "failed", fail)
    # Not swept before the closing moment: the asks lose their use while the case is still asking.
    story.clock.advance(days=7)
    delivery.settle(story.db, story.settings, story.clock)
    assert story.outbox(MailKind.ASK, LINDA)[0].state is MailState.RETRY
    assert story.outbox(MailKind.ASK, NATASHA)[0].state is MailState.FAILED


def test_a_refused_verb_leaves_every_table_as_it_was(story: Story) -> None:
    story.ask()
    answer, fields = story.fill_in(story.link(LINDA, "/a/"), "no")
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=10)
    before = rows(story.db)
    for path, sent in (
        (answer, {**fields, "phone": "+44 20 7946 0958"}),
        (story.link(RITA, "/r/"), {"action": "withdraw"}),
        (story.link(RITA, "/r/"), {"action": "correct", "side": "b", "email": "new@interiors.test"}),
    ):
        assert story.post(path, **sent).status_code in (303, 409)
    assert rows(story.db) == before


def test_a_commit_that_fails_answers_nothing_as_recorded(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.ask()
    story.app.config["PROPAGATE_EXCEPTIONS"] = False

    def broken(*_: object) -> None:
        raise RuntimeError("the database went away")

    with monkeypatch.context() as fault:
        fault.setattr(decisions, "_write_ledger", broken)
        response = story.answer(LINDA, "yes")
    assert response.status_code == 500
    assert "recorded</h1>" not in response.text
    assert "went wrong on our side" in response.text
    assert story.consent(LINDA).state is ConsentState.ASKED


def test_a_message_id_tells_its_kind_and_nothing_of_numbers_or_times(story: Story) -> None:
    story.ask(order="a_first")
    story.answer(LINDA, "no", tell_requester="y")
    story.answer(LINDA, "yes")
    story.answer(LINDA, "no", tell_requester="y")
    story.sweep()
    for mail in story.mails(LINDA) + story.mails(RITA):
        assert re.fullmatch(r"<[a-z_]+\.[0-9a-f]{32}@twoyes\.test>", mail["Message-ID"])
    both = [mail for who in (LINDA, RITA) for mail in story.mails(who)]
    assert len({mail["Message-ID"] for mail in both}) == len(both)
