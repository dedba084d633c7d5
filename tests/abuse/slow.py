"""Keep gunicorn busy with eight connections that send a request slowly, and see how long a ninth waits.

``python -m tests.abuse.slow`` runs the Procfile's web process by itself, and then behind the nginx of
docs/production.md, where one is installed. It exits with 1 if the proxy does not help.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from service.dev import LOOPBACK, free_port
from tests.support.processes import MAX_WAIT, ROOT, Processes, environ, eventually

SLOW, BYTES, PATIENCE = 8, 100_000, 10.0
"""Connections, the bytes of a form that each of them promises, and seconds that the ninth waits."""


@contextmanager
def slow_connections(port: int) -> Iterator[None]:
    """Hold connections that have sent the head of a form, and of its content one byte."""
    with ExitStack() as stack:
        for _ in range(SLOW):
            connection = stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=PATIENCE))
            head = f"POST / HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nContent-Length: {BYTES}\r\n"
            connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\na".encode())
        time.sleep(1)
        yield


def seconds_of_a_page(port: int) -> float | None:
    """Ask for the quiz, which needs no database; None where nothing came in ten seconds."""
    started = time.monotonic()
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/lead-or-referral")
        response = connection.getresponse()
        response.read()
        assert response.status == http.HTTPStatus.OK, response.status
    except OSError:
        return None
    finally:
        connection.close()
    return time.monotonic() - started


def measure(name: str, port: int) -> float | None:
    """Print how long a page takes, without the slow connections and with them."""
    alone = seconds_of_a_page(port)
    with slow_connections(port):
        among = seconds_of_a_page(port)
    print(f"{name}: {_said(alone)} alone, {_said(among)} beside {SLOW} slow ones")  # noqa: T201
    return among


def _said(seconds: float | None) -> str:
    return f"no answer in {PATIENCE:.0f} s" if seconds is None else f"{seconds:.2f} s"


def configuration(folder: Path, port: int, behind: int) -> str:
    """Give the nginx of docs/production.md, without its certificate, on ports of ours."""
    document = (ROOT / "docs/production.md").read_text(encoding="utf-8")
    server = document.partition("```nginx\n")[2].partition("```")[0]
    assert server, "docs/production.md shows no nginx"
    lines = [line for line in server.splitlines() if "ssl_certificate" not in line]
    server = "\n".join(lines).replace("listen 443 ssl;", f"listen {LOOPBACK}:{port};")
    server = server.replace("127.0.0.1:8000", f"{LOOPBACK}:{behind}")
    paths = " ".join(
        f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\nhttp {{ {paths}\n{server}\n}}\n"


@contextmanager
def proxy(folder: Path, behind: int) -> Iterator[int]:
    """Run nginx in front of a port, and give its own."""
    port = free_port()
    named = folder / "nginx.conf"
    named.write_text(configuration(folder, port, behind))
    process = subprocess.Popen([str(shutil.which("nginx")), "-p", str(folder), "-c", str(named)])
    try:
        eventually(lambda: seconds_of_a_page(port), MAX_WAIT, "nginx")
        yield port
    finally:
        process.terminate()
        process.wait(MAX_WAIT)


def main() -> int:
    """Measure both."""
    with tempfile.TemporaryDirectory() as name, Processes(Path(name)) as processes:
        processes.environ = environ(f"sqlite:///{name}/twoyes.db", "redis://127.0.0.1:1/0")
        processes.run("release")
        processes.start("web")
        processes.wait_for("web")
        port = int(processes.environ["PORT"])
        measure("gunicorn by itself", port)
        if not shutil.which("nginx"):
            print("nginx is not installed, so nothing can be shown behind it")  # noqa: T201
            return 0
        with proxy(Path(name), port) as public:
            among = measure("behind nginx", public)
        return int(among is None)


if __name__ == "__main__":
    sys.exit(main())
