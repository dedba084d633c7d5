"""What really happened to a mail, written: its row and its case."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from service import lifecycle
from service.introductions import decisions
from service.lifecycle import Accepted, Failed, MailKind, Role
from service.mail.smtp import Kind, Outcome
from service.store import outbox
from service.store.context import Context
from service.store.models import Introduction, MailState, OutboxMail
from service.store.suppressions import has_opted_out, is_suppressed

from . import relay

ENOUGH = "this address had enough mails today"
UNWANTED = "not wanted any more"
USELESS = "tried until it had no use"


@dataclass(frozen=True)
class LockedMail:
    """One mail with its introduction, if it has one, locked until the transaction ends, at one moment."""

    context: Context
    introduction: Introduction | None
    row: OutboxMail

    @classmethod
    def of(cls, context: Context, introduction_id: int | None, mail_id: int) -> LockedMail | None:
        """Lock the introduction first, then its mail, as everybody does; None if the mail is gone."""
        introduction = None if introduction_id is None else decisions.lock(context.session, introduction_id)
        mail = select(OutboxMail).where(OutboxMail.id == mail_id).with_for_update()
        row = context.session.scalars(mail.execution_options(populate_existing=True)).first()
        return cls(context, introduction, row) if row else None

    def is_wanted(self) -> bool:
        """Tell whether the mail may still be sent, and its recipient is still a party."""
        return is_wanted(self.context, self.row) and not self._is_for_nobody()

    def _is_for_nobody(self) -> bool:
        """Tell whether the address was corrected since, so that no link of the party's may go there."""
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
            outbox.release(self.context.session, self.row.id, lease, due_at=self.context.now)
            relay.pause(self.context, outcome.reply)
        elif not outbox.try_again(self.context, self.row, outcome.reply):
            self.failed(outcome.reply)

    def _record_late(self, outcome: Outcome) -> None:
        """Our lease ran out while the relay took its time; that it accepted the mail is still the truth."""
        if outcome.kind is Kind.ACCEPTED and self.row.state in (MailState.UNKNOWN, MailState.RETRY):
            self.sent(outcome.reply)

    def sent(self, reply: str) -> None:
        """Record that the relay accepted the mail, and tell its case."""
        outbox.sent(self.row, reply, self.context.now)
        relay.resume(self.context.session)
        server = self.context.settings.MAIL_SERVER
        self._apply(Accepted(self.row.kind, self.row.to, reply, server=server))

    def failed(self, reply: str) -> None:
        """Record that the mail was refused for good, or that it lost its use, and tell its case."""
        outbox.failed(self.row, reply)
        self._apply(Failed(self.row.kind, self.row.to, reply))

    def stopped(self) -> None:
        """Record that the mail was stopped before the dot: by its case, or by what its address may get."""
        if not self.is_wanted():
            outbox.skipped(self.row, UNWANTED)
        elif is_suppressed(self.context.session, self.row.recipient, self.row.on_behalf_of):
            self._suppressed()
        elif due_at := outbox.wait_until(self.context, self.row):
            outbox.wait(self.row, ENOUGH, due_at)
            self._write_event("mail held back", ENOUGH)
        else:
            # Wanted again since it was stopped; queueing it anew found it leased and left it to us.
            outbox.release(self.context.session, self.row.id, str(self.row.lease))

    def _suppressed(self) -> None:
        """End a mail to a suppressed address. One click says nothing in a case, so no case is told of it.

        But an introduction cannot wait: both agreed, and the other side's copy goes its way.
        """
        stays_suppressed = has_opted_out(self.context.session, self.row.recipient, self.row.on_behalf_of)
        if stays_suppressed or self.row.kind is MailKind.INTRODUCTION:
            self.failed(outbox.SUPPRESSED)
        else:
            outbox.skipped(self.row, outbox.SUPPRESSED)

    def unknown(self, reply: str) -> None:
        """Send the mail once more with the same Message-ID, or hold it: nobody can know whether it arrived.

        An introduction is tried until the relay answers (ON_UNKNOWN=retry), every other mail once more.
        """
        is_introduction = self.row.kind is MailKind.INTRODUCTION
        again = self.context.settings.ON_UNKNOWN == "retry" if is_introduction else self.row.handovers < 2
        if again and outbox.try_again(self.context, self.row, reply):
            self._write_event("handover unknown, sent again, possibly doubled", reply)
            return
        outbox.unknown(self.row, reply)
        self._write_event("handover unknown, held", reply)
        if not is_introduction:
            self._apply(Accepted(self.row.kind, self.row.to, reply, certain=False))

    def bounced(self, reply: str, *, hard: bool) -> str:
        """Record that a mail came back, for good (``hard``) or for now; tell in a word what came of it.

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
        if outbox.send_again(self.context, self.row, reply):
            self._write_event("mail came back for now, sent again", reply)
            return "again"
        return self._came_back(reply)

    def _came_back(self, reply: str) -> str:
        outbox.came_back(self.row, reply, self.context.now)
        if self._is_for_nobody():
            self._write_event("mail came back", reply)
            return "noted"
        self._apply(Failed(self.row.kind, self.row.to, reply, came_back=True))
        return "lost"

    def useless(self) -> None:
        """End a mail that waited until it had no use; one that nobody wants was just not skipped yet."""
        if self.is_wanted():
            self.failed(self.row.reply or USELESS)
        else:
            outbox.skipped(self.row, UNWANTED)

    def _apply(self, command: Accepted | Failed) -> None:
        if self.introduction:
            decisions.apply(self.context, self.introduction, command)

    def _write_event(self, name: str, reply: str) -> None:
        if self.introduction is None:
            return
        row = self.row
        detail = {"mail": row.kind.value, "to": row.to.value, "handover": row.handovers, "reply": reply}
        decisions.write_event(self.context, self.introduction, lifecycle.Event(name, "relay", detail))


def is_wanted(context: Context, row: OutboxMail) -> bool:
    """Tell whether a mail may still be sent: by its case, or because its link to sign in still works.

    An operator is told of what has happened, whatever happens next.
    """
    if row.kind is MailKind.STOPPED:
        return True
    if row.sign_in:
        return row.sign_in.is_open(context.settings.SIGN_IN_WITHIN, context.now)
    return lifecycle.still_wanted(row.case.to_case(), row.to_mail())
