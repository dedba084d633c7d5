"""The short kill test; `make faults` is the long one."""

from __future__ import annotations

import pytest

from .__main__ import Run, play

pytestmark = pytest.mark.slow

SHORT = Run(seed=7, introductions=36, at_once=10, answer_within=40, limit=210)


def test_nothing_is_early_or_lost_while_workers_and_web_are_killed(postgresql_url: str) -> None:
    report = play(postgresql_url, SHORT, say=print)

    assert not report.violations, str(report)
    assert report.introductions == SHORT.introductions
    assert set(report.kills) == {"worker", "web", "redis"}, str(report)
