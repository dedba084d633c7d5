"""The text part in short lines that can be put together again (RFC 3676)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.mail.flowed import WIDTH, flowed
from service.mail.flowed import unflowed as paragraphs
from tests.support.flowed import unflowed

LINK = "https://twoyes.test/a/" + "x" * 120
LONG = "Nothing is shared unless you both say yes: not your address, not your answer. " * 3
ARABIC = "تود ريتا كويل أن تعرّفك على ناتاشا أورلوفا، ولن يُرسل أي شيء ما لم توافقا كلاكما على ذلك. " * 3
CHINESE = "丽塔想把你介绍给娜塔莎。" * 20
TYPED = st.text(st.sampled_from("ab->F rom \t\u00a0\u2028é李ع.:/"), max_size=200)


def lines(text: str) -> list[str]:
    return flowed(text).split("\n")


@pytest.mark.parametrize(
    "text", [LONG, ARABIC, f"> {LONG}", f"> {ARABIC}"], ids=["ours", "ar", "quoted", "ar>"]
)
def test_a_paragraph_is_shown_in_short_lines_and_is_one_again_where_it_is_put_together(text: str) -> None:
    shown = lines(text)
    assert len(shown) > 2
    assert max(len(line.rstrip(" ")) for line in shown) <= WIDTH
    assert all(line.endswith(" ") and not line.endswith("  ") for line in shown[:-1])
    assert unflowed(flowed(text)) == text.rstrip() + "\n"


def test_every_line_of_a_quotation_is_marked_as_one() -> None:
    assert all(line.startswith("> ") for line in lines(f"> {LONG}"))
    assert (
        unflowed(flowed(f"> {LONG}\n>\n> {LONG}\nOurs.")) == f"> {LONG.strip()}\n>\n> {LONG.strip()}\nOurs.\n"
    )


def test_what_follows_a_line_is_never_drawn_into_it_but_by_a_soft_break() -> None:
    text = "Hello Linda,   \n\n> One. \nTwo. \n"
    assert flowed(text) == "Hello Linda,\n\n> One.\nTwo.\n"


@pytest.mark.parametrize("before", ["", "Never hear from us again: ", "> "])
def test_a_link_is_never_broken(before: str) -> None:
    shown = lines(f"{before}{LINK}")
    assert shown[-1].removeprefix("> ") == LINK
    assert unflowed("\n".join(shown)) == f"{before}{LINK}\n"


def test_a_script_without_spaces_stays_in_one_line_that_the_reader_breaks() -> None:
    assert lines(CHINESE) == [CHINESE]
    assert lines(f"{CHINESE} {CHINESE}") == [f"{CHINESE} ", CHINESE]


@pytest.mark.parametrize("text", [" indented", ">> no quotation", ">no quotation", "From here on"])
def test_a_line_that_would_be_read_as_something_else_is_stuffed(text: str) -> None:
    assert flowed(text) == f" {text}"
    assert unflowed(flowed(text)) == f"{text}\n"
    assert flowed(f"> {text}") == f"> {text}"


def test_a_line_that_a_break_makes_is_stuffed_as_well() -> None:
    text = "x" * WIDTH + " From now on, " + "y" * WIDTH + " >z"
    assert lines(text) == ["x" * WIDTH + " ", " From now on, ", "y" * WIDTH + " ", " >z"]
    assert unflowed(flowed(text)) == f"{text}\n"


def test_the_two_dashes_of_a_signature_keep_their_space_and_stand_alone() -> None:
    assert lines("Yes.\n\n-- \nTwoYes") == ["Yes.", "", "-- ", "TwoYes"]


def test_no_break_makes_a_line_that_looks_like_a_signature() -> None:
    for text in ("x" * WIDTH + f" -- {LINK}", f"-- {LINK}", f"> -- {LINK}"):
        assert not {"-- ", "> -- "} & set(lines(text))
        assert unflowed(flowed(text)) == f"{text}\n"


@given(st.lists(st.tuples(st.sampled_from(["", "> "]), TYPED), min_size=1, max_size=5))
def test_whatever_is_written_comes_back_as_it_was(typed: list[tuple[str, str]]) -> None:
    paragraphs = [f"{mark}{text}".rstrip(" ") if text.strip(" ") else mark.strip() for mark, text in typed]
    text = "\n".join(paragraphs) + "\n"
    shown = flowed(text)
    assert unflowed(shown) == text
    for line in shown.split("\n"):
        assert len(line.rstrip(" ")) <= WIDTH + 1 or " " not in line.strip(" >")


@given(TYPED)
@example(f"{LONG}\n-- \n{ARABIC}\n> {LONG}\n>\nOurs.")
def test_the_mailbox_puts_together_what_any_reader_would(text: str) -> None:
    assert "\n".join(paragraphs(flowed(text))) == unflowed(flowed(text)).removesuffix("\n")
