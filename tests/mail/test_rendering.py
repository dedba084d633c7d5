"""No part of a mail is rendered that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mrml
import pytest
from jinja2 import Environment

from service.inbound.effects import Effect
from service.mail.render import Rendering
from tests.inbound.test_by_mail import Post
from tests.support.inbound_mail import DOMAIN, Listening
from tests.support.story import LINDA, Story


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The MJML that was made HTML of since, by the real compiler."""
    compile_mjml, seen = mrml.to_html, list[str]()

    def to_html(mjml: str, **options: Any) -> Any:
        seen.append(mjml)
        return compile_mjml(mjml, **options)

    monkeypatch.setattr(mrml, "to_html", to_html)
    return seen


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The kinds and parts of the mails that were rendered since."""
    render, seen = Rendering._render, list[tuple[str, str]]()

    def _render(self: Rendering, environment: Environment, part: str) -> str:
        seen.append((self.kind.value, part))
        return render(self, environment, part)

    monkeypatch.setattr(Rendering, "_render", _render)
    return seen


@pytest.fixture
def post(story: Story) -> Iterator[Post]:
    with Listening(story) as listening:
        yield Post(story, listening)


def test_a_look_at_the_answer_page_compiles_no_html(story: Story, compiled: list[str]) -> None:
    story.ask()
    assert len(compiled) == 3  # The link to verify the request, and the two asks.
    page = story.client.get(story.link(LINDA, "/a/"))
    assert page.status_code == 200
    assert "See the introduction as it would be sent" in page.text
    assert len(compiled) == 3


def test_a_reply_renders_nothing_of_its_ask_as_its_words_are_on_record(
    story: Story, post: Post, compiled: list[str], rendered: list[tuple[str, str]]
) -> None:
    story.ask()
    rendered.clear()
    compiled.clear()
    assert post.reply(LINDA, "Yes please") == Effect.ANSWERED_YES
    assert [kind for kind, _ in rendered] == ["receipt"] * 3
    assert len(compiled) == 1
