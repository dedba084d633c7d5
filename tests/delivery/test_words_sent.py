"""Of each ask the words that were sent stay on record: those of the very mail, and no link that works."""

from __future__ import annotations

import re
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from service.delivery import deliver as delivery
from service.introductions import by_reply
from service.lifecycle import MailKind
from service.store.models import OutboxMail
from tests.support.inbound_mail import DOMAIN
from tests.support.smtp_server import TAKE_AND_DROP, FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story, text_of

pytestmark = pytest.mark.both_databases

TOKEN = re.compile(r"/(?:a|f|r|never|desk/in)/([\w.-]{20,})")
SIGNED_ADDRESS = re.compile(r"(?:intro|bounce|stop)\+[a-z0-9]+")


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN}


def kept(story: Story, kind: MailKind, to: str) -> tuple[str | None, str | None, str | None]:
    """Subject, text and HTML on record of the newest mail of a kind."""
    columns = OutboxMail.sent_subject, OutboxMail.sent_text, OutboxMail.sent_html
    found = select(*columns).where(OutboxMail.kind == kind, OutboxMail.recipient == to)
    with story.db.reading() as session:
        subject, text, page = session.execute(found.order_by(OutboxMail.id.desc())).first() or (None,) * 3
    return subject, text, page


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def masked(text: str) -> str:
    return re.sub(r"http://twoyes\.test/[^\s\"<]+", "[link]", text)


def send_link(story: Story, who: str) -> None:
    """Somebody replied, and it could not be read."""
    with story.writing() as context:
        mail = context.session.merge(story.outbox(MailKind.ASK, who)[-1])
        assert by_reply.send_link(context, mail)
    story.sweep()


def ask_in_every_way(story: Story) -> None:
    """An ask, a reminder, and a mail about an unclear reply; then an answer and what follows from it."""
    story.ask()
    story.sweep(days=4)
    send_link(story, LINDA)


def test_what_is_on_record_of_an_ask_is_the_mail_that_was_sent_but_for_its_links(story: Story) -> None:
    ask_in_every_way(story)
    mails = story.mails(LINDA)
    kinds = [MailKind(kind) for kind in story.kinds(LINDA)]
    assert kinds == [MailKind.ASK, MailKind.REMINDER, MailKind.UNCLEAR]
    for kind, mail in zip(kinds, mails, strict=True):
        subject, text, page = kept(story, kind, LINDA)
        assert subject == mail["Subject"]
        assert text is not None
        assert page is not None
        assert text.split() == masked(text_of(mail)).split()
        assert page.split() == masked(html_of(mail)).split()
        assert "[link]" in text
        assert 'href="[link]"' in page


def test_a_question_whether_it_was_a_person_stays_on_record_as_well(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "SUSPECT_WITHIN": "10s"}, clock, relay)
    story.request()
    story.sweep(hours=1)
    story.verify()
    story.sweep(hours=1)
    story.answer(LINDA, "yes")
    story.answer(LINDA, "no")
    story.sweep()
    assert story.kinds(LINDA) == ["ask", "recheck"]
    text = kept(story, MailKind.RECHECK, LINDA)[1] or ""
    assert text.split() == masked(text_of(story.mails(LINDA)[-1])).split()


def test_no_token_and_no_signed_address_of_any_mail_rests_in_the_outbox(story: Story) -> None:
    ask_in_every_way(story)
    story.answer(LINDA, "yes")
    story.answer(NATASHA, "yes")
    story.sweep(minutes=11)
    story.sweep(days=3)
    raw = "\n".join(
        str(mail) + text_of(mail) + html_of(mail)
        for who in (RITA, LINDA, NATASHA)
        for mail in story.mails(who)
    )
    raw += "\n".join(mail.sender for mail in story.relay.messages)
    tokens, signed = set(TOKEN.findall(raw)), set(SIGNED_ADDRESS.findall(raw))
    assert len(tokens) > 8, "the mails were read"
    assert len(signed) > 8
    with story.db.reading() as session:
        rows = session.execute(select(*OutboxMail.__table__.columns)).all()
    stored = "\n".join(repr(value) for row in rows for value in row)
    assert "[link]" in stored
    assert not [secret for secret in tokens | signed if secret in stored]


def test_a_signed_address_in_a_body_is_masked_and_a_person_s_own_is_not(story: Story) -> None:
    own = "stop+salon@linda.test"
    story.request(a_email=own)
    with story.writing() as context:
        context.session.merge(story.introduction()).need = f"Write to intro+2mzq7@{DOMAIN} about it."
    story.verify()
    _, text, page = kept(story, MailKind.ASK, own)
    for part in (text or "", page or ""):
        assert "Write to [address] about it." in part
        assert f"your address {own}" in part


def test_other_mails_to_a_party_leave_their_subject_and_those_to_the_requester_nothing(story: Story) -> None:
    story.introduce()
    story.sweep(days=3)
    for kind in (MailKind.RECEIPT, MailKind.FOLLOW_UP):
        subject, text, page = kept(story, kind, LINDA)
        assert subject == story.mails(LINDA)[story.kinds(LINDA).index(kind)]["Subject"]
        assert (text, page) == (None, None)
    for kind, to in ((MailKind.INTRODUCTION, LINDA), (MailKind.VERIFY, RITA), (MailKind.SUMMARY, RITA)):
        assert kept(story, kind, to) == (None, None, None)


def test_a_mail_that_never_came_to_its_dot_leaves_no_words(story: Story) -> None:
    story.request()
    story.relay.behave(refuse={LINDA: "550 5.1.1 no such user"})
    story.verify()
    assert kept(story, MailKind.ASK, LINDA) == (None, None, None)
    assert kept(story, MailKind.ASK, NATASHA)[1] is not None


def test_of_a_mail_that_was_sent_twice_the_later_words_stand(story: Story) -> None:
    story.request()
    story.relay.behave({"dot": TAKE_AND_DROP})
    story.verify()
    first = kept(story, MailKind.ASK, LINDA)[1]
    assert first is not None, "nobody knows whether it arrived, so its words stand"
    with story.writing() as context:
        context.session.merge(story.introduction()).need = "Another need."
    story.relay.behave()
    story.sweep(hours=3)
    (row,) = story.outbox(MailKind.ASK, LINDA)
    assert row.handovers == 2
    second = kept(story, MailKind.ASK, LINDA)[1] or ""
    assert ("> Another need." in first, "> Another need." in second) == (False, True)


def test_the_words_are_written_in_the_transaction_of_the_handover(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.request()
    # The process dies after the dot: what came of the mail is never written.
    with monkeypatch.context() as death:
        death.setattr(delivery, "_record", lambda *_: None)
        story.verify()
    assert (
        masked(text_of(story.mails(LINDA)[0])).split() == (kept(story, MailKind.ASK, LINDA)[1] or "").split()
    )
