"""What the tests started ends with them, however they end: after SIGKILL no ``finally`` runs.

A process of its own, out of reach of a Ctrl-C, waits for the end of a pipe that only the tests hold. When
they are gone it ends what it was told of and is still there, and deletes the folders of it::

    ends_with_us(server.pid, signal.SIGQUIT, folder)
    ...
    ended(server.pid)
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path


def ends_with_us(pid: int, by: signal.Signals = signal.SIGKILL, folder: Path | None = None) -> None:
    """Have a process, and the group that it leads, end by this signal when the tests are gone."""
    _tell(pid, by, folder)


def ended(pid: int) -> None:
    """Forget a process: it has ended, and its number may be another's soon."""
    _tell(pid, None, None)


def _tell(pid: int, by: signal.Signals | None, folder: Path | None) -> None:
    pipe = _reaper(os.getpid()).stdin
    assert pipe
    pipe.write(json.dumps([pid, by, str(folder) if folder else None]) + "\n")
    pipe.flush()


@cache
def _reaper(_: int) -> subprocess.Popen[str]:
    """The reaper of a process, by its number: a fork needs another."""
    command = [sys.executable, "-I", "-S", __file__]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True)


def main() -> None:
    alive: dict[int, tuple[int, str | None]] = {}
    for line in sys.stdin:
        pid, by, folder = json.loads(line)
        if by is None:
            alive.pop(pid, None)
        else:
            alive[pid] = by, folder
    for pid, (by, _) in alive.items():
        _end(pid, by)
    for _, folder in alive.values():
        if folder:
            _delete(Path(folder))


def _end(pid: int, by: int) -> None:
    with suppress(ProcessLookupError):
        try:
            os.killpg(pid, by)
        except ProcessLookupError:
            # It leads no group.
            os.kill(pid, by)


def _delete(folder: Path) -> None:
    """Delete a folder that a process which is about to end may still write to."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
