"""What people write when they answer, greet and sign, in the languages that are shipped.

Whole lines (`ANSWERS`) or the only words of a line (`CLOSING`, `DEVICES`): nothing here is searched for
inside of a sentence, because what stands around it may turn it into its contrary.
"""

from __future__ import annotations

import re

YES = """
yes; yes please; yes thanks; yes thank you; yes please introduce us; yes introduce us
ja; ja bitte; ja gerne; ja gern; ja sehr gerne; ja danke
oui; oui merci; oui s'il vous plaît; oui s'il te plaît; oui svp; oui volontiers; oui avec plaisir
oui bien sûr
sí; si; sí por favor; si por favor; sí gracias; si gracias; sí claro; si claro
نعم; نعم من فضلك; نعم لو سمحت; نعم شكرا; نعم رجاء
"""
"""Plain "si" is how Spanish is typed in a hurry; to a French "no?" it says yes as well."""
NO = """
no; no thanks; no thank you; no thank you very much; no sorry
nein; nein danke; nein vielen dank; nein leider nicht
non; non merci; non merci beaucoup; non désolé; non désolée
no gracias; no muchas gracias; no lo siento
لا; لا شكرا; لا شكرا لك; لا شكرا جزيلا
"""
STOP = """
stop; please stop; stop please; unsubscribe; unsubscribe me; please unsubscribe; please unsubscribe me
unsubscribe please; remove me; please remove me; opt out; never contact me again
abmelden; bitte abmelden; abbestellen; bitte abbestellen; austragen; bitte austragen; stopp; bitte stoppen
désabonner; desabonner; me désabonner; se désabonner; désabonnement; désinscrire; me désinscrire
désinscription; désabonnez-moi; désinscrivez-moi; arrêter; arrêtez
baja; darme de baja; dar de baja; de baja; cancelar suscripción; cancelar suscripcion
cancelar la suscripción; cancelar la suscripcion; anular suscripción; parar; alto
إلغاء الاشتراك; الغاء اشتراكي; إلغاء اشتراكي; توقف; أوقف; توقفوا
"""
GREETINGS = """
hi; hello; hey; dear; good morning; good afternoon; good evening
hallo; guten tag; guten morgen; guten abend; liebe; lieber; sehr geehrte; sehr geehrter; moin; servus
bonjour; bonsoir; salut; chère; cher; madame; monsieur
hola; buenos días; buenos dias; buenas tardes; buenas noches; buenas; estimada; estimado; querida; querido
مرحبا; أهلا; اهلا وسهلا; السلام عليكم; عزيزي; عزيزتي; صباح الخير; مساء الخير
"""
CLOSING = """
best regards kind warm warmest many wishes thanks thank you very much cheers sincerely yours faithfully
truly all
the take care love and
mit freundlichen grüßen gruessen grüssen grüße gruesse grüsse gruß gruss viele liebe beste besten schöne
herzliche
freundliche danke dank vielen herzlichen mfg lg vg bg und schönen tag
cordialement bien à vous sincères salutations merci beaucoup d'avance bonne journée bonne soirée
amicalement bises
meilleures sentiments respectueusement
saludos un saludo cordial cordiales atentamente gracias muchas abrazo atento
مع خالص التحية تحياتي أطيب التحيات التحيات شكرا جزيلا لك لكم والسلام احترامي فائق الاحترام التقدير
"""
DEVICES = """
iphone ipad android samsung galaxy huawei xiaomi pixel outlook yahoo gmail proton protonmail gmx k-9
thunderbird
blackberry windows handy smartphone mobiltelefon mobile móvil portable android-gerät android-mobiltelefon
iphone's
الآيفون الايفون آيفون هاتفي الجوال سامسونج أندرويد
"""
AROUND_DEVICES = """
sent from my get for with via on using the a an free secure email mail app phone device tablet ios
message this was
gesendet von meinem meiner mit der dem für diese nachricht wurde ein einem kostenlosen
envoyé de mon depuis avec pour à partir du téléphone la messagerie
enviado desde mi con para el correo dispositivo
أرسلت مرسل مرسلة من الـ ال جهاز تم الإرسال باستخدام إرسالها عبر
"""
TURNS = """
yes no not never maybe only unless if but except until till after before when then later cancel cancelled
canceled wait stop first condition conditions provided otherwise neither nor without refuse decline declined
kidding joking joke wrong recall ask call
ja nein nicht nie nur wenn falls aber erst nach vor vielleicht später sondern kein keine keinen ohne sofern
sonst bedingung bedingungen zuerst vorher außer ausser anrufen scherz spaß quatsch
oui non pas jamais mais sauf si seulement après avant peut plus condition conditions d'abord sans sinon quand
lorsque ni refuse blague appelez dès
sí nunca pero sólo solo cuando después antes quizás quizá condición condiciones salvo excepto primero sin ni
broma llamar llame hasta
نعم لا لكن ولكن فقط اذا إلا بعد قبل ليس ليست لست بشرط شرط حتى لن لم بدون أمزح مزاح عندما
"""
"""Words that change what an answer means; no signature is taken to hold one."""
HONORIFICS = """
mr mrs ms miss mx dr prof sir madam frau herr monsieur madame mademoiselle m mme señor señora sr sra don doña
السيد السيدة الأستاذ الأستاذة الدكتور الدكتورة
"""
MARKS = str.maketrans("’‘`´", "''''")


def folded(text: str) -> str:
    """One way to write each word: small letters, plain apostrophes, Arabic without vowel signs."""
    plain = re.sub(r"[\u064b-\u065f\u0670\u0640]", "", text.casefold().translate(MARKS))
    return re.sub("[أإآٱ]", "ا", plain)


def lines_of(block: str) -> frozenset[str]:
    """The lines of a list, which a semicolon parts as well."""
    return frozenset(folded(line.strip()) for line in re.split("[;\n]", block) if line.strip())


def words_of(block: str) -> frozenset[str]:
    """The single words of a list."""
    return frozenset(folded(word) for word in block.split())


ANSWERS = {"yes": lines_of(YES), "no": lines_of(NO), "stop": lines_of(STOP)}
TURNING = words_of(TURNS)
_CLOSING, _DEVICES = words_of(CLOSING), words_of(DEVICES)
_AROUND = words_of(AROUND_DEVICES) | _DEVICES
_HONORIFICS = words_of(HONORIFICS)
_GREETING = re.compile(
    f"({'|'.join(sorted(lines_of(GREETINGS), key=len, reverse=True))})(?P<whom> .*?)?[,.!:،]?"
)
_EXCUSED = re.compile(
    r"(please excuse|excuse|sorry for) (my|the|any) (brevity|typos|errors)|bitte entschuldigen sie die kürze|"
    r"bitte entschuldigen sie meine kürze|veuillez excuser ma brièveté|disculpe la brevedad"
)
"""What programs of small devices beg."""
_DRESSED = re.compile(r"[*_\"'«»“”„¡]* ?(.*?) ?[*_\"'«»“”„]*(?:\.|,|،|!{1,3})?[*_\"'«»“”„]* ?")


def answer(line: str) -> str | None:
    """The answer that the line is, and is nothing else: "yes", "no", "stop" or None."""
    if len(line) > 60:
        return None
    bare = _DRESSED.fullmatch(folded(line))
    words = re.sub(r" ?[,،] ?", " ", bare[1]) if bare else ""
    return next((word for word, lines in ANSWERS.items() if words in lines), None)


def is_greeting(line: str, names: frozenset[str]) -> bool:
    """A salutation on a line of its own, such as "Hallo Frau Quill,", to somebody who has these names."""
    found = _GREETING.fullmatch(folded(line)) if len(line) <= 60 else None
    whom = words_in(found["whom"] or "") if found else []
    return found is not None and (names | _HONORIFICS).issuperset(whom)


def tokens(line: str) -> list[str]:
    """The words of a line without the marks around them; an empty list if it asks something."""
    return [] if "?" in line or "؟" in line else words_in(line)


def words_in(line: str) -> list[str]:
    """Likewise of a line that may ask, in which the question mark stays with its word."""
    return [word for word in (part.strip(".,;:!|()<>*_،") for part in folded(line).split()) if word]


def is_closing(line: str) -> bool:
    """Thanks and regards, and nothing else."""
    words = tokens(line)
    return 0 < len(words) <= 7 and _CLOSING.issuperset(words)


def is_device(line: str) -> bool:
    """What a program adds below a mail: "Sent from my iPhone"."""
    words = tokens(re.sub(r"<?https?://\S+", "", _EXCUSED.sub("", folded(line))))
    model = re.compile(r"[a-z]?\d{1,3}[a-z+]?|5g|gmx\.\w+|web\.de|plus|pro|ultra|max|note")
    rest = [word for word in words if word not in _AROUND and not model.fullmatch(word)]
    return 0 < len(words) <= 14 and not rest and not _DEVICES.isdisjoint(words)
