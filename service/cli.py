"""The `twoyes` command.

What `make run` and `make demo` alone need, such as honcho and the built-in Redis, is imported when they are
called: production need not install it. Every other command finds what the last `make run` here began with
(`embedded.as_kept`), unless the environment names a database.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy.exc import SQLAlchemyError

from service.delivery.broker import Nudger
from service.delivery.deliver import NotRetriable, retry_by_hand
from service.dev.preview import preview
from service.operating.doctor import examine
from service.settings.clock import utc_now
from service.settings.table import Settings, SettingsError, describe, given, load
from service.settings.urls import database_url
from service.store.db import Database, missing_file
from service.store.db import migrate as migrate_database

from .dev import KEPT, CannotRun, as_kept
from .inbound import listener
from .introductions import wishes
from .operating import dns as dns_records
from .operating import records
from .sweep import sweep as sweep_once

NUMBER = click.IntRange(1, 2**31 - 1)
"""What a row of the database can be called."""
MARKS = {
    "need_identified": "need",
    "actively_sought": "sought",
    "introduced": "introduced",
    "endorsed": "endorsed",
    "both_expect_it": "both expect it",
}


class Group(click.Group):
    """A group whose commands end with plain sentences where a person can mend what is wrong."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of this name; ``mail`` is ``mails`` to whoever thinks of one."""
        return super().get_command(context, "mails" if name == "mail" else name)

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
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            click.echo(
                f"The database in DATABASE_URL cannot be used: {reason}. Has it been migrated?", err=True
            )
            context.exit(1)


@click.group(cls=Group)
@click.version_option(package_name="twoyes", message="twoyes %(version)s")
def main() -> None:
    """TwoYes sends an introduction only after two yeses."""


@main.command()
def run() -> None:
    """Run everything on this machine, with a local mailbox in place of a relay."""
    from service.dev.run import run as run_here

    run_here(os.environ)


@main.command()
def demo() -> None:
    """Play four stories over HTTP and SMTP, and print the ledger they end in."""
    from service.dev.demo import play

    play()


@main.command()
def migrate() -> None:
    """Bring the database in DATABASE_URL up to date."""
    migrate_database(_settings().DATABASE_URL)


@main.command()
@click.option("--markdown", is_flag=True, help="Print the text of docs/settings.md.")
def settings(markdown: bool) -> None:
    """List every setting with its type, default and meaning."""
    if markdown:
        click.echo(_markdown())
    else:
        _print_settings()


def _markdown() -> str:
    rows = [
        f"| `{name}` | {kind} | {_default(default)} | {meaning.replace('<', '&lt;')} |"
        for name, kind, default, meaning in describe()
    ]
    return "\n".join(
        [
            "<!-- Written by `make docs` from service/settings/table.py; edits here are lost. -->",
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


def _default(default: str) -> str:
    return f"`{default}`" if default not in ("", "required") else default


def _print_settings() -> None:
    _print_table(("name", "type", "default", "meaning"), list(describe()))


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]], nothing: str = "") -> None:
    """Print rows under their heads, the first column uncut, or the sentence that there are none."""
    if not rows:
        click.echo(nothing)
        return
    table = Table(Column(head[0], no_wrap=True), *head[1:], box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(escape, row))
    # Where the output is not a terminal, a narrow default would break lines that a script reads.
    width = None if sys.stdout.isatty() else 160
    Console(width=width).print(table)


def _database() -> Database:
    """The database that the environment names, or else the one of the last `make run` here."""
    named = dict(given(as_kept(os.environ)))
    if "DATABASE_URL" not in named:
        folder = Path(named.get("DATA_DIR", "var")).absolute()
        raise SettingsError(f"DATABASE_URL: this setting is missing, and no make run left {folder / KEPT}.")
    try:
        url = database_url(named["DATABASE_URL"])
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}.") from None
    if missing := missing_file(url):
        raise CannotRun(f"There is no file {missing} (see DATABASE_URL); twoyes migrate creates it.")
    return Database(url)


def _settings() -> Settings:
    return load(as_kept(os.environ))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--history", is_flag=True, help="Include entries that later ones replaced.")
def ledger(as_json: bool, history: bool) -> None:
    """Print the ledger: what became of every introduction, referral or lead."""
    with _database().reading() as session:
        entries = records.ledger(session, history)
    if as_json:
        click.echo(json.dumps(entries, indent=2))
    else:
        _print_table(
            ("introduction", "outcome", "reason", *MARKS.values(), "recorded"),
            [
                (
                    str(entry["introduction"]),
                    entry["outcome"],
                    entry["reason"] or "",
                    *("yes" if entry["marks"][mark] else "-" for mark in MARKS),
                    entry["recorded_at"][:16].replace("T", " "),
                )
                for entry in entries
            ],
            "The ledger is empty: no introduction has ended yet.",
        )


@main.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check the settings and everything they point to, one line each."""
    findings = list(examine(_settings()))
    for finding in findings:
        click.echo(f"{'WRONG' if finding.wrong else 'ok':<6} {finding.subject:<9} {finding.said}")
    context.exit(any(finding.wrong for finding in findings))


@main.command()
def dns() -> None:
    """Print the DNS records needed to send and receive mail."""
    for line in dns_records.records(_settings()):
        click.echo(line)


@main.command()
def sweep() -> None:
    """Do everything that is due, once, for cron; workers do it on their own."""
    settings = _settings()
    sweep_once(Database(settings.DATABASE_URL), settings, utc_now)


@main.group(invoke_without_command=True)
@click.pass_context
def mails(context: click.Context) -> None:
    """List the mails that failed or may not have arrived."""
    if context.invoked_subcommand:
        return
    with _database().reading() as session:
        rows = [
            (str(row.id), str(row.introduction_id or ""), row.kind, row.to, row.state, row.reply)
            for row in records.troubled_mails(session)
        ]
    head = ("mail", "introduction", "kind", "to", "state", "what the relay said")
    _print_table(head, rows, "No mail has failed, and none is in doubt.")


@mails.command()
@click.argument("mail_id", type=NUMBER)
def retry(mail_id: int) -> None:
    """Try the failed or unknown mail MAIL_ID again."""
    try:
        with _database().transaction() as session:
            retry_by_hand(session, mail_id, utc_now())
    except NotRetriable as refusal:
        raise CannotRun(str(refusal)) from None
    click.echo(f"Mail {mail_id} is queued again.")


@main.command()
def listen() -> None:
    """Take mail in by LMTP on INBOUND_HOST and INBOUND_PORT."""
    settings = _settings()
    try:
        listener.listen(Database(settings.DATABASE_URL, Nudger(settings)), settings, utc_now)
    except OSError as error:
        where = f"{settings.INBOUND_HOST}:{settings.INBOUND_PORT}"
        raise CannotRun(f"Cannot listen on {where}, see INBOUND_PORT: {error.strerror}.") from None


@main.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many, newest first."
)
@click.pass_context
def received(context: click.Context, as_json: bool, limit: int) -> None:
    """List the latest incoming mails and what became of them."""
    if context.invoked_subcommand:
        return
    with _database().reading() as session:
        rows = records.received(session, limit)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        columns = ("id", "received_at", "way", "for", "outcome", "attempts")
        for row in rows:
            row["received_at"] = row["received_at"][:16].replace("T", " ")
        cells = [[str(row[column]) for column in columns] for row in rows]
        _print_table(
            ("mail", "arrived", "way", "for", "outcome", "attempts"), cells, "No mail has arrived yet."
        )


@received.command()
@click.argument("mail_id", type=NUMBER)
def show(mail_id: int) -> None:
    """Print the mail MAIL_ID as it arrived, while it is kept (INBOUND_KEEP)."""
    with _database().reading() as session:
        raw = records.raw_mail(session, mail_id)
    if raw is None:
        raise CannotRun(f"There is no mail {mail_id}, or it is no longer kept.")
    if sys.stdout.isatty():
        # Anybody may write such a mail, and a terminal obeys what stands in it.
        text = raw.decode("utf-8", "replace")
        click.echo("".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text))
    else:
        sys.stdout.buffer.write(raw)


@main.group(invoke_without_command=True)
@click.pass_context
def reports(context: click.Context) -> None:
    """List the reports of abuse that nobody has dismissed."""
    if context.invoked_subcommand:
        return
    with _database().reading() as session:
        rows = [
            (str(row.id), str(row.introduction_id), row.side, row.requester_address, f"{row.reported_at:%F}")
            for row in records.standing_reports(session)
        ]
    _print_table(("report", "introduction", "side", "requester", "reported"), rows, "No open reports.")


@reports.command()
@click.argument("report_id", type=NUMBER)
def dismiss(report_id: int) -> None:
    """Dismiss the report REPORT_ID: it was no abuse. The address that it came from stays suppressed."""
    try:
        with _database().transaction() as session:
            wishes.dismiss_report(session, report_id, utc_now())
    except wishes.UnknownReport:
        raise CannotRun(f"There is no open report {report_id}.") from None
    click.echo(f"Report {report_id} is dismissed.")


mails.add_command(preview)


@main.command("mailbox-server", hidden=True)
@click.argument("host")
@click.argument("port", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
def mailbox_server(host: str, port: int, folder: Path) -> None:
    """Catch every mail sent to HOST and PORT in a Maildir, for `twoyes run`."""
    from service.dev.mailbox import serve

    serve(host, port, folder)


@main.command("redis-server", hidden=True)
@click.argument("path", type=click.Path(path_type=Path))
def redis_server(path: Path) -> None:
    """Run the built-in Redis on the Unix socket PATH, for `twoyes run`."""
    from service.dev.run import serve_redis

    serve_redis(path)


if __name__ == "__main__":
    main()
