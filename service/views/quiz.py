"""/lead-or-referral: ten statements to judge, and the five marks that tell the two apart.

The answers stay in the form that is sent; nothing is stored.
"""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import NamedTuple

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from service.language.languages import lazy_gettext
from service.lifecycle.ledger import Marks

pages = Blueprint("quiz", __name__)

ALL_MARKS = tuple(mark.name for mark in fields(Marks))
MOST = 7
"""From so many of the ten on, somebody knew most of it."""


class Kind(StrEnum):
    """What a statement is, and the word of its button."""

    LEAD = "lead"
    REFERRAL = "referral"


class Statement(NamedTuple):
    """What somebody in a networking group might say, the marks that it lacks, and what gives it away."""

    text: str
    lacks: tuple[str, ...]
    why: str

    @property
    def kind(self) -> Kind:
        return Kind.LEAD if self.lacks else Kind.REFERRAL


MARKS: dict[str, tuple[str, str]] = {
    "need_identified": (
        lazy_gettext("Need identified"),
        lazy_gettext("Somebody said which product or service is needed."),
    ),
    "actively_sought": (
        lazy_gettext("Actively sought"),
        lazy_gettext("The person with the need says that they are looking now."),
    ),
    "introduced": (
        lazy_gettext("Introduced"),
        lazy_gettext("Somebody brought the two together; neither has to call a stranger."),
    ),
    "endorsed": (
        lazy_gettext("Endorsed"),
        lazy_gettext("Somebody who knows both says how, and puts their name to it."),
    ),
    "both_expect_it": (
        lazy_gettext("Both expect it"),
        lazy_gettext("Both said yes before anything was shared, so nobody is surprised."),
    ),
}
"""The marks of `service.ledger.Marks`, each with its title and what it means."""

STATEMENTS = (
    Statement(
        lazy_gettext("Here is the phone number of the baker. Perhaps she needs you one day."),
        ALL_MARKS,
        lazy_gettext("A number is only a contact. You would call somebody who has asked for nothing."),
    ),
    Statement(
        lazy_gettext(
            "Hana asked me for an accountant, and Viktor is one. I asked them both first, and both said yes. "
            "Then I wrote one email to the two, and said how I know each."
        ),
        (),
        lazy_gettext("Hana is waiting for Viktor, who knows why. Somebody who knows both speaks for them."),
    ),
    Statement(
        lazy_gettext(
            "I saw that the shoe shop on the square has no website, so I told a web designer to call there."
        ),
        ("actively_sought", "introduced", "endorsed", "both_expect_it"),
        lazy_gettext("A need seen from outside is a guess: nobody asked the shop if it wants a website."),
    ),
    Statement(
        lazy_gettext(
            "My neighbour is looking for a painter. I gave her your card and told her how well you paint."
        ),
        ("introduced", "both_expect_it"),
        lazy_gettext("Close. But she may call or not, and you do not even know that she is looking."),
    ),
    Statement(
        lazy_gettext("Dear Uma, dear Karl, you two should get to know each other! I leave the rest to you."),
        ("need_identified", "actively_sought", "endorsed", "both_expect_it"),
        lazy_gettext("They share an email now, but neither was asked, and neither learns what it is about."),
    ),
    Statement(
        lazy_gettext(
            "Leila needs flyers this week and asked me for my printer. He was glad to hear of it. I brought "
            "the two together and told each how I know the other."
        ),
        (),
        lazy_gettext("One of the two asked for it, the other was asked, and both know why they meet."),
    ),
    Statement(
        lazy_gettext(
            "Sven is looking for a shop to rent. Tilda has one, and she said yes. I know both well and wrote "
            "to the two of them: Sven will be surprised!"
        ),
        ("both_expect_it",),
        lazy_gettext("One yes is not two. Nobody asked Sven whether his address may go to Tilda."),
    ),
    Statement(
        lazy_gettext(
            "She is looking for a florist, and he is one. I had asked both. After the meeting I brought them "
            "together and told each how I know the other."
        ),
        (),
        lazy_gettext("It need not be an email. Both had agreed, and somebody who knows both was there."),
    ),
    Statement(
        lazy_gettext(
            "Ines is looking for a translator, and Omar is one. Both would like to meet, and I speak for "
            "both. One of these days I will bring them together."
        ),
        ("introduced",),
        lazy_gettext("All is there but the introduction itself. Until it is made, two people wait."),
    ),
    Statement(
        lazy_gettext(
            "In spring Petra said no, and I let it rest. Now she is looking for an engineer after all. Noor "
            "said yes as well, so I introduced them and said how I know each."
        ),
        (),
        lazy_gettext("A no today need not be a no next year. Asked again after a time, both said yes."),
    ),
)


@pages.get("/lead-or-referral")
def show() -> ResponseReturnValue:
    return render_template("quiz.html", statements=STATEMENTS, judged={}, missing=[])


@pages.post("/lead-or-referral")
def judge() -> ResponseReturnValue:
    judged = _judged()
    missing = [number for number in _numbers() if number not in judged]
    if missing:
        page = render_template("quiz.html", statements=STATEMENTS, judged=judged, missing=missing)
        return page, 422
    right = sum(judged[number] is statement.kind for number, statement in enumerate(STATEMENTS, 1))
    return render_template(
        "quiz_result.html", statements=STATEMENTS, marks=MARKS, judged=judged, right=right, most=MOST
    )


def _judged() -> dict[int, Kind]:
    """Read what was said of each statement, by its number; whatever else was sent counts as nothing."""
    said = {number: request.form.get(f"statement-{number}", "") for number in _numbers()}
    return {number: Kind(word) for number, word in said.items() if word in list(Kind)}


def _numbers() -> range:
    return range(1, len(STATEMENTS) + 1)
