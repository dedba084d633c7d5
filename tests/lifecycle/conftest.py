"""How hard Hypothesis looks: a short and repeatable run by default, HYPOTHESIS_PROFILE=campaign for long."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("short", max_examples=400, deadline=None, derandomize=True, database=None)
settings.register_profile(
    "campaign",
    max_examples=4000,
    stateful_step_count=80,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
