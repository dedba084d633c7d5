"""What a person's reply says. The rule is strict: what is not surely a yes is unclear.

A word counts if it is all that the first line says, and if nothing follows but a farewell, a signature and
the quoted mail. Nothing is left out that a reader would see: a library that drops what looks like a
signature also drops "Thanks, but only if …".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from email.utils import getaddresses
from typing import NamedTuple

from .autoreplies import readable, subject
from .html_text import seen
from .parsing import LONGEST_TEXT, cleaned, fields, leaves, text_of
from .phrases import TURNING, answer, folded, is_greeting, words_in, words_of
from .quoting import Ours, Style, cut
from .signatures import only_closes

MOST_LINES = 5_000
PREFIX = re.compile(r"\s*(\[[^\]]*\]|([^\W\d_]+(?: [^\W\d_]+)?) ?(?:\[\d+\]|\(\d+\)|\d+)? ?[:：])\s*")
"""What stands before a subject: a tag, or a short word with a colon."""
REPLIED = words_of("re aw antw antwort sv vs ref rif res odp ynt vá r رد الرد")
PASSED_ON = words_of("fw fwd wg tr rv reenv enc i doorst vb weitergeleitet تحويل") | {folded("إعادة توجيه")}
PASSED_ON_INSIDE = re.compile(r"[\[(](fwd?|wg|tr|rv)\b")
HARMLESS = re.compile(r"image/.*|text/(x-)?(calendar|vcard|directory)|application/((x-)?pkcs7|pgp)-signature")
"""Parts in which nobody says anything to us."""


class Heard(NamedTuple):
    """The line that counts, and the answer that it is: "yes", "no", "stop" or None."""

    said: str
    word: str | None


class Known(NamedTuple):
    """What tells a signature, a salutation and a quotation from what is said."""

    signing: frozenset[str]
    """The words by which the sender may sign."""
    greeted: frozenset[str]
    """The words of the name that was answered."""
    ours: Ours


def heard(message: Message, domain: str, own_subject: str) -> Heard:
    """What the person says. The two versions of one mail, text and HTML, must say the same."""
    known = _known(message, domain)
    versions = [_hear(lines, known) for lines in _versions(message)]
    if not versions:
        return Heard("", None)
    said, word = versions[0]
    agreed = all(version.word == word for version in versions)
    whole = not (_is_broken(message) or _holds_more(message))
    if agreed and whole and _stands_with(subject(message), word, own_subject):
        return Heard(said, word)
    return Heard(said, None)


def _stands_with(subject: str, word: str | None, own: str) -> bool:
    """A mail that is passed on is no answer, nor is a yes under a subject that somebody made say no."""
    at, rest = 0, subject
    while found := PREFIX.match(subject, at):
        prefix, at = folded(found[2] or ""), found.end()
        if prefix in PASSED_ON:
            return False
        if rest == subject[found.start() :] and (not prefix or prefix in REPLIED):
            rest = subject[at:]
    if answer(rest) not in (None, word) or PASSED_ON_INSIDE.search(folded(subject)):
        return False
    if word != "yes" or answer(rest) == word or folded(rest) == folded(cleaned(own)):
        return True
    # What else a program writes before a colon may be "Declined:".
    return not PREFIX.match(rest) and TURNING.isdisjoint(words_in(rest.replace("?", " ")))


def _is_broken(message: Message) -> bool:
    """Cut off or garbled on its way, so nobody knows what else it said."""
    return any(part.defects for part in message.walk())


def _holds_more(message: Message) -> bool:
    """Whether there are words, or a whole mail, beside the text; files without text are passed over."""
    if any(part.get_content_maintype() == "message" for part in message.walk()):
        return True
    return any(not _is_shown(part) and not _is_harmless(part) for part in leaves(message))


def _is_harmless(part: Message) -> bool:
    if HARMLESS.fullmatch(part.get_content_type()):
        return True
    a_file = part.get_content_disposition() == "attachment" and part.get_content_maintype() != "text"
    return a_file or not text_of(part).strip()


def _is_shown(part: Message) -> bool:
    plain = part.get_content_disposition() != "attachment" and not part.get_filename()
    return plain and part.get_content_type() in ("text/plain", "text/html")


def _versions(message: Message) -> Iterator[list[str]]:
    """The lines of the text parts, and those of the HTML parts, where there are any with words in them."""
    shown = [part for part in leaves(message) if _is_shown(part)]
    plain = [text_of(part) for part in shown if part.get_content_type() == "text/plain"]
    pages = [text_of(part) for part in shown if part.get_content_type() == "text/html"]
    for lines in ("\n\n".join(plain).splitlines(), _shown(pages)):
        clean = [cleaned(line) for line in lines]
        if any(clean):
            yield clean if len(clean) <= MOST_LINES and sum(map(len, clean)) <= LONGEST_TEXT else ["?"]


def _shown(pages: list[str]) -> list[str]:
    """The lines of the pages; a question mark, which is no answer, for what cannot be read."""
    if sum(map(len, pages)) > LONGEST_TEXT:
        return ["?"]
    return [line for page in pages for line in seen(page) or ["?"]]


def _hear(lines: list[str], known: Known) -> Heard:
    own, style, below = cut(lines, known.ours)
    spoken = [at for at, line in enumerate(own) if line]
    if len(spoken) > 1 and is_greeting(own[spoken[0]], known.greeted):
        del spoken[0]
    if not spoken:
        return Heard("", None)
    first = own[spoken[0]]
    word = answer(first)
    alone = only_closes(own[spoken[0] + 1 :], known.signing) and only_closes(below, known.signing)
    return Heard(first, word if alone and style is not Style.FORWARD else None)


def _known(message: Message, domain: str) -> Known:
    senders = getaddresses([readable(value) for value in fields(message, "From")])
    signing = _words(*(f"{name} {address.partition('@')[0]}" for name, address in senders)) - TURNING
    answered = getaddresses([readable(value) for value in fields(message, "To")])
    ours = [name for name, address in answered if address.lower().endswith(f"@{domain.lower()}")]
    name = folded(cleaned(ours[0])) if ours else ""
    return Known(signing, _words(name), Ours(domain.lower(), name))


def _words(*names: str) -> frozenset[str]:
    return frozenset(word for name in names for word in re.findall(r"[^\W\d_]+", folded(cleaned(name))))
