"""What really happened to a mail, written: its row, its case, and the pause of a relay in trouble."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import lifecycle
from service.introductions import decisions
from service.introductions.quotas import is_suppressed
from service.lifecycle import Accepted, Failed, MailKind, Role
from service.mail.smtp import Kind, Outcome
from service.settings.table import Settings
from service.store import outbox
from service.store.models import Event, Installation, Introduction, MailState, OutboxMail

SUPPRESSED = "this address is suppressed"
ENOUGH = "this address had enough mails today"
UNWANTED = "not wanted any more"
USELESS = "tried until it had no use"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LockedMail:
    """One mail with its introduction, if it has one, locked until the transaction ends, at one moment."""

    session: Session
    settings: Settings
    introduction: Introduction | None
    row: OutboxMail
    now: datetime

    @classmethod
    def of(
        cls, session: Session, settings: Settings, introduction_id: int | None, mail_id: int, now: datetime
    ) -> LockedMail | None:
        """Lock the introduction first, then its mail, as everybody does; None if the mail is gone."""
        introduction = None if introduction_id is None else decisions.lock(session, introduction_id)
        mail = select(OutboxMail).where(OutboxMail.id == mail_id).with_for_update()
        row = session.scalars(mail.execution_options(populate_existing=True)).first()
        return cls(session, settings, introduction, row, now) if row else None

    def is_wanted(self) -> bool:
        return is_wanted(self.row, self.settings, self.now) and not self._is_for_nobody()

    def _is_for_nobody(self) -> bool:
        """The address was corrected since, so that no link of the party's may go there any more."""
        return self.row.to is not Role.REQUESTER and self.row.case.party_of(self.row) is None

    def record(self, outcome: Outcome, lease: str) -> None:
        """Write the outcome of an attempt, if its lease is still the one to say so."""
        if self.row.lease != lease:
            self._record_late(outcome)
        elif outcome.kind is Kind.ACCEPTED:
            self.sent(outcome.reply)
        elif outcome.kind is Kind.REFUSED:
            self.failed(outcome.reply)
        elif outcome.kind is Kind.UNKNOWN:
            self.unknown(outcome.reply)
        elif outcome.kind is Kind.UNWANTED:
            self.stopped()
        elif outcome.kind is Kind.RELAY:
            # Behind the others: a relay that hangs up on this one recipient must not stop everybody's mail.
            outbox.release(self.session, self.row.id, lease, due_at=self.now)
            pause_relay(self.session, self.settings, outcome.reply, self.now)
        elif not outbox.try_again(self.row, self.settings, outcome.reply, self.now):
            self.failed(outcome.reply)

    def _record_late(self, outcome: Outcome) -> None:
        """Our lease ran out while the relay took its time; that it accepted the mail is still the truth."""
        if outcome.kind is Kind.ACCEPTED and self.row.state in (MailState.UNKNOWN, MailState.RETRY):
            self.sent(outcome.reply)

    def sent(self, reply: str) -> None:
        outbox.sent(self.row, reply, self.now)
        resume_relay(self.session)
        self._tell(Accepted(self.row.kind, self.row.to, reply, server=self.settings.MAIL_SERVER))

    def failed(self, reply: str) -> None:
        outbox.failed(self.row, reply)
        self._tell(Failed(self.row.kind, self.row.to, reply))

    def stopped(self) -> None:
        """The mail was stopped before the dot: by its case, or because its address may not get it (now)."""
        if not self.is_wanted():
            outbox.skipped(self.row, UNWANTED)
        elif is_suppressed(self.session, self.row.recipient, self.row.on_behalf_of):
            self.failed(SUPPRESSED)
        elif due_at := outbox.wait_until(self.session, self.settings, self.row, self.now):
            outbox.wait(self.row, ENOUGH, due_at)
            self._write_event("mail held back", ENOUGH)
        else:
            # Wanted again since it was stopped; queueing it anew found it leased and left it to us.
            outbox.release(self.session, self.row.id, str(self.row.lease))

    def unknown(self, reply: str) -> None:
        """Nobody can know whether the relay took it: once more with the same Message-ID, or hold it.

        An introduction is tried until the relay answers (ON_UNKNOWN=retry), every other mail once more.
        """
        is_introduction = self.row.kind is MailKind.INTRODUCTION
        again = self.settings.ON_UNKNOWN == "retry" if is_introduction else self.row.handovers < 2
        if again and outbox.try_again(self.row, self.settings, reply, self.now):
            self._write_event("handover unknown, sent again, possibly doubled", reply)
            return
        outbox.unknown(self.row, reply)
        self._write_event("handover unknown, held", reply)
        if not is_introduction:
            self._tell(Accepted(self.row.kind, self.row.to, reply, certain=False))

    def bounced(self, reply: str, hard: bool) -> str:
        """A mail that had left came back, for good (``hard``) or for now; in a word, what came of it.

        ``again``: it is sent once more. ``lost``: its case was told. ``noted``: it changes nothing, and
        there is an event of it. ``known``: it was told before, or had never left.
        """
        if self.row.bounced_at or not outbox.may_have_arrived(self.row):
            return "known"
        # Both people have the introduction or it has failed: sent again, it could reach them doubled.
        if hard or self.row.kind is MailKind.INTRODUCTION:
            return self._came_back(reply)
        if not self.is_wanted():
            self._write_event("mail came back for now", reply)
            return "noted"
        if outbox.send_again(self.row, self.settings, reply, self.now):
            self._write_event("mail came back for now, sent again", reply)
            return "again"
        return self._came_back(reply)

    def _came_back(self, reply: str) -> str:
        outbox.came_back(self.row, reply, self.now)
        if self._is_for_nobody():
            self._write_event("mail came back", reply)
            return "noted"
        self._tell(Failed(self.row.kind, self.row.to, reply, came_back=True))
        return "lost"

    def useless(self) -> None:
        """The mail waited until nobody had a use for it; one that nobody wants was just not skipped yet."""
        if self.is_wanted():
            self.failed(self.row.reply or USELESS)
        else:
            outbox.skipped(self.row, UNWANTED)

    def _tell(self, command: Accepted | Failed) -> None:
        if self.introduction:
            decisions.apply(self.session, self.settings, self.introduction, command, self.now)

    def _write_event(self, name: str, reply: str) -> None:
        if self.introduction is None:
            return
        row = self.row
        detail = {"mail": row.kind.value, "to": row.to.value, "handover": row.handovers, "reply": reply}
        self.session.add(
            Event(introduction_id=self.introduction.id, at=self.now, actor="relay", name=name, detail=detail)
        )


def is_wanted(row: OutboxMail, settings: Settings, now: datetime) -> bool:
    """Whether a mail may still leave: its case says so, or the link to sign in that it carries works."""
    if row.sign_in:
        return row.sign_in.is_open(settings.SIGN_IN_WITHIN, now)
    return lifecycle.still_wanted(row.case.to_case(), row.to_mail())


def relay_is_paused(session: Session, now: datetime) -> bool:
    paused_until = session.scalars(select(Installation.relay_paused_until)).one()
    return paused_until is not None and paused_until > now


def pause_relay(session: Session, settings: Settings, reply: str, now: datetime) -> None:
    """Trouble with the relay itself pauses all mail and burns nobody's attempts."""
    installation = session.scalars(select(Installation).with_for_update()).one()
    installation.relay_failures += 1
    pause = outbox.backoff(settings, installation.relay_failures)
    installation.relay_paused_until, installation.relay_reply = now + pause, reply[:300]
    # What the relay said may name an address, so it is kept in the row and not in the log.
    log.warning("the relay is in trouble and paused for %d s", pause.total_seconds())


def resume_relay(session: Session) -> None:
    installation = session.scalars(select(Installation)).one()
    if installation.relay_failures:
        installation.relay_failures, installation.relay_paused_until, installation.relay_reply = 0, None, ""
