"""Referral or lead, the reason, and the five marks. Pure.

A referral is an introduction that both sides agreed to, that was accepted for delivery to both, and of
which the handoff was confirmed; everything else that was asked is a lead (docs/design.md, section 1).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from .case import Case
from .states import Envelope, Reason, Role, State


class Outcome(StrEnum):
    """What a case comes to in the ledger."""

    REFERRAL = "referral"
    LEAD = "lead"


@dataclass(frozen=True)
class Facts:
    """What people wrote or ticked, as far as the marks depend on it.

    ``needs`` are the sides that have the need; ``looking`` the sides that said on the answer page that
    they are looking now; ``endorsed`` the sides that the requester vouched for.
    """

    need: str
    needs: frozenset[Role]
    looking: frozenset[Role]
    endorsed: frozenset[Role]


@dataclass(frozen=True)
class Marks:
    """The five characteristics of a full referral."""

    need_identified: bool
    actively_sought: bool
    introduced: bool
    endorsed: bool
    both_expect_it: bool

    def as_dict(self) -> dict[str, bool]:
        return asdict(self)


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. ``reason`` is None for a referral."""

    outcome: Outcome
    reason: Reason | None
    marks: Marks


def judge(case: Case, facts: Facts) -> Entry | None:
    """Give the ledger entry of a case, or None while it is open or when nobody was ever asked."""
    if case.verified_at is None or case.state not in (State.CONFIRMED, State.CLOSED):
        return None
    if case.state is State.CONFIRMED:
        return Entry(Outcome.REFERRAL, None, marks(case, facts))
    return Entry(Outcome.LEAD, case.reason, marks(case, facts))


def marks(case: Case, facts: Facts) -> Marks:
    """Give the marks that a case bears by now."""
    vouched_for = {role for role, _ in case.sides if role is not case.requester_is}
    return Marks(
        need_identified=bool(facts.need.strip()),
        actively_sought=bool(facts.needs & facts.looking),
        introduced=case.state is State.CONFIRMED or _accepted_for_both(case),
        endorsed=vouched_for <= facts.endorsed,
        both_expect_it=case.both_said_yes,
    )


def _accepted_for_both(case: Case) -> bool:
    return all(side.envelope is Envelope.ACCEPTED for _, side in case.sides)
