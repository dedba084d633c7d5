"""Every kind of mail in every variant, about an introduction that there never was.

For a look at them (`twoyes mails preview`, the page /mails) and for the tests' golden files. Nothing here
needs a database, the moments are fixed, and no link leads anywhere: nobody answers under .example (RFC 2606).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import make_msgid
from typing import Any

from service.language import wording
from service.language.languages import speaking
from service.lifecycle import (
    About,
    ConsentState,
    Envelope,
    MailKind,
    Order,
    Role,
    State,
)
from service.mail import addresses
from service.mail.message import Address, FixedMessage
from service.mail.render import Rendering, facts, write
from service.mail.signing import sign
from service.mail.smtp import Outcome, SmtpSession
from service.settings.table import Settings
from service.store.models import Consent, FirstWriter, Introduction, Need, Sought

ASKED_AT = datetime(2026, 11, 17, 9, 0, tzinfo=UTC)
SITE = "https://twoyes.example"
# As long as a real token, so that a page of samples breaks where a real mail would.
TOKEN = "EXAMPLE-of-a-link-that-leads-nowhere-at-all"  # noqa: S105

Change = Callable[[Introduction], None]


class NoSuchSample(ValueError):
    """There is no sample of this name; the message lists those there are."""


@dataclass(frozen=True)
class Sample:
    """One variant of one kind. ``changes`` make its introduction out of the plain one."""

    kind: MailKind
    to: Role
    changes: tuple[Change, ...] = ()
    about: About = About.CASE
    replies: bool = True


def names() -> list[str]:
    """Return the name of every sample: its kind, a hyphen, and its variant."""
    return list(SAMPLES)


def find(name: str) -> str:
    """Return the name of a sample, given that or a kind, whose first it is then. Raises NoSuchSample."""
    for known, sample in SAMPLES.items():
        if name in (known, sample.kind):
            return known
    raise NoSuchSample(f"There is no sample {name!r}. There are: {', '.join(SAMPLES)}.")


def written(name: str, language: str, settings: Settings) -> Rendering:
    """Write one sample in one language. Raises NoSuchSample."""
    sample, introduction = SAMPLES[find(name)], _plain()
    for change in sample.changes:
        change(introduction)
    with speaking(language):
        known = facts(introduction, sample.to, settings, sample.about) | _links(introduction)
        return write(sample.kind, known | {"replies": sample.replies})


def send(name: str, language: str, to: str, settings: Settings, now: datetime) -> Outcome:
    """Send one sample to a bare address by the relay of the settings, marked as what it is.

    Raises NoSuchSample, and ValueError for what is no address. Trouble with the relay is an outcome.
    """
    shown, sender = written(name, language, settings), addresses.bare(settings)
    message = FixedMessage(
        message_id=make_msgid("preview", domain=sender.rpartition("@")[2]),
        sender=Address(addresses.sender_name(settings), sender),
        to=[Address("", to)],
        at=now,
        subject=f"[Preview] {shown.subject}",
        text=shown.text,
        html=shown.html,
    )
    with SmtpSession(settings) as session:
        return session.send(sender, to, sign(message.as_bytes(), now, settings), fence=lambda: True)


def _links(introduction: Introduction) -> dict[str, Any]:
    return {
        "requester_url": f"{SITE}/r/{TOKEN}",
        "code": "020618",
        "answer_url": f"{SITE}/a/{TOKEN}",
        "follow_up_url": f"{SITE}/f/{TOKEN}",
        "never_url": f"{SITE}/never/{TOKEN}",
        "sign_in_url": f"{SITE}/desk/in/{TOKEN}",
        # What an operator is told.
        "operator_url": f"{SITE}/operator",
        "address": introduction.requester_email,
        "persons": 3,
        "cases": 4,
        "still_open": introduction.state is not State.CLOSED,
    }


def _plain() -> Introduction:
    return Introduction(
        requester_name="Rita Quill",
        requester_email="rita@quill.example",
        need="A new interior for the salon before spring.\nBright, and easy to clean.",
        need_of=Need.A,
        sought=Sought.YES,
        first_writer=FirstWriter.A,
        requester_is=None,
        order=Order.TOGETHER,
        reminders=True,
        cc_requester=True,
        state=State.ASKING,
        created_at=ASKED_AT,
        verified_at=ASKED_AT,
        closes_at=ASKED_AT + timedelta(days=7),
        consents=[
            _side(
                Role.A, "Linda Marsh", "linda@salon.example", "Runs the beauty salon on the market square."
            ),
            _side(
                Role.B, "Natasha Orlova", "natasha@interiors.example", "Designs interiors for small shops."
            ),
        ],
    )


def _side(side: Role, name: str, email: str, blurb: str) -> Consent:
    return Consent(
        side=side,
        name=name,
        email=email,
        blurb=blurb,
        endorsement="I have known her for ten years, and would trust her with my own rooms.",
        phone="",
        line="",
        state=ConsentState.ASKED,
        corrected=False,
        tells_requester=False,
        envelope=Envelope.NONE,
    )


# --- What makes a variant -------------------------------------------------------------------------


def _unverified(introduction: Introduction) -> None:
    introduction.state, introduction.verified_at, introduction.closes_at = State.UNVERIFIED, None, None


def _ordered(introduction: Introduction) -> None:
    introduction.order = Order.A_FIRST


def _by_linda(introduction: Introduction) -> None:
    """Linda asks to be introduced herself."""
    linda = introduction.consent(Role.A)
    introduction.requester_is = Role.A
    introduction.requester_name, introduction.requester_email = linda.name, linda.email
    linda.endorsement = introduction.consent(Role.B).endorsement = ""


def _in_few_words(introduction: Introduction) -> None:
    for consent in introduction.consents:
        consent.blurb = consent.endorsement = ""


def _both_need_it(introduction: Introduction) -> None:
    introduction.need_of, introduction.first_writer = Need.BOTH, FirstWriter.EITHER


def _shared_more(introduction: Introduction) -> None:
    introduction.consent(Role.A).phone = "+44 20 7946 0958"
    introduction.consent(Role.A).line = "Mondays I am in the shop until eight."
    introduction.consent(Role.B).line = "Mornings suit me best."


def _said(state: ConsentState, *sides: Role) -> Change:
    def change(introduction: Introduction) -> None:
        for side in sides:
            introduction.consent(side).state = state
            introduction.consent(side).words_shown = str(wording.consent_words(introduction, side))
            introduction.consent(side).tells_requester = True

    return change


def _corrected(introduction: Introduction) -> None:
    introduction.consent(Role.B).corrected = True


def _came_to(state: State) -> Change:
    def change(introduction: Introduction) -> None:
        introduction.state = state

    return change


def _introduced(introduction: Introduction) -> None:
    introduction.introduced_at = ASKED_AT + timedelta(days=2)


def _lost(introduction: Introduction) -> None:
    introduction.consent(Role.B).envelope = Envelope.FAILED


_YES, _NO = _said(ConsentState.YES, Role.A), _said(ConsentState.NO, Role.A)
_UNREACHED = _said(ConsentState.UNDELIVERABLE, Role.B)
_CLOSED, _CONFIRMED = _came_to(State.CLOSED), _came_to(State.CONFIRMED)


def _variants(kind: MailKind, **variants: Sample) -> dict[str, Sample]:
    return {f"{kind.value}-{variant}": sample for variant, sample in variants.items()}


def _of(kind: MailKind, to: Role, **variants: tuple[Change, ...]) -> dict[str, Sample]:
    return _variants(kind, **{name: Sample(kind, to, changes) for name, changes in variants.items()})


def _unclear(to: Role, about: About, *changes: Change) -> Sample:
    return Sample(MailKind.UNCLEAR, to, changes, about)


SAMPLES: dict[str, Sample] = {
    **_of(MailKind.VERIFY, Role.REQUESTER, plain=(_unverified,)),
    **_of(
        MailKind.ASK,
        Role.A,
        together=(),
        ordered=(_ordered,),
        both_need_it=(_both_need_it,),
        in_few_words=(_in_few_words,),
    ),
    **_of(MailKind.ASK, Role.B, by_party=(_by_linda,)),
    **_variants(MailKind.ASK, without_replies=Sample(MailKind.ASK, Role.A, replies=False)),
    **_of(MailKind.REMINDER, Role.A, together=()),
    **_of(MailKind.REMINDER, Role.B, by_party=(_by_linda,)),
    **_of(MailKind.RECEIPT, Role.A, yes=(_YES,), no=(_NO,), undone=(), closed=(_NO, _CLOSED)),
    **_of(MailKind.RECHECK, Role.A, plain=()),
    **_variants(
        MailKind.UNCLEAR,
        asked=_unclear(Role.A, About.ANSWER),
        followed_up=_unclear(Role.A, About.HANDOFF, _introduced),
        too_late=_unclear(Role.A, About.END, _CLOSED),
        requester=_unclear(Role.REQUESTER, About.ANSWER),
        unverified=_unclear(Role.REQUESTER, About.ANSWER, _unverified),
    ),
    **_of(
        MailKind.DECLINED,
        Role.REQUESTER,
        one=(_NO,),
        both=(_said(ConsentState.NO, Role.A, Role.B),),
    ),
    **_of(MailKind.UNDELIVERABLE, Role.REQUESTER, first=(_UNREACHED,), corrected=(_UNREACHED, _corrected)),
    **_of(
        MailKind.INTRODUCTION,
        Role.A,
        shared_more=(_shared_more,),
        plain=(),
        by_party=(_by_linda,),
        both_need_it=(_both_need_it,),
    ),
    **_of(MailKind.UNDELIVERED, Role.A, side=(_lost,), side_by_party=(_by_linda, _lost)),
    **_of(MailKind.UNDELIVERED, Role.REQUESTER, requester=(_lost,)),
    **_of(MailKind.FOLLOW_UP, Role.B, plain=(_introduced,), by_party=(_by_linda, _introduced)),
    **_of(MailKind.FOLLOW_UP, Role.A, to_party=(_by_linda, _introduced)),
    **_of(MailKind.NOT_COME_ABOUT, Role.A, plain=(_CLOSED,)),
    **_of(MailKind.NOT_COME_ABOUT, Role.B, by_party=(_by_linda, _CLOSED)),
    **_of(
        MailKind.SUMMARY,
        Role.REQUESTER,
        confirmed=(_introduced, _CONFIRMED),
        introduced=(_introduced, _CLOSED),
        undelivered=(_lost, _CLOSED),
        nothing=(_CLOSED,),
        confirmed_by_party=(_by_linda, _introduced, _CONFIRMED),
        introduced_by_party=(_by_linda, _introduced, _CLOSED),
        undelivered_by_party=(_by_linda, _lost, _CLOSED),
        nothing_by_party=(_by_linda, _CLOSED),
    ),
    **_of(MailKind.SIGN_IN, Role.REQUESTER, plain=()),
    **_of(MailKind.STOPPED, Role.REQUESTER, plain=()),
}
