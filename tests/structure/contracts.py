"""Types of contract that import-linter does not bring along; pyproject.toml makes use of them."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def is_within(module: str, packages: Iterable[str]) -> bool:
    """Tell whether a module is one of the packages or lies in one of them."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def arrow(graph: ImportGraph, importer: str, imported: str) -> str:
    """Write an import in the way that import-linter does."""
    lines = ", ".join(
        str(found["line_number"]) for found in graph.get_import_details(importer=importer, imported=imported)
    )
    return f"{importer} -> {imported} (l.{lines})"


def words_field(**options: Any) -> Any:
    """Declare an option that is a list of words: a field of the class, a set of strings of its instances."""
    return fields.SetField(subfield=fields.StringField(), **options)


class FindingsContract(Contract):
    """Report what was found, one line each; to find nothing is to keep the contract."""

    def findings(self, graph: ImportGraph) -> Iterator[str]:
        """Yield one line for each violation, beginning with the module that is at fault."""
        raise NotImplementedError

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at every module of the graph."""
        found = sorted(self.findings(graph))
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the violations."""
        for line in check.metadata["found"]:
            output.print_error(f"- {line}", bold=False)
        output.new_line()


class AllowList(FindingsContract):
    """Let modules import each other and what is allowed, and nothing else.

    import-linter's own "forbidden" is a deny list: it knows only what somebody thought of.

    Options:
        modules: the packages that are held to it.
        allowed: modules and packages, ours or others', that they may import.
    """

    modules: AbstractSet[str] = words_field()
    allowed: AbstractSet[str] = words_field()

    def findings(self, graph: ImportGraph) -> Iterator[str]:
        """Yield every import of something that is not allowed."""
        may = self.modules | self.allowed
        for module in graph.modules:
            if is_within(module, self.modules):
                for imported in graph.find_modules_directly_imported_by(module):
                    if not is_within(imported, may):
                        yield arrow(graph, module, imported)


class HomesContract(FindingsContract):
    """Give packages of others a home, outside which nothing imports them.

    import-linter's own "protected" refuses to protect what nobody imports yet.

    Options:
        packages: the names that ``import`` knows them by.
        homes: modules and packages of ours; a root package stands for its ``__init__`` alone.
    """

    packages: AbstractSet[str] = words_field()
    homes: AbstractSet[str] = words_field()

    def findings(self, graph: ImportGraph) -> Iterator[str]:
        """Yield every import from outside the homes."""
        roots = set(self.session_options["root_packages"])
        for package in self.packages & graph.modules:
            for module in graph.find_modules_that_directly_import(package):
                if module not in self.homes and not is_within(module, self.homes - roots):
                    yield arrow(graph, module, package)


class NamesContract(FindingsContract):
    """Keep names and words of SQL out of the source, except where they are at home.

    A name is told whole, however it was imported: after ``from datetime import datetime as dt``, ``dt.now``
    is ``datetime.datetime.now``. A name that begins with a dot is any attribute of that name, since nothing
    tells the type of what it belongs to.

    Options:
        names: what must not be named; ``open`` is the builtin.
        words: what no string may hold, whole words in any case; docstrings may.
        modules: the packages to look at (all of them unless given).
        homes: the modules where it may stand.
    """

    names: AbstractSet[str] = words_field()
    words: AbstractSet[str] = words_field(default=frozenset())
    modules: AbstractSet[str] = words_field(default=frozenset())
    homes: AbstractSet[str] = words_field(default=frozenset())

    def findings(self, graph: ImportGraph) -> Iterator[str]:
        """Yield every place where one of the names or words stands."""
        packages = self.session_options["root_packages"]
        words = re.compile("|".join(rf"\b{word}\b" for word in self.words) or r"(?!)", re.IGNORECASE)
        ends = {name.rpartition(".")[2] for name in self.names}
        for module, path in (found for package in packages for found in sources(package)):
            if is_within(module, self.modules or packages) and not is_within(module, self.homes):
                text = path.read_text(encoding="utf-8")
                # Most files hold none of it, under whatever name, and need not be parsed.
                if words.search(text) or any(end in text for end in ends):
                    yield from (f"{module}: {found}" for found in self._named(ast.parse(text), words))

    def _named(self, tree: ast.Module, words: re.Pattern[str]) -> Iterator[str]:
        imported, docstrings = imported_names(tree), set(_docstrings(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute):
                name = whole_name(node, imported)
                if name in self.names or (isinstance(node, ast.Attribute) and f".{node.attr}" in self.names):
                    yield f"{name} (l.{node.lineno})"
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                yield from (f"{word} (l.{node.lineno})" for word in words.findall(node.value))


def sources(package: str) -> Iterator[tuple[str, Path]]:
    """Yield every module below a package that can be imported, with its file. Nothing is imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        msg = f"There is no package {package} here."
        raise LookupError(msg)
    folder = Path(spec.origin).parent
    for path in sorted(folder.rglob("*.py")):
        parts = (package, *path.relative_to(folder).with_suffix("").parts)
        yield ".".join(part for part in parts if part != "__init__"), path


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Map each name that the file's imports bind to what it stands for, whole."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def whole_name(node: ast.expr, imported: dict[str, str]) -> str:
    """Write a name with its dots as it would be without the file's imports; ``?`` is what has no name."""
    if isinstance(node, ast.Attribute):
        return f"{whole_name(node.value, imported)}.{node.attr}"
    return imported.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield strings that stand as statements of their own: docstrings, and those below an attribute."""
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
