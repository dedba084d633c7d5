"""The workflow on GitHub runs the one gate, on every Python that the package promises."""

from __future__ import annotations

import re
import tomllib

from .module_map import ROOT

WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


def test_every_python_of_the_classifiers_is_in_the_matrix() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = re.findall(r"Python :: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)
    (matrix,) = re.findall(r"python: \[(.*)\]", WORKFLOW)
    assert re.findall(r'"([\d.]+)"', matrix) == promised
    assert project["requires-python"] == f">={promised[0]}"


def test_the_workflow_has_no_list_of_checks_of_its_own() -> None:
    commands = re.findall(r"- run: (.*)", WORKFLOW)
    assert commands == ['git config --global --add safe.directory "$GITHUB_WORKSPACE"', ".ci/run"]
