"""What may be typed where: contact data and anything invisible is refused, ordinary sentences pass."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.language.free_text import NotAllowed, check_name, check_phone, check_text, clean_email, tidy
from service.store.models import canonical


@pytest.mark.parametrize(
    "text",
    [
        "Write to rita@example.org, she knows.",
        "linda@salon.test",
        "rita at example dot com",
        "rita (at) example.com",
        "rita[at]salon",
        "ＲＩＴＡ＠example.org",
        "linda\u200d@\u200dsalon.test",
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
        "salon\u200d.\u200dcom",
        "salon.c\u200com",
        "www\u200d.salon",
        "банк.рф",
        "evil。com",
        "evil｡com",
        "Dr.evil.com",
        "請看 美容院。公司",
        "Пишите на evil.сайт, там всё",
        "evil.中国",
        "请看 美容院.公司",
        "صالون.شبكة",
        "सैलून.भारत",
        "192.168.1.1/login",
        "192.168.1.1:8080",
        "http:evil.com",
        "HTTPS:evil",
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
        "Phone 020 7946 0958 / 0161 496 0000",
        "212 555 0134 / 212 555 0199",
        "212 555 0134 212 555 0199",
        "612 345 678 / 612 345 679",
        "020\n7946\n0958",
        "212\n555\n0134",
        "+1\n800\n555\n0199",
        "020\t7946\t0958",
        "_020_7946_0958_",
        "020·7946·0958",
        "020 • 7946 • 0958",
        "020 | 7946 | 0958",
        "[020] 7946 0958",
        "020 − 7946 − 0958",
        "020\u00a07946\u00a00958",
        "020\u31647946\u31640958",
        "020\u200d7946\u200c0958",
        "0️⃣2️⃣0️⃣7️⃣9️⃣4️⃣6️⃣0️⃣9️⃣5️⃣8️⃣",
        "٠٢٠ ٧٩٤٦ ٠٩٥٨",
        "请打02079460958",
        "Tel020 7946 0958",
        "01.23.45 67 89",
        "202 555 0134 (2019)",
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
        "2019 · 2020 · 2021",
        "2019\n2020\n2021",
        "1998–2003 | 2005–2010 | 2012–2020",
        "100 000 / 150 000",
        "10 000 - 12 000 / 15 000 - 20 000",
        "Budget for 2025: 10 000\n2026: 12 000",
        "Prices:\n1200\n1500\n1800",
        "1. From 2019-2024\n2. From 2024 on\n3. Done",
        "We met on 24. 11. 2026 – 26. 11. 2026.",
        "On 04.11.26 14:05, and on 24.11.2026 14.05.",
        "Open 09.30-17.30, Saturdays 10:00-14:00 / 15:00-18:00",
        "New York, NY 10001-1234",
        "Grant 123456 (2021)",
        "The M25 2019-2024, and Rooms 101, 102, 103, 104",
        "1,000,000 or 2,500,000, 1 234 reviews, 4.5 out of 5",
        "3 x 4 m, 2.5 m high, 1920x1080, 300 dpi, A4 and B5",
        "serial 12345678901234567890",
        "می‌خواهم نقشه",
        "Она ведёт салон на площади. Дети любят её, и т.д. и т.п.",
        "Бюджет: 10 000 руб. Сайт уже есть, банк тоже.",
        "她在市场开美容院。我们认识十年了。公司很好,中国客人多。",
        "这家公司.我很喜欢。",
        "تدير صالون الحلاقة في السوق. أعرفها منذ عشر سنوات، وموقع عملها جميل.",
        "شركة.وهي تعمل جيداً",
        "Version 1.2.3.4 of it, and the http protocol: fine.",
        "👩‍🎨 paints, 👨‍👩‍👧 too",
        "Dr.med. Anna Berg, M.Sc., and Mr.Ng, i.e. two of them",
    ],
)
def test_an_ordinary_sentence_passes(text: str) -> None:
    check_text(text)


@pytest.mark.parametrize(
    "letter",
    ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\u200b", "\u00ad", "\ufeff"],
)
def test_control_characters_are_refused_everywhere(letter: str) -> None:
    for check in (check_text, check_name):
        with pytest.raises(NotAllowed, match="invisible"):
            check(f"Lin{letter}da")


@pytest.mark.parametrize(
    "name",
    [
        "Linda\nBcc: x",
        "Linda\tBerg",
        "linda@example.org",
        "http://x",
        "Salon.com",
        "www.x.org",
        "Dr.evil.com",
        "Dr.Com",
        "dr.kim",
        "T.Co",
        "Dr.Kim/login",
        "https://Dr.Kim",
        "evil。com",
        "Your account is locked, dial +1 800 555 0199 now",
        "Linda 020\u200d7946\u200d0958",
        "\u200d",
        "\u200c \u200d",
        "\u3164",
        "\u2800",
    ],
)
def test_a_name_is_one_line_without_any_address(name: str) -> None:
    with pytest.raises(NotAllowed):
        check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "Linda",
        "O’Neil-Smith, PhD",
        "St. Mary",
        "J.R. Quill",
        "李小龍",
        'Natasha "Tash" N.',
        "Salon 1998",
        "علی‌رضا",
        "Dr.med. Anna Berg",
        "Prof.Dr.Li Wei",
        "Dipl.-Ing. Uwe Weiß",
        "Anna Berg, M.Sc.",
        "Ravi Kumar, B.Tech.",
        "Ravi Kumar B.Com",
        "Dr.Kim",
        "Mr.Ng",
        "K.Kim",
        "Will.i.am",
    ],
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


def test_an_address_is_kept_as_typed_with_its_domain_in_ascii() -> None:
    assert clean_email(" Linda@EXAMPLE.org ") == "Linda@example.org"
    assert clean_email("linda@bücher.example") == "linda@xn--bcher-kva.example"
    assert clean_email("linda@salon.test") == "linda@salon.test"
    assert clean_email("Lí.nda@BÜCHER.example") == "Lí.nda@xn--bcher-kva.example"
    assert clean_email("लिंडा@उदाहरण.परीक्षा") == "लिंडा@xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g"


def test_the_letters_of_an_address_are_put_together_in_one_way() -> None:
    assert clean_email(unicodedata.normalize("NFD", "línda@bücher.example")) == "línda@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "spelt",
    [
        "línda@xn--bcher-kva.example",
        "LÍNDA@Xn--Bcher-KVA.example",
        " línda@bücher.example ",
        "Línda@BÜCHER.Example",
        "línda@bücher。example",
        unicodedata.normalize("NFD", "línda@bücher.example"),
        unicodedata.normalize("NFD", "LÍNDA@BÜCHER.EXAMPLE"),
    ],
)
def test_two_spellings_of_one_address_are_the_same(spelt: str) -> None:
    assert canonical(spelt) == "línda@xn--bcher-kva.example"
    assert canonical(clean_email(spelt)) == canonical(spelt)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("linda@salon.org", "línda@salon.org"),
        ("strasse@salon.org", "straße@salon.org"),
        ("linda@fass.example", "linda@faß.example"),
        ("linda+a@salon.org", "linda@salon.org"),
    ],
)
def test_two_addresses_are_never_taken_for_one(one: str, another: str) -> None:
    assert canonical(clean_email(one)) != canonical(clean_email(another))
    assert canonical(one) != canonical(another)


@given(st.one_of(st.text(), st.text().map(lambda end: f"línda@{end}")))
def test_a_spelling_can_be_compared_whatever_it_is_and_comparing_is_stable(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@pytest.mark.parametrize(
    "email",
    [
        "linda",
        "linda@",
        "@salon.org",
        "lin da@salon.org",
        "linda@salon",
        "a@b.org\nBcc: c",
        "lín\u202eda@salon.org",
        "lín\u200cda@salon.org",
        "lín\u00a0da@salon.org",
        "linda@xn--sälon.org",
        "a" * 60 + "@" + "ü." * 30 + "example",
    ],
)
def test_what_cannot_be_mailed_is_refused(email: str) -> None:
    with pytest.raises(NotAllowed, match="address"):
        clean_email(email)


def test_line_breaks_are_of_one_kind() -> None:
    assert tidy("  one\r\ntwo\rthree\n ") == "one\ntwo\nthree"
    assert tidy(None) == ""


def test_what_nobody_sees_is_left_out_but_what_a_script_needs_stays() -> None:
    assert tidy("\ufeffLin\u00adda\u200b Marsh\u2060") == "Linda Marsh"
    assert tidy("salon\u200b.\u200bcom") == "salon.com"
    assert tidy("020\u200b7946\u200b0958") == "02079460958"
    assert tidy("علی\u200cرضا 👩\u200d🎨") == "علی\u200cرضا 👩\u200d🎨"
    # What turns the direction of a text is told, not swallowed.
    assert tidy("Linda\u202e") == "Linda\u202e"


@pytest.mark.parametrize("text", ["\u200d", " \u200b\u200c ", "\u3164", "\u2800\u2800", "\ufe0f"])
def test_a_text_of_which_nothing_is_seen_is_no_text(text: str) -> None:
    assert tidy(text) == ""
