"""Two parties who answer in the same instant, on PostgreSQL, with real threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from service.introductions import answers, decisions, quotas, requests
from service.introductions.answers import Details
from service.introductions.links import lock_consent, read_consent
from service.introductions.requests import Party, Request
from service.lifecycle import AlreadyLeft, Answer, ConsentState, MailKind, Order, Role, State
from service.mail.tokens import Link
from service.settings.environment import load
from service.settings.table import Settings
from service.store.context import Context, writing
from service.store.db import Database
from service.store.models import Event, FirstWriter, Introduction, Need, OutboxMail, Sought
from service.sweep import sweep
from tests.support.smtp_server import FaultySmtp
from tests.support.story import SECRET, HandClock

TIMES = 200


@pytest.fixture
def settings(postgresql_url: str, relay: FaultySmtp) -> Settings:
    return load(
        {
            "SECRET_KEY": SECRET,
            "DATABASE_URL": postgresql_url,
            "PUBLIC_URL": "http://twoyes.test",
            "HOLD_FOR": "0s",
            # Two hundred people in one process answer as fast as only scanners do.
            "SUSPECT_WITHIN": "0s",
            "VERIFICATIONS_PER_DAY": "1000",
            **relay.environ,
        }
    )


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    db = Database(settings.DATABASE_URL)
    yield db
    db.engine.dispose()


def asked(db: Database, settings: Settings, clock: HandClock, number: int) -> dict[Role, Link]:
    """A case in which both were asked; returns the two answer links."""
    with writing(db, settings, clock()) as context:
        case_id = requests.submit(context, a_request(number)).id
    with writing(db, settings, clock()) as context:
        quotas.lock(context.session)
        case = decisions.lock(context.session, case_id)
        requests.verify(context, case)
        return {consent.side: Link(consent.id, consent.version) for consent in case.consents}


def say_yes(context: Context, link: Link) -> None:
    consent = lock_consent(context.session, link)
    answers.answer(context, consent, Answer(consent.side, yes=True), Details(), "words")


def a_request(number: int) -> Request:
    return Request(
        requester_name="Rita Quill",
        requester_email="rita@quill.test",
        a=Party("Linda Marsh", f"linda{number}@salon.test", "Runs a salon."),
        b=Party("Natasha Orlova", f"natasha{number}@interiors.test", "Designs interiors."),
        need="A new interior.",
        need_of=Need.A,
        sought=Sought.YES,
        order=Order.TOGETHER,
        first_writer=FirstWriter.A,
        reminders=False,
        cc_requester=False,
        requester_is=None,
    )


def test_two_hundred_pairs_of_yeses_at_once_are_two_hundred_introductions(
    db: Database, settings: Settings, clock: HandClock, relay: FaultySmtp
) -> None:
    together = Barrier(2)

    def answer(link: Link) -> None:
        together.wait()
        with writing(db, settings, clock()) as context:
            say_yes(context, link)

    with ThreadPoolExecutor(2) as people:
        for number in range(TIMES):
            links = asked(db, settings, clock, number)
            list(people.map(answer, links.values()))
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(lambda _: sweep(db, settings, clock), range(2)))
    sweep(db, settings, clock)

    with db.reading() as session:
        states = session.execute(select(Introduction.state, func.count()).group_by(Introduction.state)).all()
        assert [tuple(row) for row in states] == [(State.INTRODUCED, TIMES)]
        agreed = select(func.count()).where(Event.name == "both agreed")
        assert session.scalar(agreed) == TIMES
        copies = select(func.count()).where(OutboxMail.kind == MailKind.INTRODUCTION)
        assert session.scalar(copies) == 2 * TIMES
    introduced = [mail.recipients for mail in relay.messages if b"Message-ID: <introduction." in mail.data]
    assert len(introduced) == len(set(introduced)) == 2 * TIMES


def test_an_undo_and_the_introduction_never_both_win(
    db: Database, settings: Settings, clock: HandClock, relay: FaultySmtp
) -> None:
    together = Barrier(2)

    def undo(link: Link) -> bool:
        together.wait()
        try:
            with writing(db, settings, clock()) as context:
                answers.undo(context, lock_consent(context.session, link))
        except AlreadyLeft:
            return False
        return True

    def send() -> bool:
        together.wait()
        sweep(db, settings, clock)
        return True

    undone = 0
    for number in range(40):
        links = asked(db, settings, clock, number)
        for link in links.values():
            with writing(db, settings, clock()) as context:
                say_yes(context, link)
        with ThreadPoolExecutor(2) as both:
            undoing = both.submit(undo, links[Role.A])
            sending = both.submit(send)
            was_undone = undoing.result()
            sending.result()
        undone += was_undone
        sweep(db, settings, clock)
        taken = [m for m in relay.messages if b"Message-ID: <introduction." in m.data]
        ours = [mail for mail in taken if mail.recipients[0].split("@")[0].endswith(("a" + str(number),))]
        with db.reading() as session:
            case = session.scalars(select(Introduction).order_by(Introduction.id.desc())).first()
            assert case is not None
            if was_undone:
                assert case.consent(Role.A).state is ConsentState.ASKED
                assert ours == []
            else:
                assert case.state is State.INTRODUCED
                assert len(ours) == 2


def test_a_lock_reads_anew_what_was_read_before_it(
    db: Database, settings: Settings, clock: HandClock
) -> None:
    links = asked(db, settings, clock, 1)
    with writing(db, settings, clock()) as late:
        early = read_consent(late.session, links[Role.A])
        assert [consent.state for consent in early.introduction.consents] == [ConsentState.ASKED] * 2
        with writing(db, settings, clock()) as context:
            say_yes(context, links[Role.B])
        say_yes(late, links[Role.A])
        assert early.introduction.state is State.AGREED
