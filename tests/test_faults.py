"""The short kill test; `make faults` is the long one."""

from __future__ import annotations

from .faults import play

INTRODUCTIONS = 32


def test_nothing_is_early_or_lost_while_workers_and_web_are_killed(postgresql_url: str) -> None:
    report = play(postgresql_url, seed=7, count=INTRODUCTIONS, answer_within=20, limit=150, say=print)

    assert not report.violations, report
    assert report.introductions == INTRODUCTIONS
    assert min(report.kills[name] for name in ("worker", "web", "redis")) > 0, report
