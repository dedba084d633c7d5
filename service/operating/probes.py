"""Is it there? The probes of `twoyes doctor`, `make run` and `make demo`; none writes a row or a mail."""

from __future__ import annotations

import http.client
import socket

from sqlalchemy import create_engine, make_url

TIMEOUT = 5.0
"""Seconds that one probe waits for an answer."""


def bounded(database_url: str, seconds: float = TIMEOUT) -> str:
    """Return a database URL whose connections and statements end after ``seconds``, rounded to whole ones.

    Without it, a PostgreSQL that accepts a connection and then says nothing would be waited for.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        limit = f"{seconds:.0f}"
        url = url.update_query_dict({"connect_timeout": limit, "options": f"-c statement_timeout={limit}s"})
    return url.render_as_string(hide_password=False)


def connect_to_database(database_url: str) -> None:
    """Begin to write to a database, and write nothing.

    Raises ArgumentError or another SQLAlchemyError where that cannot be done, and ImportError where the URL
    names a driver that is not installed.
    """
    engine = create_engine(bounded(database_url))
    try:
        with engine.connect() as connection:
            # SQLite notices a read-only file or directory only when a write begins.
            is_sqlite = engine.url.get_backend_name() == "sqlite"
            connection.exec_driver_sql("BEGIN IMMEDIATE" if is_sqlite else "SELECT 1")
            connection.rollback()
    finally:
        engine.dispose()


def bind_port(host: str, port: int) -> None:
    """Listen on a port of this machine for a moment. Raises OSError where a server could not."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As gunicorn does: a port that was closed a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host.strip("[]"), port))


def greeting(host: str, port: int) -> str:
    """Return the first line that a server says (RFC 5321 3.1), or "" where nobody says anything."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT) as connection:
            return connection.makefile("rb").readline(512).decode("ascii", "replace")
    except OSError:
        return ""


def is_healthy(host: str, port: int) -> bool:
    """Tell whether GET /healthz is answered with 200."""
    # Not urllib: it would ask a proxy named in the environment.
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def first_line(error: Exception) -> str:
    """Return what an error says in one line: that of the database's driver where SQLAlchemy wrapped it."""
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return text.splitlines()[0]
