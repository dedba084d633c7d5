"""The names of what is refused. Pages and mails have a sentence for each."""

from __future__ import annotations


class Refused(Exception):
    """A command that does not fit the case. Nothing changes."""


class AlreadyVerified(Refused):
    """The requester has verified this request before."""


class VerificationLapsed(Refused):
    """The request was not verified in time."""


class NotAsked(Refused):
    """This side has not been asked, so there is nothing for it to answer."""


class NothingToUndo(Refused):
    """This side has no answer to take back."""


class NotLater(Refused):
    """This side has answered, its reminder has had its time, or the moment is not between now and the end."""


class CaseClosed(Refused):
    """The case has ended."""


class AlreadyLeft(Refused):
    """The introduction has left, so it cannot be stopped any more."""


class NotCorrectable(Refused):
    """The address was reached, or was corrected before, or the other side is not waiting for it."""


class NoReminder(Refused):
    """The requester allowed no reminder, or had it, or it is too late. Never because of an answer."""


class NotIntroduced(Refused):
    """The two have not been introduced, so there is nothing to confirm."""


class TooSoon(Refused):
    """Sooner after its mail, or after the opposite, than a person acts. It may be pressed again."""


class NotAgreed(Refused):
    """Not both have said yes: no introduction may be handed over."""
