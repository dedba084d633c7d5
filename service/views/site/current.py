"""What the application of this request runs with: its settings, its database, its clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import current_app

from service.settings.table import Settings
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
