"""Scanners that see what people see, in Chromium: some of those that `make scanners` plays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.scanners import SCANNERS, VISIBLE, Chromium, Den, Scanner, complaints, served
from tests.support.stages import Stages

pytestmark = pytest.mark.slow

PLAYED = ("GET", "first named button", "each button", "first choice, press", "last choice, press")


@pytest.fixture(scope="module")
def den(chromium: Browser) -> Iterator[Den]:
    with served() as story, Stages(story, ("15 s",)) as stages:
        page = chromium.new_page(base_url=story.settings.PUBLIC_URL)
        yield Den(stages, Chromium(page))
        page.close()


@pytest.mark.parametrize(
    "scanner", [s for s in SCANNERS if s.name in PLAYED], ids=lambda scanner: scanner.name
)
def test_what_is_visible_decides_nothing_unless_another_choice_than_the_first_is_made(
    den: Den, scanner: Scanner
) -> None:
    cells = list(den.run(scanner, VISIBLE, at=("both", "requester's")))
    assert [line for cell in cells for line in complaints(cell)] == []
    assert any(cell.recorded for cell in cells) == scanner.may_record
    # Nobody sees the decoys.
    assert [cell for cell in cells if cell.suspect and not scanner.may_record] == []
