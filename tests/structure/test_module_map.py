"""docs/design.md shows every folder that there is, and none that there is not."""

from __future__ import annotations

from pathlib import Path

from .module_map import DESIGN, PLACE, ROOT, module_map


def test_the_design_shows_the_folders_as_they_are() -> None:
    (shown,) = PLACE.findall(DESIGN.read_text(encoding="utf-8"))
    assert shown == module_map(ROOT), "run `python -m tests.structure.module_map`"


def test_every_line_of_the_map_says_something_and_fits() -> None:
    for line in module_map(ROOT).splitlines():
        assert len(line.split()) > 2, line
        assert len(line) <= 110, line


def test_a_room_that_is_new_or_gone_changes_the_map(tmp_path: Path) -> None:
    for path in (
        "tasks/__init__.py",
        "service/__init__.py",
        "service/mail/__init__.py",
        "service/mail/post/__init__.py",
    ):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(f'"""What {path} is for.\n\nMore."""\n', encoding="utf-8")
    (tmp_path / "service/cli.py").write_text('"""Commands."""', encoding="utf-8")
    assert module_map(tmp_path).splitlines() == [
        "tasks/               What tasks/__init__.py is for.",
        "service/             What service/__init__.py is for.",
        "  cli.py             Commands.",
        "  mail/              What service/mail/__init__.py is for.",
        "    post/            What service/mail/post/__init__.py is for.",
    ]
