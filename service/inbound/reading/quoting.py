"""Where the person's own words end and the quoted mail begins, in the styles of the mail programs."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from .phrases import TURNING, folded, lines_of, words_in, words_of


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
ADDRESS = re.compile(r"\S+@\S+")
PERSONS = words_of("i i'd i'll me my she her he we us ich mich mir wir je j'ai moi yo nosotros انا نحن")
"""Words of a sentence, which nobody's name is."""
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


class Ours(NamedTuple):
    """What a quotation of our mail names. What else looks like a quotation is taken for somebody's words."""

    domain: str
    name: str
    """The name under which our mail was answered, or "" where it has none."""

    def named_in(self, text: str) -> bool:
        """Whether this text, in the letters of `folded`, names our mail."""
        return f"@{self.domain}" in text or (len(self.name) > 3 and self.name in text)


def cut(lines: list[str], ours: Ours) -> Above:
    """Cut at the first sign of a quotation of our mail."""
    for at, line in enumerate(lines):
        style, wide = _begins(lines, at, ours) if line else (None, 0)
        if style is Style.MARKS:
            rest = lines[at + wide :]
            return Above(lines[:at], _style_of(rest), [line for line in rest if not line.startswith(">")])
        if style:
            return Above(lines[:at], style, [])
    return Above(lines, None, [])


def _begins(lines: list[str], at: int, ours: Ours) -> tuple[Style | None, int]:
    """The style of the quotation that begins here, and how many lines introduce it."""
    line = lines[at]
    if line.startswith(">"):
        # Apple's programs quote the line that introduces what they quote.
        inside = [marked.lstrip("> ") for marked in lines[at : at + 8]]
        if _is_forwarded(inside[0]):
            return Style.FORWARD, 0
        return Style.MARKS if _heads(inside, ours) or _introduced(inside, 0, ours) else None, 0
    if _is_forwarded(line):
        return Style.FORWARD, 1
    below = at + 1 if folded(line.strip("-_=: ")) in ORIGINAL and line.startswith("--") else at
    if _heads(lines[below : below + 8], ours):
        return Style.REST, 1
    wide = _introduced(lines, at, ours)
    if not wide:
        return None, 0
    if next((line for line in lines[at + wide :] if line), "").startswith(">"):
        return Style.MARKS, wide
    text = folded(" ".join(lines[at : at + wide]))
    return Style.REST if WROTE.search(text) and f"@{ours.domain}" in text else None, wide


def _is_forwarded(line: str) -> bool:
    return folded(line.strip("-_=: ")) in FORWARDED


def _style_of(rest: list[str]) -> Style:
    """A forwarded mail may be marked line by line like an answered one."""
    quoted = (line.strip("> ") for line in rest if line.strip("> "))
    return Style.FORWARD if _is_forwarded(next(quoted, "")) else Style.MARKS


def _heads(lines: list[str], ours: Ours) -> bool:
    """The few header fields that Outlook and its like write above what they quote."""
    labels: set[str] = set()
    block: list[str] = []
    for line in lines:
        found = LABELLED.match(line)
        if found is None or folded(found[1]) not in LABELS:
            break
        labels.add(folded(found[1]))
        block.append(line)
    text = folded(" ".join(block))
    return len(labels) >= 3 and ours.named_in(text) and DATED.search(ADDRESS.sub("", text)) is not None


def _introduced(lines: list[str], at: int, ours: Ours) -> int:
    """How many lines "On Monday … wrote:" takes, three at most; 0 where it is not that.

    It must name a moment and us: people write "wrote:" too.
    """
    for wide in (1, 2, 3):
        inside = lines[at : at + wide]
        if len(inside) < wide or "" in inside:
            break
        text = folded(" ".join(inside))
        if not text.endswith(":"):
            continue
        if not DATED.search(ADDRESS.sub("", text if wide == 1 else folded(inside[0]))):
            break
        if wide > 1 and (not OPENS.match(text) or inside[0].endswith((".", "!", "?"))):
            break
        if (TURNING | PERSONS) & (set(words_in(text)) - set(words_in(ours.name))) or not ours.named_in(text):
            break
        if wide > 1 and _introduced(lines, at + 1, ours):
            # The first line is the person's own: "From 10.03.2027".
            break
        if WROTE.search(text) or "@" in text:
            return wide
    return 0
