"""A season of introductions, each with another end, for the tests of the ledger."""

from __future__ import annotations

from collections.abc import Callable

from .story import LINDA, NATASHA, Story

Ending = Callable[[Story], object]


def no(story: Story, who: str, **fields: str) -> None:
    story.ask()
    story.answer(who, "no", **fields)
    story.sweep(days=7)


def silence(story: Story) -> None:
    story.ask()
    story.sweep(days=7)


def one_yes(story: Story, who: str) -> None:
    story.ask()
    story.answer(who, "yes")
    story.sweep(days=7)


def lost(story: Story, who: str) -> None:
    """The ask of one side is refused for good."""
    story.relay.behave(refuse={who: "550 5.1.1 no such user"})
    story.ask()
    story.relay.behave(refuse={})
    story.sweep(days=7)


def lost_after_a_yes(story: Story) -> None:
    """Both at once: Linda says yes, and Natasha's address turns out not to exist."""
    story.relay.behave(refuse={NATASHA: "550 5.1.1 no such user"})
    story.ask()
    story.answer(LINDA, "yes")
    story.relay.behave(refuse={})
    story.sweep(days=7)


def undone_in_the_hold(story: Story) -> None:
    """Two yeses two minutes before the closing moment; one is taken back two minutes after it."""
    story.ask()
    story.answer(LINDA, "yes")
    story.sweep(days=6, hours=23, minutes=58)
    story.answer(NATASHA, "yes")
    story.sweep(minutes=4)
    assert story.answer(NATASHA, "undo").status_code == 303
    story.sweep(minutes=1)


def withdrawn(story: Story) -> None:
    """Withdrawn in the hold, after two yeses, a day after the ask."""
    story.ask()
    story.sweep(days=1)
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.post(story.link("rita@quill.test", "/r/"), action="withdraw")
    story.sweep()


def undelivered(story: Story) -> None:
    """Both said yes, and the introduction was refused to one of them."""
    story.ask()
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.relay.behave(refuse={NATASHA: "550 5.1.1 gone"})
    story.sweep(minutes=10)
    story.relay.behave(refuse={})


def unconfirmed(story: Story) -> None:
    story.introduce()
    story.sweep(days=3)
    story.sweep(days=21)


def confirmed(story: Story) -> None:
    """Both say yes at once; Linda confirms three days and ten minutes after the request."""
    story.introduce()
    story.sweep(days=3)
    confirm(story)


def confirm(story: Story) -> None:
    assert story.choose(story.link(LINDA, "/f/"), "yes").status_code == 303


def of(story: Story, requester: str, ending: Ending) -> None:
    """The same ending, for a requester of another address."""
    ask = story.ask
    story.ask = lambda **changes: ask(**{"requester_email": requester, **changes})  # type: ignore[method-assign]
    ending(story)


PRIVATE: dict[str, Ending] = {
    "a said no": lambda story: no(story, LINDA),
    "b said no": lambda story: no(story, NATASHA),
    "b said no and shared it": lambda story: no(story, NATASHA, tell_requester="y"),
    "nobody answered": silence,
    "a said yes, b nothing": lambda story: one_yes(story, LINDA),
    "b said yes, a nothing": lambda story: one_yes(story, NATASHA),
    "a is lost": lambda story: lost(story, LINDA),
    "b is lost after a's yes": lost_after_a_yes,
    "undone in the hold": undone_in_the_hold,
}
"""The ends that a requester's figures must not tell apart."""
