"""The migrations make the very tables that the models describe."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from service.store.db import Database, alembic_config, migrate
from service.store.models import Installation
from tests.conftest import rows

pytestmark = pytest.mark.both_databases

OLD = """
INSERT INTO introductions (id, requester_name, requester_email, requester_address, need, need_of, sought,
    first_writer, version, created_at, "order", reminders, cc_requester, state, summarised)
VALUES (1, 'R', 'r@q.test', 'r@q.test', 'n', 'a', 'yes', 'a', 1, '2026-01-01', 'together', 1, 1,
    'unverified', 0);
INSERT INTO outbox (id, introduction_id, kind, "to", recipient, round, message_id, tag, state, created_at,
    due_at, useful_until, attempts, handovers, reply)
VALUES (1, 1, 'verify', 'requester', 'r@q.test', 1, '<x@t.test>', 'tag', 'sent', '2026-01-01', '2026-01-01',
    '2026-01-03', 0, 1, '250');
INSERT INTO inbound (id, message_id, sender, recipient, way, size, received_at, attempts, outcome, detail,
    outbox_id)
VALUES (1, '<y@t.test>', '', 'bounce@t.test', 'smtp', 1, '2026-01-02', 0, 'bounced', '{}', 1)
"""


def test_models_and_migrations_agree(database_url: str) -> None:
    command.check(alembic_config(database_url))


def test_a_second_migration_changes_nothing(database_url: str) -> None:
    db = Database(database_url)
    before = rows(db)
    migrate(database_url)
    assert rows(db) == before
    db.engine.dispose()


def test_the_mails_there_were_survive_that_a_mail_may_be_without_a_case(tmp_path: Path) -> None:
    """SQLite copies the table, and what arrived points at its rows."""
    url = f"sqlite:///{tmp_path}/old.db"
    command.upgrade(alembic_config(url), "0002")
    db = Database(url)
    with db.engine.begin() as connection:
        for statement in OLD.split(";"):
            connection.execute(text(statement))
    migrate(url)
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT introduction_id, sign_in_id FROM outbox")).all() == [(1, None)]
        assert connection.execute(text("SELECT outbox_id FROM inbound")).scalars().all() == [1]
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        indexes = connection.execute(text("SELECT name FROM sqlite_master WHERE tbl_name = 'outbox'"))
        assert {"ix_outbox_recipient_sent_at", "uq_outbox_one_introduction_for_each"} <= set(
            indexes.scalars()
        )
    db.engine.dispose()


def test_every_installation_has_a_salt_of_its_own(migrated_sqlite: object, postgresql_url: str) -> None:
    salts = []
    for url in (f"sqlite:///{migrated_sqlite}", postgresql_url):
        db = Database(url)
        with db.reading() as session:
            salts.append(session.get_one(Installation, 1).address_salt)
        db.engine.dispose()
    assert len(set(salts)) == 2
    assert all(len(salt) == 64 for salt in salts)
