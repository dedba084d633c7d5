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

from .data_files import data
from .languages import gettext

NAME_LENGTH = 80
TEXT_LENGTH = 400
LINE_LENGTH = 300

# U+2028/9 end a line in some programs; the others turn the direction of everything that follows.
TRICKY = set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Some scripts cannot be written without them, and they hold many an emoji together.
JOINERS = set("\u200c\u200d")
# Letters and symbols by category, and yet nothing is seen of them.
BLANK = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0\u2800"), " ")

# A browser takes the first two for the full stop in an address (UTS #46), a person takes them all for it.
FULL_STOPS = dict.fromkeys(map(ord, "\u3002\uff61\u06d4\u2024\ufe12"), ".")
DOTTED = re.compile(r"(?<![\w.@/:-])(?:[^\W\d_]+\.)+[^\W\d_]*(?![\w@/:])")

SPELT_OUT = re.compile(
    r"""
    \w \s* [\[({<] \s* (?:at|@) \s* [\])}>] \s* \w                       # rita (at) example
    | \w \s+ at \s+ [\w-]+ (?: \s* [\[({]?\s*\b dot \b\s*[\])}]? \s* [a-z-]{2,} )+  # rita at example dot com
    """,
    re.IGNORECASE | re.VERBOSE,
)
AT_SIGN = re.compile(r"[^\s@]@[^\s@]")
WEB = re.compile(
    r"""
    \b www\.\w | \w:// | \b https?:\w
    | \b \d{1,3} (?:\.\d{1,3}){3} (?: / | :\d )     # 192.0.2.1/login; without a path it may be a version
    """,
    re.IGNORECASE | re.VERBOSE,
)

# Numbers that are no part of a phone number, whatever stands around them.
PLAIN_NUMBERS = re.compile(
    r"""
    (?<![\d./-]) (?: \d{1,2}[./-][ ]?\d{1,2}[./-][ ]? (?: (?:19|20)\d\d | \d\d (?![ ]\d\d[ ]\d\d) )
                  | (?:19|20)\d\d-[01]\d-[0-3]\d ) (?![./-]?\d)              # 24.11.2026 or 2026-11-24
    | (?<![\d.]) [012]?\d[.:][0-5]\d [ ]?-[ ]? [012]?\d[.:][0-5]\d (?![\d.-])  # 09.30-17.30
    | (?<![\d-]) [1-9]\d{4}-\d{4} (?![\d-])                                   # 10001-1234, a ZIP code
    | \( (?:19|20)\d\d (?:-(?:19|20)\d\d)? \)                                 # (2019)
    | ^ \s* [1-9]\d?[.)] \s+ (?!\d)                                          # 2. before a list's item
    """,
    re.MULTILINE | re.VERBOSE,
)
# One or two letters in front make it a code, such as a road's or a postcode's.
DIGITS = re.compile(r"(?<!\d)(?<!\b[A-Za-z])(?<!\b[A-Za-z]{2})\+?\(?\d[\d\s()\[\]./_·•|-]*\d")
PARTS = re.compile(r"\s*[\n/|·•]\s*|\s+-\s+")
YEARS = re.compile(r"(?:19|20)\d\d(?:[\s/_·•|-]+(?:19|20)\d\d)*")
AMOUNT = r"\d{1,3}(?:[ .]\d{3})+"
AMOUNTS = re.compile(rf"{AMOUNT}(?: ?- ?{AMOUNT})?")
ROUND_SUM = re.compile(r"[1-9]\d{1,4}00")


class NotAllowed(ValueError):
    """The text cannot be taken as it is; the message says what to change."""


def check_name(text: str) -> None:
    """Raise NotAllowed for control characters, addresses, phone numbers and web addresses in a name."""
    _check_visible(text, breaks=False)
    if _has_address(text) or _has_url(text):
        raise NotAllowed(
            gettext(
                "Please leave email and web addresses out of the name. "
                "If there isn’t one, put a space after the full stop."
            )
        )
    # Names stand in mails to addresses that nobody has verified yet: "dial this number" must not.
    if _has_phone_number(text):
        raise NotAllowed(gettext("Please leave phone numbers out of the name."))


def check_text(text: str) -> None:
    """Raise NotAllowed for control characters, addresses, phone numbers and web addresses in free text."""
    _check_visible(text, breaks=True)
    if _has_address(text):
        raise NotAllowed(gettext("Please leave out the email address: we share addresses once both say yes."))
    if _has_url(text):
        raise NotAllowed(
            gettext("Please leave out the web address. If it isn’t one, put a space after the full stop.")
        )
    if _has_phone_number(text):
        raise NotAllowed(gettext("This looks like a phone number. Please leave it out here."))


def check_phone(text: str) -> None:
    """Raise NotAllowed unless the text can be a phone number."""
    if not re.fullmatch(r"[+(\d][\d ()./-]*", text) or not 5 <= len(re.sub(r"\D", "", text)) <= 15:
        raise NotAllowed(gettext("Please enter the phone number in digits, such as +44 20 7946 0958."))


def clean_email(text: str) -> str:
    """Write the address in the one form that it is kept in, or raise NotAllowed.

    The local part stays as typed, in NFC; the domain is in ASCII (IDNA), so that an address needs SMTPUTF8
    (RFC 6531) only where its local part does. Only the syntax is looked at; whether the address can be
    reached is seen when a mail goes there.
    """
    try:
        # The test environment lets addresses below .test pass, which is what test installations use.
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise NotAllowed(
            gettext("This doesn’t look like an email address. It should look like name@example.org.")
        ) from None
    return f"{found.local_part}@{found.ascii_domain}"


def tidy(text: str | None) -> str:
    """Remove spaces at the ends of typed text and what nobody sees, and make its line breaks of one kind.

    Soft hyphens and the like come along when text is copied; whoever pastes them does not know of them.
    """
    seen = "".join(letter for letter in text or "" if letter in TRICKY or not _is_format(letter))
    return re.sub(r"\r\n?", "\n", seen).strip() if _shows_anything(seen) else ""


def with_spaced_titles(text: str) -> str:
    """Put a space after the full stops of titles and abbreviations: "Dr.med." and "e.g." are no addresses."""

    def spaced(found: re.Match[str]) -> str:
        return found[0].replace(".", ". ") if _is_abbreviation(found[0]) else found[0]

    return DOTTED.sub(spaced, text)


def _is_abbreviation(dotted: str) -> bool:
    """Tell whether a word with full stops is made of titles, of single letters, or a degree."""
    known, parts = data("names"), dotted.rstrip(".").split(".")
    *before, last = (part.casefold() for part in parts)
    if ".".join([*before, last]) in [*known["degrees"], *known["spelt"]]:
        return True
    titles = {*known["titles"], *known["faculties"]}
    if not all(part in titles or len(part) == 1 for part in before):
        return False
    # A name may follow, which begins with a capital.
    is_name = bool(before) and parts[-1][0].isupper() and last not in known["ends_of_addresses"]
    return is_name or last in titles or len(last) == 1


def _check_visible(text: str, *, breaks: bool) -> None:
    allowed = "\n\t" if breaks else ""
    if any(_is_invisible(letter) and letter not in allowed for letter in text) or not _shows_anything(text):
        if breaks:
            raise NotAllowed(gettext("There’s an invisible control character in the text. Please retype it."))
        raise NotAllowed(gettext("There’s an invisible control character in the name. Please retype it."))


def _is_invisible(letter: str) -> bool:
    return letter in TRICKY or _is_format(letter) or unicodedata.category(letter) in ("Cc", "Cs")


def _is_format(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf" and letter not in JOINERS


def _shows_anything(text: str) -> bool:
    return any(unicodedata.category(letter)[0] in "LNPS" for letter in text.translate(BLANK))


def _as_read(text: str) -> str:
    """Write the text as it meets the eye: what joins, what marks and what is blank hides nothing in it."""
    plain = unicodedata.normalize("NFKC", text).translate(BLANK | FULL_STOPS)
    return "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Mn", "Me"))


def _has_address(text: str) -> bool:
    plain = _as_read(text)
    return bool(AT_SIGN.search(plain) or SPELT_OUT.search(plain))


def _has_url(text: str) -> bool:
    plain = with_spaced_titles(_as_read(text))
    return bool(WEB.search(plain)) or bool(_linkify().test(plain))


@cache
def _linkify() -> LinkifyIt:
    # Reserved names (RFC 2606) are web addresses to whoever reads them, and on a test installation.
    return LinkifyIt().tlds([*TLDS, *_native(TLDS), "TEST", "EXAMPLE"])


def _native(domains: list[str]) -> list[str]:
    """Return top-level domains in their own scripts, given the form that is on the wire (RFC 3492)."""
    coded = (domain[4:] for domain in domains if domain.startswith("XN--"))
    return [_as_read(code.encode("ascii").decode("punycode")) for code in coded]


def _has_phone_number(text: str) -> bool:
    plain = re.sub(r"[\u2010-\u2015\u2212]", "-", _as_read(text))
    plain = "".join(str(unicodedata.decimal(letter, letter)) for letter in plain)
    return any(_is_phone_number(run[0]) for run in DIGITS.finditer(PLAIN_NUMBERS.sub(" , ", plain)))


def _is_phone_number(run: str) -> bool:
    digits = re.sub(r"\D", "", run)
    if YEARS.fullmatch(run):
        return False
    if run.startswith(("+", "00", "(0")) or re.match(r"\(?0\d", run):
        return len(digits) >= 7
    if all(_is_plain_number(part) for part in PARTS.split(run)):
        return False
    # Two phone numbers in a row are longer than one may be; a single row of digits is a serial number.
    return len(digits) >= 9 and not re.search(r"\d{16}", run)


def _is_plain_number(part: str) -> bool:
    if AMOUNTS.fullmatch(part):
        # 612 345 678 is how many countries write a phone number; a round sum is a sum.
        return len(re.sub(r"\D", "", part)) != 9 or "-" in part or part.endswith("000")
    return bool(YEARS.fullmatch(part) or ROUND_SUM.fullmatch(part))
