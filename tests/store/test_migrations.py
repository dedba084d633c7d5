"""The migrations make the very tables that the models describe, out of nothing and out of what was there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from alembic import command
from click.testing import CliRunner
from sqlalchemy import CheckConstraint, create_engine, inspect, make_url, select, text
from sqlalchemy.exc import IntegrityError, SAWarning

from service.cli import main
from service.operating.doctor import examine
from service.settings.environment import load
from service.store.db import Database
from service.store.migrations import SQUASHED, UnknownMigration, config_of, current, migrate, newest
from service.store.models import Base, InboundMail, Installation, OutboxMail
from tests.conftest import rows

pytestmark = pytest.mark.both_databases

INTRODUCTION = """
INSERT INTO introductions (id, requester_name, requester_email, requester_address, need, need_of, sought,
    first_writer, version, created_at, "order", reminders, cc_requester, state, summarised)
VALUES (1, 'R', 'r@q.test', 'r@q.test', 'n', 'a', 'yes', 'a', 1, '2026-01-01', 'together', TRUE, TRUE,
    'unverified', FALSE)
"""
MAIL = """
INSERT INTO outbox (id, introduction_id, kind, "to", recipient, round, message_id, tag, body, state,
    created_at, due_at, useful_until, attempts, handovers, reply)
VALUES (:id, 1, :kind, :to, :recipient, :round, '<x@t.test>', :tag, :body, 'sent',
    '2026-01-01', '2026-01-01', '2026-01-03', 0, 1, '250')
"""
SIGN_IN = """
INSERT INTO sign_ins (id, address, email, language, created_at)
VALUES (1, 'r@q.test', 'r@q.test', 'en', '2026-01-01')
"""
SIGN_IN_MAIL = """
INSERT INTO outbox (id, sign_in_id, kind, "to", recipient, round, message_id, tag, state, created_at, due_at,
    useful_until, attempts, handovers, reply)
VALUES (100, 1, 'sign_in', 'requester', 'r@q.test', 1, '<y@t.test>', 'tag', 'sent', '2026-01-01',
    '2026-01-01', '2026-01-03', 0, 1, '250')
"""
BOUNCE = """
INSERT INTO inbound (id, message_id, sender, recipient, way, size, received_at, attempts, outcome, detail,
    outbox_id)
VALUES (1, '<y@t.test>', '', 'bounce@t.test', 'smtp', 1, '2026-01-02', 0, 'bounced', '{}', 1)
"""
# Kind, to, and round as they were; number and about as they are. A round told the side or the matter as well.
MAILS = [
    ("verify", "requester", 1, 1, "case"),
    ("ask", "a", 1, 1, "case"),
    ("ask", "b", 2, 2, "case"),
    ("reminder", "a", 1, 1, "case"),
    ("receipt", "a", 1, 1, "case"),
    ("receipt", "a", 4, 4, "case"),
    ("recheck", "b", 3, 3, "case"),
    ("unclear", "a", 1, 1, "answer"),
    ("unclear", "a", 2, 1, "handoff"),
    ("unclear", "a", 3, 1, "end"),
    ("unclear", "requester", 1, 1, "answer"),
    ("declined", "requester", 1, 1, "a"),
    ("declined", "requester", 2, 1, "b"),
    ("declined", "requester", 5, 3, "a"),
    ("declined", "requester", 6, 3, "b"),
    ("undeliverable", "requester", 1, 1, "a"),
    ("undeliverable", "requester", 4, 2, "b"),
    ("introduction", "a", 1, 1, "case"),
    ("introduction", "requester", 1, 1, "case"),
    ("undelivered", "a", 1, 1, "case"),
    ("undelivered", "requester", 1, 1, "a"),
    ("undelivered", "requester", 2, 1, "b"),
    ("follow_up", "b", 1, 1, "case"),
    ("not_come_about", "b", 1, 1, "case"),
    ("summary", "requester", 1, 1, "case"),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a single table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server = make_url(request.getfixturevalue("postgresql_url"))
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE empty"))
        yield server.set(database="empty").render_as_string(hide_password=False)
        connection.execute(text("DROP DATABASE empty"))
    engine.dispose()


@pytest.fixture
def squashed_url(empty_url: str) -> str:
    """A database as the last of the migrations that became one left it: with the tables that one makes."""
    command.upgrade(config_of(empty_url), "first_tables")
    write(empty_url, f"UPDATE alembic_version SET version_num = '{SQUASHED}'")
    return empty_url


def columns(url: str, table: str) -> set[str]:
    db = Database(url)
    names = {column["name"] for column in inspect(db.engine).get_columns(table)}
    db.engine.dispose()
    return names


def write(url: str, statement: str, **values: object) -> None:
    db = Database(url)
    with db.engine.begin() as connection:
        connection.execute(text(statement), values)
    db.engine.dispose()


def write_mail(url: str, id: int, kind: str, to: str, number: int) -> None:
    recipient, tag = f"{to}@q.test", f"tag {id}"
    write(url, MAIL, id=id, kind=kind, to=to, recipient=recipient, round=number, tag=tag, body=b"x")


def write_mails(url: str) -> None:
    """A row for each of `MAILS`, a link to sign in, and a mail that came back."""
    write(url, INTRODUCTION)
    for id, (kind, to, number, *_) in enumerate(MAILS, start=1):
        write_mail(url, id, kind, to, number)
    write(url, SIGN_IN)
    write(url, SIGN_IN_MAIL)
    write(url, BOUNCE)


@pytest.mark.parametrize("made_from", ["nothing", SQUASHED])
def test_models_and_migrations_agree(request: pytest.FixtureRequest, empty_url: str, made_from: str) -> None:
    if made_from == SQUASHED:
        request.getfixturevalue("squashed_url")
    migrate(empty_url)
    # SQLite cannot tell what an index on an expression is of, and both say so; PostgreSQL's is compared.
    on_sqlite = pytest.warns((SAWarning, UserWarning), match="expression-based index '?ix_outbox_recipient")
    with on_sqlite if empty_url.startswith("sqlite") else nullcontext():
        command.check(config_of(empty_url))


def test_a_second_migration_changes_nothing(database_url: str) -> None:
    db = Database(database_url)
    before = rows(db)
    migrate(database_url)
    assert rows(db) == before
    db.engine.dispose()


def test_a_round_becomes_a_number_and_what_the_mail_is_about(squashed_url: str) -> None:
    write_mails(squashed_url)
    migrate(squashed_url)
    db = Database(squashed_url)
    with db.reading() as session:
        mails = session.scalars(select(OutboxMail).order_by(OutboxMail.id)).all()
        assert [(mail.kind, mail.to, mail.number, mail.about) for mail in mails] == [
            (kind, to, number, about)
            for kind, to, _, number, about in [*MAILS, ("sign_in", "requester", 1, 1, "case")]
        ]
        assert session.scalars(select(InboundMail.outbox_id)).all() == [1]
    db.engine.dispose()


def test_a_table_that_is_copied_keeps_its_checks_and_indexes(squashed_url: str) -> None:
    """SQLite copies a table to change it; Alembic compares no checks, and no index on an expression there."""
    write_mails(squashed_url)
    migrate(squashed_url)
    db = Database(squashed_url)
    tables = inspect(db.engine)
    for table in Base.metadata.sorted_tables:
        checks = {check["name"] for check in tables.get_check_constraints(table.name)}
        assert checks == {it.name for it in table.constraints if isinstance(it, CheckConstraint)}
    with db.engine.connect() as connection:
        catalogue = "sqlite_master" if connection.dialect.name == "sqlite" else "pg_class"
        column = "name" if connection.dialect.name == "sqlite" else "relname"
        names = set(connection.execute(text(f"SELECT {column} FROM {catalogue}")).scalars())
    assert {"ix_outbox_recipient_sent_at", "uq_outbox_one_introduction_for_each"} <= names
    db.engine.dispose()


def test_a_database_of_an_unknown_migration_is_left_alone_with_one_sentence(
    empty_url: str, environ: dict[str, str]
) -> None:
    command.upgrade(config_of(empty_url), "first_tables")
    write(empty_url, "UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(UnknownMigration, match="is at migration 0003, which this version of TwoYes does not"):
        migrate(empty_url)
    environ = {**environ, "DATABASE_URL": empty_url}
    told = CliRunner(env=environ).invoke(main, ["migrate"])
    assert told.exit_code == 1
    assert told.output.count("\n") == 1
    assert "0003" in told.output
    assert current(empty_url) == "0003"
    database = next(finding for finding in examine(load(environ)) if finding.subject == "database")
    assert database.failed
    assert "is at migration 0003" in database.message
    assert "round" in columns(empty_url, "outbox")


def test_a_migration_that_fails_changes_nothing(squashed_url: str) -> None:
    write_mails(squashed_url)
    # No mail of this kind ever had a fourth round; this one comes out as the one that was the first.
    write_mail(squashed_url, 99, "unclear", "a", 4)
    with pytest.raises(IntegrityError):
        migrate(squashed_url)
    assert current(squashed_url) == "first_tables"
    assert not {"number", "about"} & columns(squashed_url, "outbox")
    write(squashed_url, "DELETE FROM outbox WHERE id = 99")
    migrate(squashed_url)
    assert current(squashed_url) == newest()


def test_every_installation_has_a_salt_of_its_own(migrated_sqlite: object, postgresql_url: str) -> None:
    salts = []
    for url in (f"sqlite:///{migrated_sqlite}", postgresql_url):
        db = Database(url)
        with db.reading() as session:
            salts.append(session.get_one(Installation, 1).address_salt)
        db.engine.dispose()
    assert len(set(salts)) == 2
    assert all(len(salt) == 64 for salt in salts)
