"""Whether the database and what the relay really took tell one story, after a run with faults."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from service.lifecycle import ConsentState, MailKind, Role
from service.store.db import Database
from service.store.models import Consent, Event, Introduction, LedgerEntry, MailState, OutboxMail
from tests.support.people import Mailboxes, Taken

from .crowd import Case


class Witness:
    """Looks into the database while things happen; above all, whether both yeses stand at the dot."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.early: list[str] = []

    def __call__(self, mail: Taken) -> None:
        if mail.kind != MailKind.INTRODUCTION:
            return
        case = select(OutboxMail.introduction_id).where(OutboxMail.message_id == mail.message_id)
        yeses = select(func.count()).where(
            Consent.introduction_id.in_(case), Consent.state == ConsentState.YES
        )
        with self._db.reading() as session:
            if session.scalar(yeses) != 2:
                self.early.append(f"introduction {mail.message_id} was taken without two standing yeses")

    def is_leaving(self, address: str) -> bool:
        """Whether the introduction for an address is leased: in a worker's hands, and not handed over."""
        leased = select(OutboxMail.id).where(
            OutboxMail.recipient == address,
            OutboxMail.kind == MailKind.INTRODUCTION,
            OutboxMail.state == MailState.LEASED,
        )
        with self._db.reading() as session:
            return session.scalar(leased) is not None


@dataclass
class Report:
    """What a run came to."""

    seed: int
    introductions: int = 0
    early: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Broken promises, wrong ledger entries, doubles without a record, mails that never came."""
    kills: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    doubled: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    undone: Counter[str] = field(default_factory=Counter)
    again: int = 0
    unheard: int = 0
    seconds: float = 0.0

    @property
    def violations(self) -> list[str]:
        return [*self.early, *self.lost, *self.wrong]

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.introductions} introductions in {self.seconds:.0f} s",
            f"  kill -9: {_counts(self.kills)} (Redis restarted empty each time)",
            f"  ledger: {_counts(self.outcomes)}",
            f"  yeses taken back: {_counts(self.undone)}",
            f"  buttons pressed again: {self.again}; links nobody waited for any more: {self.unheard}",
            f"  mails taken by the relay: {self.taken}; doubled: {_counts(self.doubled)}",
            f"  handovers of which nobody knew the end: {_counts(self.unknown)}",
            f"  early {len(self.early)}, lost {len(self.lost)}, otherwise wrong {len(self.wrong)}",
        ]
        return "\n".join([*lines, *(f"  VIOLATION: {text}" for text in self.violations[:40])])


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"


class Audit:
    """The database and what the relay took, side by side, after everything has ended."""

    def __init__(self, db: Database, boxes: Mailboxes, cases: Sequence[Case], report: Report) -> None:
        self.report, self._cases = report, {case.address(Role.REQUESTER): case for case in cases}
        with db.reading() as session:
            every = select(Introduction).where(Introduction.verified_at.is_not(None))
            self._introductions = list(session.scalars(every.options(selectinload(Introduction.consents))))
            self._outbox = {
                (row.message_id, row.recipient): row for row in session.scalars(select(OutboxMail))
            }
            self._ledger = list(
                session.scalars(select(LedgerEntry).where(LedgerEntry.superseded_at.is_(None)))
            )
            self._events = list(session.scalars(select(Event).order_by(Event.id)))
        # Nobody knew, twice, whether the relay took a mail to these.
        self._lost = {row.recipient for row in self._outbox.values() if row.state is MailState.UNKNOWN}
        self._unknown = [event for event in self._events if event.name.startswith("handover unknown")]
        self._taken: dict[tuple[str, str], list[Taken]] = defaultdict(list)
        for mail in boxes.all():
            self._taken[mail.message_id, mail.recipient].append(mail)

    def __call__(self) -> None:
        self._check_all_were_verified_once()
        for introduction in self._introductions:
            case = self._cases[introduction.requester_address]
            case.history = self._history(introduction)
            self._check_promises(case, introduction)
            self._check_introduction(case, introduction)
            self._check_ledger(case, introduction)
        self._check_mails()
        self._check_waiting()
        self.report.introductions = len(self._introductions)
        self.report.taken = sum(map(len, self._taken.values()))
        undoers = [case for case in self._cases.values() if case.plan.startswith("undone")]
        self.report.undone.update(
            "in time" if "undone" in case.promised.values() else "too late" for case in undoers
        )
        self.report.unknown.update(event.detail["reply"] for event in self._unknown)

    def _check_all_were_verified_once(self) -> None:
        found = Counter(introduction.requester_address for introduction in self._introductions)
        for address, case in self._cases.items():
            if found[address] != (0 if self._never_began(case) else 1):
                self._wrong(case, f"verified {found[address]} times")

    def _never_began(self, case: Case) -> bool:
        """Whether the requester waited for a link that was lost, so that nobody else was ever asked."""
        return "/r/ to requester" in case.waits_for and case.address(Role.REQUESTER) in self._lost

    def _check_promises(self, case: Case, introduction: Introduction) -> None:
        """Said means saved: what a page called recorded is what stands."""
        words = {"yes": ConsentState.YES, "no": ConsentState.NO, "undone": ConsentState.ASKED}
        for side, promise in case.promised.items():
            state = introduction.consent(side).state
            if state is not words[promise]:
                self._wrong(case, f"{side} was told {promise}, and {state} is on record")
        if case.confirmed and not any(consent.in_touch for consent in introduction.consents):
            self._wrong(case, "a confirmation was lost")

    def _check_introduction(self, case: Case, introduction: Introduction) -> None:
        copies = [self._copies(introduction, address) for address in map(case.address, Role)]
        if not introduction.to_case().both_said_yes:
            if any(copies):
                self.report.early.append(f"{case}: introduced, and not both said yes{case.history}")
        elif not all(copies):
            self.report.lost.append(f"{case}: {list(map(len, copies))} copies were taken{case.history}")
        elif min(mail.at for mails in copies for mail in mails) < max(case.pressed.values()):
            self.report.early.append(f"{case}: introduced before the second yes was pressed{case.history}")

    def _history(self, introduction: Introduction) -> str:
        """What happened to a case, for whoever has to find out why it went wrong: no run can be replayed."""
        events = (event for event in self._events if event.introduction_id == introduction.id)
        return "".join(f"\n      {event.at:%H:%M:%S} {event.name} {event.detail}" for event in events)

    def _copies(self, introduction: Introduction, address: str) -> list[Taken]:
        copies = (mails for (_, recipient), mails in self._taken.items() if recipient == address)
        return [mail for mails in copies for mail in mails if mail.kind == MailKind.INTRODUCTION]

    def _check_ledger(self, case: Case, introduction: Introduction) -> None:
        entries = [entry for entry in self._ledger if entry.introduction_id == introduction.id]
        outcomes = [entry.reason or entry.outcome for entry in entries]
        if outcomes != [_outcome(introduction)]:
            self._wrong(case, f"the ledger says {outcomes}, not {_outcome(introduction)}")
        self.report.outcomes.update(map(str, outcomes))

    def _check_mails(self) -> None:
        """Every mail of the relay is a row of ours, and every second one is on record as possible."""
        for (message_id, recipient), mails in self._taken.items():
            row = self._outbox.get((message_id, recipient))
            if row is None or len(mails) > row.handovers:
                self.report.wrong.append(
                    f"{message_id}: {len(mails)} taken, on record: {row and row.handovers}"
                )
            elif len(mails) > 1:
                self.report.doubled[row.kind] += 1
                if len(mails) > 1 + sum(_is_about(event, row) for event in self._unknown):
                    self.report.wrong.append(f"{message_id}: doubled without an event")
        for key, row in self._outbox.items():
            if row.state is MailState.SENT and key not in self._taken:
                self.report.lost.append(f"{row.message_id}: sent on record, never taken by the relay")

    def _check_waiting(self) -> None:
        """A link that never came must have a reason on record."""
        introduced = {i.requester_address for i in self._introductions if i.introduced_at}
        for address, case in self._cases.items():
            for link in case.waits_for:
                who = Role(link.rpartition(" ")[2]) if link.startswith("/") else None
                no_follow_up = link.startswith("/f/") and address not in introduced
                if who and (no_follow_up or case.address(who) in self._lost or self._never_began(case)):
                    self.report.unheard += 1
                else:
                    self._wrong(case, f"never came: {link}")

    def _wrong(self, case: Case, what: str) -> None:
        self.report.wrong.append(f"{case}: {what}{case.history}")


def _outcome(introduction: Introduction) -> str:
    """What the ledger must say, told from the answers that stand, and from nothing else."""
    states = {consent.state for consent in introduction.consents}
    if states == {ConsentState.YES}:
        in_touch = any(consent.in_touch for consent in introduction.consents)
        return "referral" if in_touch else "handoff-unconfirmed"
    return "declined" if ConsentState.NO in states else "no-answer"


def _is_about(event: Event, row: OutboxMail) -> bool:
    same = event.detail["mail"] == row.kind and event.detail["to"] == row.to
    return same and event.introduction_id == row.introduction_id and "possibly doubled" in event.name


def everything_has_ended(db: Database) -> bool:
    """Whether every case that was verified is in the ledger, and no mail has to leave any more."""
    open_cases = select(func.count()).where(
        Introduction.verified_at.is_not(None),
        Introduction.id.not_in(
            select(LedgerEntry.introduction_id).where(LedgerEntry.superseded_at.is_(None))
        ),
    )
    on_the_way = (MailState.QUEUED, MailState.LEASED, MailState.HANDOVER, MailState.RETRY)
    unsent = select(func.count()).where(OutboxMail.state.in_(on_the_way))
    with db.reading() as session:
        return not session.scalar(open_cases) and not session.scalar(unsent)
