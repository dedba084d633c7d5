"""Commands to set TwoYes up: its settings, its tables, and whether all of it is right."""

from __future__ import annotations

import click

from service.operating import dns as dns_records
from service.operating.doctor import examine
from service.settings.table import describe
from service.store.migrations import migrate as migrate_database

from .environment import load_settings
from .output import print_table


@click.command()
def migrate() -> None:
    """Bring the database in DATABASE_URL up to date."""
    migrate_database(load_settings().DATABASE_URL)


@click.command()
@click.option("--markdown", is_flag=True, help="Print the text of docs/settings.md.")
def settings(*, markdown: bool) -> None:
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
    print_table(("name", "type", "default", "meaning"), list(describe()))


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check the settings and everything they point to, one line each."""
    findings = list(examine(load_settings()))
    for finding in findings:
        click.echo(f"{'WRONG' if finding.failed else 'ok':<6} {finding.subject:<9} {finding.message}")
    context.exit(any(finding.failed for finding in findings))


@click.command()
def dns() -> None:
    """Print the DNS records needed to send and receive mail."""
    for line in dns_records.records(load_settings()):
        click.echo(line)
