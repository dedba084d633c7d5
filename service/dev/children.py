"""Child processes that print under their names and stop together.

honcho prints the lines, but its Manager does not supervise here: it signals whole process groups, and
SIGTERM kills Celery's pool processes in the middle of a mail, where the worker alone would have finished
it. So each child is signalled by itself.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Self

import click
from honcho.colour import get_colours
from honcho.printer import Message, Printer

from service.settings.clock import utc_now

STOP_TIMEOUT = 8.0
"""Seconds that children have after SIGTERM: a worker finishes its mails, gunicorn its requests."""


class Children:
    """Child processes that print under their names and stop together.

    While the context is open, the first SIGINT, SIGTERM or SIGHUP ends every wait of this class;
    a second one kills the children that take long to stop.
    """

    def __init__(self, environ: Mapping[str, str], names: Iterable[str]) -> None:
        self._environ = dict(environ)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._readers: list[threading.Thread] = []
        # Threads read, the main thread prints, so that lines never mix.
        self._output: queue.SimpleQueue[Message | str] = queue.SimpleQueue()
        self._printer = Printer(sys.stdout, width=max(map(len, names)))
        self._colours = get_colours()
        self._signals = 0

    def __enter__(self) -> Self:
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        # This one comes when the terminal is closed; the children, in sessions of their own, would
        # not notice. Under nohup it is ignored, and stays so.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(list(self._processes))

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def start(self, name: str, command: str) -> None:
        """Start a Procfile line; does nothing once a signal came."""
        if self._signals:
            return
        process = subprocess.Popen(  # noqa: S602 (a Procfile's lines are written for a shell)
            # Without `exec` some shells stay in front of the command and take its signals.
            f"exec {command}",
            shell=True,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal would otherwise reach all children at once and out of order.
            start_new_session=True,
        )
        self._processes[name] = process
        self._in_background(self._read, name, process, next(self._colours))

    def _in_background(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self._readers.append(thread)

    def _read(self, name: str, process: subprocess.Popen[bytes], colour: str) -> None:
        assert process.stdout is not None  # noqa: S101 (for the type checker)
        with process.stdout as lines:
            for line in lines:
                self._output.put(Message("line", line, utc_now().astimezone(), name, colour))

    def print_when(self, happened: Callable[[], bool], text: str) -> None:
        """Print `text` as soon as `happened` says so, asked five times a second in the background."""
        self._in_background(self._await, happened, text)

    def _await(self, happened: Callable[[], bool], text: str) -> None:
        while not self._signals:
            if happened():
                return self._output.put(text)
            time.sleep(0.2)
        return None

    def finish(self, name: str, command: str) -> int | None:
        """Run a command to its end and return its exit code; None when a signal came first."""
        self.start(name, command)
        while not self._signals:
            self._print()
            if (code := self._processes[name].poll()) is not None:
                del self._processes[name]
                return code
        return None

    def watch(self) -> str | None:
        """Wait until a child ends and return its name; None when a signal came first."""
        while not self._signals:
            self._print()
            for name, process in self._processes.items():
                if process.poll() is not None:
                    return name
        return None

    def _print(self, wait: float = 0.1) -> bool:
        try:
            item = self._output.get(timeout=wait)
        except queue.Empty:
            return False
        try:
            click.echo(item) if isinstance(item, str) else self._printer.write(item)
        except OSError:
            # The terminal was closed, or what read our output has ended. Stopping must go on in order.
            self._signals = max(self._signals, 1)
        return True

    def stop(self, names: Iterable[str]) -> None:
        """Stop these children and whatever they started; those that do not listen are killed."""
        chosen = [self._processes.pop(name) for name in list(names) if name in self._processes]
        for process in chosen:
            process.terminate()
        end = time.monotonic() + STOP_TIMEOUT
        while any(process.poll() is None for process in chosen):
            if time.monotonic() > end or self._signals > 1:
                break
            self._print()
        for process in chosen:
            # The whole group this time: a child may have died and left its own children behind.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        while self._print(wait=0.05):
            pass
