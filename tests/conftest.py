"""What the tests share: two databases, a clock that is set by hand, a relay, and a story to play.

A test that takes `database_url`, or anything made of it, runs on SQLite and on PostgreSQL. On PostgreSQL it
is `slow`, unless the database is what it is about, and it is marked with `both_databases`. ``make test``
leaves out what is slow, and ``make test-all`` runs just that; together they run every test once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from service.store.db import Database
from service.store.migrations import migrate
from service.store.models import Base
from tests.support.processes import postgresql
from tests.support.smtp_server import FaultySmtp
from tests.support.story import APPS, SECRET, HandClock, Story

Rows = dict[str, list[dict[str, Any]]]
"""Rows by the name of their table, in an order in which they can be written."""


LONGEST = (
    "tests/faults/",
    "tests/browser/test_every_page.py",
    "tests/lifecycle/test_every_state_and_command.py",
    "tests/introductions/test_at_once.py",
    "tests/introductions/test_privacy.py",
)
"""The tests that run first."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if parameters.get("database_url") == "postgresql" and not item.get_closest_marker("both_databases"):
            item.add_marker(pytest.mark.slow)
    # Else one worker might begin with the longest when the other has nothing left to do.
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


class SharedDatabase:
    """A database that the tests of a worker have one after the other."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_engine(url)
        with self._engine.connect() as connection:
            self._new: Rows = {
                table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
                for table in Base.metadata.sorted_tables
            }

    def close(self) -> None:
        self._engine.dispose()

    def emptied(self) -> str:
        """Make it as it was when it was new, and return its URL."""
        with self._engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
            for table in Base.metadata.sorted_tables:
                if self._new[table.name]:
                    connection.execute(table.insert(), self._new[table.name])
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT setval(seqrelid, 1, false) FROM pg_sequence"))
        return self.url


@pytest.fixture(scope="session")
def shared_sqlite(migrated_sqlite: Path) -> Iterator[SharedDatabase]:
    copy = shutil.copy(migrated_sqlite, migrated_sqlite.with_name("shared.db"))
    with closing(SharedDatabase(f"sqlite:///{copy}")) as shared, closing(APPS):
        yield shared


@pytest.fixture(scope="session")
def shared_postgresql() -> Iterator[SharedDatabase]:
    with postgresql() as url, closing(SharedDatabase(url)) as shared, closing(APPS):
        yield shared


@pytest.fixture
def sqlite_url(shared_sqlite: SharedDatabase) -> str:
    return shared_sqlite.emptied()


@pytest.fixture
def postgresql_url(shared_postgresql: SharedDatabase) -> str:
    return shared_postgresql.emptied()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty, migrated database; a test that takes it runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


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
def story(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Story:
    """A whole service in this process, with a real relay and nobody else's clock."""
    return Story(environ, clock, relay)


def rows(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, to compare a database with itself."""
    with db.reading() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(table.select())), key=repr)
            for table in Base.metadata.sorted_tables
        }
