"""What newcomers may write: everything ordinary, and nothing that may be taken for an address or a number."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from service.dev import demo, samples
from service.language import newcomers
from service.language.free_text import BLANK, NotAllowed
from service.language.scripts import ACCENTS, EAST_ASIAN, script_of
from service.language.shapes import APOSTROPHES, HYPHENS
from tests.abuse.text import of_categories, one_of_each_script, passing
from tests.support.story import FORM

PEOPLE = tomllib.loads((Path(__file__).parent / "people.toml").read_text(encoding="utf-8"))
TEXTS = [text for texts in PEOPLE["texts"].values() for text in texts]
OUR_NAMES = ("TwoYes", "Acme Introductions")
BESIDE_WORDS = " \t\n&'-/\u2013\u2044" + "".join(map(chr, [*APOSTROPHES, *HYPHENS]))
"""What neither parts an address nor joins one: hyphens, apostrophes and the like between two words."""


# --- What people write ------------------------------------------------------------------------------


def test_the_lists_are_long() -> None:
    assert len(set(PEOPLE["names"])) >= 80
    assert len(set(TEXTS)) >= 60


@pytest.mark.parametrize("name", PEOPLE["names"])
def test_a_name_of_any_culture_passes(name: str) -> None:
    newcomers.check_name(name, OUR_NAMES)


@pytest.mark.parametrize("text", TEXTS)
def test_an_ordinary_need_passes(text: str) -> None:
    newcomers.check_text(text)


def test_what_the_demo_the_samples_and_the_tests_write_passes() -> None:
    for name in ("requester_name", "a_name", "b_name"):
        newcomers.check_name(FORM[name], OUR_NAMES)
    for name in ("a_blurb", "a_endorsement", "b_blurb", "b_endorsement", "need"):
        newcomers.check_text(FORM[name])
    for person in vars(demo).values():
        if isinstance(person, demo.Person):
            newcomers.check_name(person.name)
            newcomers.check_text(person.blurb)
    plain = samples._plain()
    for text in (plain.need, *(side.blurb for side in plain.consents)):
        newcomers.check_text(text)


# --- What they may not ------------------------------------------------------------------------------


def refusal(check: Callable[[str], None], text: str) -> str:
    with pytest.raises(NotAllowed) as refused:
        check(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("PayPal Security", "name of a person"),
        ("TwoYes Support", "name of a person"),
        ("Acme Introductions", "name of a person"),
        ("A.C.M.E. Introductions", "name of a person"),
        ("Support Team", "name of a person"),
        ("Admin", "name of a person"),
        ("Pay-Pal", "name of a person"),
        ("P a y p a l Inc", "leave out “P a y p a l”"),
        ("PayPaI", "name of a person"),
        ("Rnicrosoft", "name of a person"),
        ("Sécurité", "name of a person"),
        ("раураӏ", "name of a person"),
        ("ＰａｙＰａｌ", "name of a person"),
        ("الدعم", "name of a person"),
        ("Your parcel is held", "name of a person"),
        ("We hold what you ordered and want you to come now", "just the name"),
        ("Pаypal", "one alphabet"),
        ("Linda Маршова", "one alphabet"),
        ("Ev1l", "digits"),
        ("Linda ２", "digits"),
        ("Linda ❷", "digits"),
        ("Linda 😀", "leave out"),
        ("Linda @ Salon", "leave out"),
        ("Linda: pay", "leave out"),
        ("Linda\u0338", "one alphabet"),
        ("Linda. com", "leave out “Linda. com”"),
        ("evil。com", "full stop"),
        ("Salon.com", "full stop"),
        ("Salon.evilcorp", "a space after the “.”"),
        ("evil dot com", "leave out “dot com”"),
    ],
)
def test_a_name_that_no_person_bears_is_refused(name: str, why: str) -> None:
    assert why in refusal(lambda text: newcomers.check_name(text, OUR_NAMES), name)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Link:evil.com", "a space after the “:”"),
        ("https:/evil.com/login", "a space after the “:”"),
        ("https: evil", "leave out “https:”"),
        ("evil.com|x", "a space after the “.”"),
        ("Tel: 1414", "leave out “Tel:”"),
        ("tel:", "leave out “tel:”"),
        ("paypal[.]com", "a space after the “.”"),
        ("paypal(.)com", "a space after the “)”"),
        ("paypal . com", "leave out the “.”"),
        ("paypal. com", "leave out “paypal. com”"),
        ("paypal.\ncom", "leave out “paypal. com”"),
        ("PAYPAL. COM", "leave out “PAYPAL. COM”"),
        ("paypal dot com", "leave out “dot com”"),
        ("paypal (dot) com", "leave out “dot) com”"),
        ("paypal punkt de", "leave out “punkt de”"),
        ("paypal punto com", "leave out “punto com”"),
        ("evil。com", "web address"),
        ("evil｡com", "web address"),
        ("evil․com", "web address"),
        ("ｅｖｉｌ．ｃｏｍ", "web address"),
        ("evil.сом", "“.”"),
        ("evil.unknowntld", "a space after the “.”"),
        ("e v i l . c o m", "leave out"),
        ("e v i l c o m", "leave out “e v i l c o m”"),
        ("e. v. i. l. c. o. m", "leave out"),
        ("evil\u0338com", "one alphabet"),
        ("evil\u20ddcom", "one alphabet"),
        ("evilꞏcom", "one alphabet"),
        ("evilǀcom", "one alphabet"),
        ("evil ꓸ com", "one alphabet"),
        ("paypаl", "one alphabet"),
        ("evil\u200dcom", "one alphabet"),
        ("evil😀com", "leave out the “😀”"),
        ("evil. 😀com", "leave out “evil. com”"),
        ("evil.😀com", "a space after the “.”"),
        ("paypal1.1com", "a space after the “.”"),
        ("evil:in.com", "a space after the “:”"),
        ("rita @ salon", "leave out the “@”"),
        ("O8OO l23 456", "long numbers"),
        ("OO 44 20 79", "long numbers"),
        ("zero eight zero zero one", "long numbers"),
        ("null acht null null eins", "long numbers"),
        ("0800", "long numbers"),
        ("116 123", "long numbers"),
        ("12345", "long numbers"),
        ("١٢٣٤٥", "long numbers"),
        ("1x2x3x4x5", "long numbers"),
        ("1\n2\n3\n4\n5", "long numbers"),
        ("+4420", "long numbers"),
        ("➊➋➌", "leave out"),
    ],
)
def test_a_text_that_may_be_taken_for_an_address_or_a_number_is_refused(text: str, why: str) -> None:
    assert why in refusal(newcomers.check_text, text)


# --- Unicode ----------------------------------------------------------------------------------------


def is_harmless(sign: str) -> bool:
    """Whether two words with this between them are two words still, or one in the letters of this world."""
    if sign.isspace() or ord(sign) in BLANK:
        return True
    plain = [letter for letter in unicodedata.normalize("NFKC", f"evil{sign}com") if letter not in ACCENTS]
    scripts = {script_of(letter) for letter in plain if letter.isalpha()}
    return scripts <= {"LATIN", EAST_ASIAN} and all(x.isalnum() or x in BESIDE_WORDS for x in plain)


def test_no_mark_joins_two_words_to_an_address() -> None:
    signs = of_categories("PSZM")
    assert len(signs) > 9000
    frames = ("evil{}com", "evil{}.com", "evil.{}com")
    assert {sign for _, sign in passing(signs, frames) if not is_harmless(sign)} == set()


def test_a_letter_of_another_script_joins_nothing_either() -> None:
    letters = one_of_each_script()
    assert len(letters) > 100
    found = passing(letters, ("evil{}com", "evil{}.com", "evil.{}com"))
    assert [letter for _, letter in found if not is_harmless(letter)] == []
