"""Commands that run until they are stopped, or once for cron.

What `make run` and `make demo` alone need, such as honcho and the built-in Redis, is imported when they are
called: production need not install it.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from pathlib import Path

import click

from service.delivery.broker import Nudger
from service.dev import CannotRun
from service.inbound import listener
from service.settings.clock import utc_now
from service.store.db import Database
from service.sweep import sweep as sweep_once

from .environment import connect, load_settings


@click.command()
def run() -> None:
    """Run everything on this machine, with a local mailbox in place of a relay."""
    from service.dev.run import run as run_here

    run_here(os.environ)


@click.command()
def demo() -> None:
    """Play four stories over HTTP and SMTP, and print the ledger they end in."""
    from service.dev.demo import play

    play()


@click.command()
def listen() -> None:
    """Take mail in by LMTP on INBOUND_HOST and INBOUND_PORT."""
    settings = load_settings()
    try:
        listener.listen(Database(settings.DATABASE_URL, Nudger(settings)), settings, utc_now)
    except OSError as error:
        where = f"{settings.INBOUND_HOST}:{settings.INBOUND_PORT}"
        raise CannotRun(f"Cannot listen on {where}, see INBOUND_PORT: {error.strerror}.") from None


@click.command()
def sweep() -> None:
    """Do everything that is due, once, for cron; workers do it on their own."""
    settings = load_settings()
    sweep_once(connect(settings.DATABASE_URL), settings, utc_now)


@click.command("mailbox-server", hidden=True)
@click.argument("host")
@click.argument("port", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
def mailbox_server(host: str, port: int, folder: Path) -> None:
    """Catch every mail sent to HOST and PORT in a Maildir, for `twoyes run`."""
    from service.dev.mailbox import serve

    serve(host, port, folder)


@click.command("redis-server", hidden=True)
@click.argument("path", type=click.Path(path_type=Path))
def redis_server(path: Path) -> None:
    """Run the built-in Redis on the Unix socket PATH, for `twoyes run`."""
    from service.dev.run import serve_redis

    serve_redis(path)
