"""A copy of this checkout, to build from, run in and change."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked_files() -> list[Path]:
    """List the files of this checkout as git would commit them, relative to its top; links count as files."""
    listed = subprocess.run(
        # S607: git is wherever the PATH of whoever runs the tests finds it.
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    return [path for path in paths if os.path.lexists(ROOT / path)]


def copy_checkout(folder: Path) -> Path:
    """Copy these files into a folder that is not there yet, and return it."""
    for path in tracked_files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path, follow_symlinks=False)
    return folder
