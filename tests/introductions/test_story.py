"""The whole story through pages and mail, on both databases, with every awkward case of the design."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from service.lifecycle import ConsentState, MailKind, State
from service.store.models import Consent, LedgerEntry
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story, text_of

DECLINED = ("lead", "declined")


def test_two_yeses_become_an_introduction_and_a_confirmation_makes_it_a_referral(story: Story) -> None:
    story.introduce()
    assert story.kinds(LINDA) == ["ask", "receipt", "introduction"]
    assert story.kinds(NATASHA) == ["ask", "receipt", "introduction"]
    assert story.kinds(RITA) == ["verify", "introduction"]
    assert story.introduction().state is State.INTRODUCED

    story.sweep(days=3)
    assert story.choose(story.link(NATASHA, "/f/"), "yes").status_code in (200, 303)
    story.sweep()
    assert story.introduction().state is State.CONFIRMED
    assert story.ledger() == [("referral", None)]
    assert story.kinds(RITA) == ["verify", "introduction", "summary"]


def test_the_introduction_is_one_message_to_both_with_the_same_bytes(story: Story) -> None:
    story.introduce()
    copies = [mail for mail in story.relay.messages if b"Message-ID: <introduction." in mail.data]
    assert {mail.recipients for mail in copies} == {(LINDA,), (NATASHA,), (RITA,)}
    assert len(copies) == 3
    assert len({mail.data for mail in copies}) == 1
    message = story.mails(LINDA)[-1]
    assert {address.addr_spec for address in message["To"].addresses} == {LINDA, NATASHA}
    assert [address.addr_spec for address in message["Cc"].addresses] == [RITA]
    assert {address.addr_spec for address in message["Reply-To"].addresses} >= {LINDA, NATASHA}


def test_nothing_leaves_to_a_party_before_the_requester_is_verified(story: Story) -> None:
    story.request()
    story.sweep(hours=1)
    assert [mail.recipients for mail in story.relay.messages] == [(RITA,)]
    verification = text_of(story.mails(RITA)[0])
    for typed in ("Linda", "Natasha", "salon", "interior"):
        assert typed not in verification


def test_an_unverified_request_lapses_and_leaves_no_ledger_entry(story: Story) -> None:
    story.request()
    link = story.link(RITA, "/r/")
    story.sweep(days=2)
    assert story.introduction().state is State.CLOSED
    assert story.ledger() == []
    assert story.post(link, action="verify").status_code == 410
    assert story.outbox(MailKind.ASK) == []


def test_a_no_is_told_to_nobody_before_the_closing_moment(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "no")
    story.sweep()
    story.sweep(days=6, hours=23)
    assert story.kinds(RITA) == ["verify"]
    assert story.kinds(LINDA) == ["ask", "receipt"]
    story.sweep(hours=1)
    assert story.kinds(RITA) == ["verify", "summary"]
    assert story.kinds(LINDA) == ["ask", "receipt", "not_come_about"]
    assert story.kinds(NATASHA) == ["ask", "receipt"]
    assert story.ledger() == [DECLINED]


def ends(story: Story, how: str) -> None:
    """One of the four ways in which a case does not come about, to its closing moment."""
    story.ask(reminders="")
    if how == "a said no":
        story.answer(LINDA, "no")
    if how in ("b said no", "a lapsed"):
        story.answer(NATASHA, "no" if how == "b said no" else "yes")
    if how == "withdrawn":
        story.post(story.link(RITA, "/r/"), action="withdraw")
    story.sweep(days=7)


def test_the_summary_says_the_same_whatever_stopped_the_case(environ: dict[str, str], story: Story) -> None:
    summaries = set()
    for how in ("a said no", "b said no", "a lapsed", "withdrawn", "nobody answered"):
        ends(story, how)
        mail = story.mails(RITA)[-1]
        assert story.kinds(RITA)[-1] == "summary", how
        summaries.add((mail["Subject"], text_of(mail).replace(story.link(RITA, "/r/"), "LINK")))
        story.clock.advance(days=1)
    assert len(summaries) == 1
    reasons = [reason for _, reason in story.ledger()]
    assert reasons == ["declined", "declined", "no-answer", "withdrawn", "no-answer"]


def test_who_says_no_may_have_the_requester_told_at_once(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "no", tell_requester="y")
    story.sweep()
    assert story.kinds(RITA) == ["verify", "declined"]
    told = text_of(story.mails(RITA)[-1])
    assert "Natasha" in told
    assert "Linda" not in told.replace("Linda Marsh and Natasha", "").replace("Linda Marsh with", "")


def test_the_receipt_is_the_same_for_the_first_and_the_second_yes(story: Story) -> None:
    receipts = set()
    for order in ((LINDA, NATASHA), (NATASHA, LINDA)):
        story.ask()
        for who in order:
            story.answer(who, "yes")
        story.sweep()
        assert story.kinds(LINDA)[-1] == "receipt"
        receipts.add(text_of(story.mails(LINDA)[-1]).replace(story.link(LINDA, "/a/"), "LINK"))
        story.post(story.link(RITA, "/r/"), action="withdraw")
        assert story.introduction().state is State.CLOSED
    assert len(receipts) == 1


def test_a_yes_can_be_taken_back_in_the_hold_and_no_introduction_leaves(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    assert story.introduction().state is State.AGREED
    old = story.link(LINDA, "/a/")
    assert story.choose(old, "undo").status_code == 303
    story.sweep(days=1)
    assert story.introduction().state is State.ASKING
    assert "introduction" not in story.kinds(NATASHA)
    assert story.client.get(old).status_code == 410
    assert story.client.get(story.link(LINDA, "/a/")).status_code == 200
    assert story.answer(LINDA, "yes").status_code == 303
    story.sweep(minutes=10)
    assert story.introduction().state is State.INTRODUCED


def test_a_yes_can_be_taken_back_while_the_introduction_waits_for_the_relay(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    story.relay.behave(banner="421 4.3.2 not now")
    story.sweep(minutes=10)
    assert len(story.outbox(MailKind.INTRODUCTION)) == 2
    assert story.answer(NATASHA, "undo").status_code == 303
    assert story.outbox(MailKind.INTRODUCTION) == []
    story.relay.behave(banner=None)
    story.sweep(hours=3)
    assert "introduction" not in story.kinds(LINDA) + story.kinds(NATASHA) + story.kinds(RITA)


def test_undo_and_withdrawal_are_refused_once_the_first_envelope_has_left(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    opened = [story.fill_in(story.link(NATASHA, "/a/"), choice) for choice in ("undo", "no")]
    story.relay.behave(refuse={NATASHA: "451 4.2.0 later"})
    story.sweep(minutes=10)
    assert "introduction" in story.kinds(LINDA)
    assert "introduction" not in story.kinds(NATASHA)
    for path, fields in (
        *opened,
        (story.link(RITA, "/r/"), {"action": "withdraw"}),
    ):
        response = story.post(path, **fields)
        assert response.status_code == 409
        assert "already on its way" in response.text
    story.relay.behave(refuse={})
    story.sweep(minutes=5)
    assert story.kinds(NATASHA)[-1] == "introduction"
    assert story.introduction().state is State.INTRODUCED


def test_a_no_can_be_changed_into_a_yes_while_the_case_is_open(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "no")
    story.answer(NATASHA, "yes")
    story.sweep(days=1)
    story.answer(LINDA, "yes")
    story.sweep(minutes=10)
    assert story.introduction().state is State.INTRODUCED


def test_no_ask_leaves_while_a_no_stands_and_it_leaves_when_the_no_is_taken_back(story: Story) -> None:
    story.request()
    story.relay.behave(refuse={NATASHA: "451 4.2.0 later"})
    story.verify()
    story.answer(LINDA, "no")
    story.relay.behave(refuse={})
    story.sweep(days=1)
    assert story.kinds(NATASHA) == []
    story.answer(LINDA, "yes")
    story.sweep()
    assert story.kinds(NATASHA) == ["ask"]


def test_one_reminder_leaves_and_none_after_an_answer(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.sweep(days=3)
    story.sweep(days=3)
    assert story.kinds(NATASHA) == ["ask", "reminder"]
    assert story.kinds(LINDA) == ["ask", "receipt"]


def test_no_reminder_leaves_unless_the_requester_allowed_it(story: Story) -> None:
    story.ask(reminders="")
    story.sweep(days=6)
    assert story.kinds(NATASHA) == ["ask"]


def test_in_ordered_mode_the_second_is_asked_after_the_first_yes_and_with_twice_the_time(
    story: Story,
) -> None:
    story.ask(order="b_first")
    assert story.kinds(LINDA) == []
    story.answer(NATASHA, "yes")
    story.sweep(days=8)
    assert story.kinds(LINDA) == ["ask"]
    story.answer(LINDA, "yes")
    story.sweep(minutes=10)
    assert story.introduction().state is State.INTRODUCED


def test_in_ordered_mode_the_second_is_never_asked_after_a_no(story: Story) -> None:
    story.ask(order="a_first")
    story.answer(LINDA, "no")
    story.sweep(days=14)
    assert story.kinds(NATASHA) == []
    assert story.ledger() == [DECLINED]


def test_in_ordered_mode_an_undo_takes_an_unsent_second_ask_back(story: Story) -> None:
    story.ask(order="a_first")
    story.relay.behave(refuse={NATASHA: "451 4.2.0 later"})
    story.answer(LINDA, "yes")
    story.sweep()
    story.answer(LINDA, "undo")
    story.relay.behave(refuse={})
    story.sweep(hours=5)
    assert story.kinds(NATASHA) == []
    assert story.consent(NATASHA).state is ConsentState.WAITING


def test_a_deadline_that_passes_in_the_hold_does_not_stop_it(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.clock.advance(days=6, hours=23, minutes=55)
    story.answer(NATASHA, "yes")
    story.sweep(minutes=10)
    assert story.introduction().state is State.INTRODUCED


def test_an_answer_after_the_case_closed_gets_a_kind_page_and_is_recorded_nowhere(story: Story) -> None:
    story.ask()
    path, filled_in = story.fill_in(story.link(LINDA, "/a/"), "yes")
    story.sweep(days=7)
    response = story.post(path, **filled_in)
    assert response.status_code == 410
    assert "no longer open" in response.text
    assert story.consent(LINDA).state is ConsentState.ASKED
    assert story.ledger() == [("lead", "no-answer")]


def test_an_address_that_cannot_be_reached_is_told_at_once_and_corrected_once(story: Story) -> None:
    story.request()
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.verify()
    closes = story.introduction().closes_at
    assert story.kinds(RITA) == ["verify", "undeliverable"]
    assert story.consent(NATASHA).state is ConsentState.UNDELIVERABLE
    page = story.link(RITA, "/r/")
    right = "natasha.orlova@interiors.test"
    assert story.post(page, action="correct", side="b", email=right).status_code == 303
    story.sweep()
    assert story.kinds(right) == ["ask"]
    assert story.introduction().closes_at == closes
    story.answer(LINDA, "yes")
    story.answer(right, "yes")
    story.sweep(minutes=10)
    assert story.introduction().state is State.INTRODUCED


@pytest.mark.parametrize("wrong", [LINDA, NATASHA, RITA, "not an address", "", "natasha@interiors.test\n"])
def test_a_correction_that_helps_nobody_is_refused_at_its_field(story: Story, wrong: str) -> None:
    story.request()
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.verify()
    response = story.post(story.link(RITA, "/r/"), action="correct", side="b", email=wrong)
    assert response.status_code == 422
    assert story.consent(NATASHA).corrected is False


def test_an_address_is_corrected_only_once(story: Story) -> None:
    second = "natasha2@interiors.test"
    story.request()
    story.relay.behave(refuse={NATASHA: "550 5.1.1 unknown", second: "550 5.1.1 unknown"})
    story.verify()
    page = story.link(RITA, "/r/")
    story.post(page, action="correct", side="b", email=second)
    story.sweep()
    assert story.kinds(RITA) == ["verify", "undeliverable", "undeliverable"]
    third = story.post(page, action="correct", side="b", email="natasha3@interiors.test")
    assert third.status_code == 409
    story.sweep(days=7)
    assert story.ledger() == [("lead", "undeliverable")]


def test_a_refused_envelope_is_told_to_the_other_side_and_the_requester(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    story.relay.behave(refuse={NATASHA: "550 5.1.1 gone"})
    story.sweep(minutes=10)
    story.sweep()
    assert story.ledger() == [("lead", "undeliverable")]
    assert story.kinds(LINDA)[-1] == "undelivered"
    assert story.kinds(RITA)[-1] == "summary"


def test_an_envelope_that_keeps_failing_for_five_days_is_undeliverable(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    story.relay.behave(refuse={NATASHA: "451 4.2.0 later"})
    story.sweep(minutes=10)
    for _ in range(40):
        story.sweep(hours=3, minutes=1)
    assert story.ledger() == [("lead", "undeliverable")]


def test_an_introduction_that_nobody_confirms_is_a_lead_and_a_late_confirmation_a_referral(
    story: Story,
) -> None:
    story.introduce()
    story.sweep(days=3)
    assert story.kinds(LINDA)[-1] == story.kinds(NATASHA)[-1] == "follow_up"
    story.sweep(days=21)
    assert story.ledger() == [("lead", "handoff-unconfirmed")]
    assert story.kinds(RITA)[-1] == "summary"
    story.choose(story.link(LINDA, "/f/"), "yes")
    assert story.ledger() == [("referral", None)]
    with story.db.reading() as session:
        history = session.scalars(select(LedgerEntry).order_by(LedgerEntry.id)).all()
        assert [entry.outcome for entry in history] == ["lead", "referral"]
        assert history[0].superseded_at == story.clock()
    story.sweep()
    assert story.kinds(RITA).count("summary") == 1


def test_where_the_requester_is_one_of_the_two_their_request_is_their_yes(story: Story) -> None:
    story.ask(requester_is="a", a_name="", a_email="", a_blurb="I run the reading room.")
    assert story.kinds(RITA) == ["verify"]
    assert story.consent(RITA).state is ConsentState.YES
    story.answer(NATASHA, "yes")
    story.sweep(minutes=10)
    assert story.kinds(RITA) == ["verify", "introduction"]
    story.sweep(days=3)
    story.choose(story.link(RITA, "/f/"), "yes")
    assert story.ledger() == []
    story.choose(story.link(NATASHA, "/f/"), "yes")
    assert story.ledger() == [("referral", None)]


def test_a_withdrawn_case_asks_and_introduces_nobody_any_more(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.sweep()
    path, filled_in = story.fill_in(story.link(NATASHA, "/a/"), "yes")
    assert story.post(story.link(RITA, "/r/"), action="withdraw").status_code in (200, 303)
    assert story.ledger() == [("lead", "withdrawn")]
    assert story.post(path, **filled_in).status_code == 410
    story.sweep(days=1)
    assert story.kinds(LINDA) == ["ask", "receipt"]
    story.sweep(days=6)
    assert story.kinds(LINDA) == ["ask", "receipt", "not_come_about"]


def test_never_again_is_a_no_in_every_open_case_and_stops_every_later_mail(story: Story) -> None:
    story.ask()
    story.ask(requester_email="ruth@chess.test", a_email="olga@chess.test", a_name="Olga")
    assert story.kinds(NATASHA) == ["ask", "ask"]
    story.answer(LINDA, "yes")
    story.sweep()
    never = story.link(NATASHA, "/never/")
    assert story.client.get(never).status_code == 200
    assert story.consent(NATASHA).state is ConsentState.ASKED
    assert story.choose(never, "never").status_code == 200
    with story.db.reading() as session:
        states = session.scalars(select(Consent.state).where(Consent.email == NATASHA)).all()
        assert states == [ConsentState.NO, ConsentState.NO]
    story.sweep(days=8)
    assert story.kinds(NATASHA) == ["ask", "ask"]
    assert sorted(story.ledger()) == [DECLINED, DECLINED]
    assert story.outbox(MailKind.RECEIPT, NATASHA) == []


def test_a_suppressed_address_cannot_be_asked_and_the_requester_learns_no_more(story: Story) -> None:
    story.ask()
    story.answer(NATASHA, "never")
    story.sweep(days=8)
    assert story.request(b_email=NATASHA.upper()).status_code == 303
    refused = story.verify()
    assert refused.status_code == 409
    assert "can’t be asked" in refused.text
    assert "Natasha" not in refused.text
    assert story.introduction().state is State.UNVERIFIED
    assert story.kinds(LINDA).count("ask") == 1


def test_the_same_open_pair_of_the_same_requester_cannot_be_asked_twice(story: Story) -> None:
    story.ask()
    story.request(a_email=NATASHA, a_name="Natasha", b_email=LINDA.upper(), b_name="Linda")
    refused = story.verify()
    assert refused.status_code == 409
    assert "can’t be asked" in refused.text


def test_a_few_open_asks_at_most_for_one_address_over_all_requesters(story: Story) -> None:
    for number in range(5):
        story.ask(requester_email=f"rita{number}@quill.test", a_email=f"linda{number}@salon.test")
    story.request(requester_email="rita9@quill.test", a_email="linda9@salon.test")
    assert story.verify("rita9@quill.test").status_code == 409
    assert story.kinds(NATASHA) == ["ask"] * 5
    story.answer(NATASHA, "no")
    assert story.verify("rita9@quill.test").status_code == 409, "one place more would tell that she answered"
    story.sweep(days=8)
    assert story.verify("rita9@quill.test").status_code == 410, "and the request has lapsed since"
    story.request(requester_email="rita9@quill.test", a_email="linda9@salon.test")
    assert story.verify("rita9@quill.test").status_code == 303


def test_few_verification_mails_leave_for_one_address_in_a_day(story: Story) -> None:
    for number in range(5):
        assert story.request(b_email=f"natasha{number}@interiors.test").status_code == 303
    refused = story.request(b_email="natasha9@interiors.test")
    assert refused.status_code in (422, 429)
    assert "natasha9@interiors.test" in refused.text
    assert story.kinds(RITA) == ["verify"] * 5
    story.clock.advance(days=1, minutes=1)
    assert story.request(b_email="natasha9@interiors.test").status_code == 303


def test_what_a_party_adds_is_in_the_introduction_and_nowhere_before(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes", phone="+44 20 7946 0958", line="Mornings are best.", looking="yes")
    story.answer(NATASHA, "yes")
    story.sweep()
    for mail in story.mails(NATASHA) + story.mails(RITA):
        assert "7946" not in text_of(mail)
        assert "Mornings" not in text_of(mail)
    story.sweep(minutes=10)
    introduction = text_of(story.mails(NATASHA)[-1])
    assert "+44 20 7946 0958" in introduction
    assert "Mornings are best." in introduction


def test_the_five_marks_are_in_the_ledger_with_their_evidence(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes", looking="yes")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=10)
    story.sweep(days=3)
    story.choose(story.link(LINDA, "/f/"), "yes")
    with story.db.reading() as session:
        entry = session.scalars(select(LedgerEntry)).one()
        assert all(entry.says().marks.as_dict().values())


def test_the_words_shown_the_method_and_the_time_are_kept_with_every_answer(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.choose(story.link(NATASHA, "/never/"), "never")
    linda, natasha = story.consent(LINDA), story.consent(NATASHA)
    assert linda.method == "page"
    assert "Natasha" in (linda.words_shown or "")
    assert linda.answered_at == story.clock()
    assert natasha.method == "never"


def test_a_second_visit_shows_the_recorded_answer(story: Story) -> None:
    story.ask()
    link = story.link(LINDA, "/a/")
    assert "recorded" not in story.client.get(link).text
    story.answer(LINDA, "yes")
    again = story.client.get(link)
    assert again.status_code == 200
    assert "recorded" in again.text


def test_a_reminder_stands_below_its_ask(story: Story) -> None:
    story.ask()
    story.sweep(days=3)
    ask, reminder = story.mails(NATASHA)
    assert reminder["In-Reply-To"] == reminder["References"] == ask["Message-ID"]
    assert reminder["Message-ID"] != ask["Message-ID"]


def test_the_mail_programs_own_unsubscribe_stops_mail_in_one_click_and_answers_nothing(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "PUBLIC_URL": "https://twoyes.test"}, clock, relay)
    story.request()
    verification = text_of(story.mails(RITA)[0])
    story.post(re.findall(r"https://twoyes.test(/r/\S+)", verification)[0], action="verify")
    story.sweep()
    (ask,) = story.mails(LINDA)
    assert ask["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = ask["List-Unsubscribe"].strip().removeprefix("<https://twoyes.test").removesuffix(">")
    # RFC 8058: a POST with this body and nothing else, no cookie, no redirect.
    response = story.post(path, **{"List-Unsubscribe": "One-Click"})
    assert response.status_code == 200
    assert story.consent(LINDA).state is ConsentState.ASKED
    story.sweep(days=4)
    assert story.kinds(LINDA) == ["ask"]
    assert "List-Unsubscribe" not in story.mails(RITA)[0]
    story.db.engine.dispose()
