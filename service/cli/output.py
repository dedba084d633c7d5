"""Tables on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], nothing: str = "") -> None:
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
