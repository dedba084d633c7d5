"""Commands that run until they are stopped, or once for cron.

What `make run` and `make demo` alone need, such as honcho and the built-in Redis, is imported when they are
called: production need not install it.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from service.delivery.broker import Nudger
from service.dev import CannotRun
from service.inbound import listener, pipe
from service.settings.clock import utc_now
from service.settings.environment import SettingsError
from service.store.db import Database
from service.sweep import sweep as sweep_once

from .environment import load_settings


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
    """Take mail in by SMTP or LMTP on INBOUND_HOST and INBOUND_PORT."""
    settings = load_settings()
    try:
        listener.listen(Database(settings.DATABASE_URL, Nudger(settings)), settings, utc_now)
    except OSError as error:
        where = f"{settings.INBOUND_HOST}:{settings.INBOUND_PORT}"
        raise CannotRun(f"Cannot listen on {where}, see INBOUND_PORT: {error.strerror}.") from None


@click.command()
@click.option("--sender", help="The envelope sender; read from the mail where it is not given.")
@click.option("--recipient", "recipients", multiple=True, help="An envelope recipient; may be repeated.")
@click.pass_context
def inbound(context: click.Context, sender: str | None, recipients: tuple[str, ...]) -> None:
    """Take in the mail on standard input, for the pipe transport of a mail server.

    The exit codes are those of sysexits: 0 taken, 67 no such address, 65 too large, 75 try again later, 78
    wrong settings.
    """
    try:
        settings = load_settings()
        db = Database(settings.DATABASE_URL, Nudger(settings))
    except SettingsError as error:
        click.echo(str(error).splitlines()[0], err=True)
        context.exit(pipe.Exit.CONFIG)
    raw = sys.stdin.buffer.read(settings.INBOUND_MAX_SIZE + 1)
    code, sentence = pipe.take(db, settings, raw, sender, recipients, utc_now)
    if sentence:
        click.echo(sentence, err=True)
    context.exit(code)


@click.command()
def sweep() -> None:
    """Do everything that is due, once, for cron; workers do it on their own."""
    settings = load_settings()
    sweep_once(Database(settings.DATABASE_URL), settings, utc_now)


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
