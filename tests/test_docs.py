"""What README and docs tell people to type works: each block is typed, and what it shows is compared."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

from service.dev import LOOPBACK, free_port
from tests.support.checkout import ROOT, copy_checkout
from tests.support.processes import MAX_WAIT, eventually

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/**/*.md")]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TYPED = ("console", "diff", "shell")
"""Tags of the blocks that a reader types: commands with what they print, a change to make, and commands."""
SHOWN = ("", "ini", "nginx", "text")
"""Tags of the blocks that show a file or a drawing."""
COMMAND = re.compile(
    r"^\s*(\$ |([./~]\S*/)?(apt-get|curl|exec|git|make|openssl|pip|pytest|python3?|sudo|twoyes) )",
    re.MULTILINE,
)
SUITES = ("make check", "make test", "make lint types")
"""They would run this test again, or what .ci/run runs beside it: make only says what it would do."""


class Block(NamedTuple):
    """A fenced block of a document."""

    line: int
    tag: str
    text: str


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, found.start()) + 1, *found.group(2, 3)) for found in BLOCK.finditer(text)
    ]


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


class Reader:
    """Somebody who types what a document says, in a folder of their own, a checkout unless they clone one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.here = self._clone(folder / "checkout")
        self.settings = {
            "HOME": str(folder),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PORT": str(free_port()),
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a command: it runs the copy that the reader stands in, if any.

        Whatever a document installs beside is there already: pip has to find it, and fetches nothing.
        """
        return self.settings | {
            "PYTHONPATH": os.pathsep.join([str(self.here), sysconfig.get_path("purelib")])
        }

    def follow(self, block: Block) -> None:
        """Do what a block says. Raises AssertionError where it does not work."""
        if block.tag == "diff":
            self._sh("git apply -", block.text)
        elif block.tag == "shell":
            for line in block.text.replace("\\\n", " ").splitlines():
                self._type(line.partition(" #")[0].strip())
        elif block.tag == "console":
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
                printed = self._sh(command, may_fail=True)
                assert re.search(pattern(shown), tidy(printed)), f"{command} printed:\n{printed}"

    def _type(self, line: str) -> None:
        if line.startswith("git clone "):
            # Its address is not known here, and what is not committed yet is to be tested as well.
            self.here = self.folder
            self._clone(self.here / line.rsplit(maxsplit=1)[-1])
        elif line == "make run":
            self._make_run()
        elif line.startswith("cd "):
            self.here /= line.removeprefix("cd ")
        elif line in SUITES:
            self._sh(line.replace("make", "make --dry-run", 1))
        elif line:
            # What a document puts under /srv goes into the folder.
            self._sh(line.replace("/srv/", f"{self.folder}/"))

    def _sh(self, command: str, given: str = "", *, may_fail: bool = False) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.here,
            env=self.environ,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert may_fail or not done.returncode, f"{command}:\n{done.stdout}"
        return done.stdout

    def _make_run(self) -> None:
        """Start everything, look at the form and the mailbox, and stop it as Ctrl-C does."""
        log = self.folder / "make-run.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["make", "run"],  # noqa: S607 (make is where the PATH finds it)
                cwd=self.here,
                env=self.environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            eventually(lambda: self._status("/") == http.HTTPStatus.OK, MAX_WAIT, "the form")
            assert self._status("/mailbox") == http.HTTPStatus.OK
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(MAX_WAIT)
        assert "TwoYes is stopped." in log.read_text(encoding="utf-8")

    def _status(self, path: str) -> int:
        connection = http.client.HTTPConnection(LOOPBACK, int(self.settings["PORT"]), timeout=MAX_WAIT)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    @staticmethod
    def _clone(folder: Path) -> Path:
        """Copy this checkout, with an environment in which make finds everything installed."""
        copy_checkout(folder)
        environment = folder / ".venv"
        environment.mkdir()
        for part in ("bin", "lib", "pyvenv.cfg"):
            (environment / part).symlink_to(Path(sys.prefix) / part)
        for stamp in (".installed", ".installed-dev"):
            (environment / stamp).touch()
        return folder


def tidy(output: str) -> str:
    """Leave out what hangs on the width of a terminal: empty lines, and how many spaces there are."""
    return "\n".join(" ".join(line.split()) for line in output.splitlines() if line.strip())


def pattern(shown: str) -> re.Pattern[str]:
    """Read what a document shows as a pattern: … stands for anything, and a moment for any other."""
    escaped = re.escape(tidy(shown)).replace("…", ".*")
    return re.compile(re.sub(r"\d{4}\\-\d\d\\-\d\d\\ \d\d:\d\d", r"\\S+ \\S+", escaped), re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_block_says_what_it_is_and_none_hides_a_command(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    found = blocks(document)
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(found)
    for block in found:
        where = f"{name(document)}:{block.line}"
        assert block.tag in (*TYPED, *SHOWN), f"{where}: which kind of block is {block.tag}?"
        assert block.tag in TYPED or not COMMAND.search(block.text), f"{where}: commands are tagged shell"


@pytest.mark.slow
@pytest.mark.parametrize(
    "document", [it for it in DOCUMENTS if any(block.tag in TYPED for block in blocks(it))], ids=name
)
def test_what_a_document_tells_to_type_works(document: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for block in blocks(document):
        reader.follow(block)
