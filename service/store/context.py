"""What every use case is given: an open transaction, the settings, and the moment at which it happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from service.settings.table import Settings

from .db import Database


@dataclass(frozen=True, slots=True)
class Context:
    """One transaction at one moment. It ends with the block that opened it."""

    session: Session
    settings: Settings
    now: datetime


@contextmanager
def writing(db: Database, settings: Settings, now: datetime) -> Iterator[Context]:
    """Open a transaction that commits at the end of the block, as `Database.transaction` does."""
    with db.transaction() as session:
        yield Context(session, settings, now)


@contextmanager
def reading(db: Database, settings: Settings, now: datetime) -> Iterator[Context]:
    """Open a transaction in which the database refuses to write, as `Database.reading` does."""
    with db.reading() as session:
        yield Context(session, settings, now)
