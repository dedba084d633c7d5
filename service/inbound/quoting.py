"""Where the person's own words end and the quoted mail begins, in the styles of the mail programs."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from .phrases import TURNING, folded, lines_of, tokens


class Style(Enum):
    """How a quotation is told from what is not."""

    MARKS = "each line of it begins with >"
    REST = "it goes to the end"
    FORWARD = "it is passed on, not answered"


class Above(NamedTuple):
    """A mail cut where its quotation begins; `below` are the unquoted lines after that."""

    own: list[str]
    style: Style | None
    below: list[str]


WROTE = re.compile(
    r"\b(wrote|writes|schrieb|schrieben|geschrieben|a écrit|écrivait|écrit|escribió|escribio|"
    r"ha scritto|schreef|escreveu|napisał|napisała|skrev|napsal|пишет|написал)\b|كتب|كتبت|كتابة"
)
DATED = re.compile(r"\d{4}|\d{1,2}[:.h]\d{2}")
OPENS = re.compile(r"(on|am|le|el|op|il|em|den|w dniu|dnia|في|يوم|بتاريخ)\b|\d|[\w.]{2,4},? \d")
ORIGINAL = lines_of("""
original message; reply message; ursprüngliche nachricht; originalnachricht; original-nachricht
message d'origine; message original; message initial; mensaje original; الرسالة الأصلية
oorspronkelijk bericht; messaggio originale; mensagem original
""")
FORWARDED = lines_of("""
forwarded message; begin forwarded message
weitergeleitete nachricht; anfang der weitergeleiteten nachricht; anfang der weitergeleiteten e-mail
message transféré; message transmis; début du message transféré; début du message réexpédié
mensaje reenviado; inicio del mensaje reenviado
رسالة معاد توجيهها; رسالة محولة; بداية الرسالة المعاد توجيهها
doorgestuurd bericht; messaggio inoltrato
""")
LABELS = lines_of("""
from; sent; date; to; cc; subject; reply-to; reply to
von; gesendet; datum; an; kopie; betreff; antwort-an; antwort an
de; envoyé; envoyé le; date d'envoi; à; objet; répondre à
enviado; enviado el; fecha; para; asunto
من; إلى; التاريخ; تاريخ الإرسال; تم الإرسال; الموضوع; نسخة
da; inviato; a; oggetto; van; verzonden; aan; onderwerp
""")
LABELLED = re.compile(r"\*?([^:*]{1,20}?) ?:\*?( |$)")


def cut(lines: list[str]) -> Above:
    """Cut at the first sign of a quotation."""
    for at, line in enumerate(lines):
        style, wide = _begins(lines, at) if line else (None, 0)
        if style is Style.MARKS:
            rest = lines[at + wide :]
            return Above(lines[:at], _style_of(rest), [line for line in rest if not line.startswith(">")])
        if style:
            return Above(lines[:at], style, [])
    return Above(lines, None, [])


def _begins(lines: list[str], at: int) -> tuple[Style | None, int]:
    """The style of the quotation that begins here, and how many lines introduce it."""
    line = lines[at]
    if line.startswith(">"):
        return Style.MARKS, 0
    named = folded(line.strip("-_=: "))
    if named in FORWARDED:
        return Style.FORWARD, 1
    if (named in ORIGINAL and line.startswith("--")) or _heads(lines[at : at + 8]):
        return Style.REST, 1
    return _introduced(lines, at)


def _style_of(rest: list[str]) -> Style:
    """A forwarded mail may be marked line by line like an answered one."""
    quoted = (line.strip("> ") for line in rest if line.strip("> "))
    first = folded(next(quoted, "").strip("-_=: "))
    return Style.FORWARD if first in FORWARDED else Style.MARKS


def _heads(lines: list[str]) -> bool:
    """The few header fields that Outlook and its like write above what they quote."""
    labels: set[str] = set()
    for line in lines:
        found = LABELLED.match(line)
        if found is None or folded(found[1]) not in LABELS:
            break
        labels.add(folded(found[1]))
    return len(labels) >= 3


def _introduced(lines: list[str], at: int) -> tuple[Style | None, int]:
    """ "On Monday … wrote:", on up to three lines. It must name a moment: people write "wrote:" too."""
    for wide in (1, 2, 3):
        inside = lines[at : at + wide]
        if len(inside) < wide or "" in inside:
            break
        text = folded(" ".join(inside))
        if not text.endswith(":"):
            continue
        if not DATED.search(text if wide == 1 else folded(inside[0])):
            break
        if wide > 1 and (not OPENS.match(text) or inside[0].endswith((".", "!", "?"))):
            break
        if TURNING & set(tokens(text)):
            break
        marked = next((line for line in lines[at + wide :] if line), "").startswith(">")
        if marked and (WROTE.search(text) or "@" in text):
            return Style.MARKS, wide
        if WROTE.search(text) and "@" in text:
            return Style.REST, wide
    return None, 0
