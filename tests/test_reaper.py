"""A test run that is ended by a signal leaves no process and no folder of its own behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import MAX_WAIT, ROOT, eventually

A_TEST = """
import time
from pathlib import Path
from tests.support.processes import Broker, Processes, environ, postgresql

def test_that_does_not_end():
    with postgresql() as url, Broker() as broker, Processes(Path.cwd()) as processes:
        processes.environ = environ(url, broker.url)
        processes.start("beat")
        Path("started").touch()
        time.sleep(600)
"""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started hears a Ctrl-C, even where the tests themselves were started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_run_that_was_ended(tmp_path: Path, number: signal.Signals, workers: str) -> None:
    (tmp_path / "test_it.py").write_text(A_TEST)
    temporary = tmp_path / "tmp"
    temporary.mkdir(mode=0o755)
    output = tmp_path / "output"
    with output.open("w") as file:
        run = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-n", workers, "-p", "no:cacheprovider", "test_it.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    eventually(lambda: (tmp_path / "started").exists() or run.poll() is not None, MAX_WAIT, "the test")
    assert run.poll() is None, output.read_text()
    family = [*psutil.Process(run.pid).children(recursive=True), *of(temporary)]
    names = " ".join(process.name() for process in family)
    assert all(name in names for name in ("postgres", "valkey-server", "celery")), names
    run.send_signal(number)
    run.wait(MAX_WAIT)
    eventually(lambda: not [one for one in family if is_alive(one)], MAX_WAIT, "the end of all of them")
    eventually(lambda: not list(temporary.glob("twoyes-*")), MAX_WAIT, "the end of their folders")


def of(folder: Path) -> list[psutil.Process]:
    """The processes that name this folder in their command line."""
    every = psutil.process_iter(["cmdline"])
    return [process for process in every if str(folder) in " ".join(process.info["cmdline"] or [])]


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
