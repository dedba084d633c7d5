"""What a person's reply says. The rule is strict: what is not surely a yes is unclear.

A word counts if it is all that the first line says, and if nothing follows but a farewell, a signature and
the quoted mail. Nothing is left out that a reader would see: a library that drops what looks like a
signature also drops "Thanks, but only if …".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr
from typing import NamedTuple

from .autoreplies import subject
from .html_text import seen
from .parsing import LONGEST_TEXT, cleaned, field, leaves, text_of
from .phrases import TURNING, answer, folded, is_closing, is_device, is_greeting, tokens
from .quoting import Style, cut

MOST_LINES = 5_000
SIGNATURE = "-- "
"""The line above a signature (RFC 3676 4.3), with its space: two bare dashes are only dashes."""
CONTACT = re.compile(
    r"(tel|tél|t|phone|ph|p|mobile|mobil|móvil|cell|handy|m|fax|f|office|direct|هاتف|جوال)"
    r"[.:]* ?\+?[\d ()/.-]{6,}|"
    r"[+(][\d ()/.-]{6,}|((e|e-?mail|mail|web)[.:]* ?)?(<?[^\s@<>]+@[^\s@<>]+>?|<?(https?://|www\.)\S+)",
    re.IGNORECASE,
)
RULED = re.compile(r"[-_=*–—]{2,}")
TITLE = re.compile(r"[A-ZÀ-ÖØ-Þ][\w.&'-]*|[|&/,·•–-]|\d{2,}|of|and|von|der|für|de|du|la|et|y")
NOTICE = re.compile(
    r"\W*(confidential\w* (notice|note)\W*|important\W*|(wichtiger )?hinweis\W*|avis\W*|aviso\W*|"
    r"disclaimer\W*)?"
    r"(this (e-?mail|message|communication)|the (information|contents?) (in|of) this|"
    r"diese (e-?mail|nachricht|mail)|der inhalt dieser|ce (message|courriel|mail|e-mail)|cet e-?mail|"
    r"este (mensaje|correo|e-?mail)|esta comunicación|هذه الرسالة|هذا البريد)\b"
)
CONFIDENTIAL = re.compile(r"confidential|privileged|vertraulich|confidentiel|confidencial|سرية|سري")
ADDRESSED = re.compile(
    r"intended|recipient|addressee|adressat|empfänger|bestimmt|destinat|destiné|dirigid|المرسل اليه"
)
PASSED_ON = re.compile(r"(fwd?|wg|tr|rv|reenv|weitergeleitet|إعادة توجيه) ?:", re.IGNORECASE)


class Heard(NamedTuple):
    """The line that counts, and the answer that it is: "yes", "no", "stop" or None."""

    said: str
    word: str | None


def heard(message: Message) -> Heard:
    """What the person says. The two versions of one mail, text and HTML, must say the same."""
    versions = [_hear(lines, message) for lines in _versions(message)]
    if not versions:
        return Heard("", None)
    said, word = versions[0]
    agreed = all(version.word == word for version in versions)
    if agreed and not _is_broken(message) and _stands_with(subject(message), word):
        return Heard(said, word)
    return Heard(said, None)


def _stands_with(subject: str, word: str | None) -> bool:
    """A mail that is passed on is no answer, nor is one whose subject says something else."""
    return not PASSED_ON.match(subject) and answer(subject) in (None, word)


def _is_broken(message: Message) -> bool:
    """Cut off or garbled on its way, so nobody knows what else it said."""
    return any(part.defects for part in message.walk())


def _versions(message: Message) -> Iterator[list[str]]:
    """The lines of the text parts, and those of the HTML parts, where there are any with words in them."""
    shown = [part for part in leaves(message) if not _is_attached(part)]
    plain = [text_of(part) for part in shown if part.get_content_type() == "text/plain"]
    pages = [text_of(part) for part in shown if part.get_content_type() == "text/html"]
    for lines in ("\n\n".join(plain).splitlines(), _shown(pages)):
        clean = [_kept(line) for line in lines]
        if any(clean):
            yield clean if len(clean) <= MOST_LINES and sum(map(len, clean)) <= LONGEST_TEXT else ["?"]


def _shown(pages: list[str]) -> list[str]:
    """The lines of the pages; a question mark, which is no answer, for what cannot be read."""
    if sum(map(len, pages)) > LONGEST_TEXT:
        return ["?"]
    return [line for page in pages for line in seen(page) or ["?"]]


def _kept(line: str) -> str:
    clean = cleaned(line)
    return SIGNATURE if clean == "--" and line.replace("\xa0", " ").endswith(SIGNATURE) else clean


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(part.get_filename())


def _hear(lines: list[str], message: Message) -> Heard:
    own, style, below = cut(lines)
    spoken = [at for at, line in enumerate(own) if line]
    if len(spoken) > 1 and is_greeting(own[spoken[0]]):
        del spoken[0]
    if not spoken:
        return Heard("", None)
    first = own[spoken[0]]
    word = answer(first)
    names = _names(message)
    alone = _only_closes(own[spoken[0] + 1 :], names) and _only_closes(below, names)
    return Heard(first, word if alone and style is not Style.FORWARD else None)


def _names(message: Message) -> frozenset[str]:
    """The words by which the sender may sign."""
    value = field(message, "From")
    try:
        value = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        value = ""
    name, address = parseaddr(value)
    words = re.findall(r"[^\W\d_]+", folded(cleaned(f"{name} {address.partition('@')[0]}")))
    return frozenset(word for word in words if word not in TURNING)


def _only_closes(lines: list[str], names: frozenset[str]) -> bool:
    """Whether this is a farewell and a signature, and nothing else that anybody says."""
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if line == SIGNATURE:
            return _is_signature(paragraph, names)
        if line:
            paragraph.append(line)
        elif not _is_signature(paragraph, names):
            return False
        else:
            paragraph = []
    return True


def _is_signature(paragraph: list[str], names: frozenset[str]) -> bool:
    """One block of lines: regards, the sender's own name and titles, contacts, a note of the program or a
    firm's notice on confidence."""
    named = False
    for at, line in enumerate(paragraph):
        words = tokens(line)
        if NOTICE.match(folded(line)) and _is_notice(folded(" ".join(paragraph[at:]))):
            return True
        if words and names.issuperset(words):
            # Titles stand below a whole name; a first name alone may be followed by a condition.
            named = len(words) > 1
        elif not (_is_neutral(line) or (named and _is_title(line, words))):
            return False
    return True


def _is_notice(text: str) -> bool:
    """A firm's notice on confidence, which is long and tells for whom it is; people say it in a word."""
    return len(text) > 70 and all(word.search(text) for word in (CONFIDENTIAL, ADDRESSED))


def _is_neutral(line: str) -> bool:
    marks = RULED.fullmatch(line) is not None or CONTACT.fullmatch(line) is not None
    return marks or is_closing(line) or is_device(line)


def _is_title(line: str, words: list[str]) -> bool:
    """ "Owner, Marsh Hair" below the name: all in capitals, so no sentence."""
    parts = re.split(r"[ ,]+", line.strip(" ,."))
    return 2 <= len(parts) <= 8 and all(TITLE.fullmatch(part) for part in parts) and not TURNING & set(words)
