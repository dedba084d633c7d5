"""What the application of this request runs with: its settings, its database, its clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from flask import current_app

from service.settings.table import Settings
from service.store import context
from service.store.context import Context
from service.store.db import Database


def settings() -> Settings:
    """Return the settings of the application."""
    value: Settings = current_app.config["SETTINGS"]
    return value


def database() -> Database:
    """Return the database of the application."""
    value: Database = current_app.extensions["db"]
    return value


def now() -> datetime:
    """Return the present moment, aware, in UTC, by the clock of the application."""
    clock: Callable[[], datetime] = current_app.config["CLOCK"]
    return clock()


def writing() -> AbstractContextManager[Context]:
    """Open a transaction that commits at the end of the block: the one thing that a button does."""
    return context.writing(database(), settings(), now())


def reading() -> AbstractContextManager[Context]:
    """Open a transaction in which nothing can be written: what a page shows."""
    return context.reading(database(), settings(), now())
