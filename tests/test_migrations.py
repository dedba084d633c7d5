"""The migrations make the very tables that the models describe."""

from __future__ import annotations

from alembic import command

from service.db import Database, alembic_config, migrate
from service.models import Installation

from .conftest import rows


def test_models_and_migrations_agree(database_url: str) -> None:
    command.check(alembic_config(database_url))


def test_a_second_migration_changes_nothing(database_url: str) -> None:
    db = Database(database_url)
    before = rows(db)
    migrate(database_url)
    assert rows(db) == before
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
