"""The engine, and the two ways to use it: `Database.transaction` writes, `Database.reading` cannot.

A transaction commits and then nudges: what must follow is in the commit, the broker only carries ids so
that it follows at once. This is the only module that commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Float, String, create_engine, event, func, make_url, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class InSmallLetters(FunctionElement[str]):
    """A text of the database in small letters, of whatever alphabet."""

    type = String()
    inherit_cache = True
    name = "in_small_letters"


@compiles(InSmallLetters)
def _by_the_database(element: InSmallLetters, compiler: SQLCompiler, **more: Any) -> str:
    return f"lower({compiler.process(element.clauses, **more)})"


@compiles(InSmallLetters, "sqlite")
def _by_python(element: InSmallLetters, compiler: SQLCompiler, **more: Any) -> str:
    # SQLite's own lower() knows ASCII only; replacing it would change what an index says.
    return f"in_small_letters({compiler.process(element.clauses, **more)})"


class SecondsBetween(FunctionElement[float]):
    """The seconds from the second moment to the first, to sort by; SQLite's are exact to a millisecond."""

    type = Float()
    inherit_cache = True
    name = "seconds_between"


@compiles(SecondsBetween)
def _by_subtraction(element: SecondsBetween, compiler: SQLCompiler, **more: Any) -> str:
    later, earlier = (compiler.process(moment, **more) for moment in element.clauses)
    return f"EXTRACT(EPOCH FROM {later} - {earlier})"


@compiles(SecondsBetween, "sqlite")
def _by_julian_days(element: SecondsBetween, compiler: SQLCompiler, **more: Any) -> str:
    later, earlier = (compiler.process(moment, **more) for moment in element.clauses)
    return f"(julianday({later}) - julianday({earlier})) * 86400.0"


Nudges = dict[str, list[int]]
"""Ids by the name of the task that should look at them."""


class Database:
    """One database, SQLite or PostgreSQL, and who is nudged after a commit."""

    def __init__(self, url: str, nudge: Callable[[Nudges], None] | None = None) -> None:
        self.engine = _make_engine(url)
        self._reader = self.engine.execution_options(postgresql_readonly=True)
        self._nudge = nudge

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a session that commits at the end of the block, or rolls back if the block raises."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session
            session.commit()
        nudges = session.info.get("nudges")
        if nudges and self._nudge:
            self._nudge(nudges)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session in which the database itself refuses to write: looking changes nothing."""
        with Session(self._reader, expire_on_commit=False, autoflush=False) as session:
            yield session

    def dispose(self) -> None:
        """Forget connections that a parent process opened; a forked child must not share them."""
        self.engine.dispose(close=False)


def one_at_a_time(session: Session, number: int) -> None:
    """Have one transaction at a time go on from here, until it ends; ``number`` names what they wait for.

    What one of them counts is then what the next one finds. SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(number)))


def nudge(session: Session, task: str, id: int) -> None:
    """Have ``task`` nudged about a row once this session's transaction has been committed."""
    ids = session.info.setdefault("nudges", {}).setdefault(task, [])
    if id not in ids:
        ids.append(id)


def missing_file(url: str) -> str:
    """Name the SQLite file of a URL that is not there, or ""; to connect would make an empty one."""
    named = make_url(url)
    name = named.database or ":memory:"
    is_file = named.get_backend_name() == "sqlite" and not name.startswith((":memory:", "file:"))
    return name if is_file and not Path(name).exists() else ""


def _make_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    # Parameters hold names and addresses, which belong in no log.
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": 30, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver would begin transactions by itself, too late and never with IMMEDIATE.
    connection.isolation_level = None
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("in_small_letters", 1, str.lower, deterministic=True)


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once: a transaction that read first could not get it later without a retry."""
    reading = connection.get_execution_options().get("postgresql_readonly", False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
