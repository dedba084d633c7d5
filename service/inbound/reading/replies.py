"""Read what a person's reply says. The rule is strict: what is not surely a yes is unclear.

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

from .autoreplies import decoded, subject_of
from .html_text import visible_lines
from .parsing import MAX_TEXT, fields, leaves, text_of
from .phrases import REVERSALS, Intent, intent_of, is_greeting
from .quoting import QuotedSender, QuoteStyle, split_quote
from .signatures import holds_only_signature
from .text import clean, fold, letter_runs, split_words
from .word_lists import alternatives, phrases

MAX_LINES = 5_000
PREFIX = re.compile(r"\s*(\[[^\]]*\]|([^\W\d_]+(?: [^\W\d_]+)?) ?(?:\[\d+\]|\(\d+\)|\d+)? ?[:：])\s*")
"""What stands before a subject: a tag, or a short word with a colon."""
REPLIED = phrases("subjects", "replied")
FORWARDED = phrases("subjects", "forwarded")
FORWARDED_IN_BRACKETS = re.compile(rf"[\[(]({alternatives(phrases('subjects', 'forwarded_in_brackets'))})\b")
HARMLESS = re.compile(r"image/.*|text/(x-)?(calendar|vcard|directory)|application/((x-)?pkcs7|pgp)-signature")
"""Parts in which nobody says anything to us."""


class FirstLine(NamedTuple):
    """The line that counts, and what it says."""

    text: str
    intent: Intent


class Correspondents(NamedTuple):
    """What tells a signature, a salutation and a quotation from what is said."""

    signing: frozenset[str]
    """The words by which the sender may sign."""
    greeted: frozenset[str]
    """The words of the name that was answered."""
    quoted: QuotedSender


def read_reply(message: Message, domain: str, own_subject: str) -> FirstLine:
    """Return what the person says. The two versions of one mail, text and HTML, must say the same."""
    correspondents = _correspondents(message, domain)
    versions = [_first_line(lines, correspondents) for lines in _versions(message)]
    if not versions:
        return FirstLine("", Intent.UNCLEAR)
    text, intent = versions[0]
    agreed = all(version.intent is intent for version in versions)
    whole = not (_is_broken(message) or _holds_more(message))
    if agreed and whole and _stands_with(subject_of(message), intent, own_subject):
        return FirstLine(text, intent)
    return FirstLine(text, Intent.UNCLEAR)


def _stands_with(subject: str, intent: Intent, own: str) -> bool:
    """Tell whether the subject lets it stand: not if it is passed on, or made to say the contrary."""
    at, rest = 0, subject
    while found := PREFIX.match(subject, at):
        prefix, at = fold(found[2] or ""), found.end()
        if prefix in FORWARDED:
            return False
        if rest == subject[found.start() :] and (not prefix or prefix in REPLIED):
            rest = subject[at:]
    of_subject = intent_of(rest)
    if of_subject not in (Intent.UNCLEAR, intent) or FORWARDED_IN_BRACKETS.search(fold(subject)):
        return False
    if intent is not Intent.YES or of_subject is intent or fold(rest) == fold(clean(own)):
        return True
    # What else a program writes before a colon may be "Declined:".
    return not PREFIX.match(rest) and REVERSALS.isdisjoint(split_words(rest.replace("?", " ")))


def _is_broken(message: Message) -> bool:
    """Tell a mail that was cut off or garbled on its way, so that nobody knows what else it said."""
    return any(part.defects for part in message.walk())


def _holds_more(message: Message) -> bool:
    """Tell whether there are words, or a whole mail, beside the text; files without text are passed over."""
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
    """Yield the lines of the text parts, and those of the HTML parts, where they have words in them."""
    shown = [part for part in leaves(message) if _is_shown(part)]
    plain = [text_of(part) for part in shown if part.get_content_type() == "text/plain"]
    pages = [text_of(part) for part in shown if part.get_content_type() == "text/html"]
    for lines in ("\n\n".join(plain).splitlines(), _lines_of_pages(pages)):
        cleaned = [clean(line) for line in lines]
        if any(cleaned):
            yield cleaned if len(cleaned) <= MAX_LINES and sum(map(len, cleaned)) <= MAX_TEXT else ["?"]


def _lines_of_pages(pages: list[str]) -> list[str]:
    """Return the lines of the pages; a question mark, which is no answer, for what cannot be read."""
    if sum(map(len, pages)) > MAX_TEXT:
        return ["?"]
    return [line for page in pages for line in visible_lines(page) or ["?"]]


def _first_line(lines: list[str], correspondents: Correspondents) -> FirstLine:
    own, style, below = split_quote(lines, correspondents.quoted)
    filled = [at for at, line in enumerate(own) if line]
    if len(filled) > 1 and is_greeting(own[filled[0]], correspondents.greeted):
        del filled[0]
    if not filled:
        return FirstLine("", Intent.UNCLEAR)
    text, rest = own[filled[0]], own[filled[0] + 1 :]
    alone = all(holds_only_signature(lines, correspondents.signing) for lines in (rest, below))
    return FirstLine(text, intent_of(text) if alone and style is not QuoteStyle.FORWARD else Intent.UNCLEAR)


def _correspondents(message: Message, domain: str) -> Correspondents:
    senders = getaddresses([decoded(value) for value in fields(message, "From")])
    signing = letter_runs(" ".join(f"{name} {address.partition('@')[0]}" for name, address in senders))
    answered = getaddresses([decoded(value) for value in fields(message, "To")])
    our_names = [name for name, address in answered if address.lower().endswith(f"@{domain.lower()}")]
    name = fold(clean(our_names[0])) if our_names else ""
    return Correspondents(signing - REVERSALS, letter_runs(name), QuotedSender(domain.lower(), name))
