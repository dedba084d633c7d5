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
from service.views.site.marks import MARKS

pages = Blueprint("quiz", __name__)

ALL_MARKS = tuple(mark.name for mark in fields(Marks))
GOOD_RESULT = 7
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


STATEMENTS = (
    Statement(
        lazy_gettext("Here’s the baker’s phone number. Maybe she’ll need you some day."),
        ALL_MARKS,
        lazy_gettext("A number is just a contact. You’d be calling somebody who hasn’t asked for anything."),
    ),
    Statement(
        lazy_gettext(
            "Hana asked me for an accountant, and Viktor is one. I asked both first, and both said yes. Then "
            "I sent them one email and said how I know each of them."
        ),
        (),
        lazy_gettext("Hana is expecting Viktor, and he knows why. Somebody who knows both vouches for them."),
    ),
    Statement(
        lazy_gettext("The shoe shop on the square has no website, so I told a web designer to call them."),
        ("actively_sought", "introduced", "endorsed", "both_expect_it"),
        lazy_gettext(
            "A need seen from outside is a guess: nobody asked the shop whether it wants a website."
        ),
    ),
    Statement(
        lazy_gettext(
            "My neighbour is looking for a painter. I gave her your card and told her how well you paint."
        ),
        ("introduced", "both_expect_it"),
        lazy_gettext("Close. But she may or may not call, and you don’t even know she’s looking."),
    ),
    Statement(
        lazy_gettext("Dear Uma, dear Karl, you two should meet! I’ll leave the rest to you."),
        ("need_identified", "actively_sought", "endorsed", "both_expect_it"),
        lazy_gettext("They share an email now, but neither was asked, and neither knows what it’s about."),
    ),
    Statement(
        lazy_gettext(
            "Leila needs flyers this week and asked me for a good printer. Mine was glad to hear about it. I "
            "introduced the two and told each how I know the other."
        ),
        (),
        lazy_gettext("One of the two asked for it, the other was asked, and both know why they’re meeting."),
    ),
    Statement(
        lazy_gettext(
            "Sven is looking for a shop to rent. Tilda has one, and she said yes. I know both well, so I "
            "wrote to the two of them. Sven will be surprised!"
        ),
        ("both_expect_it",),
        lazy_gettext("One yes isn’t two. Nobody asked Sven whether Tilda may have his address."),
    ),
    Statement(
        lazy_gettext(
            "She’s looking for a florist, and he is one. I had asked both. After the meeting I introduced "
            "them and told each how I know the other."
        ),
        (),
        lazy_gettext(
            "It doesn’t have to be an email. Both had agreed, and somebody who knows both was there."
        ),
    ),
    Statement(
        lazy_gettext(
            "Ines is looking for a translator, and Omar is one. Both would like to meet, and I vouch for "
            "both. One of these days I’ll bring them together."
        ),
        ("introduced",),
        lazy_gettext(
            "Everything is there except the introduction itself. Until it’s made, two people are waiting."
        ),
    ),
    Statement(
        lazy_gettext(
            "In spring Petra said no, and I let it rest. Now she’s looking for an engineer after all. Noor "
            "said yes too, so I introduced them and said how I know each of them."
        ),
        (),
        lazy_gettext("A no today doesn’t have to be a no next year. Asked again later, both said yes."),
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
        "quiz_result.html",
        statements=STATEMENTS,
        marks=MARKS,
        judged=judged,
        right=right,
        good_result=GOOD_RESULT,
    )


def _judged() -> dict[int, Kind]:
    """Return the answer to each statement, by its number; whatever else was sent counts as none."""
    said = {number: request.form.get(f"statement-{number}", "") for number in _numbers()}
    return {number: Kind(word) for number, word in said.items() if word in list(Kind)}


def _numbers() -> range:
    return range(1, len(STATEMENTS) + 1)
