"""The map of the source in docs/design.md: a line for each folder, from its docstring, roof first.

`python -m tests.structure.module_map` writes it anew.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DESIGN = ROOT / "docs" / "design.md"
PLACE = re.compile(r"(?<=^## 4\. Shape\n\n```\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def module_map(root: Path) -> str:
    """Draw the folders of the source, and what stands beside them at the top of the service."""
    layers = _layers()
    rooms = [path for path in (root / "service").iterdir() if path.suffix == ".py" or _is_package(path)]
    rooms.remove(root / "service" / "__init__.py")
    lines = [_line(root / "tasks"), _line(root / "service")]
    for room in sorted(rooms, key=lambda path: (layers.index(path.stem), path)):
        lines += [_line(room, 1), *(_line(path, 2) for path in sorted(room.glob("*/")) if _is_package(path))]
    return "".join(lines)


def _layers() -> list[str]:
    """List the rooms of the service in the order of the plan in pyproject.toml."""
    plan = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = (contract["layers"] for contract in plan["contracts"] if contract["id"] == "layers")
    return re.findall(r"\w+", " ".join(layers))


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").exists()


def _line(path: Path, depth: int = 0) -> str:
    name, module = (f"{path.name}/", path / "__init__.py") if path.is_dir() else (path.name, path)
    summary = (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    return f"{'  ' * depth + name:20} {summary}\n"


if __name__ == "__main__":
    design = DESIGN.read_text(encoding="utf-8")
    DESIGN.write_text(PLACE.sub(lambda _: module_map(ROOT), design), encoding="utf-8")
