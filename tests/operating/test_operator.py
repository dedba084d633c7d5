"""The operator's page: who may see it, what it shows, and what its buttons really do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from service.delivery import outcomes as results
from service.inbound.effects import Effect
from service.inbound.store import FAILED
from service.introductions import wishes
from service.lifecycle import ConsentState, MailKind, Role, State
from service.operating import records
from service.store.models import Event, InboundMail, MailState, OutboxMail, Report, Suppression
from service.store.suppressions import is_suppressed
from service.views import operator
from tests.conftest import rows
from tests.introductions.test_wishes import allowed, reports, wish
from tests.support.desk import sign_in_for_tests
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story
from tests.views.test_pages import main_of, said

OLGA, RUTH = "olga@chess.test", "ruth@chess.test"
PATH = "/operator"


@pytest.fixture
def story(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """The story of an installation that Olga operates, with her signed in."""
    story = Story({**environ, "OPERATORS": OLGA}, clock, relay)
    sign_in_for_tests(story.client, story, OLGA)
    yield story
    story.db.engine.dispose()


def look(story: Story) -> str:
    response = story.client.get(PATH)
    assert response.status_code == 200
    return said(response)


def press(story: Story, action: str, **fields: str) -> str:
    """What the page says after a button."""
    pressed = story.post(PATH, action=action, **fields)
    assert pressed.status_code == 303
    assert pressed.headers["Location"].endswith(PATH)
    return look(story)


def fail_linda(story: Story) -> int:
    """Linda's receipt is refused for good; the number of that mail."""
    story.ask()
    story.relay.behave(refuse={LINDA: "550 5.7.1 not here"})
    story.answer(LINDA, "yes")
    story.sweep()
    story.relay.behave(refuse={})
    return story.outbox(MailKind.RECEIPT, LINDA)[0].id


# --- Who may see it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_there_is_no_such_page_for_a_requester_and_none_without_signing_in(story: Story, method: str) -> None:
    story.ask()
    wish(story, NATASHA, wishes.Wish.REPORT)
    before = reports(story)[0].dismissed_at
    rita, nobody = story.app.test_client(), story.app.test_client()
    sign_in_for_tests(rita, story, RITA)
    data = {"action": "dismiss", "report": "1"} if method == "POST" else None
    assert rita.open(PATH, method=method, data=data).status_code == 404
    turned_away = nobody.open(PATH, method=method, data=data)
    assert turned_away.status_code == 303
    assert turned_away.headers["Location"].partition("?")[0].endswith("/desk/sign-in")
    assert reports(story)[0].dismissed_at == before


def test_it_is_kept_out_of_caches_and_looking_at_it_changes_nothing(story: Story) -> None:
    fail_linda(story)
    wish(story, NATASHA, wishes.Wish.REPORT)
    before = rows(story.db)
    response = story.client.get(PATH)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert rows(story.db) == before


def test_a_button_needs_the_token_of_its_form(story: Story) -> None:
    mail = fail_linda(story)
    story.app.config["WTF_CSRF_ENABLED"] = True
    page = main_of(story.client.get(PATH))
    assert page.count("<form") == page.count('name="csrf_token"') == 2
    assert story.post(PATH, action="retry", mail=str(mail)).status_code == 400
    assert story.outbox(MailKind.RECEIPT, LINDA)[0].state is MailState.FAILED


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"action": "burn"},
        {"action": "retry"},
        {"action": "retry", "mail": "-1"},
        {"action": "dismiss", "report": "٣"},
        {"action": "retry", "mail": "9" * 30},
    ],
)
def test_what_no_page_of_ours_sends_is_refused(story: Story, fields: dict[str, str]) -> None:
    assert story.post(PATH, **fields).status_code == 400


# --- Mails --------------------------------------------------------------------------------------------


def test_a_failed_mail_is_shown_with_what_the_relay_said_and_retry_really_sends_it(story: Story) -> None:
    mail = fail_linda(story)
    page = look(story)
    assert f"Email {mail} of introduction 1" in page
    assert "receipt → a, failed" in page
    assert "550 5.7.1 not here" in page
    assert story.kinds(LINDA) == ["ask"]
    assert f"Email {mail} is queued again" in press(story, "retry", mail=str(mail))
    story.sweep()
    assert story.kinds(LINDA) == ["ask", "receipt"]
    assert story.outbox(MailKind.RECEIPT, LINDA)[0].state is MailState.SENT
    assert "receipt → a, failed" not in look(story)


def test_of_a_request_of_their_own_an_operator_learns_no_answer(story: Story) -> None:
    story.ask(requester_email=OLGA)
    story.relay.behave(refuse={LINDA: "550 5.7.1 not here"})
    story.answer(LINDA, "yes")
    story.sweep()
    [mail] = story.outbox(MailKind.RECEIPT, LINDA)
    page = look(story)
    assert f"Email {mail.id} of introduction 1" in page
    for tells in ("receipt", "→ a", "not here", LINDA, "Linda"):
        assert tells not in page


@pytest.mark.parametrize("mail", ["sent", "unknown"])
def test_a_mail_that_left_or_never_was_is_left_alone_and_said_so(story: Story, mail: str) -> None:
    story.ask()
    number = story.outbox(MailKind.ASK, LINDA)[0].id if mail == "sent" else 4711
    before = rows(story.db)
    assert f"Email {number} was left alone" in press(story, "retry", mail=str(number))
    assert rows(story.db) == before


def test_a_mail_that_nobody_needs_any_more_has_no_button_and_is_left_alone(story: Story) -> None:
    mail = fail_linda(story)
    assert 'value="retry"' in story.client.get(PATH).text
    story.answer(LINDA, "no")
    story.sweep(days=8)
    assert "1 failed email is no longer needed." in look(story)
    assert 'value="retry"' not in story.client.get(PATH).text
    assert "was left alone" in press(story, "retry", mail=str(mail))
    assert story.outbox(MailKind.RECEIPT, LINDA)[0].state is MailState.FAILED


def test_mails_that_can_be_helped_are_not_crowded_out_by_those_that_nobody_needs(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator, "MAX_ROWS", 2)
    story.ask(requester_email=RUTH)
    with story.db.transaction() as session:
        asks = select(OutboxMail).where(OutboxMail.kind == MailKind.ASK).order_by(OutboxMail.to)
        asked = session.scalars(asks).first()
        assert asked
        for number in range(6):
            session.add(copy_of(asked, MailKind.SUMMARY if number < 3 else MailKind.ASK, number + 10))
    page = look(story)
    assert page.count("Send it again") == page.count("summary → a, failed") == 2
    assert "ask → a" not in page
    assert "1 more email can be sent again, but isn’t listed here." in page
    assert "3 failed emails are no longer needed." in page
    assert "not counted here" not in page
    monkeypatch.setattr(records, "MAX_MAILS_EXAMINED", 4)
    page = look(story)
    assert page.count("Send it again") == 1
    assert "2 older failed emails are not counted here." in page


def copy_of(mail: OutboxMail, kind: MailKind, number: int) -> OutboxMail:
    """A mail like another one that failed."""
    same = ("introduction_id", "to", "recipient", "created_at", "due_at", "useful_until")
    copied = {name: getattr(mail, name) for name in same}
    return OutboxMail(
        **copied, kind=kind, number=number, state=MailState.FAILED, message_id=f"<{number}@x.test>"
    )


def test_the_queue_is_counted_by_how_far_its_mails_are(story: Story) -> None:
    empty = "Emails waiting: 0. Being sent: 0. To be retried: 0. Unclear whether sent: 0."
    assert empty in look(story)
    story.ask()
    states = (MailState.QUEUED, MailState.LEASED, MailState.HANDOVER, MailState.RETRY, MailState.UNKNOWN)
    with story.db.transaction() as session:
        asked = session.scalars(select(OutboxMail).where(OutboxMail.kind == MailKind.ASK)).first()
        assert asked
        for number, state in enumerate(states, 10):
            mail = copy_of(asked, MailKind.ASK, number)
            mail.state, mail.lease = state, "x" if state in records.IN_DELIVERY else None
            session.add(mail)
    counted = "Emails waiting: 1. Being sent: 2. To be retried: 1. Unclear whether sent: 1."
    assert counted in look(story)


def test_a_relay_in_trouble_and_what_waits_for_it_are_shown_until_it_is_over(story: Story) -> None:
    assert "No email is late." in look(story)
    story.relay.behave(banner="421 4.3.2 not now")
    story.request()
    page = look(story)
    assert "The relay is in trouble. All email waits until Monday, 2 March 2026, 09:0" in page
    assert "421 4.3.2 not now" in page
    assert "verify → requester" in page
    story.clock.advance(hours=1)
    page = look(story)
    assert "The oldest email still to be sent was due on Monday, 2 March 2026, 09:00 UTC." in page
    assert "in trouble" not in page
    story.relay.behave(banner=None)
    story.sweep()
    page = look(story)
    assert "in trouble" not in page
    assert "verify" not in page
    assert "No email is late." in page


def test_a_mail_that_was_held_back_is_shown_with_its_next_attempt(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "OPERATORS": OLGA, "MAILS_PER_ADDRESS_PER_DAY": "1"}, clock, relay)
    sign_in_for_tests(story.client, story, OLGA)
    story.ask(requester_email=RUTH)
    story.answer(LINDA, "yes")
    story.sweep()
    page = look(story)
    assert "receipt → a " + results.ENOUGH + " Tuesday, 3 March 2026, 09:00 UTC" in page
    story.db.engine.dispose()


def test_a_mail_that_arrived_and_could_not_be_read_is_shown_without_its_token(story: Story) -> None:
    with story.db.transaction() as session:
        for number, (attempts, outcome) in enumerate(
            [(10, FAILED), (3, ""), (2, "answered yes"), (1, ""), (0, "")]
        ):
            session.add(
                InboundMail(
                    message_id=f"<{number}@salon.test>",
                    sender=LINDA,
                    recipient="bounce+sEcReT@in.twoyes.test",
                    way="lmtp",
                    raw=b"",
                    size=0,
                    received_at=story.clock(),
                    attempts=attempts,
                    outcome=outcome,
                    processed_at=story.clock() if outcome else None,
                )
            )
    page = look(story)
    assert "lmtp → bounce, failed, 10×" in page
    assert "lmtp → bounce, waiting, 3×" in page
    assert page.count("lmtp → bounce") == 2
    assert "The oldest incoming email that hasn’t been read yet arrived on Monday" in page
    assert "sEcReT" not in page
    assert LINDA not in page


def test_mails_to_the_operator_are_counted_with_the_command_that_prints_one(story: Story) -> None:
    assert "twoyes received" not in look(story)
    with story.db.transaction() as session:
        for number, raw in enumerate((b"one", b"two", None)):
            session.add(
                InboundMail(
                    message_id=f"<{number}@salon.test>",
                    sender=LINDA,
                    recipient="postmaster@in.twoyes.test",
                    way="lmtp",
                    raw=raw,
                    size=0,
                    received_at=story.clock(),
                    outcome=Effect.FOR_THE_OPERATOR,
                    processed_at=story.clock(),
                )
            )
    assert "Emails kept for the operator: 2. twoyes received show ID prints one." in look(story)


# --- Reports and limits -------------------------------------------------------------------------------


def test_a_report_is_shown_with_what_was_asked_and_not_with_who_reported_it(story: Story) -> None:
    story.ask()
    asked = look(story)
    assert asked.count("Nothing here right now.") == 5
    wish(story, NATASHA, wishes.Wish.REPORT)
    page = look(story)
    assert "Report 1 about introduction 1" in page
    assert f"Requested by Rita Quill, {RITA}: A new interior for the salon before spring." in page
    for tells in (NATASHA, LINDA, "Natasha", "Linda"):
        assert tells not in page


def test_dismissing_a_report_restores_the_limit_and_leaves_the_reporter_alone(story: Story) -> None:
    story.ask()
    wish(story, NATASHA, wishes.Wish.REPORT)
    assert f"{RITA} Requests in 24 hours: 1 of 5. Open: 1. Reports: 1." in look(story)
    # From the closing moment on it counts; before, a lower limit would tell her of a no.
    story.sweep(days=8)
    assert allowed(story, RITA) == 2
    assert f"{RITA} Requests in 24 hours: 0 of 2. Open: 0. Reports: 1." in look(story)
    page = press(story, "dismiss", report="1")
    assert "Report 1 is dismissed" in page
    assert "Report 1 about" not in page
    assert f"{RITA} Requests" not in page
    assert allowed(story, RITA) == 5
    with story.db.reading() as session:
        assert session.get_one(Report, 1).dismissed_at == story.clock()
        assert is_suppressed(session, NATASHA, RITA)
    assert "Report 1 was already dismissed, or taken back." in press(story, "dismiss", report="1")


def test_a_requester_whom_reports_stop_is_named_and_freed_by_a_dismissal(story: Story) -> None:
    stopped = "Stopped: three people have reported them, in three introductions."
    for number in range(3):
        person = f"b{number}@interiors.test"
        story.ask(b_email=person)
        assert stopped not in look(story)
        wish(story, person, wishes.Wish.REPORT)
    assert f"Requests in 24 hours: 3 of 0. Open: 3. Reports: 3. {stopped}" in look(story)
    assert stopped not in press(story, "dismiss", report="2")


def test_a_report_that_was_taken_back_is_shown_no_more_and_cannot_be_dismissed(story: Story) -> None:
    story.ask()
    wish(story, NATASHA, wishes.Wish.REPORT)
    story.choose(story.link(NATASHA, "/a/"), "take-back")
    assert "Report 1 about" not in look(story)
    assert f"{RITA} Requests" not in look(story)
    assert "Report 1 was already dismissed" in press(story, "dismiss", report="1")


def test_requesters_are_listed_from_one_request_before_their_limit_on(story: Story) -> None:
    for number in range(3):
        story.ask(b_email=f"b{number}@interiors.test")
    assert RITA not in look(story)
    story.ask(b_email="b3@interiors.test")
    assert f"{RITA} Requests in 24 hours: 4 of 5. Open: 4. Reports: 0." in look(story)
    assert 'class="lost">Requests' not in story.client.get(PATH).text
    story.request(b_email="b4@interiors.test")
    assert "Requests in 24 hours: 5 of 5. Open: 4. Reports: 0." in look(story)
    assert 'class="lost">Requests' in story.client.get(PATH).text
    story.clock.advance(hours=25)
    assert RITA not in look(story)


# --- Suppressions -------------------------------------------------------------------------------------


def suppressed(story: Story) -> list[Suppression]:
    with story.db.reading() as session:
        return list(session.scalars(select(Suppression)))


def lifted(story: Story) -> list[tuple[int, str]]:
    with story.db.reading() as session:
        found = select(Event).where(Event.name == "suppression lifted")
        return [(event.introduction_id, event.actor) for event in session.scalars(found)]


def test_suppressions_are_counted_by_kind_and_never_name_an_address(story: Story) -> None:
    story.ask()
    wish(story, NATASHA, wishes.Wish.NOT_FROM)
    wish(story, LINDA, wishes.Wish.NEVER)
    page = look(story)
    assert "From anyone: 1. From one requester: 1." in page
    for row in suppressed(story):
        assert f"{row.address_hash[:8]}…" in page
        assert row.address_hash[:9] not in page
    for address in (NATASHA, LINDA, RITA):
        assert address not in page


def test_a_lifted_suppression_lets_a_new_request_be_asked_and_leaves_an_event(story: Story) -> None:
    story.ask()
    wish(story, NATASHA, wishes.Wish.NEVER)
    story.sweep(days=8)
    story.request()
    assert story.verify().status_code == 409
    page = press(story, "lift", email=f" {NATASHA.upper()} ")
    assert "We may write to that address again." in page
    assert NATASHA not in page
    assert suppressed(story) == []
    assert lifted(story) == [(1, "operator")]
    assert story.verify().status_code in (200, 303)
    assert story.kinds(NATASHA).count("ask") == 2
    assert story.consent(NATASHA).state is ConsentState.ASKED


def test_a_no_stands_after_the_lifting_until_whoever_said_it_changes_it(story: Story) -> None:
    story.ask()
    path, filled_in = story.fill_in(story.link(NATASHA, "/a/"), "yes")
    wish(story, NATASHA, wishes.Wish.NEVER)
    assert story.post(path, **filled_in).status_code == 409
    press(story, "lift", email=NATASHA)
    assert story.consent(NATASHA).state is ConsentState.NO
    assert story.answer(NATASHA, "yes").status_code == 303
    assert story.consent(NATASHA).state is ConsentState.YES


def test_what_was_wished_of_one_requester_is_lifted_only_for_that_one(story: Story) -> None:
    story.ask()
    story.ask(requester_email=RUTH, a_email="dora@chess.test")
    wish(story, NATASHA, wishes.Wish.NOT_FROM)
    wish(story, NATASHA, wishes.Wish.NEVER)
    [of_ruth] = [row.requester_hash for row in suppressed(story) if row.requester_hash]
    press(story, "lift", email=NATASHA)
    assert [row.requester_hash for row in suppressed(story)] == [of_ruth]
    assert "That address isn’t on the list" in press(story, "lift", email=NATASHA)
    assert "That address isn’t on the list" in press(story, "lift", email=NATASHA, requester=RITA)
    assert "We may write to that address again" in press(story, "lift", email=NATASHA, requester=RUTH)
    assert suppressed(story) == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"email": ""}, "email address"),
        ({"email": "linda"}, "email address"),
        ({"email": LINDA, "requester": "rita"}, "email address"),
        ({"email": LINDA, "requester": RITA}, "isn’t on the list"),
    ],
)
def test_a_slip_in_an_address_is_said_and_changes_nothing(
    story: Story, fields: dict[str, str], word: str
) -> None:
    story.ask()
    wish(story, LINDA, wishes.Wish.NEVER)
    before = rows(story.db)
    assert word in press(story, "lift", **fields)
    assert rows(story.db) == before


def test_a_message_is_shown_once(story: Story) -> None:
    assert "That address isn’t on the list" in press(story, "lift", email=LINDA)
    assert "That address isn’t on the list" not in look(story)


def test_no_token_and_no_answer_of_a_party_stands_on_the_page(story: Story) -> None:
    fail_linda(story)
    wish(story, NATASHA, wishes.Wish.REPORT)
    page = story.client.get(PATH).text
    for link in (
        story.link(who, path) for who, path in ((LINDA, "/a/"), (NATASHA, "/never/"), (RITA, "/r/"))
    ):
        assert link.split("/")[2] not in page
    with story.db.reading() as session:
        for mail in session.scalars(select(OutboxMail)):
            assert mail.tag not in page
    assert story.introduction().state is State.ASKING
    assert story.consent(LINDA).side is Role.A
    for tells in ("declined", "answered"):
        assert tells not in page
