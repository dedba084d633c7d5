"""The settings and the database that a command works with.

Every command finds what the last `make run` here began with, unless the environment names a database.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from service.dev import RUN_SETTINGS, CannotRun, with_last_run
from service.settings.environment import SettingsError, load, read_environment
from service.settings.table import Settings
from service.settings.urls import database_url
from service.store.db import Database, missing_file


def open_database() -> Database:
    """Open the database that the environment names, or else the one of the last `make run` here.

    Raises SettingsError where neither is there, and CannotRun where its file is not.
    """
    named = dict(read_environment(with_last_run(os.environ)))
    if "DATABASE_URL" not in named:
        folder = Path(named.get("DATA_DIR", "var")).absolute()
        raise SettingsError(
            f"DATABASE_URL: this setting is missing, and no make run left {folder / RUN_SETTINGS}."
        )
    try:
        url = database_url(named["DATABASE_URL"])
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}.") from None
    if missing := missing_file(url):
        raise CannotRun(f"There is no file {missing} (see DATABASE_URL); twoyes migrate creates it.")
    return connect(url)


def connect(url: str) -> Database:
    """Connect to a database until the command ends, however it ends."""
    db = Database(url)
    click.get_current_context().call_on_close(db.engine.dispose)
    return db


def load_settings() -> Settings:
    """Load all settings. Raises SettingsError."""
    return load(with_last_run(os.environ))
