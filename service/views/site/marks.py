"""What tells a referral from a lead, in the words of the pages."""

from __future__ import annotations

from service.language.languages import lazy_gettext

MARKS: dict[str, tuple[str, str]] = {
    "need_identified": (
        lazy_gettext("Need identified"),
        lazy_gettext("Somebody said which product or service is needed."),
    ),
    "actively_sought": (
        lazy_gettext("Actively sought"),
        lazy_gettext("The person with the need says they’re looking now."),
    ),
    "introduced": (
        lazy_gettext("Introduced"),
        lazy_gettext("Somebody brought the two together, so neither has to call a stranger."),
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
"""The marks of `service.lifecycle.ledger.Marks`, each with its title and what it means."""
