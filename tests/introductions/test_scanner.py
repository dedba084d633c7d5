"""No program that reads a mailbox decides anything; only who makes a visible choice may record something.

These read raw HTML, fifteen seconds after the mail. `tests/browser/test_scanners.py` plays some that see
what people see, and ``make scanners`` all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from service.lifecycle import ConsentState, MailKind
from tests.scanners import ALL, SCANNERS, Den, Raw, Scanner, complaints, served
from tests.support.forms import forms_of
from tests.support.stages import LINKLESS, STAGES, Stages
from tests.support.story import LINDA

pytestmark = pytest.mark.xdist_group("scanners")

ACTS = {"yes", "no", "undo", "later", "not-from", "never", "report", "take-back"} | {
    "verify",
    "withdraw",
    "sign-in",
}
GOLDEN = Path(__file__).parents[1] / "mail" / "golden"


@pytest.fixture(scope="module")
def stages() -> Iterator[Stages]:
    with served() as story, Stages(story, ("15 s",)) as stages:
        yield stages


@pytest.fixture
def den(stages: Stages) -> Den:
    return Den(stages, Raw(stages.story))


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.name)
def test_a_scanner_records_nothing_unless_it_makes_a_choice_that_people_see(
    den: Den, scanner: Scanner
) -> None:
    cells = list(den.run(scanner, ALL, at=("both", "requester's")))
    assert [line for cell in cells for line in complaints(cell)] == []
    assert any(cell.recorded for cell in cells) == scanner.may_record


def test_every_kind_of_mail_with_a_link_is_opened(stages: Stages) -> None:
    opened = {kind for _, kinds in STAGES.values() for kind in kinds}
    assert opened | LINKLESS == set(MailKind)
    assert opened & LINKLESS == set()
    assert {moment.stage for moment in stages.moments if moment.links} == set(STAGES)


@pytest.mark.parametrize("kind", sorted(LINKLESS))
def test_a_mail_that_is_not_opened_holds_no_link_of_its_own(kind: MailKind) -> None:
    written = [file.read_text(encoding="utf-8") for file in GOLDEN.glob(f"{kind}-*/body.*")]
    assert written
    assert [
        path for path in ("/a/", "/r/", "/f/", "/never/", "/desk/in/") for text in written if path in text
    ] == []


def test_every_act_behind_a_mailed_link_is_within_reach(stages: Stages) -> None:
    found: set[str] = set()
    for moment in stages.moments:
        stages.go_to(moment)
        for link in {link for links in moment.links.values() for link in links}:
            page = stages.story.app.test_client().get(link)
            choices = [choice.value for form in forms_of(page.text, link) for choice in form.choices]
            found |= {
                choice.partition("-")[0] if choice.startswith("later") else choice for choice in choices
            }
    assert found >= ACTS


def test_what_scanners_choose_at_random_is_stopped_by_the_decoys_and_by_its_contradictions(den: Den) -> None:
    scanner = Scanner("random", SCANNERS[-1].plan, may_record=True)
    chances = den.chances(scanner, range(10))
    assert chances["a mailbox suspect"] > 0
    assert chances["introduced"] <= chances["held"] <= chances["something recorded"]


def test_the_person_behind_the_scanner_still_says_yes_themselves(stages: Stages) -> None:
    story = stages.story
    moment = next(moment for moment in stages.moments if moment.stage == "asked")
    stages.go_to(moment)
    eyes = Raw(story)
    for link in moment.links[LINDA]:
        next(scanner for scanner in SCANNERS if scanner.name == "each button").scan(eyes, link, Random(1))
    assert story.consent(LINDA).suspect_at == story.clock()
    story.clock.advance(minutes=1)
    page = next(link for link in moment.links[LINDA] if link.startswith("/a/"))
    assert story.choose(page, "yes").status_code == 422
    assert story.choose(page, "yes", word="hello").status_code == 303
    assert story.consent(LINDA).state is ConsentState.YES
