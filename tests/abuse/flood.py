"""Bring a dozen large mails by LMTP to the addresses of one token, and see how much is kept.

``python -m tests.abuse.flood``: replies of 10 MB, replies just below the limit, and bounces of 10 MB.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter

from service.lifecycle import MailKind
from service.mail import addresses
from service.mail.addresses import Purpose
from service.store.migrations import migrate
from tests.support.inbound_mail import DOMAIN, Listening, inbox, mail
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, SECRET, HandClock, Story

TIMES = 12
LARGE, REPLY = 10_000_000, 1_000_000
"""Bytes."""


def address_of(story: Story, purpose: Purpose) -> str:
    """Give the address for a purpose in the ask that Linda got."""
    with story.db.reading() as session:
        ask = session.merge(story.outbox(MailKind.ASK, LINDA)[-1], load=False)
        return addresses.signed(purpose, ask, story.settings)


def flood(story: Story, here: Listening, to: str, sender: str, size: int) -> Counter[str]:
    """Bring so many mails, and count what was said."""
    said = Counter[str]()
    for number in range(TIMES):
        with here.dial() as line:
            line.hear()
            line.say("LHLO client.test")
            line.say(f"MAIL FROM:<{sender}>")
            line.say(f"RCPT TO:<{to}>")
            line.say("DATA")
            line.send(mail("x" * 70 + "\r\n", number=size + number).ljust(100, b"y"))
            line.send((b"y" * 98 + b"\r\n") * (size // 100) + b"\r\n.\r\n")
            said[line.hear()] += 1
    return said


def main() -> None:
    """Flood, and print what came of it."""
    with tempfile.TemporaryDirectory() as folder, FaultySmtp() as relay:
        url = f"sqlite:///{folder}/flood.db"
        migrate(url)
        values = {"SECRET_KEY": SECRET, "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0"}
        own = {"PUBLIC_URL": "http://twoyes.test", "SUSPECT_WITHIN": "0s", "INBOUND_DOMAIN": DOMAIN}
        story = Story({**values, **own, **relay.environ}, HandClock(), relay)
        story.ask()
        with Listening(story) as here:
            for what, purpose, sender, size in (
                ("replies", Purpose.INTRO, "mallory@evil.test", LARGE),
                ("replies", Purpose.INTRO, "mallory@evil.test", REPLY),
                ("bounces", Purpose.BOUNCE, "", LARGE),
            ):
                before, started = sum(row.size for row in inbox(story.db)), time.monotonic()
                said = flood(story, here, address_of(story, purpose), sender, size)
                kept = sum(row.size for row in inbox(story.db)) - before
                print(f"{TIMES} {what} of {size:,} bytes: {kept:,} kept, {time.monotonic() - started:.1f} s")  # noqa: T201
                for reply, times in said.items():
                    print(f"  {times} × {reply}")  # noqa: T201


if __name__ == "__main__":
    main()
