"""What the tests of the ways in share: addresses of ours, a mail, a listener, and what is on record."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Self

from sqlalchemy import select

from service.dev import free_port
from service.inbound import listener
from service.lifecycle import MailKind
from service.mail import addresses
from service.mail.addresses import Purpose
from service.store.db import Database
from service.store.models import InboundMail

from .story import LINDA, Story

DOMAIN = "in.twoyes.test"
POSTMASTER = f"postmaster@{DOMAIN}"


def asked(story: Story, who: str = LINDA) -> str:
    """Everybody is asked; the address that a reply of one of them goes to."""
    story.ask()
    return reply_address(story, who)


def reply_address(story: Story, who: str = LINDA) -> str:
    """The address that a reply to the newest ask goes to."""
    with story.db.reading() as session:
        mail = session.merge(story.outbox(MailKind.ASK, who)[-1], load=False)
        return addresses.signed(Purpose.INTRO, mail, story.settings)


def mail(text: str = "Yes", number: int = 1, sender: str = LINDA, **headers: str) -> bytes:
    """A reply as it comes over the wire."""
    head = {
        "From": sender,
        "Subject": "Re: An introduction",
        "Message-ID": f"<{number}@salon.test>",
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in head.items() if value]
    return "\r\n".join([*lines, "", text, ""]).encode()


def inbox(db: Database) -> list[InboundMail]:
    """Every mail on record, oldest first."""
    with db.reading() as session:
        return list(session.scalars(select(InboundMail).order_by(InboundMail.id)))


class Listening:
    """A listener in a thread of its own."""

    def __init__(self, story: Story, **settings: str) -> None:
        self.story = story
        own = {"INBOUND_PORT": str(free_port()), **settings}
        known = {**story.settings.model_dump(exclude_none=True, exclude_defaults=True), **own}
        self.settings = type(story.settings).model_validate(known)
        self.handler = listener.Handler(story.db, self.settings, story.clock)
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._listen(),))

    async def _listen(self) -> None:
        server = await listener.start_server(self.handler)
        self._ready.set()
        await self._stopped.wait()
        server.close()
        await listener.close_sessions(self.handler)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(20)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def dial(self) -> Line:
        return Line(self.settings.INBOUND_PORT)


class Line:
    """A raw connection: what is said is sent as it is."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.replies = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.replies.close()
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        with suppress(OSError):
            self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def hear(self) -> str:
        """The next reply, its last line; "" when the other side has hung up."""
        with suppress(ConnectionResetError):
            for line in self.replies:
                if line[3:4] != b"-":
                    return line.decode().strip()
        return ""

    def hear_all(self) -> list[str]:
        """Every reply until the other side hangs up."""
        return list(iter(self.hear, ""))

    def say(self, line: str) -> str:
        self.send(f"{line}\r\n")
        return self.hear()

    def open(self, *recipients: str) -> Line:
        """Everything up to DATA."""
        assert self.hear().startswith("220 ")
        assert self.say("LHLO client.test").startswith("250 ")
        assert self.say(f"MAIL FROM:<{LINDA}>").startswith("250 ")
        for recipient in recipients:
            assert self.say(f"RCPT TO:<{recipient}>").startswith("250 ")
        assert self.say("DATA").startswith("354 ")
        return self
