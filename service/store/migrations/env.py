"""Alembic's entry point. The database's URL comes from the caller, never from a file."""

from alembic import context

from service.store.db import Database
from service.store.models import Base

engine = Database(context.config.attributes["url"]).engine
try:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # SQLite changes a table by copying it; to drop the old one must not count as deleting what other
            # tables point at (https://www.sqlite.org/lang_altertable.html#otheralter).
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
finally:
    engine.dispose()
