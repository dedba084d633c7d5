"""Alembic's entry point. The database's URL comes from the caller, never from a file."""

from alembic import context

from service.db import Database
from service.models import Base

engine = Database(context.config.attributes["url"]).engine
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
