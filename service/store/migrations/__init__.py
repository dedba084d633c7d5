"""The history of the tables: brings those of a database up to date (Alembic)."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.store.db import Database

SQUASHED = "0004"
"""The last of the migrations that became ``first_tables`` before the first release."""


class UnknownMigration(Exception):
    """The database is at a migration that is none of ours; the message is a sentence for the operator."""


def migrate(url: str) -> None:
    """Bring the database at a URL to the newest migration.

    Raises UnknownMigration, and then nothing was changed.
    """
    config, at = config_of(url), current(url)
    if at == SQUASHED:
        command.stamp(config, "first_tables", purge=True)
    elif at and at not in {script.revision for script in _scripts(config).walk_revisions()}:
        raise UnknownMigration(
            f"The database is at migration {at}, which this version of TwoYes does not know: it was made by "
            "a newer version, or by one from long before the first release."
        )
    command.upgrade(config, "head")


def current(url: str) -> str | None:
    """Tell at which migration the database at a URL is; None for an empty one.

    Raises SQLAlchemyError where it cannot be reached.
    """
    db = Database(url)
    try:
        with db.reading() as session:
            return MigrationContext.configure(session.connection()).get_current_revision()
    finally:
        db.engine.dispose()


def newest() -> str | None:
    """Tell the migration that `migrate` leads to."""
    return _scripts(config_of("")).get_current_head()


def config_of(url: str) -> Config:
    """Tell Alembic's commands where the migrations are, and which database is meant."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    return config


def _scripts(config: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(config)
