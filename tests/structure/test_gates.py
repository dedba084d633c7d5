"""The plan in pyproject.toml holds, and each of its contracts is seen to fail on what it forbids."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


KERNEL = "service/lifecycle/rules.py"
READING = "service/inbound/reading/read.py"
USE_CASE = "service/introductions/requests.py"
OUTBOX = "service/store/outbox.py"
SWEEP = "service/sweep.py"
# The contract, the file that is changed, what is added to it, and what is reported of its module.
VIOLATIONS = (
    ("kernel", KERNEL, "from service.settings.table import Settings", " -> service.settings.table"),
    ("kernel", KERNEL, "import socket", " -> socket"),
    ("kernel", KERNEL, "import requests", " -> requests"),
    ("kernel", KERNEL, "import time as t", " -> time"),
    ("kernel", KERNEL, "def late():\n    import random", " -> random"),
    ("pure", KERNEL, "TABLE = open('table.txt')", ": open"),
    ("reading", READING, "from sqlalchemy.orm import Session", " -> sqlalchemy"),
    ("web", USE_CASE, "from flask import request", " -> flask"),
    ("web", USE_CASE, "import werkzeug.exceptions", " -> werkzeug"),
    ("commits", USE_CASE, "def f(engine):\n    with engine.begin(): ...", ": engine.begin"),
    ("commits", USE_CASE, "def f(rows):\n    rows().commit()", ": ?.commit"),
    ("commits", USE_CASE, "END = 'commit'", ": commit"),
    ("time", USE_CASE, "from datetime import datetime as dt\nNOW = dt.now()", ": datetime.datetime.now"),
    ("time", USE_CASE, "import datetime as d\nTODAY = d.date.today()", ": datetime.date.today"),
    ("time", USE_CASE, "from time import time as seconds\nNOW = seconds", ": time.time"),
    ("time", OUTBOX, "from sqlalchemy import func as f\nNOW = f.now()", ": sqlalchemy.func.now"),
    ("time", OUTBOX, "NOW = 'select now()'", ": now"),
    ("time", OUTBOX, "DEFAULT = 'current_timestamp'", ": current_timestamp"),
    ("layers", "service/store/db.py", "from service.mail import compose", " -> service.mail.compose"),
    ("layers", USE_CASE, "from service.views.site import current", " -> service.views.site.current"),
    ("layers", "service/extras/__init__.py", "", "- service.extras\n"),
    ("layers", "service/extra.py", "", "- service.extra\n"),
    (
        "pages",
        "service/views/party/answer.py",
        "from service.views.desk import ledger",
        " -> service.views.desk.ledger",
    ),
    ("pages", "service/views/extra.py", "", "- service.views.extra\n"),
    ("tasks", SWEEP, "from tasks import mail", " -> tasks.mail"),
    ("circles", "service/lifecycle/states.py", "from .rules import decide", "in service.lifecycle."),
    ("factory", SWEEP, "from service import create_app", " -> service "),
    ("imports", USE_CASE, "import importlib\nwhat = importlib.import_module", ": importlib.import_module"),
    ("babel", USE_CASE, "import flask_babel", " -> flask_babel"),
    ("broker", USE_CASE, "import celery", " -> celery"),
    ("broker", SWEEP, "import kombu", " -> kombu"),
    ("sql", "service/mail/compose.py", "import sqlalchemy", " -> sqlalchemy"),
    ("migrations", SWEEP, "from alembic import command", " -> alembic"),
    ("tokens", USE_CASE, "import itsdangerous", " -> itsdangerous"),
    ("flask-mail", SWEEP, "import flask_mail", " -> flask_mail"),
    ("network", SWEEP, "import smtplib", " -> smtplib"),
    ("processes", "service/views/quiz.py", "import subprocess", " -> subprocess"),
    ("environment", OUTBOX, "from os import environ", " -> os"),
)


def lint_imports(root: Path, *options: str) -> tuple[bool, str]:
    """Run import-linter on the packages of a folder: whether everything holds, and its report in one line."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo", *options],
        cwd=root,
        # The contracts' types are found in this checkout, the packages in the folder, which comes first.
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the source and the plan into a folder in which they can be broken."""
    for package in ("service", "tasks"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.[!p]*")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_plan_holds(copy: Path) -> None:
    holds, report = lint_imports(copy)
    assert holds, report


@pytest.mark.parametrize(("contract", "changed", "source", "found"), VIOLATIONS)
def test_a_violation_is_found_and_named(
    copy: Path, contract: str, changed: str, source: str, found: str
) -> None:
    path = copy / changed
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{source}\n")

    holds, report = lint_imports(copy, "--contract", contract)

    assert not holds
    module = changed.removesuffix(".py").replace("/", ".")
    assert (f"{module}{found}" if found.startswith((" ", ":")) else found) in report


def test_every_contract_is_seen_to_fail() -> None:
    plan = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert {contract["id"] for contract in plan["contracts"]} == {contract for contract, *_ in VIOLATIONS}
