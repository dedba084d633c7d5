"""Never again, not from this requester, and a report of abuse: what each stops, and what it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from service.introductions import by_reply, links, quotas, requests, wishes
from service.introductions import reports as reports_of_abuse
from service.introductions.answers import NeverAgain
from service.introductions.links import LinkReplaced
from service.introductions.reports import UnknownReport
from service.introductions.wishes import Wish
from service.lifecycle import ConsentState, MailKind, Role, State
from service.mail.tokens import Tokens
from service.store.models import Consent, Event, Introduction, Report, Suppression
from service.store.suppressions import address_hash, is_suppressed, suppress
from tests.support.story import LINDA, NATASHA, RITA, Story

RUTH, OLGA = "ruth@chess.test", "olga@chess.test"


def wish(story: Story, who: str, wish: Wish) -> None:
    """Behind the link of the newest mail to somebody."""
    token = story.link(who, "/never/").rpartition("/")[2]
    with story.writing() as context:
        tag = Tokens(story.settings.secret_keys).read_never(token)
        wishes.from_mail(context, links.lock_mail(context.session, tag), wish)


def wish_on_page(story: Story, who: str, wish: Wish) -> None:
    token = story.link(who, "/a/").rpartition("/")[2]
    with story.writing() as context:
        link = Tokens(story.settings.secret_keys).read_answer(token)
        wishes.from_page(context, links.lock_consent(context.session, link), wish)


def reports(story: Story) -> list[Report]:
    with story.db.reading() as session:
        return list(session.scalars(select(Report).order_by(Report.id)))


def suppressions(story: Story) -> list[Suppression]:
    with story.db.reading() as session:
        return list(session.scalars(select(Suppression)))


def allowed(story: Story, email: str) -> int:
    """How many requests an address may make today."""
    with story.reading() as context:
        return quotas.requests_per_day(context, email)


@pytest.mark.parametrize("press", [wish, wish_on_page])
@pytest.mark.parametrize("what", [Wish.NOT_FROM, Wish.REPORT])
def test_not_from_stops_one_requester_and_nobody_else(story: Story, what: Wish, press: object) -> None:
    story.ask(requester_email=RUTH, a_email=OLGA)
    story.ask()
    assert callable(press)
    press(story, NATASHA, what)
    with story.db.reading() as session:
        found = session.scalars(select(Consent).where(Consent.email == NATASHA))
        assert {consent.introduction.requester_email: consent.state for consent in found} == {
            RUTH: ConsentState.ASKED,
            RITA: ConsentState.NO,
        }
    story.sweep()
    assert story.outbox(MailKind.RECEIPT) == []
    story.request(a_email=OLGA)
    assert story.verify().status_code == 409
    story.request(requester_email=RUTH, a_email="dora@chess.test")
    assert story.verify(RUTH).status_code == 303


@pytest.mark.parametrize("what", list(Wish))
def test_an_introduction_already_agreed_cannot_leave_to_who_does_not_want_it(
    story: Story, what: Wish
) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.relay.behave(banner="421 4.3.2 not now")
    story.sweep(minutes=10)
    assert story.introduction().state is State.INTRODUCING
    wish(story, NATASHA, what)
    assert story.outbox(MailKind.INTRODUCTION) == []
    story.relay.behave(banner=None)
    story.sweep(days=8)
    assert "introduction" not in story.kinds(LINDA) + story.kinds(NATASHA)
    assert story.ledger() == [("lead", "declined")]


@pytest.mark.parametrize("requester", ["", RITA.upper()])
def test_the_fence_knows_both_forms_of_suppression(story: Story, requester: str) -> None:
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    with story.writing() as context:
        # Only the list, without the no that comes with it.
        suppress(context, NATASHA.upper(), requester)
    story.sweep(minutes=10)
    assert "introduction" not in story.kinds(NATASHA)


def test_a_later_yes_of_who_said_not_from_is_refused(story: Story) -> None:
    story.ask()
    path, fields = story.fill_in(story.link(NATASHA, "/a/"), "yes")
    wish(story, NATASHA, Wish.NOT_FROM)
    assert story.post(path, **fields).status_code == 409
    assert story.post(path, **{**fields, "choice": "undo"}).status_code == 409
    assert story.consent(NATASHA).state is ConsentState.NO


def test_a_corrected_address_must_not_have_said_not_from(story: Story) -> None:
    story.ask(b_email=OLGA)
    wish(story, OLGA, Wish.NOT_FROM)
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.ask()
    story.sweep()
    page = story.link(RITA, "/r/")
    assert story.post(page, action="correct", side="b", email=OLGA).status_code == 422
    assert story.post(page, action="correct", side="b", email="dora@chess.test").status_code == 303


def test_what_is_kept_is_hashes_that_need_no_other_row(story: Story) -> None:
    story.ask()
    wish(story, NATASHA, Wish.NOT_FROM)
    wish(story, NATASHA, Wish.NOT_FROM)
    wish(story, NATASHA, Wish.NEVER)
    kept = suppressions(story)
    assert sorted(bool(row.requester_hash) for row in kept) == [False, True]
    text = repr([(row.address_hash, row.requester_hash) for row in kept])
    assert NATASHA not in text
    assert RITA not in text
    with story.db.reading() as session:
        of = address_hash(session, " Natasha@Interiors.Test ")
        assert {row.address_hash for row in kept} == {of}
        assert is_suppressed(session, NATASHA, RUTH)


def test_a_report_is_on_record_once_for_each_side_with_its_requester(story: Story) -> None:
    story.ask()
    wish(story, NATASHA, Wish.REPORT)
    wish_on_page(story, NATASHA, Wish.REPORT)
    wish(story, LINDA, Wish.REPORT)
    assert [(row.side, row.requester_address) for row in reports(story)] == [("b", RITA), ("a", RITA)]
    with story.db.reading() as session:
        said = session.scalars(select(Event.actor).where(Event.name == "reported").order_by(Event.id))
        assert list(said) == ["b", "a"]
    assert story.consent(NATASHA).words_shown == wishes.WORDS_SHOWN[Wish.REPORT]


def test_the_requester_of_a_mail_can_only_be_left_alone(story: Story) -> None:
    story.ask()
    mail = story.outbox(MailKind.VERIFY)[0]
    for what in Wish:
        with story.writing() as context:
            wishes.from_mail(context, context.session.merge(mail), what)
    assert reports(story) == []
    assert [row.requester_hash for row in suppressions(story)] == [""]


def test_a_requester_who_is_one_of_the_two_cannot_report_themselves(story: Story) -> None:
    story.ask(requester_is="a", a_email="", a_name="", a_endorsement="", cc_requester="")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=10)
    story.sweep(days=3)
    wish(story, RITA, Wish.REPORT)
    assert reports(story) == []


def test_each_standing_report_halves_what_a_requester_may_do_and_three_end_it(story: Story) -> None:
    assert allowed(story, RITA) == 5
    left = []
    for number in range(3):
        story.ask(b_email=f"b{number}@interiors.test")
        before = allowed(story, RITA)
        wish(story, f"b{number}@interiors.test", Wish.REPORT)
        # Before the closing moment a lower limit would tell of a no; three reports stop her at once.
        assert allowed(story, RITA) == (before if number < 2 else 0)
        story.sweep(days=8)
        left.append(allowed(story, RITA.upper()))
    assert left == [2, 1, 0]
    assert allowed(story, RUTH) == 5
    with story.reading() as context, pytest.raises(quotas.TooManyRequests):
        quotas.check_requests(context, RITA)


def test_a_report_that_an_operator_dismisses_counts_no_more(story: Story) -> None:
    story.ask()
    wish(story, NATASHA, Wish.REPORT)
    [report] = reports(story)
    with story.db.transaction() as session:
        reports_of_abuse.dismiss(session, report.id, story.clock())
    assert allowed(story, RITA) == 5
    assert len(suppressions(story)) == 1
    for unknown in (report.id, report.id + 1):
        with story.db.transaction() as session, pytest.raises(UnknownReport):
            reports_of_abuse.dismiss(session, unknown, story.clock() + timedelta(days=1))


# The verbs of replies, which meet the same rules.


def reply(story: Story, who: str, yes: bool, kind: MailKind = MailKind.ASK, version: int = 1) -> None:
    mail = story.outbox(kind, who)[-1]
    with story.writing() as context:
        reply = by_reply.Reply(context.session.merge(mail), version, "yes please", 7)
        by_reply.answer(context, reply, yes=yes)


def send_link(story: Story, kind: MailKind, who: str) -> bool:
    mail = story.outbox(kind, who)[-1]
    with story.writing() as context:
        return by_reply.send_link(context, context.session.merge(mail))


def test_a_reply_is_an_answer_with_its_words_as_evidence(story: Story) -> None:
    story.ask()
    reply(story, LINDA, yes=True)
    linda = story.consent(LINDA)
    assert (linda.state, linda.method) == (ConsentState.YES, "reply")
    words = linda.words_shown or ""
    assert words.startswith("Hello Linda Marsh,\n\nRita Quill would like to introduce you")
    assert words.endswith("\nAnswered by reply with these words: yes please")
    with story.db.reading() as session:
        event = session.scalars(select(Event).where(Event.name == "answered")).one()
        evidence = {"inbound": 7, "said": "yes please", "words": words}
        assert event.detail == {"answer": "yes", "method": "reply", **evidence}
    story.sweep()
    assert story.kinds(LINDA) == ["ask", "receipt"]


def test_a_second_yes_by_reply_keeps_what_was_shared_and_a_no_forgets_it(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes", line="Call me.")
    reply(story, LINDA, yes=True)
    assert story.consent(LINDA).line == "Call me."
    reply(story, LINDA, yes=False)
    assert story.consent(LINDA).line == ""


def test_a_reply_to_replaced_links_or_to_another_mail_is_no_answer(story: Story) -> None:
    story.ask()
    with pytest.raises(LinkReplaced):
        reply(story, LINDA, yes=True, version=2)
    with pytest.raises(LinkReplaced):
        reply(story, RITA, yes=True, kind=MailKind.VERIFY)
    wish(story, NATASHA, Wish.NOT_FROM)
    with pytest.raises(NeverAgain):
        reply(story, NATASHA, yes=True)
    assert story.consent(LINDA).state is ConsentState.ASKED
    assert story.consent(NATASHA).method == "never"


def test_a_reply_from_an_address_that_was_corrected_since_is_no_answer(story: Story) -> None:
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.ask()
    story.sweep()
    story.post(story.link(RITA, "/r/"), action="correct", side="b", email=OLGA)
    with pytest.raises(LinkReplaced):
        reply(story, NATASHA, yes=True, version=2)
    assert send_link(story, MailKind.ASK, NATASHA) is False


def test_the_follow_up_is_answered_by_reply_and_the_ask_not_any_more(story: Story) -> None:
    story.introduce()
    story.sweep(days=3)
    mail = story.outbox(MailKind.FOLLOW_UP, LINDA)[0]
    with story.writing() as context:
        reply_to = by_reply.Reply(context.session.merge(mail), 1, "yes", 8)
        by_reply.confirm(context, reply_to, in_touch=True)
    assert story.ledger() == [("referral", None)]
    with pytest.raises(LinkReplaced):
        reply(story, LINDA, yes=True, kind=MailKind.FOLLOW_UP)


def test_the_link_is_sent_once_for_the_answer_and_once_for_the_handoff(story: Story) -> None:
    story.request()
    assert [send_link(story, MailKind.VERIFY, RITA) for _ in range(2)] == [True, False]
    story.verify()
    assert [send_link(story, MailKind.ASK, LINDA) for _ in range(2)] == [True, False]
    story.sweep()
    assert story.kinds(LINDA) == ["ask", "unclear"]
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=10)
    assert send_link(story, MailKind.ASK, NATASHA) is False
    story.sweep(days=3)
    assert [send_link(story, MailKind.FOLLOW_UP, NATASHA) for _ in range(2)] == [True, False]
    story.choose(story.link(LINDA, "/f/"), "yes")
    assert send_link(story, MailKind.FOLLOW_UP, LINDA) is False


def test_the_link_goes_to_nobody_who_is_left_alone_open_or_closed(story: Story) -> None:
    story.ask()
    wish(story, NATASHA, Wish.NOT_FROM)
    assert send_link(story, MailKind.ASK, NATASHA) is False
    story.sweep(days=8)
    assert send_link(story, MailKind.ASK, NATASHA) is False
    assert [send_link(story, MailKind.ASK, LINDA) for _ in range(2)] == [True, False]


def test_a_language_is_chosen_by_its_reader_and_must_be_one_of_ours(story: Story) -> None:
    story.ask()
    introduction_id = story.introduction().id
    with story.writing() as context:
        introduction = context.session.get_one(Introduction, introduction_id)
        requests.choose_language(introduction, Role.A, "de")
        requests.choose_language(introduction, Role.REQUESTER, "ar")
    assert story.consent(LINDA).language == "de"
    assert story.introduction().requester_language == "ar"
    assert story.consent(NATASHA).language == "en"
    with story.writing() as context, pytest.raises(requests.UnknownLanguage):
        requests.choose_language(context.session.get_one(Introduction, introduction_id), Role.A, "tlh")
