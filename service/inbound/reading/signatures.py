"""What may stand below an answer without changing it: regards, a name and what belongs to it.

Each line must be known for what it is. Nothing is left out that a reader would see, below the line above a
signature (RFC 3676 4.3) as little as above it: people write a postscript there.
"""

from __future__ import annotations

import re

from .phrases import REVERSALS, is_device_note, is_regards
from .text import ADDRESS, fold, letter_runs, split_words, statement_words
from .word_lists import alternatives, any_pattern, entries, in_language, phrases

PHONE = re.compile(
    rf"(?i)({alternatives(entries('signatures', 'phone_labels'))})[.: ]*\+?[\d ()/.-]+|[+(][\d ()/.-]+"
)
DATE = re.compile(
    r"(?<!\d)20[2-9]\d(?!\d)|(?<![\d./-])\d{1,2}[./-]\d{1,2}[./-]\d{2}(?![\d./-]*\d)|\d[.:]\d\d ?-"
)
"""A year, a date, or "10.00 - 12.00"."""
ONLINE = re.compile(
    rf"(?i)((e|e-?mail|mail|web)[.:]* ?)?(<?{ADDRESS}>?|<?(https?://|www\.)\S+)",
)
RULE = re.compile(r"[-_=*–—]{2,}")

ROLES = phrases("signatures", "roles")
QUALIFIERS = phrases("signatures", "role_qualifiers")
ROLE_LINK = re.compile(rf" ({alternatives(entries('signatures', 'role_links'))}) ")
COMPANY_FORMS = phrases("signatures", "company_forms")
TRADES = phrases("signatures", "trades")
NO_NAME = phrases("signatures", "times") | REVERSALS
NAME_WORD = re.compile(rf"[A-ZÀ-ÖØ-Þ][\w.&'-]*|{alternatives(entries('signatures', 'name_particles'))}")


def _streets(language: str) -> str:
    return alternatives(in_language("signatures", "streets", language))


STREET = re.compile(
    rf"(?i)[\w.' -]*({_streets('de')}) \d+ ?[a-z]?|"
    rf"\d+ ?(bis|ter|[a-z])?,? ({_streets('fr')}) [\w.' -]+|"
    rf"({_streets('es')}) [\w.' -]+,? (n[º°.] ?)?\d+|"
    rf"\d+ ?[a-z]? [\w.' -]+ ({_streets('en')})"
)
TOWN = re.compile(r"([A-Z]{1,2}-)?\d{5} [\w.' -]+")

NOTICE = re.compile(
    rf"\W*({any_pattern('confidentiality', 'headings')})?({any_pattern('confidentiality', 'openings')})\b"
)
CONFIDENTIAL = re.compile(any_pattern("confidentiality", "confidential"))
ADDRESSED = re.compile(any_pattern("confidentiality", "addressed"))
IN_ERROR = re.compile(any_pattern("confidentiality", "in_error"))
NOTICE_WORDS = phrases("confidentiality", "words")


def holds_only_signature(lines: list[str], names: frozenset[str]) -> bool:
    """Tell whether this is a farewell and a signature of somebody with these names, and nothing else."""
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if line:
            paragraph.append(line)
        elif not _is_signature(paragraph, names):
            return False
        else:
            paragraph = []
    return True


def _is_signature(paragraph: list[str], names: frozenset[str]) -> bool:
    """Tell whether each line of a block belongs to a signature.

    Regards, the sender's own name and titles, contacts, a note of the program, a firm's notice on confidence.
    """
    named = False
    for at, line in enumerate(paragraph):
        words = statement_words(line)
        if NOTICE.match(fold(line)) and not is_device_note(line):
            return _is_notice(fold(" ".join(paragraph[at:])))
        if words and names.issuperset(words):
            # Titles stand below a whole name; a first name alone may be followed by a condition.
            named = named or len(words) > 1
        elif not (_is_neutral(line) or (named and (_is_title(line, names) or _is_place(line)))):
            return False
    return True


def _is_neutral(line: str) -> bool:
    return RULE.fullmatch(line) is not None or _is_contact(line) or is_regards(line) or is_device_note(line)


def _is_contact(line: str) -> bool:
    """Tell a number to call or an address; a date is no number, and "not-yet.test" says something."""
    if ONLINE.fullmatch(line):
        return REVERSALS.isdisjoint(letter_runs(line))
    digits = sum(letter.isdigit() for letter in line)
    return PHONE.fullmatch(line) is not None and 7 <= digits <= 15 and not DATE.search(line)


def _is_notice(text: str) -> bool:
    """Tell a firm's notice on confidence: every word of it is one that such notices are made of."""
    rest = IN_ERROR.sub(" ", text)
    known = NOTICE_WORDS.issuperset(split_words(rest))
    return known and len(text) > 70 and all(word.search(text) for word in (CONFIDENTIAL, ADDRESSED))


def _is_title(line: str, names: frozenset[str]) -> bool:
    """Tell a role or a firm beside nothing but names: "Owner, Marsh Hair" or "Marsh Hair Ltd"."""
    parts = [part.strip() for part in re.split(r"[,|/·•–]| - ", line) if part.strip()]
    titles = [_is_role(part) or _is_firm(part, names) for part in parts]
    return (
        len(parts) <= 4
        and any(titles)
        and all(is_title or _is_name(part) for is_title, part in zip(titles, parts, strict=True))
    )


def _is_role(part: str) -> bool:
    """Tell a role, such as "Managing Director", and perhaps of what: "Head of Marsh Hair"."""
    role, _, of_what = ROLE_LINK.sub("\0", part, count=1).partition("\0")
    words = statement_words(role)
    known = bool(words) and not ROLES.isdisjoint(words) and (ROLES | QUALIFIERS).issuperset(words)
    return known and (not of_what or _is_name(of_what))


def _is_firm(part: str, names: frozenset[str]) -> bool:
    """Tell a name with the form of a firm behind it, or a trade with the sender's own name."""
    words = statement_words(part)
    has_form = len(words) > 1 and words[-1] in COMPANY_FORMS
    has_trade = not TRADES.isdisjoint(words) and (TRADES | names).issuperset(words)
    return (has_form or has_trade) and _is_name(part)


def _is_place(line: str) -> bool:
    """Tell a postal address, on one line or a part of it."""
    parts = [part.strip() for part in re.split(r", |[|·•]", line) if part.strip()]
    whole = [line.strip(" ,")] if STREET.fullmatch(line.strip(" ,")) else parts
    known = [STREET.fullmatch(part) or TOWN.fullmatch(part) for part in whole]
    return len(line) <= 80 and any(known) and all(map(_is_no_sentence, whole))


def _is_name(part: str) -> bool:
    """Tell up to four words in capitals, as names of firms are written, and no sentence."""
    return len(part.split()) <= 4 and not re.search(r"\d", part) and _is_no_sentence(part)


def _is_no_sentence(part: str) -> bool:
    """Tell words in capitals and numbers, none of which says when, or what is wanted."""
    written = part.replace(",", " ").split()
    shaped = all(NAME_WORD.fullmatch(word) or re.fullmatch(r"\d{1,5}[a-z]?", word) for word in written)
    return shaped and len(written) <= 6 and NO_NAME.isdisjoint(split_words(part))
