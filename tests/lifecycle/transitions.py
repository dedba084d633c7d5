"""What a decision changes, in one line, for the record of all transitions beside this file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

from service.lifecycle import Case, Command, Decision, Event, Mail, Side


def transition(case: Case, now: datetime, command: Command, decision: Decision) -> str:
    """One line: the command, what changed, what was written, what was queued."""
    parts = [
        written(command, now),
        " ".join(changes(case, decision.case, now)),
        "; ".join(event(item, now) for item in decision.events),
        "; ".join(written(item, now) for item in decision.mails),
    ]
    return " | ".join(part or "-" for part in parts)


def written(value: Command | Mail, now: datetime) -> str:
    """A dataclass with the fields that it was given."""
    named = ", ".join(
        f"{field.name}={plain(getattr(value, field.name), now)}"
        for field in fields(value)
        if getattr(value, field.name) != field.default and getattr(value, field.name) != {}
    )
    return f"{type(value).__name__}({named})"


def changes(before: Any, after: Any, now: datetime, where: str = "") -> Iterator[str]:
    """The fields of a case and its sides that differ."""
    for field in fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if isinstance(old, Side):
            yield from changes(old, new, now, f"{field.name}.")
        elif old != new:
            yield f"{where}{field.name}={plain(new, now)}"


def event(item: Event, now: datetime) -> str:
    detail = "".join(f" {name}={plain(value, now)}" for name, value in item.detail.items())
    return f"{item.actor}: {item.name}{detail}"


def plain(value: Any, now: datetime) -> str:
    """A value as a person writes it; a moment from now on, since cases differ in their dates."""
    if not isinstance(value, datetime):
        return str(value)
    return f"now{(value - now).total_seconds() / 60:+g}min" if value != now else "now"
