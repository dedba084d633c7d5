"""`twoyes mails preview`: a look at every mail without a database, and one of them sent to an address."""

from __future__ import annotations

import os

import click

from service.language.free_text import NotAllowed, clean_email
from service.language.languages import LANGUAGES
from service.mail.smtp import Kind
from service.settings.clock import utc_now
from service.settings.environment import load
from service.settings.table import Settings

from . import CannotRun, samples, with_last_run

PREVIEW_DEFAULTS = {"SECRET_KEY": "shows-mails-and-signs-nothing", "DATABASE_URL": "sqlite://"}


@click.command()
@click.argument("name", required=False)
@click.option("--language", type=click.Choice(list(LANGUAGES)), help="Instead of LANGUAGE.")
@click.option("--html", is_flag=True, help="Print the HTML part instead of subject and text.")
@click.option("--to", metavar="ADDRESS", help="Send it to ADDRESS by the relay of the settings.")
def preview(name: str | None, language: str | None, *, html: bool, to: str | None) -> None:
    """Show the sample mail NAME, or list the samples. No database is used, and no link in one works."""
    if name is None:
        click.echo("\n".join(samples.names()))
        return
    settings = load(with_last_run(os.environ) if to else PREVIEW_DEFAULTS | dict(os.environ))
    language = language or settings.LANGUAGE
    try:
        if to:
            _send(name, language, clean_email(to), settings)
        else:
            _print(name, language, settings, html=html)
    except (samples.NoSuchSample, NotAllowed) as refusal:
        raise CannotRun(str(refusal)) from None


def _print(name: str, language: str, settings: Settings, *, html: bool) -> None:
    shown = samples.written(name, language, settings)
    click.echo(shown.html if html else f"Subject: {shown.subject}\n\n{shown.text}", nl=html)


def _send(name: str, language: str, to: str, settings: Settings) -> None:
    outcome = samples.send(name, language, to, settings, utc_now())
    if outcome.kind is not Kind.ACCEPTED:
        raise CannotRun(f"Not sent: {outcome.reply}")
    click.echo(f"Sent: {outcome.reply}")
