"""What the docs name in backticks is there: files, folders, and what modules and classes define."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path, PurePath

import pytest

from tests.support.checkout import ROOT, tracked_files

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
QUOTED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
FILE = re.compile(r"[\w./-]*\w\.(?:css|html|jinja|mjml|py|toml)")
FOLDER = re.compile(r"(?:[\w.-]+/)+")
DEFINITION = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)+")
OTHERS = {"main.cf", "requirements.txt", "tool.importlinter", "var/"}
"""What others define: Postfix, pip, a table of pyproject.toml, and the folder that `make run` makes."""


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_what_a_doc_names_is_there(doc: Path) -> None:
    named = set(QUOTED.findall(doc.read_text(encoding="utf-8"))) - OTHERS
    assert [name for name in sorted(named) if not is_there(name)] == []


@pytest.mark.parametrize(
    "name",
    ["tests/test_gone.py", "gone.py", "service/gone/", "outbox.gone", "OutboxMail.gone"],
)
def test_what_is_gone_is_found(name: str) -> None:
    assert not is_there(name)


def is_there(name: str) -> bool:
    """Tell whether a name is that of something in the source, or of no kind that could be."""
    if FILE.fullmatch(name) or FOLDER.fullmatch(name):
        known = paths()
    elif DEFINITION.fullmatch(name):
        known = definitions()
    else:
        return True
    return name in known


@cache
def paths() -> set[str]:
    """Return the files and folders, by every end of their path."""
    found: set[str] = set()
    for file in tracked_files():
        for path, end in [(file, ""), *((folder, "/") for folder in file.parents)]:
            found |= {str(PurePath(*path.parts[n:])) + end for n in range(len(path.parts))}
    return found


@cache
def definitions() -> set[str]:
    """Return what modules and classes define or import, by every end of its dotted name."""
    found: set[str] = set()
    for top in ("service", "tasks"):
        for path in (ROOT / top).rglob("*.py"):
            module = path.relative_to(ROOT).with_suffix("").parts
            parts = module[:-1] if module[-1] == "__init__" else module
            for name in [parts, *_members(ast.parse(path.read_text(encoding="utf-8")), parts)]:
                found |= {".".join(name[n:]) for n in range(len(name) - 1)}
    return found


def _members(tree: ast.Module | ast.ClassDef, within: tuple[str, ...]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for node in tree.body:
        names = _names(node)
        found += [(*within, name) for name in names]
        if isinstance(node, ast.ClassDef):
            found += _members(node, (*within, node.name))
    return found


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []
