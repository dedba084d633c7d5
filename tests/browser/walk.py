"""A walk through every page, played in the browser itself, so that it happens in the browser's language."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.support.story import FORM, LINDA, NATASHA, RITA, Story

TYPED = [name for name in FORM if name.endswith(("_name", "_email", "_blurb", "_endorsement"))] + ["need"]


def fill(page: Page) -> None:
    """Fill in the form with the story's words."""
    for name in TYPED:
        page.fill(f"[name={name}]", FORM[name])
    for name in ("need_of", "sought", "order", "first_writer"):
        page.check(f"[name={name}][value={FORM[name]}]")


def press(page: Page, name: str, value: str) -> None:
    """Press a button, whatever its words are."""
    submit(page, f"main button[name={name}][value={value}]")


def choose(page: Page, choice: str) -> None:
    """Choose behind a mailed link, and press the one button below it."""
    chosen = page.locator(f".pick [value='{choice}']")
    form = page.locator("form", has=chosen).first
    form.locator(chosen).check()
    with page.expect_navigation():
        form.get_by_role("button").click()


def submit(page: Page, button: str) -> None:
    """Press a button, and wait for the page that comes of it."""
    with page.expect_navigation():
        page.click(button)


def unfold(page: Page) -> None:
    """Open everything that is folded, outermost first."""
    for fold in page.locator("details").all():
        if fold.get_attribute("open") is None:
            fold.locator("> summary").click()


def ask(page: Page, story: Story) -> Iterator[str]:
    """From the form until both were asked."""
    page.goto("/")
    yield "form"
    press(page, "action", "preview")
    yield "form with slips"
    fill(page)
    press(page, "action", "preview")
    yield "preview"
    press(page, "action", "send")
    story.sweep()
    yield "requested"
    page.goto(story.link(RITA, "/r/"))
    yield "to be confirmed"
    page.context.clear_cookies()
    page.reload()
    yield "to be confirmed elsewhere"
    choose(page, "verify")
    story.sweep()
    yield "asked"


def answer(page: Page, story: Story) -> Iterator[str]:
    """Both answers, one of them taken back in between."""
    page.goto(story.link(LINDA, "/a/"))
    yield "answer"
    unfold(page)
    yield "answer, unfolded"
    page.fill("[name=phone]", "ask Rita")
    choose(page, "yes")
    yield "answer with a slip"
    page.fill("[name=phone]", "+44 20 7946 0958")
    choose(page, "nothing")
    yield "not yet"
    choose(page, "yes")
    yield "said yes"
    story.sweep()
    page.goto(first := story.link(NATASHA, "/a/"))
    choose(page, "no")
    yield "said no"
    choose(page, "undo")
    yield "taken back"
    page.goto(first)
    yield "replaced link"
    story.sweep()
    page.goto(story.link(NATASHA, "/a/"))
    choose(page, "yes")
    page.goto(story.link(NATASHA, "/never/"))
    yield "wishes"
    submit(page, "main button.main")
    yield "wishes, none chosen"


def follow_up(page: Page, story: Story) -> Iterator[str]:
    """From the second yes to the referral."""
    story.sweep(minutes=11)
    page.goto(story.link(RITA, "/r/"))
    yield "introduced"
    page.goto(story.link(LINDA, "/a/"))
    yield "has left"
    story.sweep(days=3)
    page.goto(story.link(NATASHA, "/f/"))
    yield "follow-up"
    choose(page, "yes")
    yield "in touch"
    story.sweep()
    page.goto(story.link(RITA, "/r/"))
    yield "confirmed"


def endings(page: Page, story: Story, language: str) -> Iterator[str]:
    """What went another way than hoped, in cases of their own."""
    story.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
    story.ask(requester_email="rob@quill.test")
    story.sweep(days=8)
    for name, who, path in (("too late", LINDA, "/a/"), ("nothing", "rob@quill.test", "/r/")):
        page.goto(story.link(who, path))
        yield name
    story.ask(requester_email="rose@quill.test")
    page.goto(story.link("rose@quill.test", "/r/"))
    unfold(page)
    yield "asked, unfolded"
    choose(page, "withdraw")
    yield "withdrawn by the requester"
    page.goto(story.link(LINDA, "/a/"))
    yield "withdrawn"
    story.ask(requester_email="ruth@quill.test")
    page.goto(story.link(LINDA, "/a/"))
    choose(page, page.locator("[value^=later-]").first.input_value())
    yield "asked for later"
    story.post(story.link(LINDA, "/a/"), choice="accept")
    page.reload()
    yield "a word to type"
    page.locator(".plain [name=word]").fill("hello")
    choose(page, "not-from")
    yield "wish recorded"
    page.goto(story.link(LINDA, "/a/"))
    yield "left alone"
    page.goto("/a/nobody-made-this")
    yield "wrong link"
    page.goto(f"/no-such-page?lang={language}")
    yield "no page"


def sign_in(page: Page, story: Story) -> Iterator[str]:
    """To Rita's desk, by the link in her inbox."""
    page.goto("/desk")
    yield "sign in"
    page.fill("[name=email]", RITA)
    submit(page, "main form button[type=submit]")
    yield "link to sign in asked for"
    story.sweep()
    page.goto(story.link(RITA, "/desk/in/"))
    yield "link to sign in"
    submit(page, "main form button[type=submit]")
    yield "introductions"


def desk(page: Page, story: Story) -> Iterator[str]:
    """What Rita sees on her desk, as a requester and as an operator."""
    yield from sign_in(page, story)
    page.goto("/desk?q=nowhere")
    yield "introductions, none found"
    page.goto(f"/desk/introductions/{story.introduction().id}")
    yield "introduction of somebody else"
    page.goto("/desk/introductions/1")
    unfold(page)
    yield "introduction"
    page.goto("/desk/ledger?period=all")
    unfold(page)
    yield "ledger"
    page.goto("/operator")
    unfold(page)
    yield "operator"


def quiz(page: Page) -> Iterator[str]:
    """The ten statements: with one left open, and judged."""
    page.goto("/lead-or-referral")
    yield "quiz"
    submit(page, "main form button[type=submit]")
    yield "quiz with gaps"
    for choice in page.locator("[type=radio][value=lead]").all():
        choice.check()
    submit(page, "main form button[type=submit]")
    yield "quiz, judged"


def walk(page: Page, story: Story, language: str = "en") -> Iterator[str]:
    """Stop at every page, with a word for it."""
    story.app.config["WTF_CSRF_ENABLED"] = True
    yield from ask(page, story)
    yield from answer(page, story)
    yield from follow_up(page, story)
    # Here the story's own client plays along, which fills in no hidden field.
    story.app.config["WTF_CSRF_ENABLED"] = False
    yield from endings(page, story, language)
    story.app.config["WTF_CSRF_ENABLED"] = True
    yield from quiz(page)
    yield from desk(page, story)
