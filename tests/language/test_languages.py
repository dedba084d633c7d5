"""Languages: complete catalogues, which one a page is in, and pages that run from right to left."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from service.language.languages import CATALOGUES, LANGUAGES, direction, speaking
from service.views.requester.forms import RequestForm
from tests.conftest import rows
from tests.support.smtp_server import FaultySmtp
from tests.support.story import FORM, LINDA, NATASHA, RITA, HandClock, Story, text_of

ROOT = Path(__file__).parents[2]
TRANSLATED = (
    sorted(path.name for path in CATALOGUES.iterdir() if path.is_dir()) if CATALOGUES.exists() else []
)
PLACE = re.compile(r"%\(\w+\)[sd]")
TAG = re.compile(r"<[^>]*>")


# --- Catalogues ---------------------------------------------------------------------------------------


def catalogue(language: str) -> Catalog:
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def messages(catalog: Catalog) -> dict[tuple[str, ...], Message]:
    """Every message but the header, by its English forms."""
    return {forms(message.id): message for message in catalog if message.id}


def forms(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    assert text is not None
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.fixture(scope="module")
def said_in_the_sources(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, ...]]:
    """The messages that an extraction finds now."""
    found = tmp_path_factory.mktemp("messages") / "messages.pot"
    pybabel = [sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract"]
    options = ["--mapping-file", "babel.cfg", "--keywords", "lazy_gettext", "--output-file", str(found), "."]
    subprocess.run([*pybabel, *options], cwd=ROOT, check=True)
    with found.open("rb") as file:
        return set(messages(read_po(file)))


def test_every_language_but_the_sources_own_has_a_catalogue() -> None:
    assert set(TRANSLATED) == set(LANGUAGES) - {"en"}


def test_the_template_of_the_catalogues_is_what_the_sources_say(
    said_in_the_sources: set[tuple[str, ...]],
) -> None:
    assert len(said_in_the_sources) > 100
    with (CATALOGUES / "messages.pot").open("rb") as file:
        assert set(messages(read_po(file))) == said_in_the_sources, "run `make translations`"


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_catalogue_lacks_a_message_or_keeps_an_old_one(
    language: str, said_in_the_sources: set[tuple[str, ...]]
) -> None:
    catalog = catalogue(language)
    found = messages(catalog)
    assert set(found) == said_in_the_sources, "run `make translations`"
    assert not catalog.obsolete
    assert [message.id for message in found.values() if message.fuzzy] == []
    assert [key for key, message in found.items() if not all(forms(message.string))] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_plural_is_complete(language: str) -> None:
    catalog = catalogue(language)
    assert catalog.num_plurals == get_plural(language).num_plurals
    plurals = [message for message in messages(catalog).values() if message.pluralizable]
    assert plurals
    for message in plurals:
        assert len(forms(message.string)) == catalog.num_plurals, message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_has_the_places_and_the_markup_of_its_original(language: str) -> None:
    for original, message in messages(catalogue(language)).items():
        # The number may be told by the word itself, as in "one day".
        needed = set(PLACE.findall(original[-1])) - {"%(num)d"}
        for text in forms(message.string):
            places = set(PLACE.findall(text))
            assert needed <= places <= needed | set(PLACE.findall(original[-1])), (original, text)
            assert sorted(TAG.findall(text)) == sorted(TAG.findall(original[-1])), (original, text)
            if places:
                assert "%" not in PLACE.sub("", text).replace("%%", ""), (original, text)


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_catalogue_is_the_readable_one(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    kept = (CATALOGUES / language / "LC_MESSAGES" / "messages.mo").read_bytes()
    assert kept == compiled.getvalue(), "run `make translations`"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_page_speaks_the_language_it_says_it_is_in(story: Story, language: str) -> None:
    english = story.client.get("/").text
    page = story.client.get(f"/?lang={language}").text
    for line in ("Introduce two people who should meet.", "Are you one of the two?", "Preview"):
        assert line in english
        assert line not in page


# --- Which language a page is in ----------------------------------------------------------------------


def language_of(page: TestResponse) -> str:
    """The language that a page says it is in, with the direction that belongs to it."""
    found = re.search(r'<html lang="(\w+)" dir="(\w+)">', page.text)
    assert found, page.text[:200]
    assert found[2] == ("rtl" if found[1] == "ar" else "ltr")
    assert page.headers["Content-Language"] == found[1]
    return found[1]


def a_yes(story: Story) -> None:
    story.ask()
    story.answer(LINDA, "yes")


def pages(story: Story, lang: str) -> Iterator[TestResponse]:
    """One of every page and error page that there is, asked for in a language."""
    get, post, ask = story.client.get, story.client.post, f"?lang={lang}"
    for path in ("/", "/requested", "/nowhere", "/a/broken", "/mailbox", "/mailbox/nothing"):
        yield get(path + ask)
    for action in ("preview", "edit"):
        yield post(f"/{ask}", data={**FORM, "action": action})
    yield post(f"/{ask}", data={"action": "send"})
    story.introduce()
    story.sweep(days=3)
    for link in (story.link(LINDA, "/a/"), story.link(RITA, "/r/"), story.link(LINDA, "/f/")):
        yield get(link + ask)
    yield post(story.link(LINDA, "/a/") + ask, data={"choice": "undo"})
    yield get("/desk/sign-out" + ask)
    yield post(story.link(LINDA, "/a/") + "/options" + ask, data={"choice": "later-0"})
    yield get(story.link(LINDA, "/never/") + ask)
    yield post(story.link(LINDA, "/never/") + ask)


@pytest.fixture
def embedded(environ: dict[str, str], clock: HandClock, relay: FaultySmtp) -> Iterator[Story]:
    story = Story({**environ, "EMBEDDED": "1", "MAILBOX": "1"}, clock, relay)
    yield story
    story.db.engine.dispose()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_says_which_language_it_is_in_and_how_that_runs(embedded: Story, lang: str) -> None:
    asked = list(pages(embedded, lang))
    assert {page.status_code for page in asked} >= {200, 404, 405, 409, 422}
    assert {language_of(page) for page in asked} == {lang}


def test_a_page_without_a_link_is_in_the_browsers_language_or_the_settings(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "LANGUAGE": "fr"}, clock, relay)
    for browser, expected in (("de-AT,en;q=0.5", "de"), ("xx, es;q=0.3", "es"), ("xx", "fr"), ("", "fr")):
        assert language_of(story.client.get("/", headers={"Accept-Language": browser})) == expected
    assert language_of(story.client.get("/?lang=ar", headers={"Accept-Language": "de"})) == "ar"
    assert language_of(story.client.get("/?lang=klingon", headers={"Accept-Language": "de"})) == "de"
    assert "Accept-Language" in story.client.get("/").headers["Vary"]
    story.db.engine.dispose()


def test_a_page_behind_a_link_is_in_the_language_of_the_person_it_was_made_for(story: Story) -> None:
    story.ask(a_language="de", b_language="ar")
    french = {"Accept-Language": "fr"}
    expected = {(LINDA, "/a/"): "de", (NATASHA, "/a/"): "ar", (RITA, "/r/"): "en", (LINDA, "/never/"): "de"}
    for (who, path), language in expected.items():
        link = story.link(who, path)
        assert language_of(story.client.get(link, headers=french)) == language
        assert language_of(story.client.get(f"{link}?lang=es", headers=french)) == "es"


def test_an_error_behind_a_link_is_told_in_its_readers_language_too(story: Story) -> None:
    story.ask(a_language="de")
    link = story.link(LINDA, "/a/")
    for choice, status in (("perhaps", 400), ("undo", 409), ("", 422)):
        refused = story.post(link, choice=choice)
        assert (refused.status_code, language_of(refused)) == (status, "de")
    story.answer(LINDA, "no")
    story.answer(LINDA, "undo")
    replaced = story.client.get(link)
    assert (replaced.status_code, language_of(replaced)) == (410, "de")
    story.sweep()
    wished = story.choose(story.link(LINDA, "/never/"), "never")
    assert (wished.status_code, language_of(wished)) == (200, "de")


def test_dates_are_told_in_the_readers_language(story: Story) -> None:
    story.ask(a_language="de", b_language="ar")
    assert "Montag, 9. März 2026" in story.client.get(story.link(LINDA, "/a/")).text
    assert "الاثنين، 9 مارس 2026" in story.client.get(story.link(NATASHA, "/a/")).text
    assert "Monday, 9 March 2026" in story.client.get(story.link(RITA, "/r/")).text


def test_a_page_that_was_asked_for_in_a_language_stays_in_it(story: Story) -> None:
    story.introduce()
    story.sweep(days=3)
    link = story.link(LINDA, "/f/")
    answered = story.choose(f"{link}?lang=de", "yes")
    assert answered.headers["Location"] == f"{link}?lang=de"
    assert 'action="/?lang=es"' in story.client.get("/?lang=es").text
    assert "lang" not in story.choose(link, "no").headers["Location"]


@pytest.mark.parametrize(
    "path", ["//elsewhere.test/x", "/\\elsewhere.test", "/a/x%22onload=y", "/a%3Flang=x"]
)
def test_the_switch_of_an_error_page_leads_nowhere_else(story: Story, path: str) -> None:
    targets = re.findall(r'<a href="([^"]*)" lang="de"', story.client.get(path).text)
    assert len(targets) == 1
    assert re.fullmatch(r"/[\w.%][\w./%=-]*\?lang=de", targets[0]), targets


def test_the_switch_keeps_what_was_asked_for(story: Story) -> None:
    page = story.client.get('/lead-or-referral?from=2026-01&to=a%26b"&lang=fr&page=2').text
    targets = re.findall(r'<a href="([^"]*)" lang="de"', page)
    assert targets == ["/lead-or-referral?from=2026-01&amp;to=a%26b%22&amp;lang=de&amp;page=2"]


# --- A language of one's own --------------------------------------------------------------------------


def spoken(story: Story) -> tuple[str, str, str]:
    """What is on record: the requester's language, a's and b's."""
    introduction = story.introduction()
    return introduction.requester_language, *(side.language for side in introduction.consents)  # type: ignore[return-value]


def test_a_request_keeps_a_language_for_each_of_the_three(story: Story) -> None:
    story.client.post("/?lang=fr", data={**FORM, "a_language": "de", "b_language": "ar"})
    assert spoken(story) == ("fr", "de", "ar")


def test_a_request_that_names_no_language_speaks_that_of_its_page(story: Story) -> None:
    story.client.post("/", data=FORM, headers={"Accept-Language": "es"})
    assert spoken(story) == ("es", "es", "es")


@pytest.mark.parametrize(("side", "expected"), [("a", ("de", "de", "ar")), ("b", ("de", "ar", "de"))])
def test_a_requester_who_is_one_of_the_two_has_one_language(
    story: Story, side: str, expected: tuple[str, str, str]
) -> None:
    story.client.post(
        "/?lang=de", data={**FORM, "requester_is": side, "a_language": "ar", "b_language": "ar"}
    )
    assert spoken(story) == expected


def test_a_language_that_nobody_speaks_here_is_refused_at_its_field(story: Story) -> None:
    page = story.client.post("/", data={**FORM, "b_language": "tlh"})
    assert page.status_code == 422
    assert 'id="b_language-error"' in page.text
    assert '<a href="#b_language">' in page.text


def test_the_language_of_a_party_follows_the_page_until_another_is_chosen() -> None:
    with speaking("de"):
        fresh = RequestForm()
        assert (fresh.a_language.data, fresh.b_language.data) == ("de", "de")
        switched = RequestForm(MultiDict({"language": "en", "a_language": "en", "b_language": "ar"}))
    assert (switched.language.data, switched.a_language.data, switched.b_language.data) == ("de", "de", "ar")


@pytest.mark.parametrize("shown", ["edit", "preview"])
def test_the_switch_of_the_form_keeps_everything_typed(story: Story, shown: str) -> None:
    before = rows(story.db)
    page = story.client.post("/", data={**FORM, "need": "Half a sent", "action": shown})
    button = re.search(r'<button type="submit" form="(\w+)" formaction="([^"]+)"[^>]* lang="ar"', page.text)
    assert button
    assert f'id="{button[1]}"' in page.text
    assert re.search(rf'name="action" value="{shown}" lang="ar"', page.text)
    switched = story.client.post(button[2], data={**FORM, "need": "Half a sent", "action": shown})
    assert (switched.status_code, language_of(switched)) == (200, "ar")
    for typed in ("Half a sent", NATASHA, FORM["a_blurb"]):
        assert typed in switched.text
    assert rows(story.db) == before


@pytest.mark.parametrize("choice", ["yes", "no", "never"])
def test_whoever_answers_in_another_language_is_written_to_in_it_from_then_on(
    story: Story, choice: str
) -> None:
    story.ask()
    story.choose(f"{story.link(LINDA, '/a/')}?lang=ar", choice)
    assert spoken(story) == ("en", "ar", "en")
    story.sweep()
    if choice != "never":
        assert text_of(story.mails(LINDA)[-1]).startswith("مرحباً")


def test_whoever_verifies_in_another_language_is_written_to_in_it_from_then_on(story: Story) -> None:
    story.request()
    story.client.delete_cookie("session", domain="localhost")
    story.choose(f"{story.link(RITA, '/r/')}?lang=ar", "verify")
    assert spoken(story) == ("ar", "en", "en")


@pytest.mark.parametrize("choice", ["", "nothing", "accept", "maybe"])
def test_a_press_that_decides_nothing_changes_no_language(story: Story, choice: str) -> None:
    story.ask()
    before = spoken(story)
    for link in (story.link(LINDA, "/a/"), story.link(LINDA, "/never/"), story.link(RITA, "/r/")):
        story.client.post(f"{link}?lang=ar", data={"choice": choice})
    assert spoken(story) == before


MOMENTS: dict[str, Callable[[Story], object]] = {"asked": lambda story: story.ask(), "answered": a_yes}


@pytest.mark.parametrize("moment", MOMENTS)
def test_looking_in_another_language_changes_nothing(story: Story, moment: str) -> None:
    MOMENTS[moment](story)
    before = rows(story.db)
    for who, path in ((LINDA, "/a/"), (RITA, "/r/"), (LINDA, "/never/")):
        assert story.client.get(f"{story.link(who, path)}?lang=ar").status_code == 200
    assert rows(story.db) == before


# --- From right to left -------------------------------------------------------------------------------

PHYSICAL = re.compile(
    r"(?<![\w-])(?:[\w]+-)*(?:left|right)(?:-[\w]+)*\s*:|:\s*[^;{}]*(?<![\w-])(?:left|right)\b"
)
FOUR = re.compile(r"(?<![\w-])(?:margin|padding|inset|border-(?:width|color|style))\s*:\s*([^;}]+)")
CORNERS = re.compile(r"border-radius\s*:\s*([^\s;}]+ [^;}]*[^\s;}])")


def slips(css: str) -> list[str]:
    """Whatever in a style sheet names a side of the screen, not a side of the text."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    four = [(found[0], found[1].split()) for found in FOUR.finditer(re.sub(r"\([^()]*\)", "()", css))]
    uneven = [text for text, values in four if len(values) == 4 and values[1] != values[3]]
    return [found[0] for found in PHYSICAL.finditer(css)] + uneven + CORNERS.findall(css)


def test_the_style_sheet_knows_no_left_and_right() -> None:
    for sheet in ("style.css", "desk.css"):
        assert slips((ROOT / "service/views/static" / sheet).read_text()) == []


@pytest.mark.parametrize(
    "slip",
    [
        "a { margin-left: 1rem }",
        "a { text-align: right; }",
        "a { float: left }",
        "a { left: 0 }",
        "a { border-top-left-radius: 2px }",
        "a { padding: 0 1rem 0 2rem; }",
        "a { border-radius: 0 12px 12px 0 }",
    ],
)
def test_a_slip_in_a_style_sheet_would_be_found(slip: str) -> None:
    assert slips(slip)
    assert not slips(
        "a { margin: 0 1rem 0 1rem; padding-inline-start: 1rem; text-align: start } .right { top: 0 }"
    )


def test_what_people_typed_keeps_its_own_direction_on_a_page_of_the_other(story: Story) -> None:
    need = "تصميم داخلي جديد قبل الربيع."
    story.ask(need=need, a_name="عمر الخطيب", b_language="ar")
    page = story.client.get(story.link(NATASHA, "/a/")).text
    assert f'<blockquote dir="auto">{need}</blockquote>' in page
    assert "<bdi>Natasha Orlova</bdi>" in page
    assert "<bdi>عمر الخطيب</bdi>" in page
    assert re.search(r'<textarea id="line"[^>]* dir="auto"', page)
    assert re.search(r'<input id="phone"[^>]* dir="ltr"', page)
    assert f'<dd dir="auto">{need}</dd>' in story.client.get(story.link(RITA, "/r/")).text
    preview = story.client.post("/?lang=ar", data={**FORM, "need": need, "action": "preview"}).text
    assert '<div class="letter" dir="auto"><div dir="auto">' in preview
    assert f'<div dir="auto">&gt; {need}</div>' in preview


def test_only_the_languages_that_run_from_right_to_left_are_laid_out_so() -> None:
    assert {tag: direction(tag) for tag in LANGUAGES} == {
        "en": "ltr",
        "de": "ltr",
        "es": "ltr",
        "fr": "ltr",
        "ar": "rtl",
    }
