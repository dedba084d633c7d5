"""What may be typed where: contact data and anything invisible is refused, ordinary sentences pass."""

from __future__ import annotations

import pytest

from service.free_text import NotAllowed, check_name, check_phone, check_text, clean_email, tidy


@pytest.mark.parametrize(
    "text",
    [
        "Write to rita@example.org, she knows.",
        "linda@salon.test",
        "rita at example dot com",
        "rita (at) example.com",
        "rita[at]salon",
        "ＲＩＴＡ＠example.org",
    ],
)
def test_an_email_address_in_free_text_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed, match="email address"):
        check_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "See https://salon.example.org/linda",
        "her page is www.salon.example",
        "lindas-salon.co.uk has pictures",
        "salon.beauty",
        "ftp://files",
        "just google salon.test",
    ],
)
def test_a_web_address_in_free_text_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed, match="web address"):
        check_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "Call her on +44 20 7946 0958.",
        "0044 20 7946 0958",
        "030 1234567",
        "(212) 555-0134",
        "212 555 0134",
        "0171/1234567",
        "612 345 678",
        "01.23.45.67.89",
        "＋４４ ２０ ７９４６ ０９５８",
    ],
)
def test_a_phone_number_in_free_text_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed, match="phone number"):
        check_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "She ran the salon from 2019-2024, and again in 2025.",
        "2019/2020/2021 were busy years.",
        "The budget is 10 000 to 12 000 euros.",
        "Between 100 000–150 000 pounds, or 1.000.000 at most.",
        "10 000 - 20 000",
        "The salon is at SW1A 1AA, or was it 10115 Berlin?",
        "We met on 24.11.2026 at 14:05, not on 2026-11-25.",
        "Open 9-17, on Saturdays 10-18.",
        "They work to ISO 9001:2015, 24/7.",
        "I looked at three; Natasha's was best, e.g. the light.",
        "3 @ 5 euros, and 50% off",
        "First line\nSecond line",
        "Dr. Quill’s café – très chic 😀",
    ],
)
def test_an_ordinary_sentence_passes(text: str) -> None:
    check_text(text)


@pytest.mark.parametrize("letter", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066"])
def test_control_characters_are_refused_everywhere(letter: str) -> None:
    for check in (check_text, check_name):
        with pytest.raises(NotAllowed, match="invisible"):
            check(f"Lin{letter}da")


@pytest.mark.parametrize(
    "name", ["Linda\nBcc: x", "Linda\tBerg", "linda@example.org", "http://x", "Salon.com"]
)
def test_a_name_is_one_line_without_any_address(name: str) -> None:
    with pytest.raises(NotAllowed):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["Linda", "O’Neil-Smith, PhD", "St. Mary", "J.R. Quill", "李小龍", 'Natasha "Tash" N.']
)
def test_a_name_as_people_have_it_passes(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("phone", ["+44 20 7946 0958", "(030) 12 34 56", "0171/1234567"])
def test_a_phone_number_passes_where_it_is_asked_for(phone: str) -> None:
    check_phone(phone)


@pytest.mark.parametrize(
    "phone", ["ask Rita", "12", "+44 20 7946 0958 ext. 5", "1" * 30, "+44\n20 7946 0958"]
)
def test_what_is_no_phone_number_is_refused_there(phone: str) -> None:
    with pytest.raises(NotAllowed):
        check_phone(phone)


def test_an_address_is_kept_in_the_form_plain_smtp_takes() -> None:
    assert clean_email(" Linda@EXAMPLE.org ") == "Linda@example.org"
    assert clean_email("linda@bücher.example") == "linda@xn--bcher-kva.example"
    assert clean_email("linda@salon.test") == "linda@salon.test"


@pytest.mark.parametrize(
    "email",
    [
        "linda",
        "linda@",
        "@salon.org",
        "lin da@salon.org",
        "linda@salon",
        "línda@salon.org",
        "a@b.org\nBcc: c",
    ],
)
def test_what_cannot_be_mailed_is_refused(email: str) -> None:
    with pytest.raises(NotAllowed, match="address"):
        clean_email(email)


def test_line_breaks_are_of_one_kind() -> None:
    assert tidy("  one\r\ntwo\rthree\n ") == "one\ntwo\nthree"
    assert tidy(None) == ""
