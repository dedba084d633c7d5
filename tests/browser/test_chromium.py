"""Whether there is a browser to test with, said once."""

from __future__ import annotations

import pytest

from .site import CHROMIUM

pytestmark = pytest.mark.slow


@pytest.mark.skipif(
    CHROMIUM is None,
    reason="no chromium, chromium-browser or google-chrome on the PATH: the browser tests were left out",
)
def test_there_is_a_chromium_for_the_browser_tests() -> None:
    assert CHROMIUM
