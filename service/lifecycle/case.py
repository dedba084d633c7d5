"""An introduction as the kernel sees it: a value without a database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .states import ConsentState, Envelope, Order, Reason, Role, State


@dataclass(frozen=True)
class Timing:
    """The durations that a decision depends on; see the settings of the same names.

    A hold lasts for ``suspect_within`` at least (`hold`), and as long as that from the last press under it:
    a second, contradicting press must find the introduction still here.
    """

    answer_within: timedelta
    remind_after: timedelta
    hold_for: timedelta
    follow_up_after: timedelta
    confirm_within: timedelta
    verify_within: timedelta
    suspect_within: timedelta = timedelta(0)

    @property
    def hold(self) -> timedelta:
        return max(self.hold_for, self.suspect_within)

    def is_too_soon(self, now: datetime, after: datetime | None) -> bool:
        """Whether ``now`` is sooner after a moment than a person acts: then a program did."""
        return bool(self.suspect_within) and after is not None and now < after + self.suspect_within


@dataclass(frozen=True)
class Side:
    """One party's half of a case. ``answers`` counts the changes of the answer, ``version`` the links.

    ``mailed_at`` is when the newest mail with this side's link was handed over or accepted, ``touched_at``
    when this side last answered, and ``suspects`` how often that was too quick for a person. ``remind_at``
    is when this side wants its one reminder.
    """

    state: ConsentState = ConsentState.WAITING
    asked_at: datetime | None = None
    reminded_at: datetime | None = None
    remind_at: datetime | None = None
    answered_at: datetime | None = None
    answers: int = 0
    version: int = 1
    tells_requester: bool = False
    corrected: bool = False
    envelope: Envelope = Envelope.NONE
    in_touch: bool | None = None
    mailed_at: datetime | None = None
    touched_at: datetime | None = None
    suspects: int = 0


@dataclass(frozen=True)
class Case:
    """An introduction as the kernel sees it. Times are aware datetimes.

    ``mailed_at`` is when the verification mail was handed over or accepted.
    """

    created_at: datetime
    requester_is: Role | None = None
    order: Order = Order.TOGETHER
    reminders: bool = False
    cc_requester: bool = False
    state: State = State.UNVERIFIED
    reason: Reason | None = None
    mailed_at: datetime | None = None
    verified_at: datetime | None = None
    closes_at: datetime | None = None
    hold_until: datetime | None = None
    left_at: datetime | None = None
    introduced_at: datetime | None = None
    followed_up_at: datetime | None = None
    summarised: bool = False
    a: Side = field(default_factory=Side)
    b: Side = field(default_factory=Side)

    def side(self, role: Role) -> Side:
        # The requester is no side: better a KeyError than side b.
        return {Role.A: self.a, Role.B: self.b}[role]

    @property
    def sides(self) -> tuple[tuple[Role, Side], tuple[Role, Side]]:
        return (Role.A, self.a), (Role.B, self.b)

    def with_side(self, role: Role, side: Side) -> Case:
        return replace(self, a=side) if role is Role.A else replace(self, b=side)

    @property
    def both_said_yes(self) -> bool:
        return all(side.state is ConsentState.YES for _, side in self.sides)

    @property
    def a_no_stands(self) -> bool:
        return any(side.state is ConsentState.NO for _, side in self.sides)

    @property
    def is_open(self) -> bool:
        """Whether answers still count: the case was asked, is not closed, and nothing has left."""
        return self.state in (State.ASKING, State.AGREED, State.INTRODUCING) and self.left_at is None
