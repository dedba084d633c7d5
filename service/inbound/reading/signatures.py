"""What may stand below an answer without changing it: regards, a name and what belongs to it.

Each line must be known for what it is. Nothing is left out that a reader would see, below the line above a
signature (RFC 3676 4.3) as little as above it: people write a postscript there.
"""

from __future__ import annotations

import re

from .phrases import TURNING, folded, is_closing, is_device, tokens, words_in, words_of

LABELS = "tel|tél|t|phone|ph|p|mobile|mobil|móvil|cell|handy|m|fax|f|office|büro|bureau|direct|هاتف|جوال"
PHONE = re.compile(rf"(?i)({LABELS})[.: ]*\+?[\d ()/.-]+|[+(][\d ()/.-]+")
MOMENT = re.compile(
    r"(?<!\d)20[2-9]\d(?!\d)|(?<![\d./-])\d{1,2}[./-]\d{1,2}[./-]\d{2}(?![\d./-]*\d)|\d[.:]\d\d ?-"
)
"""A year, a date, or "10.00 - 12.00"."""
ONLINE = re.compile(
    r"(?i)((e|e-?mail|mail|web)[.:]* ?)?(<?[^\s@<>]+@[^\s@<>]+>?|<?(https?://|www\.)\S+)",
)
RULED = re.compile(r"[-_=*–—]{2,}")

ROLES = words_of("""
owner co-owner founder co-founder director manager ceo cto cfo coo partner president chairman chairwoman
head consultant freelancer designer architect engineer developer teacher lawyer attorney photographer
stylist hairdresser assistant editor inhaber inhaberin geschäftsführer geschäftsführerin geschäftsleitung
leiter leiterin gründer gründerin direktor direktorin prokurist prokuristin vorstand berater beraterin
fotograf fotografin friseur friseurin friseurmeister friseurmeisterin architekt architektin ingenieur
ingenieurin rechtsanwalt rechtsanwältin gérant gérante directeur directrice fondateur fondatrice
cofondateur cofondatrice président présidente associé associée consultante responsable propriétaire
coiffeur coiffeuse photographe avocat avocate architecte propietario propietaria dueño dueña directora
gerente fundador fundadora cofundador cofundadora socio socia presidente presidenta consultor consultora
jefe jefa peluquero peluquera fotógrafo fotógrafa abogado abogada مدير مديرة المدير المديرة صاحب صاحبة
مؤسس مؤسسة شريك شريكة رئيس رئيسة مالك مالكة مستشار مستشارة
""")
QUALIFIERS = words_of("""
managing general senior junior chief executive officer creative art sales marketing finance founding
deputy and stellvertretender stellvertretende freier freie leitender leitende und général générale adjoint
adjointe commercial commerciale et comercial y & عام العام عامة العامة تنفيذي التنفيذي و
""")
"""What stands beside a role and says nothing by itself."""
FORMS = words_of("""
gmbh mbh ug ag kg ohg gbr e.v e.k ltd inc llc llp plc corp sarl sas sasu eurl sa s.a s.a.s s.a.r.l sl s.l
slu s.l.u srl bv b.v nv
""")
TRADES = words_of("""
hair beauty salon studio design consulting interiors photography architects agency bakery gardens school
friseur friseursalon atelier praxis kanzlei agentur architekten beratung fotografie bäckerei gärtnerei
coiffure cabinet agence conseil boulangerie photographie peluquería estudio despacho consultoría agencia
fotografía panadería
""")
TIMES = words_of("""
days weeks tage wochen jahre jours semaines días january february march april may june july august
september october november december monday tuesday wednesday thursday friday saturday sunday today
tomorrow week month year spring summer autumn winter from since please januar februar märz mai juni juli
oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag heute morgen woche monat jahr
frühling frühjahr sommer herbst ab seit bitte janvier février mars avril juin juillet août septembre
octobre novembre décembre lundi mardi mercredi jeudi vendredi samedi dimanche demain semaine mois année
printemps été automne hiver partir svp enero febrero marzo abril mayo junio julio agosto septiembre
octubre noviembre diciembre lunes martes miércoles jueves viernes sábado domingo mañana semana mes año
primavera verano otoño invierno desde favor
""")
"""When, and please: what people want of us, and no name of a firm or of a street."""
NAMED = re.compile(
    r"[A-ZÀ-ÖØ-Þ][\w.&'-]*|&|of|and|at|von|der|bei|für|und|de|du|des|la|le|"
    r"chez|et|del|en|y|rue|avenue|place|impasse|chemin|quai|calle|bis|ter"
)
STREET = re.compile(
    r"(?i)[\w.' -]*(straße|strasse|str\.|gasse|weg|platz|allee|ring|damm|ufer) \d+ ?[a-z]?|"
    r"\d+ ?(bis|ter|[a-z])?,? (rue|avenue|av\.|boulevard|bd|place|impasse|chemin|quai) [\w.' -]+|"
    r"(calle|c/|avenida|avda\.|plaza|paseo) [\w.' -]+,? (n[º°.] ?)?\d+|"
    r"\d+ ?[a-z]? [\w.' -]+ (street|st\.?|road|rd\.?|lane|avenue|ave\.?|drive|square|terrace)"
)
TOWN = re.compile(r"([A-Z]{1,2}-)?\d{5} [\w.' -]+")

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
IN_ERROR = re.compile(
    r"if (you are|you're) not (the|an) (intended|named) (recipient|addressee)|"
    r"wenn sie nicht der (richtige |vorgesehene )?(adressat|empfänger) sind|"
    r"si vous n'(en )?êtes pas le destinataire|si (usted )?no es el destinatario|"
    r"if you (have )?received (this|it) (e-?mail |message )?in error|si lo ha recibido por error|"
    r"si vous (l')?avez reçu (ce message )?par erreur|"
    r"اذا لم تكن المرسل اليه|اذا لم تكن المستلم المقصود"
)
"""The one condition that such a notice makes, which is none on the answer."""
NOTICE_WORDS = words_of("""
confidential confidentiality notice note important disclaimer this email e-mail mail message communication
the information content contents in of and any all attachments attachment files transmitted with it is are
may be contain contains privileged legally intended solely exclusively for use named individual entity
recipient recipients addressee addressees please delete destroy notify inform sender immediately by return
to whom addressed error received copy copies copying disclosure distribution prohibited strictly or you
wichtiger hinweis diese dieser nachricht inhalt der die das den dem ist sind und oder enthält enthalten
kann vertrauliche vertraulich vertraulichen informationen rechtlich geschützte nur ausschließlich für
adressaten adressat adressatin empfänger empfängerin bestimmt bitte löschen benachrichtigen informieren
sie absender umgehend sofort etwaige anhänge anlagen avis ce courriel cet message et ses pièces jointes
est sont confidentiel confidentiels confidentielle confidentielles peut contenir des informations à
l'attention exclusive exclusivement destiné destinés aux au seul seuls destinataire destinataires du de le
la les merci détruire supprimer prévenir l'expéditeur immédiatement veuillez aviso este esta correo
electrónico mensaje comunicación sus adjuntos archivos es son confidencial confidenciales puede contener
información dirigido dirigida exclusivamente únicamente a al su destinatario destinatarios el los por
elimínelo bórrelo avise remitente inmediatamente y va هذه الرسالة هذا البريد الالكتروني سرية سري ومرفقاتها
وموجهة موجهة الى المرسل اليه إليه يرجى حذفها حذفه وإبلاغ المرسل
""")


def only_closes(lines: list[str], names: frozenset[str]) -> bool:
    """Whether this is a farewell and a signature, and nothing else that anybody says."""
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
    """One block of lines: regards, the sender's own name and titles, contacts, a note of the program or a
    firm's notice on confidence.
    """
    named = False
    for at, line in enumerate(paragraph):
        words = tokens(line)
        if NOTICE.match(folded(line)) and not is_device(line):
            return _is_notice(folded(" ".join(paragraph[at:])))
        if words and names.issuperset(words):
            # Titles stand below a whole name; a first name alone may be followed by a condition.
            named = named or len(words) > 1
        elif not (_is_neutral(line) or (named and (_is_title(line, names) or _is_place(line)))):
            return False
    return True


def _is_neutral(line: str) -> bool:
    return RULED.fullmatch(line) is not None or _is_contact(line) or is_closing(line) or is_device(line)


def _is_contact(line: str) -> bool:
    """A number to call or an address; a date is no number, and "not-yet.test" says something."""
    if ONLINE.fullmatch(line):
        return TURNING.isdisjoint(re.findall(r"[^\W\d_]+", folded(line)))
    digits = sum(letter.isdigit() for letter in line)
    return PHONE.fullmatch(line) is not None and 7 <= digits <= 15 and not MOMENT.search(line)


def _is_notice(text: str) -> bool:
    """A firm's notice on confidence: every word of it is one that such notices are made of."""
    rest = IN_ERROR.sub(" ", text)
    known = NOTICE_WORDS.issuperset(words_in(rest))
    return known and len(text) > 70 and all(word.search(text) for word in (CONFIDENTIAL, ADDRESSED))


def _is_title(line: str, names: frozenset[str]) -> bool:
    """ "Owner, Marsh Hair" or "Marsh Hair Ltd": a role or a firm, beside nothing but names."""
    parts = [part.strip() for part in re.split(r"[,|/·•–]| - ", line) if part.strip()]
    told = [_is_role(part) or _is_firm(part, names) for part in parts]
    return (
        len(parts) <= 4
        and any(told)
        and all(known or _is_name(part) for known, part in zip(told, parts, strict=True))
    )


def _is_role(part: str) -> bool:
    """A role, such as "Managing Director", and perhaps of what: "Head of Marsh Hair"."""
    begin, _, of_what = re.sub(r" (of|at|bei|von|der|chez|de|du|en) ", "\0", part, count=1).partition("\0")
    words = tokens(begin)
    known = bool(words) and not ROLES.isdisjoint(words) and (ROLES | QUALIFIERS).issuperset(words)
    return known and (not of_what or _is_name(of_what))


def _is_firm(part: str, names: frozenset[str]) -> bool:
    """A name with the form of a firm behind it, or a trade with the sender's own name."""
    words = tokens(part)
    formed = len(words) > 1 and words[-1] in FORMS
    own = not TRADES.isdisjoint(words) and (TRADES | names).issuperset(words)
    return (formed or own) and _is_name(part)


def _is_place(line: str) -> bool:
    """A postal address, on one line or a part of it."""
    parts = [part.strip() for part in re.split(r", |[|·•]", line) if part.strip()]
    whole = [line.strip(" ,")] if STREET.fullmatch(line.strip(" ,")) else parts
    told = [STREET.fullmatch(part) or TOWN.fullmatch(part) for part in whole]
    return len(line) <= 80 and any(told) and all(map(_is_no_sentence, whole))


def _is_name(part: str) -> bool:
    """Up to four words in capitals, as names of firms are written, and no sentence."""
    return len(part.split()) <= 4 and not re.search(r"\d", part) and _is_no_sentence(part)


def _is_no_sentence(part: str) -> bool:
    """Words in capitals and numbers, none of which says when, or what is wanted."""
    written = part.replace(",", " ").split()
    shaped = all(NAMED.fullmatch(word) or re.fullmatch(r"\d{1,5}[a-z]?", word) for word in written)
    return shaped and len(written) <= 6 and (TURNING | TIMES).isdisjoint(words_in(part))
