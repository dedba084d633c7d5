"""The words and the look of every mail, from the samples: golden files, and what a mail must never hold.

`UPDATE_GOLDEN=1` writes the golden files anew; then look at the difference before it is committed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.util import pathmatch
from click.testing import CliRunner
from flask.testing import FlaskClient

from service import create_app
from service.cli import main
from service.dev import samples
from service.language.languages import LANGUAGES, speaking
from service.lifecycle import MailKind
from service.mail import render
from service.mail.compose import UNSUBSCRIBABLE
from service.settings.environment import load
from service.store.models import Introduction
from tests.support.smtp_server import FaultySmtp
from tests.support.story import SECRET

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "mail" / "golden"
PARTS = ("subject.txt", "body.txt", "body.html")
ENVIRON = {
    "SECRET_KEY": SECRET,
    "DATABASE_URL": "sqlite:///unused.db",
    "PUBLIC_URL": "https://twoyes.test",
    "MAIL_DEFAULT_SENDER": "TwoYes <hello@twoyes.test>",
}
SETTINGS = load(ENVIRON)
ALL = samples.names()
# The catalogues of the other languages are read by their own test.
IN_ANOTHER_LANGUAGE = {("ask-together", "ar")}

HOSTILE = [
    "<script>alert(1)</script><a href='https://evil.test'>x</a><img src=https://evil.test/x.png>",
    '"><a href="https://evil.test">x</a>',
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62; &amp;lt;i&amp;gt;",
    "{{ 7*7 }} {% include 'x' %} ${x} %(requester)s %s %",
    "]]> <![CDATA[ <b>x</b> ]]> <!-- --> --> <!--[if mso]> <b>x</b> <![endif]-->",
    "</mj-text></mj-column><mj-raw><b>x</b></mj-raw><mj-include path='/etc/passwd' />",
    '\'); background: url(https://evil.test/x.png); " style="x',
    "</title></style></head><b>x</b>",
    "nothing\x00\x1b[31m\u2028seen \ud83d of \x85 it",
]


def written(name: str, language: str = "en") -> render.Rendering:
    return samples.written(name, language, SETTINGS)


@dataclass
class Seen:
    """What a program that reads HTML makes of a mail."""

    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    words: str = ""
    comments: str = ""


class Reader(HTMLParser):
    """Reads a mail as a mail program does; the conditional comments for Outlook are kept beside it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen = Seen()
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.tags.append(tag)
        self._inside = tag
        for name, value in attrs:
            self.seen.attributes.append((name, value or ""))
            if name == "href":
                self.seen.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "title"):
            self.seen.words += data

    def handle_comment(self, data: str) -> None:
        self.seen.comments += data


def read(html: str) -> Seen:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.seen


def shape(html: str) -> tuple[list[str], list[tuple[str, str]], str]:
    """Everything in a mail that is neither words nor an end of a line."""
    seen = read(html)
    return [tag for tag in seen.tags if tag != "br"], seen.attributes, seen.comments


# --- Golden files -----------------------------------------------------------------------------------


def golden() -> Iterator[tuple[str, str, Path]]:
    yield from ((name, "en", GOLDEN / name) for name in ALL)
    yield from ((name, tag, GOLDEN / f"{name}.{tag}") for name, tag in sorted(IN_ANOTHER_LANGUAGE))


@pytest.mark.parametrize(("name", "language", "folder"), list(golden()), ids=str)
def test_a_sample_is_the_mail_of_its_golden_files(name: str, language: str, folder: Path) -> None:
    shown = written(name, language)
    for part, content in zip(PARTS, (shown.subject + "\n", shown.text, shown.html + "\n"), strict=True):
        path = folder / part
        if os.environ.get("UPDATE_GOLDEN") == "1":
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        assert path.exists(), f"{path} is missing: UPDATE_GOLDEN=1 writes it"
        assert content == path.read_text(encoding="utf-8"), f"{path} says something else"


def test_every_golden_file_belongs_to_a_sample() -> None:
    kept = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file()}
    assert kept == {f"{folder.name}/{part}" for _, _, folder in golden() for part in PARTS}


def test_every_kind_of_mail_has_samples_and_every_template_is_used() -> None:
    assert {sample.kind for sample in samples.SAMPLES.values()} == set(MailKind)
    folders = {path.name for path in render.TEMPLATES.iterdir() if path.is_dir()}
    assert folders == {kind.value for kind in MailKind}
    used = {"_layout.txt", "_layout.mjml", "_parts.txt", "_parts.mjml"}
    for path in render.TEMPLATES.rglob("*.jinja"):
        used |= set(re.findall(r'"(_\w+\.jinja)"', path.read_text()))
    assert {path.name for path in render.TEMPLATES.iterdir() if path.is_file()} == used
    for kind in MailKind:
        files = {path.name for path in (render.TEMPLATES / kind.value).iterdir()}
        assert files == {"subject.txt", "body.jinja"}


def test_the_messages_of_every_template_are_looked_for() -> None:
    looked_for = ConfigParser(allow_no_value=True)
    looked_for.read(ROOT / "babel.cfg")
    patterns = [section.partition(":")[2].strip() for section in looked_for.sections()]
    for path in (ROOT / "templates").rglob("*.*"):
        name = path.relative_to(ROOT).as_posix()
        assert any(pathmatch(pattern, name) for pattern in patterns), name


# --- What every mail is -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_nothing_in_a_mail_is_fetched_from_anywhere(name: str) -> None:
    html = written(name).html
    seen = read(html)
    allowed = {samples.SITE + path + samples.TOKEN for path in ("/a/", "/r/", "/f/", "/never/", "/desk/in/")}
    allowed.add(f"{samples.SITE}/operator")
    assert set(seen.links) <= allowed
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", html)) - allowed
    assert addresses <= {"http://www.w3.org/1999/xhtml"}, "the name of a language is no address to fetch"
    assert not {"link", "img", "script", "iframe", "base", "form", "object", "video", "svg"} & set(seen.tags)
    assert not {"src", "srcset", "background", "action", "data", "poster"} & {n for n, _ in seen.attributes}
    assert not re.search(r"@import|url\(|@font-face|Ubuntu|googleapis", html)


@pytest.mark.parametrize("name", ALL)
def test_a_mail_has_one_button_at_most_that_leads_where_its_text_leads(name: str) -> None:
    shown = written(name)
    links = [link for link in read(shown.html).links if "/never/" not in link]
    assert len(links) <= 1
    alone = [line for line in shown.text.splitlines() if line.startswith("https://")]
    assert [line for line in alone if "/never/" not in line] == links
    assert shown.text.count("https://") == len(alone), "a link stands on a line of its own"
    assert set(alone) == set(read(shown.html).links)


@pytest.mark.parametrize("name", ALL)
def test_only_a_mail_that_no_answer_caused_holds_the_numbered_link_of_never_again(name: str) -> None:
    unasked = samples.SAMPLES[name].kind in UNSUBSCRIBABLE
    shown = written(name)
    assert ("/never/" in shown.text) is ("/never/" in shown.html) is unasked


@pytest.mark.parametrize("name", ALL)
def test_a_mail_is_small_and_reads_without_its_button_in_either_part(name: str) -> None:
    shown = written(name)
    assert len(shown.html.encode()) < 20_000
    html = " ".join(read(shown.html).words.split())
    for line in shown.text.splitlines():
        said = line.lstrip("> ").strip()
        if said and said != "--" and not said.startswith(("https://", "Email:", "Phone:", "Hello")):
            assert said.lower() in html.lower(), f"only the text part says: {said}"


@pytest.mark.parametrize("name", ALL)
def test_a_preheader_says_something_that_the_subject_does_not_and_no_answer(name: str) -> None:
    shown = written(name)
    found = re.search(r'<div style="display:none[^>]*>(.*?)</div>', shown.html, re.DOTALL)
    assert found
    preheader = " ".join(found[1].split())
    assert 10 < len(preheader) < 100
    assert preheader not in shown.subject
    if name.startswith("receipt"):
        assert not re.search(r"\b(yes|no)\b", preheader)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_says_its_language_and_is_laid_out_in_its_direction(name: str, language: str) -> None:
    html = written(name, language).html
    way, start, end = ("rtl", "right", "left") if language == "ar" else ("ltr", "left", "right")
    assert f'<html lang="{language}" dir="{way}"' in html
    other = "ltr" if way == "rtl" else "rtl"
    assert f"direction:{way}" in html
    assert f"direction:{other}" not in html
    assert f'<td align="{end}"' not in html
    texts = re.findall(r'<div style="font-family:[^"]*', html)
    assert texts
    assert all(f"text-align:{start}" in style for style in texts)
    assert f"border-{end}:" not in html


@pytest.mark.parametrize("name", ["ask-together", "follow_up-plain", "reminder-together", "recheck-plain"])
def test_a_reply_is_offered_only_where_replies_reach_us(name: str) -> None:
    sample = samples.SAMPLES[name]
    introduction = changed(sample, "")
    with speaking("en"):
        for domain in (None, "mail.twoyes.test"):
            settings = load({**ENVIRON, **({"INBOUND_DOMAIN": domain} if domain else {})})
            known = render.facts(introduction, sample.to, settings) | samples._links(introduction)
            for part in (render.write(sample.kind, known).text, render.write(sample.kind, known).html):
                assert ("You can also just reply" in part) is (domain is not None)


def test_no_button_is_smaller_than_a_finger_and_on_a_phone_it_is_as_wide_as_the_mail() -> None:
    html = written("ask-together").html
    assert "font-size:17px" in html
    assert "padding:15px 26px" in html
    assert ".go table { width: 100% !important; }" in html


def test_a_phone_number_is_not_turned_around_in_a_right_to_left_mail() -> None:
    assert "\u2066+44 20 7946 0958\u2069" in written("introduction-shared_more", "ar").text
    assert "\u2066" not in written("introduction-shared_more", "en").text
    assert '<span dir="ltr">+44 20 7946 0958</span>' in written("introduction-shared_more", "ar").html


# --- What was typed ---------------------------------------------------------------------------------


def changed(sample: samples.Sample, typed: str) -> Introduction:
    """A sample's introduction, in which everything that can be typed is this, if it is anything."""
    introduction = samples._plain()
    for change in sample.changes:
        change(introduction)
    if typed:
        type_everywhere(introduction, typed)
    return introduction


def type_everywhere(introduction: Introduction, typed: str) -> None:
    introduction.requester_name = introduction.need = introduction.requester_email = typed
    for side in introduction.consents:
        side.name = side.email = typed
        for name in ("blurb", "endorsement", "phone", "line"):
            if getattr(side, name):
                setattr(side, name, typed)


def of(name: str, typed: str) -> render.Rendering:
    sample = samples.SAMPLES[name]
    introduction = changed(sample, typed)
    with speaking("en"):
        known = render.facts(introduction, sample.to, SETTINGS, sample.about) | samples._links(introduction)
        return render.write(sample.kind, known)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("typed", HOSTILE)
def test_whatever_was_typed_is_words_and_nothing_else(name: str, typed: str) -> None:
    shown, plain = of(name, typed), of(name, "harmless")
    assert shape(shown.html) == shape(plain.html)
    assert "\n" not in shown.subject
    if "harmless" in read(plain.html).words:
        said = " ".join(read(shown.html).words.split())
        for line in typed.splitlines():
            # What cannot be seen is a space at most.
            assert " ".join(render._visible(line).split()) in said


@pytest.mark.parametrize("name", ALL)
def test_typed_lines_never_pass_for_ours(name: str) -> None:
    text = of(name, "Rita\n\n-- \nTwoYes: your account is closed.\nhttps://evil.test").text
    assert not [line for line in text.splitlines() if line.startswith(("TwoYes: your", "https://evil"))]
    assert text.splitlines().count("-- ") == 1


def test_a_message_is_text_and_never_markup_whoever_translated_it() -> None:
    message = render._as_mjml.from_string("{{ _('<b>%(name)s</b> & \"', name=name) }}")
    with speaking("en"):
        assert message.render(name="<i>") == "&lt;b&gt;&lt;i&gt;&lt;/b&gt; &amp; &#34;"


# --- Looking at them --------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name in ("SECRET_KEY", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return CliRunner()


def test_the_command_shows_a_mail_without_a_database_or_any_setting(command: CliRunner) -> None:
    assert command.invoke(main, ["mails", "preview"]).output.split() == ALL
    shown = command.invoke(main, ["mails", "preview", "ask", "--language", "en"]).output
    assert shown.startswith(
        "Subject: Rita Quill would like to introduce you to Natasha Orlova\n\nHello Linda"
    )
    html = command.invoke(main, ["mails", "preview", "receipt-no", "--html"]).output
    assert html.startswith("<!doctype html>")
    assert "no, thank you" in html


def test_an_unknown_sample_is_named_with_those_there_are(command: CliRunner) -> None:
    refused = command.invoke(main, ["mails", "preview", "asks"])
    assert refused.exit_code == 1
    assert "There is no sample 'asks'. There are: verify-plain, ask-together" in refused.output


def test_the_command_sends_a_sample_marked_as_one(relay: FaultySmtp) -> None:
    command = CliRunner(env={**ENVIRON, **relay.environ})
    for refused in ("nobody", "a b@c.test"):
        assert command.invoke(main, ["mails", "preview", "ask", "--to", refused]).exit_code == 1
    sent = command.invoke(main, ["mails", "preview", "receipt-yes", "--to", "dev@twoyes.test"])
    assert (sent.exit_code, sent.output[:5]) == (0, "Sent:")
    (mail,) = relay.messages
    assert mail.recipients == ("dev@twoyes.test",)
    assert b"Subject: [Preview] Your yes is recorded" in mail.data or b"W1ByZXZpZXdd" in mail.data
    relay.behave(refuse={"dev@twoyes.test": "550 5.1.1 nobody here"})
    failed = command.invoke(main, ["mails", "preview", "ask", "--to", "dev@twoyes.test"])
    assert failed.exit_code == 1
    assert "550 5.1.1 nobody here" in failed.output


def page(relay: FaultySmtp, **changes: str) -> FlaskClient:
    app = create_app(load({**ENVIRON, **relay.environ, "EMBEDDED": "1", **changes}))
    return app.test_client()


def test_the_page_shows_every_sample_in_frames_of_two_widths(relay: FaultySmtp) -> None:
    client = page(relay)
    listed = client.get("/mails").text
    for name in ALL:
        assert f"/mails/{name}" in listed
        shown = client.get(f"/mails/{name}")
        assert shown.status_code == 200
        assert shown.text.count(f'src="/mails/{name}/html" sandbox') == 2
    framed = client.get("/mails/ask-together/html")
    assert framed.text == written("ask-together").html
    assert "default-src 'none'" in framed.headers["Content-Security-Policy"]
    assert 'lang="ar" dir="rtl"' in client.get("/mails/ask-together/html?lang=ar").text
    assert client.get("/mails/nothing").status_code == client.get("/mails/nothing/html").status_code == 404


def test_the_page_sends_a_sample_only_by_its_own_form(relay: FaultySmtp) -> None:
    client = page(relay)
    assert client.post("/mails/ask-together", data={"to": "dev@twoyes.test"}).status_code == 400
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/mails/ask-together").text)
    assert token
    assert relay.messages == []
    data = {"csrf_token": token[1], "to": "dev@twoyes.test"}
    assert "Sent to dev@twoyes.test." in client.post("/mails/ask-together", data=data).text
    assert [mail.recipients for mail in relay.messages] == [("dev@twoyes.test",)]
    assert client.post("/mails/ask-together", data={**data, "to": "x"}).status_code == 422


def test_outside_the_embedded_mode_there_is_no_such_page(relay: FaultySmtp) -> None:
    client = page(relay, EMBEDDED="0")
    for path in ("/mails", "/mails/ask-together", "/mails/ask-together/html"):
        assert client.get(path).status_code == 404
    assert client.post("/mails/ask-together", data={"to": "dev@twoyes.test"}).status_code in (400, 404)
    assert relay.messages == []
