"""The `twoyes` command: its groups of commands, and what happens when one of them fails."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from service.dev import CannotRun
from service.settings.environment import SettingsError
from service.store.migrations import UnknownMigration

from . import processes, records, setup


class Group(click.Group):
    """A group whose commands end with plain sentences where a person can mend what is wrong."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command of this name; ``mail`` means ``mails``."""
        return super().get_command(context, "mails" if name == "mail" else name)

    def invoke(self, context: click.Context) -> Any:
        """Run the command; 2 is the exit code for wrong settings, 1 for whatever else is refused."""
        try:
            return super().invoke(context)
        except SettingsError as error:
            click.echo(str(error), err=True)
            context.exit(2)
        except (CannotRun, UnknownMigration) as error:
            click.echo(str(error), err=True)
            context.exit(1)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            message = f"The database in DATABASE_URL cannot be used: {reason}. Has it been migrated?"
            click.echo(message, err=True)
            context.exit(1)


@click.group(cls=Group)
@click.version_option(package_name="twoyes", message="twoyes %(version)s")
def main() -> None:
    """TwoYes sends an introduction only after two yeses."""


for command in (
    processes.run,
    processes.demo,
    processes.listen,
    processes.sweep,
    processes.mailbox_server,
    processes.redis_server,
    setup.settings,
    setup.migrate,
    setup.doctor,
    setup.dns,
    records.ledger,
    records.mails,
    records.received,
    records.reports,
):
    main.add_command(command)
