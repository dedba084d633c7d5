"""`pip install .`: what a wheel holds is all that TwoYes needs, outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.checkout import ROOT, copy_checkout, tracked_files
from tests.support.story import SECRET

pytestmark = pytest.mark.slow

Run = Callable[..., str]

VISIT = """
import service
from service import create_app

client = create_app().test_client()
print(service.__file__)
for path in ("/", "/static/style.css", "/healthz"):
    print(path, client.get(path).status)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built offline from a copy of the checkout, in which the build leaves its traces."""
    folder = tmp_path_factory.mktemp("wheel")
    checkout = copy_checkout(folder / "checkout")
    _pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(checkout))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a command of an environment that the wheel was installed into, in a folder of its own."""
    home = tmp_path_factory.mktemp("elsewhere")
    environment = home / "environment"
    venv.create(environment)
    _pip("--python", str(environment), "install", "--no-index", "--no-deps", str(wheel))
    # The dependencies are those of the tests. Its own packages come first, and an editable install of the
    # checkout is not among the rest: a folder named by a .pth is not searched for further ones.
    (packages,) = environment.glob("lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def run_there(command: str, *arguments: str, **settings: str) -> str:
        return subprocess.run(
            [str(environment / "bin" / command), *arguments],
            cwd=home,
            env={"PATH": os.defpath, **settings},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    return run_there


def _pip(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True
    )


def test_a_wheel_holds_the_sources_with_their_templates_and_nothing_else(wheel: Path) -> None:
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = {str(path) for path in tracked_files() if path.parts[0] in {"service", "tasks"}}
    templates = {f"service/{path}" for path in tracked_files() if path.parts[0] == "templates"}
    assert held == sources - {"service/templates"} | templates


def test_its_license_comes_with_it(wheel: Path) -> None:
    archive = ZipFile(wheel)
    (license_file,) = (name for name in archive.namelist() if name.endswith("licenses/LICENSE"))
    (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
    assert archive.read(license_file) == (ROOT / "LICENSE").read_bytes()
    assert "License-Expression: Apache-2.0" in archive.read(metadata).decode().splitlines()


def test_the_command_tells_its_version(run: Run) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run("twoyes", "--version") == f"twoyes {project['version']}\n"


def test_the_settings_are_listed(run: Run) -> None:
    assert "SECRET_KEY" in run("twoyes", "settings")


def test_a_mail_is_written_in_every_language(run: Run) -> None:
    mails = {
        run("twoyes", "mails", "preview", "ask-together", "--language", tag) for tag in ("en", "de", "ar")
    }
    assert len(mails) == 3
    assert all(mail.startswith("Subject: ") for mail in mails)


def test_the_tables_are_made_and_the_pages_served(run: Run, tmp_path: Path) -> None:
    settings = {"SECRET_KEY": SECRET, "DATABASE_URL": f"sqlite:///{tmp_path}/twoyes.db"}
    run("twoyes", "migrate", **settings)
    where, *pages = run("python", "-c", VISIT, **settings).splitlines()
    assert not Path(where).is_relative_to(ROOT)
    assert pages == ["/ 200 OK", "/static/style.css 200 OK", "/healthz 200 OK"]
