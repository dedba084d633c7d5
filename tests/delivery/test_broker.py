"""Redis stopped, and Redis frozen: every click is answered, and every introduction still leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from service import create_app
from service.delivery.broker import SILENCE, Nudger
from service.lifecycle import ConsentState, MailKind
from service.settings.environment import load
from service.settings.table import Settings
from tests.support.people import Browser, Mailboxes
from tests.support.processes import MAX_WAIT, Broker, Processes, environ, eventually
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story

FIRST_CLICK = 2.0
"""Seconds that the first click after the broker went away may take (the issue)."""
Ruin = Callable[[Broker], None]

both_ways = pytest.mark.parametrize("ruin", [Broker.kill, Broker.freeze], ids=["stopped", "frozen"])


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


# --- A click, in this process -----------------------------------------------------------------------


class Doorbell(Nudger):
    """The nudger of the service, with a clock set by hand; it counts how often it tries to publish."""

    def __init__(self, settings: Settings) -> None:
        self.seconds = 1000.0
        super().__init__(settings, lambda: self.seconds)
        self.tried = 0
        publish = self._celery.send_task

        def counted(*args: object, **kwargs: object) -> object:
            self.tried += 1
            return publish(*args, **kwargs)  # type: ignore[arg-type]

        self._celery.send_task = counted  # type: ignore[method-assign, assignment]

    def is_silent(self) -> bool:
        return self.seconds < self._quiet_until


@pytest.fixture
def asked(environ: dict[str, str], broker: Broker, clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """Linda and Natasha were asked, and the broker works."""
    story = Story({**environ, "REDIS_URL": broker.url}, clock, relay)
    story.ask()
    story.db._nudge = Doorbell(story.settings)
    # The first nudge of a process imports what Celery needs for it; no click of this test pays for that.
    story.db._nudge({"tasks.mail.deliver": []})
    yield story
    story.db.engine.dispose()


def doorbell(story: Story) -> Doorbell:
    assert isinstance(story.db._nudge, Doorbell)
    return story.db._nudge


@both_ways
def test_a_click_is_recorded_and_answered_within_two_seconds(
    asked: Story, broker: Broker, ruin: Ruin
) -> None:
    ruin(broker)

    began = time.monotonic()
    answered = asked.answer(LINDA, "yes")

    assert time.monotonic() - began < FIRST_CLICK
    assert answered.status_code == 303
    assert asked.consent(LINDA).state is ConsentState.YES
    assert doorbell(asked).is_silent()


@both_ways
def test_the_clicks_after_it_do_not_try_the_broker_for_thirty_seconds(
    asked: Story, broker: Broker, ruin: Ruin
) -> None:
    ruin(broker)
    asked.answer(LINDA, "yes")
    tried = doorbell(asked).tried

    asked.answer(NATASHA, "yes")
    doorbell(asked).seconds += SILENCE - 0.1
    asked.answer(NATASHA, "no")

    assert asked.consent(NATASHA).state is ConsentState.NO
    assert doorbell(asked).tried == tried
    doorbell(asked).seconds += 0.2
    asked.answer(NATASHA, "yes")
    assert doorbell(asked).tried == tried + 1
    assert doorbell(asked).is_silent()


@pytest.mark.parametrize(
    ("ruin", "mend"), [(Broker.kill, Broker.start), (Broker.freeze, Broker.thaw)], ids=["stopped", "frozen"]
)
def test_nudges_work_again_once_the_broker_is_back_and_the_silence_is_over(
    asked: Story, broker: Broker, ruin: Ruin, mend: Ruin
) -> None:
    ruin(broker)
    asked.answer(LINDA, "yes")
    mend(broker)

    asked.answer(LINDA, "no")
    tried = doorbell(asked).tried
    doorbell(asked).seconds += SILENCE + 0.1
    asked.answer(LINDA, "yes")

    assert doorbell(asked).tried > tried
    assert not doorbell(asked).is_silent()


def test_healthz_is_ok_and_tells_of_a_broker_that_went_away(asked: Story, broker: Broker) -> None:
    def healthz() -> tuple[int, str, str]:
        answer = asked.client.get("/healthz")
        assert answer.json is not None
        return answer.status_code, answer.json["status"], answer.json["broker"]

    assert healthz() == (200, "ok", "up")
    broker.freeze()
    began = time.monotonic()
    assert healthz() == (200, "degraded", "down")
    # A load balancer asks often and does not wait long.
    assert time.monotonic() - began < FIRST_CLICK
    broker.thaw()
    assert healthz() == (200, "ok", "up")
    broker.kill()
    assert healthz() == (200, "degraded", "down")


def test_healthz_is_503_when_the_database_is_away(broker: Broker, tmp_path: Path) -> None:
    away = f"postgresql://twoyes@/twoyes?host={tmp_path}"
    app = create_app(load(environ(away, broker.url)))

    answer = app.test_client().get("/healthz")

    assert answer.status_code == 503
    ages = {"oldest_queued_mail": None, "oldest_inbound_mail": None}
    assert answer.json == {"status": "down", "database": "down", "broker": "up", **ages}


# --- An introduction, with real processes -----------------------------------------------------------


@dataclass
class Town:
    """One installation with its broker, its relay, and the people who use it."""

    processes: Processes
    broker: Broker
    boxes: Mailboxes

    def ask(self) -> None:
        """Rita asks for the introduction and verifies her address; both are asked."""
        browser = Browser(self.processes.url)
        assert browser.send_form().status == 303
        assert browser.post(self.link(RITA, "/r/"), action="verify").status == 303
        self.link(LINDA, "/a/")
        self.link(NATASHA, "/a/")

    def say_yes(self, who: str) -> None:
        answered = Browser(self.processes.url).choose(self.link(who, "/a/"), "yes")
        assert answered.status == 303

    def link(self, who: str, path: str) -> str:
        return eventually(lambda: self.boxes.link(who, path), MAX_WAIT, f"a link {path} for {who}")

    def wait_until_introduced(self) -> None:
        for who in (LINDA, NATASHA, RITA):
            eventually(partial(self.boxes.of, who, MailKind.INTRODUCTION), MAX_WAIT, f"{who}'s copy")


@contextmanager
def town(database_url: str, folder: Path, **settings: str) -> Iterator[Town]:
    """A town in which only the broker and the relay run yet; nothing is held, so all leaves at once."""
    with ExitStack() as stack:
        broker, relay = stack.enter_context(Broker()), stack.enter_context(FaultySmtp())
        relay.messages = boxes = Mailboxes()
        own = environ(database_url, broker.url, relay.environ, {"HOLD_FOR": "0s", **settings})
        processes = stack.enter_context(Processes(folder, own))
        yield Town(processes, broker, boxes)


def test_a_nudge_arrives_as_a_task_and_the_introduction_leaves_at_once(
    postgresql_url: str, tmp_path: Path
) -> None:
    # No sweep comes within the hour and there is no beat: only nudges can have done it.
    with town(postgresql_url, tmp_path, SWEEP_EVERY="1h") as there:
        there.processes.start("web", "worker")
        there.processes.wait_for("web", "worker")
        there.ask()
        there.say_yes(LINDA)
        there.say_yes(NATASHA)
        there.wait_until_introduced()


def test_no_log_names_anybody_or_holds_a_link_that_works(postgresql_url: str, tmp_path: Path) -> None:
    with town(postgresql_url, tmp_path, SWEEP_EVERY="1h") as there:
        there.processes.start("web", "worker")
        there.processes.wait_for("web", "worker")
        there.ask()
        paths = [there.link(RITA, "/r/"), there.link(LINDA, "/a/"), there.link(NATASHA, "/a/")]
        for path in paths:
            for asked_for in (path, f"{path}/nowhere", f"{path}?again=yes"):
                assert Browser(there.processes.url).get(asked_for).came
            assert Browser(there.processes.url).post(path, choice="perhaps").status == 400
        logs = there.processes.said("web") + there.processes.said("worker")
    assert "accepted" in logs
    for secret in (*(path.split("/")[2] for path in paths), RITA, LINDA, NATASHA):
        assert secret not in logs


@both_ways
def test_the_introduction_leaves_by_the_workers_own_sweep(
    postgresql_url: str, tmp_path: Path, ruin: Ruin
) -> None:
    with town(postgresql_url, tmp_path, SWEEP_EVERY="1s") as there:
        there.processes.start("web", "worker")
        there.processes.wait_for("web")
        there.ask()
        ruin(there.broker)
        there.say_yes(LINDA)
        there.say_yes(NATASHA)
        there.wait_until_introduced()
        assert there.processes.healthz()[0] == 200
        assert "degraded" in there.processes.healthz()[1]


@both_ways
def test_a_worker_that_is_started_while_the_broker_is_away_sweeps(
    postgresql_url: str, tmp_path: Path, ruin: Ruin
) -> None:
    with town(postgresql_url, tmp_path, SWEEP_EVERY="1s") as there:
        ruin(there.broker)
        there.processes.start("web", "worker")
        there.processes.wait_for("web")
        there.ask()
        there.say_yes(LINDA)
        there.say_yes(NATASHA)
        there.wait_until_introduced()
