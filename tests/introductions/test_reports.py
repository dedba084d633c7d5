"""Reports of abuse: when they stop a requester, who is told, and how one is taken back."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import update

from service.delivery.deliver import retry_by_hand
from service.introductions import reports as reports_of_abuse
from service.introductions.wishes import Wish
from service.lifecycle import ConsentState, MailKind
from service.mail.tokens import Tokens
from service.store.models import MailState, Report
from service.store.suppressions import is_suppressed
from tests.introductions.test_wishes import allowed, reports, wish
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story, text_of

OLIVE, OSCAR = "olive@twoyes.test", "oscar@twoyes.test"
PEOPLE = ["b0@interiors.test", "b1@interiors.test", "b2@interiors.test"]


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "OPERATORS": f"{OLIVE},{OSCAR}", "VERIFICATIONS_PER_DAY": "20"}


def reported_by(story: Story, *people: str, a_email: str = LINDA) -> None:
    """Each is asked in a case of their own, and reports it."""
    for person in people:
        story.ask(a_email=a_email, b_email=person)
        wish(story, person, Wish.REPORT)
    story.sweep()


def is_stopped(story: Story) -> bool:
    return allowed(story, RITA) == 0


def test_three_persons_in_three_cases_stop_a_requester_at_once(story: Story) -> None:
    reported_by(story, *PEOPLE[:2])
    assert not is_stopped(story)
    reported_by(story, PEOPLE[2])
    assert is_stopped(story)
    assert story.request(b_email="new@interiors.test").status_code != 303


def test_one_person_alone_stops_nobody_however_often_they_report(story: Story) -> None:
    pages = []
    for number in range(4):
        story.ask(a_email=f"a{number}@salon.test")
        pages.append(story.link(NATASHA, "/never/"))
    for page in pages:
        assert story.choose(page, "report").status_code == 200
    assert len(reports(story)) == 4
    assert not is_stopped(story)


def test_three_persons_in_two_cases_stop_nobody(story: Story) -> None:
    reported_by(story, PEOPLE[0])
    story.ask(b_email=PEOPLE[1])
    wish(story, PEOPLE[1], Wish.REPORT)
    wish(story, LINDA, Wish.REPORT)
    assert len(reports(story)) == 3
    assert not is_stopped(story)
    assert story.outbox(MailKind.STOPPED) == []


def test_who_reported_before_persons_were_on_record_is_told_by_the_side_that_they_are(story: Story) -> None:
    reported_by(story, *PEOPLE)
    with story.db.transaction() as session:
        session.execute(update(Report).values(reporter_hash=None))
    assert is_stopped(story)
    assert story.choose(story.link(PEOPLE[0], "/never/"), "take-back").status_code == 200
    assert not is_stopped(story)


def test_operators_are_told_once_with_what_they_can_do(story: Story) -> None:
    reported_by(story, *PEOPLE)
    assert [row.recipient for row in story.outbox(MailKind.STOPPED)] == [OLIVE, OSCAR]
    assert story.kinds(OLIVE) == story.kinds(OSCAR) == ["stopped"]
    assert len({mail["Message-ID"] for who in (OLIVE, OSCAR) for mail in story.mails(who)}) == 2
    [mail] = story.mails(OLIVE)
    said = text_of(mail)
    assert f"{RITA} has been reported as abuse by 3 people, in 3 introductions." in said
    assert "We take no new requests from this address." in said
    assert f"{story.settings.PUBLIC_URL}/operator\n" in said
    assert not any(person in mail.as_string() for person in (*PEOPLE, LINDA))
    # Nobody is told by a fourth report, nor Rita by any.
    story.sweep(days=3)
    assert story.kinds(OLIVE) == ["stopped"]
    assert set(story.kinds(RITA)) == {"verify"}


def test_a_requester_who_is_stopped_anew_is_told_of_anew(story: Story) -> None:
    reported_by(story, *PEOPLE)
    with story.db.transaction() as session:
        reports_of_abuse.dismiss(session, 1, story.clock())
    assert not is_stopped(story)
    story.clock.advance(days=1)
    reported_by(story, "b3@interiors.test")
    assert is_stopped(story)
    assert story.kinds(OLIVE) == ["stopped"] * 2


def test_a_mail_to_an_operator_that_failed_is_sent_again_by_hand(story: Story) -> None:
    story.relay.behave(refuse={OLIVE: "550 5.1.1 no such user"})
    reported_by(story, *PEOPLE)
    row = story.outbox(MailKind.STOPPED, OLIVE)[0]
    assert row.state is MailState.FAILED
    story.relay.behave(refuse={})
    with story.db.transaction() as session:
        retry_by_hand(session, row.id, story.clock())
    story.sweep()
    assert story.kinds(OLIVE) == ["stopped"]


def test_where_nobody_is_named_the_log_says_it_once(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story({**environ, "OPERATORS": ""}, clock, relay)
    with caplog.at_level(logging.WARNING, logger="service.introductions.reports"):
        reported_by(story, *PEOPLE)
        wish(story, LINDA, Wish.REPORT)
    told = [record.getMessage() for record in caplog.records if "OPERATORS" in record.getMessage()]
    assert told == [
        "reports of abuse stop the requester of introduction 3, and OPERATORS names nobody to tell"
    ]
    assert story.outbox(MailKind.STOPPED) == []
    story.db.engine.dispose()


# --- Taking a report back ------------------------------------------------------------------------------


def taken_back(story: Story) -> list[bool]:
    return [report.taken_back_at is not None for report in reports(story)]


def is_written_to(story: Story, email: str) -> bool:
    with story.db.reading() as session:
        return not is_suppressed(session, email, RITA)


@pytest.mark.parametrize("where", ["/a/", "/never/"])
def test_its_person_takes_a_report_back_and_may_answer_again(story: Story, where: str) -> None:
    reported_by(story, *PEOPLE)
    person = PEOPLE[1]
    done = story.choose(story.link(person, where), "take-back")
    assert done.status_code == 200
    assert "Your report is taken back." in done.text
    assert taken_back(story) == [False, True, False]
    assert not is_stopped(story)
    assert is_written_to(story, person)
    assert story.events().count("report taken back") == 1
    assert story.consent(person).state is ConsentState.NO
    assert "You said no, and that’s fine." in story.client.get(story.link(person, "/a/")).text
    assert story.answer(person, "yes").status_code == 303
    story.sweep()
    assert story.kinds(person) == ["ask", "receipt"]


def test_only_a_choice_and_a_press_take_it_back_and_only_once(story: Story) -> None:
    reported_by(story, PEOPLE[0])
    path, fields = story.fill_in(story.link(PEOPLE[0], "/a/"), "take-back")
    for nothing in ({**fields, "choice": ""}, {**fields, "choice": "nothing"}, {**fields, "confirm": "yes"}):
        story.post(path, **nothing)
    assert taken_back(story) == [False]
    # A decoy was used: from now on the word is asked for as well.
    assert story.post(path, **fields).status_code == 422
    assert story.post(path, **fields, word="hello").status_code == 200
    assert taken_back(story) == [True]
    again = story.post(path, **fields, word="hello")
    assert again.status_code == 409
    assert "There’s no report of yours to take back." in again.text


def test_nobody_else_takes_it_back(story: Story) -> None:
    reported_by(story, PEOPLE[0])
    for who in (LINDA, RITA):
        path = story.link(who, "/a/" if who == LINDA else "/r/")
        assert "take-back" not in story.client.get(path).text
    options = story.link(LINDA, "/a/") + "/options"
    assert story.post(options, choice="take-back").status_code == 409
    assert taken_back(story) == [False]


def test_whoever_is_asked_at_a_corrected_address_takes_no_report_of_another_back(story: Story) -> None:
    wrong = PEOPLE[0]
    story.ask(b_email=wrong)
    never = story.link(wrong, "/never/")
    with story.writing() as context:
        row = context.session.merge(story.outbox(MailKind.ASK, wrong)[0])
        consent = row.case.consent(row.to)
        consent.email, consent.version = PEOPLE[1], consent.version + 1
    assert story.choose(never, "report").status_code == 200
    token = Tokens(story.settings.secret_keys).make_answer(2, 2)
    page = f"/a/{token}"
    assert "take-back" not in story.client.get(page).text
    assert story.post(page + "/options", choice="take-back").status_code == 409
    assert story.choose(never, "take-back").status_code == 200


def test_what_they_asked_for_before_stays(story: Story) -> None:
    story.ask(b_email=PEOPLE[0])
    assert story.choose(story.link(PEOPLE[0], "/a/"), "not-from").status_code == 200
    story.clock.advance(minutes=1)
    assert story.choose(story.link(PEOPLE[0], "/a/"), "report").status_code == 200
    assert story.choose(story.link(PEOPLE[0], "/a/"), "take-back").status_code == 200
    assert taken_back(story) == [True]
    assert not is_written_to(story, PEOPLE[0])


def test_a_suppression_stays_as_long_as_another_report_of_theirs_does(story: Story) -> None:
    story.ask()
    one = story.link(NATASHA, "/never/")
    story.ask(a_email="a1@salon.test")
    two = story.link(NATASHA, "/never/")
    for page in (one, two):
        assert story.choose(page, "report").status_code == 200
        story.clock.advance(minutes=1)
    story.choose(one, "take-back")
    assert not is_written_to(story, NATASHA)
    story.choose(two, "take-back")
    assert taken_back(story) == [True, True]
    assert is_written_to(story, NATASHA)


def test_never_again_stays_when_a_report_is_taken_back(story: Story) -> None:
    story.ask()
    page = story.link(NATASHA, "/a/")
    story.choose(page, "report")
    story.choose(page, "never")
    assert story.choose(page, "take-back").status_code == 200
    assert not is_written_to(story, NATASHA)
    assert "Other options" not in story.client.get(page).text


def test_a_report_can_be_made_again_and_one_that_was_dismissed_cannot(story: Story) -> None:
    story.ask()
    page = story.link(NATASHA, "/a/")
    for choice in ("report", "take-back", "report"):
        assert story.choose(page, choice).status_code == 200
    assert taken_back(story) == [False]
    assert story.events().count("reported") == 2
    with story.db.transaction() as session:
        reports_of_abuse.dismiss(session, 1, story.clock())
    for choice in ("take-back", "report"):
        assert story.choose(page, choice).status_code == 200
    with story.db.reading() as session:
        assert reports_of_abuse.tally(session, RITA) == (0, 0)


def test_a_person_and_a_case_count_once_in_what_a_requester_may_send(story: Story) -> None:
    story.ask()
    one = story.link(NATASHA, "/never/")
    story.ask(a_email="a1@salon.test")
    for page in (one, story.link(NATASHA, "/never/")):
        story.choose(page, "report")
    story.sweep(days=8)
    assert allowed(story, RITA) == 10
    story.ask(b_email=PEOPLE[0])
    wish(story, PEOPLE[0], Wish.REPORT)
    story.sweep(days=8)
    assert allowed(story, RITA) == 5
