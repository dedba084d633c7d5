"""Commands that list what is on record, and mend what needs a person."""

from __future__ import annotations

import json
import sys

import click

from service.delivery.deliver import NotRetriable, retry_by_hand
from service.dev import CannotRun
from service.dev.preview import preview
from service.introductions.reports import UnknownReport
from service.introductions.reports import dismiss as dismiss_report
from service.operating import records
from service.settings.clock import utc_now
from service.store.models.columns import MAX_ID

from .environment import open_database
from .output import print_table

ROW_ID = click.IntRange(1, MAX_ID)
MARK_COLUMNS = {
    "need_identified": "need",
    "actively_sought": "sought",
    "introduced": "introduced",
    "endorsed": "endorsed",
    "both_expect_it": "both expect it",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--history", is_flag=True, help="Include entries that later ones replaced.")
def ledger(*, as_json: bool, history: bool) -> None:
    """Print the ledger: what became of every introduction, referral or lead."""
    with open_database().reading() as session:
        entries = records.ledger(session, history=history)
    if as_json:
        click.echo(json.dumps(entries, indent=2))
    else:
        print_table(
            ("introduction", "outcome", "reason", *MARK_COLUMNS.values(), "recorded"),
            [
                (
                    str(entry["introduction"]),
                    entry["outcome"],
                    entry["reason"] or "",
                    *("yes" if entry["marks"][mark] else "-" for mark in MARK_COLUMNS),
                    entry["recorded_at"][:16].replace("T", " "),
                )
                for entry in entries
            ],
            "The ledger is empty: no introduction has ended yet.",
        )


@click.group(invoke_without_command=True)
@click.pass_context
def mails(context: click.Context) -> None:
    """List the mails that failed or may not have arrived."""
    if context.invoked_subcommand:
        return
    with open_database().reading() as session:
        rows = [
            (str(row.id), str(row.introduction_id or ""), row.kind, row.to, row.state, row.reply)
            for row in records.failed_mails(session)
        ]
    head = ("mail", "introduction", "kind", "to", "state", "what the relay said")
    print_table(head, rows, "No mail has failed, and none is in doubt.")


@mails.command()
@click.argument("mail_id", type=ROW_ID)
def retry(mail_id: int) -> None:
    """Try the failed or unknown mail MAIL_ID again."""
    try:
        with open_database().transaction() as session:
            retry_by_hand(session, mail_id, utc_now())
    except NotRetriable as refusal:
        raise CannotRun(str(refusal)) from None
    click.echo(f"Mail {mail_id} is queued again.")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many, newest first."
)
@click.pass_context
def received(context: click.Context, *, as_json: bool, limit: int) -> None:
    """List the latest incoming mails and what became of them."""
    if context.invoked_subcommand:
        return
    with open_database().reading() as session:
        rows = records.inbound_mails(session, limit)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        columns = ("id", "received_at", "way", "for", "outcome", "attempts")
        for row in rows:
            row["received_at"] = row["received_at"][:16].replace("T", " ")
        cells = [[str(row[column]) for column in columns] for row in rows]
        print_table(
            ("mail", "arrived", "way", "for", "outcome", "attempts"), cells, "No mail has arrived yet."
        )


@received.command()
@click.argument("mail_id", type=ROW_ID)
def show(mail_id: int) -> None:
    """Print the mail MAIL_ID as it arrived, while it is kept (INBOUND_KEEP)."""
    with open_database().reading() as session:
        raw = records.raw_mail(session, mail_id)
    if raw is None:
        raise CannotRun(f"There is no mail {mail_id}, or it is no longer kept.")
    if sys.stdout.isatty():
        # Anybody may write such a mail, and a terminal obeys what stands in it.
        text = raw.decode("utf-8", "replace")
        click.echo("".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text))
    else:
        sys.stdout.buffer.write(raw)


@click.group(invoke_without_command=True)
@click.pass_context
def reports(context: click.Context) -> None:
    """List the reports of abuse that stand, and the requesters whom they stop."""
    if context.invoked_subcommand:
        return
    with open_database().reading() as session:
        rows = [
            (str(row.id), str(row.introduction_id), row.side, row.requester_address, f"{row.reported_at:%F}")
            for row in records.standing_reports(session)
        ]
        stopped = records.stopped_requesters(session)
    print_table(("report", "introduction", "side", "requester", "reported"), rows, "No open reports.")
    for address, tally in stopped.items():
        click.echo(f"{address} is stopped: reported by {tally.persons} persons in {tally.cases} cases.")


@reports.command()
@click.argument("report_id", type=ROW_ID)
def dismiss(report_id: int) -> None:
    """Dismiss the report REPORT_ID: it was no abuse. The address that it came from stays suppressed."""
    try:
        with open_database().transaction() as session:
            dismiss_report(session, report_id, utc_now())
    except UnknownReport:
        raise CannotRun(f"There is no open report {report_id}.") from None
    click.echo(f"Report {report_id} is dismissed.")


mails.add_command(preview)
