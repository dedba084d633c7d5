"""The `twoyes` command.

Each command imports what it needs when it is called, so that `twoyes settings` needs no database
and one broken module does not take the others with it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from service.embedded import CannotRun
from service.settings import SettingsError, describe, load


class Group(click.Group):
    """A group whose commands end with plain sentences where a person can mend what is wrong."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; 2 is the exit code for wrong settings, 1 for whatever else is refused."""
        try:
            return super().invoke(context)
        except SettingsError as error:
            click.echo(str(error), err=True)
            context.exit(2)
        except CannotRun as error:
            click.echo(str(error), err=True)
            context.exit(1)


@click.group(cls=Group)
def main() -> None:
    """TwoYes sends an introduction only after two yeses."""


@main.command()
def run() -> None:
    """Run everything on this machine, with a local mailbox in place of a relay."""
    from service.embedded.run import run as run_here

    run_here(os.environ)


@main.command()
def demo() -> None:
    """Play four stories through HTTP and SMTP and print the ledger they end in."""
    from service.embedded.demo import play

    play()


@main.command()
def migrate() -> None:
    """Bring the tables of DATABASE_URL up to date."""
    from service.db import migrate as migrate_database

    migrate_database(load(os.environ).DATABASE_URL)


@main.command()
@click.option("--markdown", is_flag=True, help="Print what docs/settings.md holds.")
def settings(markdown: bool) -> None:
    """List every setting with its type, default and meaning."""
    if markdown:
        click.echo(_markdown())
    else:
        _print_settings()


def _markdown() -> str:
    rows = [
        f"| `{name}` | {kind} | {f'`{default}`' if default else ''} | {meaning} |"
        for name, kind, default, meaning in describe()
    ]
    return "\n".join(
        [
            "<!-- Written by `make docs` from service/settings.py; a change here is lost. -->",
            "# Settings",
            "",
            "Every setting comes from the environment. `NAME_FILE` names a file to read `NAME` from instead,",
            "and `twoyes settings` prints this list.",
            "",
            "| name | type | default | meaning |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def _print_settings() -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", "type", "default", "meaning")
    for row in describe():
        table.add_row(*map(escape, row))
    Console().print(table)


@main.command("mailbox-server", hidden=True)
@click.argument("host")
@click.argument("port", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
def mailbox_server(host: str, port: int, folder: Path) -> None:
    """Catch every mail sent to HOST and PORT in a Maildir, for `twoyes run`."""
    from service.embedded.mailbox import serve

    serve(host, port, folder)


@main.command("redis-server", hidden=True)
@click.argument("path", type=click.Path(path_type=Path))
def redis_server(path: Path) -> None:
    """Run the built-in Redis on the Unix socket PATH, for `twoyes run`."""
    from service.embedded.run import serve_redis

    serve_redis(path)


if __name__ == "__main__":
    main()
