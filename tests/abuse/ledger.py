"""Fill a database with 100,000 introductions that have ended, and measure the desk, the ledger, its exports.

``python -m tests.abuse.ledger`` uses SQLite, with ``--postgresql`` a PostgreSQL of its own; ``--cases 1000``
is for the impatient. Each page is asked for by a process of its own, so that its memory is what that page
took: beside the peak stands how much of it the process had before it was asked.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from service import create_app
from service.settings.environment import load
from service.store.db import Database
from service.store.migrations import migrate
from service.store.models import Consent, Introduction, LedgerEntry
from tests.support.processes import environ, postgresql

RITA, OLGA = "rita@quill.test", "olga@office.test"
START = datetime(2025, 1, 1, tzinfo=UTC)
MAX_SECONDS, BATCH = 300, 5000
PAGES = [
    (RITA, "/desk"),
    (RITA, "/desk?page=5000"),
    (RITA, "/desk?show=referrals"),
    (RITA, "/desk?q=nobody"),
    (RITA, "/desk?q=person+99999"),
    (RITA, "/desk?q=Österreich"),
    (RITA, "/desk?q=a+e+i+o+u+n+r+s+t+p"),
    (RITA, "/desk/ledger"),
    (RITA, "/desk/ledger?period=all"),
    (OLGA, "/desk/ledger?of=everyone&period=all"),
    (RITA, "/desk/ledger.csv?period=all"),
    (RITA, "/desk/ledger.json?period=all"),
    (OLGA, "/desk/ledger.csv?of=everyone&period=all"),
]
FATES = [
    # State, reason, outcome: one of five is a referral.
    ("confirmed", None, "referral"),
    ("closed", "no-answer", "lead"),
    ("closed", "declined", "lead"),
    ("closed", "handoff-unconfirmed", "lead"),
    ("closed", "undeliverable", "lead"),
]


def rows_of(number: int) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """One introduction of Rita's, its two consents, and its entry in the ledger."""
    state, reason, outcome = FATES[number % len(FATES)]
    met = state == "confirmed" or reason == "handoff-unconfirmed"
    asked = START + timedelta(minutes=5 * number)
    ended = asked + timedelta(days=7)
    introduction = {
        "id": number, "requester_name": "Rita Quill", "requester_email": RITA, "requester_address": RITA,
        "need": f"A new interior for shop {number}, in time for spring; it should not cost the earth.",
        "need_of": "a", "sought": "yes", "first_writer": "a", "created_at": asked, "order": "together",
        "reminders": True, "cc_requester": True, "state": state, "reason": reason, "verified_at": asked,
        "closes_at": ended, "left_at": asked + timedelta(hours=number % 100) if met else None,
        "introduced_at": asked + timedelta(hours=number % 100, minutes=10) if met else None,
    }  # fmt: skip
    consents = [
        {
            "introduction_id": number, "side": side, "name": f"Person {number} {side.upper()}",
            "email": f"{side}{number}@salon.test", "address": f"{side}{number}@salon.test",
            "blurb": "Runs a shop.", "state": "yes" if met else "asked",
            "words_shown": "Yes?" if met else None,
            "answered_at": asked + timedelta(hours=number % 90) if met else None,
        }
        for side in ("a", "b")
    ]  # fmt: skip
    entry = {
        "introduction_id": number, "outcome": outcome, "reason": reason, "need_identified": True,
        "actively_sought": True, "introduced": met, "endorsed": True, "both_expect_it": met,
        "recorded_at": ended,
    }  # fmt: skip
    return introduction, consents, entry


def fill(url: str, cases: int) -> None:
    """Write so many introductions that have ended."""
    db = Database(url)
    with db.engine.begin() as connection:
        for first in range(1, cases + 1, BATCH):
            rows = [rows_of(number) for number in range(first, min(first + BATCH, cases + 1))]
            connection.execute(insert(Introduction), [row[0] for row in rows])
            connection.execute(insert(Consent), [consent for row in rows for consent in row[1]])
            connection.execute(insert(LedgerEntry), [row[2] for row in rows])
    with db.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    db.engine.dispose()


def peak() -> int:
    """Give the most memory that this process has had, in MiB."""
    # Not getrusage: it knows the memory of the process that started this one as well.
    return int(re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[0]) // 1024


def ask(who: str, path: str) -> Iterator[str]:
    """Look at a page twice, as somebody who is signed in: a first time, and once statements are compiled."""
    app = create_app(load(os.environ))
    client = app.test_client()
    with client.session_transaction() as session:
        session["address"], session["generation"] = who, 0
    client.get("/desk/sign-in")
    before = peak()
    for time_of in ("first", "again"):
        started, worked, first, size = time.perf_counter(), time.process_time(), 0.0, 0
        response = client.get(path, buffered=False)
        for chunk in response.iter_encoded():
            first = first or time.perf_counter() - started
            size += len(chunk)
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
        yield (
            f"{time_of} {response.status_code} {seconds:6.2f} s ({worked:.2f} s of work), "
            f"{first:5.2f} s to the first byte, {size / 1024:8.0f} KiB, "
            f"peak {peak()} MiB (of it {before} before)"
        )


def measure(values: dict[str, str], *call: str) -> None:
    """Run a command and print what it says, and how long it took."""
    try:
        told = subprocess.run(
            [sys.executable, "-m", *call],
            env=values,
            timeout=MAX_SECONDS,
            check=False,
            capture_output=True,
            text=True,
        )
        print(told.stdout.rstrip() if told.returncode == 0 else told.stderr[-500:])  # noqa: T201
    except subprocess.TimeoutExpired:
        print(f"no answer in {MAX_SECONDS} s")  # noqa: T201


def main() -> None:
    """Fill, and ask for each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--ask", nargs=2)
    chosen = parser.parse_args()
    if chosen.ask:
        for line in ask(*chosen.ask):
            print(line)  # noqa: T201
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(postgresql()) if chosen.postgresql else f"sqlite:///{folder}/ledger.db"
        migrate(url)
        started = time.perf_counter()
        fill(url, chosen.cases)
        print(f"{chosen.cases} cases written in {time.perf_counter() - started:.0f} s")  # noqa: T201
        values = environ(url, "redis://127.0.0.1:1/0", {"OPERATORS": OLGA})
        for who, path in PAGES:
            print(path)  # noqa: T201
            measure(values, "tests.abuse.ledger", "--ask", who, path)


if __name__ == "__main__":
    main()
