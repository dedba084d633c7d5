"""Break the rules in many places, one at a time, and see whether a test notices.

    make mutants                        the kernel, the ledger, the tokens; a hundred of outbox and delivery
    python -m tests.mutants --seed 2    another hundred

Mutmut makes the changes and picks the tests that reach each; this module says which code and which tests,
and counts. It fails where fewer than 95 % are killed, or where one lives that is not in tests/mutants.toml.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
REASONS = Path(__file__).with_suffix(".toml")
MIN_KILLED = 0.95
SURVIVED, NOT_REACHED = (0, None), (5, 33)
"""The exit codes that mutmut notes for a mutant that all its tests pass, and for one without tests."""


@dataclass(frozen=True)
class Campaign:
    """Which files are changed, and which tests may notice; of ``sample`` mutants if that is not all."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    sample: int | None = None


CAMPAIGNS = (
    Campaign(
        ("service/lifecycle/*", "service/mail/tokens.py"),
        ("tests/lifecycle", "tests/mail/test_tokens.py", "tests/mail/test_addresses.py"),
    ),
    Campaign(
        ("service/store/outbox.py", "service/delivery/deliver.py", "service/delivery/outcomes.py"),
        (
            "tests/delivery/test_delivery.py",
            "tests/inbound/test_bounces.py",
            "tests/introductions/test_story.py",
        ),
        sample=100,
    ),
)


def main() -> int:
    """Run the campaigns; return 1 if too much survives."""
    parser = argparse.ArgumentParser(description="Mutation testing of what must never break.")
    parser.add_argument("--seed", type=int, default=1, help="which hundred of outbox and delivery")
    seed = parser.parse_args().seed
    counted = [run(campaign, seed) for campaign in CAMPAIGNS]
    killed, survivors = sum(count for count, _ in counted), [one for _, alive in counted for one in alive]
    unlisted = [survivor for survivor in survivors if not reason_for(survivor)]
    share = killed / (killed + len(survivors))
    sys.stdout.write(
        f"{killed} killed, {len(survivors)} survived: {share:.1%}, {len(unlisted)} without a reason\n"
    )
    return 1 if share < MIN_KILLED or unlisted else 0


def run(campaign: Campaign, seed: int) -> tuple[int, list[str]]:
    """Play one campaign in a copy of the checkout; return how many were killed, and what survived."""
    with tempfile.TemporaryDirectory(prefix="twoyes-mutants-") as folder:
        copy = Path(folder) / "twoyes"
        copy_checkout(copy)
        configure(copy, campaign)
        if campaign.sample is None:
            mutmut(copy)
        else:
            # A pattern that names nothing: mutmut makes the mutants and runs none.
            mutmut(copy, "none", check=False)
            names = sorted(results(copy))
            mutmut(copy, *random.Random(seed).sample(names, campaign.sample))
        found = {name: code for name, code in results(copy).items() if code is not None}
        alive = [difference(copy, name) for name, code in found.items() if code in (*SURVIVED, *NOT_REACHED)]
        for survivor in alive:
            sys.stdout.write(f"{survivor}\n  {reason_for(survivor) or 'no reason is listed'}\n\n")
        return len(found) - len(alive), alive


def copy_checkout(copy: Path) -> None:
    """Copy what git knows of, with the links inside it."""
    list_files = ["git", "ls-files", "-z"]
    files = subprocess.run(list_files, cwd=ROOT, capture_output=True, check=True, text=True)
    for name in filter(None, files.stdout.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)


def configure(copy: Path, campaign: Campaign) -> None:
    """Tell mutmut what to change and which tests to run, at the end of the copy's pyproject.toml."""
    settings = {
        "source_paths": ["service/"],
        "only_mutate": list(campaign.files),
        "also_copy": [
            "tasks/",
            "templates/",
            "service/templates/",
            "service/dev/Procfile",
            "Procfile",
            "docs/",
        ],
        "pytest_add_cli_args_test_selection": list(campaign.tests),
        "pytest_add_cli_args": ["-m", "not slow", "-p", "no:randomly"],
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    with (copy / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mutmut]\n" + "\n".join(lines) + "\n")


def mutmut(copy: Path, *names: str, check: bool = True) -> None:
    """Run mutmut on the mutants of these names, on all without any; its progress goes to the terminal."""
    subprocess.run(
        [sys.executable, "-m", "mutmut", "run", "--max-children", "2", *names], cwd=copy, check=check
    )


def results(copy: Path) -> dict[str, int | None]:
    """Read what came of each mutant: the exit code of its tests, or None where it was not tried."""
    found: dict[str, int | None] = {}
    for notes in (copy / "mutants").rglob("*.meta"):
        found |= json.loads(notes.read_text())["exit_code_by_key"]
    return found


def difference(copy: Path, name: str) -> str:
    """Return a mutant's name and the lines that it changes."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], cwd=copy, capture_output=True, check=True, text=True
    )
    changed = [
        line for line in shown.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("---", "+++")
    ]
    return "\n".join([name, *changed])


def reason_for(survivor: str) -> str | None:
    """Return why a mutant may live. Its number would move with the code, so the changed line is listed."""
    return next((entry["reason"] for entry in listed() if entry["line"] in survivor), None)


def listed() -> Iterator[dict[str, str]]:
    """Read the list of those that may live."""
    yield from tomllib.loads(REASONS.read_text(encoding="utf-8"))["survivor"]


if __name__ == "__main__":
    sys.exit(main())
