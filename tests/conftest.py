"""What the tests share: both databases, a clock that is set by hand, a relay, and a story to play."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from service.store.db import Database
from service.store.migrations import migrate
from service.store.models import Base
from tests.support.processes import postgresql
from tests.support.smtp_server import FaultySmtp
from tests.support.story import SECRET, HandClock, Story

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty, migrated database; a test that takes it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "twoyes.db")
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("migrated_postgresql")
    _empty(url)
    return url


@pytest.fixture
def postgresql_url(migrated_postgresql: str) -> str:
    _empty(migrated_postgresql)
    return migrated_postgresql


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def relay() -> Iterator[FaultySmtp]:
    """A relay on a real socket; it behaves until a test tells it otherwise."""
    with FaultySmtp() as server:
        yield server


@pytest.fixture
def environ(database_url: str, relay: FaultySmtp) -> dict[str, str]:
    return {
        "SECRET_KEY": SECRET,
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PUBLIC_URL": "http://twoyes.test",
        # By the tests' clock everything happens at once, which only a scanner does in earnest.
        "SUSPECT_WITHIN": "0s",
        **relay.environ,
    }


@pytest.fixture
def story(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    """A whole service in this process, with a real relay and nobody else's clock."""
    story = Story(environ, clock, relay)
    yield story
    story.db.engine.dispose()


def rows(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, to compare a database with itself."""
    with db.reading() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(table.select())), key=repr)
            for table in Base.metadata.sorted_tables
        }


def _empty(url: str) -> None:
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables if table.name != "installation")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        connection.execute(
            text("UPDATE installation SET relay_paused_until = NULL, relay_failures = 0, relay_reply = ''")
        )
    engine.dispose()
