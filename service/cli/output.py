"""Tables on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from textwrap import indent
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

ROWS_IN_A_TABLE = 1000
"""After so many another table begins: to lay one out, all of its rows are needed."""


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], nothing: str = "") -> None:
    """Print rows under their heads, the first column uncut, or the sentence that there are none."""
    rest = iter(rows)
    some = list(islice(rest, ROWS_IN_A_TABLE))
    if not some:
        click.echo(nothing)
    # Where the output is not a terminal, a narrow default would break lines that a script reads.
    console = Console(width=None if sys.stdout.isatty() else 160)
    while some:
        table = Table(Column(head[0], no_wrap=True), *head[1:], box=box.SIMPLE_HEAD)
        for row in some:
            table.add_row(*map(escape, row))
        console.print(table)
        some = list(islice(rest, ROWS_IN_A_TABLE))


def print_json(rows: Iterable[Any]) -> None:
    """Print a JSON list, a row at a time."""
    before = "["
    for row in rows:
        click.echo(f"{before}\n{indent(json.dumps(row, indent=2), '  ')}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")
