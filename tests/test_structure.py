"""The rules of the house that a reader would otherwise have to remember. Each names its one home."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for folder in ("service", "tasks")
    for path in (ROOT / folder).rglob("*.py")
    if "versions" not in path.parts
)
PURE = ("service/lifecycle",)
IMPURE = ("flask", "sqlalchemy", "celery", "time", "os", "random", "service.store")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, with relative imports made absolute."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def importers(module: str) -> set[str]:
    """The files that import a module or something of it."""
    return {
        name_of(path)
        for path in SOURCES
        if any(name == module or name.startswith(f"{module}.") for name in imports(path))
    }


def test_the_kernel_and_the_ledger_are_pure() -> None:
    for path in SOURCES:
        if name_of(path).startswith(PURE):
            for name in imports(path):
                assert not name.startswith(IMPURE), f"{name_of(path)} imports {name}"


def test_the_service_never_imports_the_tasks() -> None:
    assert {name for name in importers("tasks") if name.startswith("service/")} == set()


@pytest.mark.parametrize(
    ("module", "homes"),
    [
        ("itsdangerous", {"service/mail/tokens.py"}),
        ("flask_mail", {"service/mail/message.py", "service/mail/smtp.py"}),
        ("smtplib", {"service/mail/smtp.py"}),
    ],
)
def test_a_library_with_traps_has_one_home(module: str, homes: set[str]) -> None:
    assert importers(module) == homes


def test_only_the_database_module_commits() -> None:
    commits = {
        name_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "commit"
    }
    assert commits == {"service/store/db.py"}


def test_the_time_comes_from_one_place() -> None:
    asked = {
        name_of(path)
        for path in SOURCES
        if not name_of(path).startswith("service/dev")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("utcnow", "now") and _is_datetime(node.value)
    }
    assert asked == {"service/settings/clock.py"}


def _is_datetime(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("datetime", "date")


def test_the_use_cases_know_nothing_of_pages_and_tasks() -> None:
    inner = ("introductions", "store", "delivery", "mail", "lifecycle", "inbound", "desk", "sweep.py")
    for name in importers("flask") | importers("service.views") | importers("celery"):
        # Celery has its home with the nudge, not with the use cases.
        assert name.split("/")[1] not in inner or name == "service/delivery/broker.py", (
            f"{name} reaches outwards"
        )
