"""What people may type: no contact data in free text, no web addresses in names, nothing invisible.

Contact data is what the introduction is there to hand over; in a blurb it would go out before anybody
said yes. The rules are conservative: a sentence with years, prices or postcodes must pass.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from email_validator import EmailNotValidError, validate_email
from linkify_it import LinkifyIt
from linkify_it.tlds import TLDS

NAME_LENGTH = 80
TEXT_LENGTH = 1000
LINE_LENGTH = 300
PHONE_LENGTH = 40
EMAIL_LENGTH = 254

# U+2028/9 end a line in some programs; the others turn the direction of everything that follows.
TRICKY = set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

SPELT_OUT = re.compile(
    r"""
    \w \s* [\[({<] \s* (?:at|@) \s* [\])}>] \s* \w                       # rita (at) example
    | \w \s+ at \s+ [\w-]+ (?: \s* [\[({]?\s*\b dot \b\s*[\])}]? \s* [a-z-]{2,} )+  # rita at example dot com
    """,
    re.IGNORECASE | re.VERBOSE,
)
AT_SIGN = re.compile(r"[^\s@]@[^\s@]")
WEB = re.compile(r"\bwww\.\w|\w://", re.IGNORECASE)

DATE = re.compile(r"(?<![\d./-])(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d\d-\d\d)(?![./-]?\d)")
DIGITS = re.compile(r"(?<!\w)\+?\(?\d[\d ()./-]*\d")
YEARS = re.compile(r"(?:19|20)\d\d(?:[ /-]+(?:19|20)\d\d)*")
AMOUNT = r"\d{1,3}(?:[ .]\d{3})+"
AMOUNTS = re.compile(rf"{AMOUNT}(?: ?- ?{AMOUNT})?")


class NotAllowed(ValueError):
    """The text cannot be taken as it is; the message says what to change."""


def check_name(text: str) -> None:
    """Raise NotAllowed for control characters, addresses and web addresses in a name."""
    _check_visible(text, breaks=False)
    if _has_address(text) or _has_url(text):
        raise NotAllowed("Please leave email and web addresses out of the name.")


def check_text(text: str) -> None:
    """Raise NotAllowed for control characters, addresses, phone numbers and web addresses in free text."""
    _check_visible(text, breaks=True)
    if _has_address(text):
        raise NotAllowed("Please leave the email address out here: we share addresses once both say yes.")
    if _has_url(text):
        raise NotAllowed(
            "Please leave the web address out here. If it is none, put a space after the full stop."
        )
    if _has_phone_number(text):
        raise NotAllowed("This looks like a phone number. Please leave it out here.")


def check_phone(text: str) -> None:
    """Raise NotAllowed unless the text can be a phone number."""
    if not re.fullmatch(r"[+(\d][\d ()./-]*", text) or not 5 <= len(re.sub(r"\D", "", text)) <= 15:
        raise NotAllowed("Please write the phone number in digits, such as +44 20 7946 0958.")


def clean_email(text: str) -> str:
    """The address in the form that plain SMTP takes, or NotAllowed.

    Only the syntax is looked at; whether the address can be reached is seen when a mail goes there.
    """
    try:
        # The test environment lets addresses below .test pass, which is what test installations use.
        found = validate_email(
            text.strip(), check_deliverability=False, allow_smtputf8=False, test_environment=True
        )
    except EmailNotValidError:
        raise NotAllowed(
            "This does not look like an email address. It should be like name@example.org."
        ) from None
    if found.ascii_email is None:
        raise NotAllowed("We can only write to addresses in plain letters, such as name@example.org.")
    return found.ascii_email


def tidy(text: str | None) -> str:
    """Typed text without spaces at its ends, and with one kind of line break."""
    return re.sub(r"\r\n?", "\n", text or "").strip()


def _check_visible(text: str, breaks: bool) -> None:
    allowed = "\n\t" if breaks else ""
    if any(_is_invisible(letter) and letter not in allowed for letter in text):
        where = "in the text" if breaks else "in the name"
        raise NotAllowed(f"There is an invisible control character {where}. Please type it afresh.")


def _is_invisible(letter: str) -> bool:
    return letter in TRICKY or unicodedata.category(letter) in ("Cc", "Cs")


def _has_address(text: str) -> bool:
    plain = unicodedata.normalize("NFKC", text)
    return bool(AT_SIGN.search(plain) or SPELT_OUT.search(plain))


def _has_url(text: str) -> bool:
    plain = unicodedata.normalize("NFKC", text)
    return bool(WEB.search(plain)) or bool(_linkify().test(plain))


@cache
def _linkify() -> LinkifyIt:
    # Reserved names (RFC 2606) are web addresses to whoever reads them, and on a test installation.
    return LinkifyIt().tlds([*TLDS, "TEST", "EXAMPLE"])


def _has_phone_number(text: str) -> bool:
    plain = re.sub(r"[\u2010-\u2015]", "-", unicodedata.normalize("NFKC", text))
    return any(_is_phone_number(run[0]) for run in DIGITS.finditer(DATE.sub(" , ", plain)))


def _is_phone_number(run: str) -> bool:
    digits = re.sub(r"\D", "", run)
    if len(digits) > 15 or YEARS.fullmatch(run):
        return False
    if run.startswith(("+", "00", "(0")) or re.match(r"\(?0\d", run):
        return len(digits) >= 7
    if AMOUNTS.fullmatch(run):
        # 612 345 678 is how many countries write a phone number; a round sum is a sum.
        return len(digits) == 9 and "-" not in run and not run.endswith("000")
    return len(digits) >= 9
