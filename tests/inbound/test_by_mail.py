"""The whole story by mail alone: real replies, reports and wishes through a real listener."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

import pytest
from sqlalchemy import update

from service.inbound.effects import Effect
from service.introductions import by_reply
from service.lifecycle import ConsentState, MailKind, State
from service.store.models import OutboxMail, Suppression
from tests.support.inbound_mail import DOMAIN, Listening, inbox
from tests.support.smtp_server import FaultySmtp
from tests.support.story import LINDA, NATASHA, RITA, HandClock, Story, text_of

AS_IT_IS = SMTP.clone(refold_source="none")
REPLIED = "Answered by reply with these words:"
REPORT = """\
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.salon.test

Final-Recipient: rfc822; {who}
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 {status} This did not work
"""
PASSED = "mx.twoyes.test; dmarc=pass (p=reject) header.from=salon.test"
"""What our own mail server writes on a mail whose From line it found to be true."""


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "INBOUND_DOMAIN": DOMAIN, "AUTHSERV_ID": "mx.twoyes.test"}


@pytest.fixture
def post(story: Story) -> Iterator[Post]:
    with Listening(story) as listening:
        yield Post(story, listening)


class Post:
    """Bring mails to the listener by LMTP, as the mail server in front does."""

    def __init__(self, story: Story, listening: Listening) -> None:
        self.story, self._port, self._number = story, listening.settings.INBOUND_PORT, 0

    def bring(self, mail: EmailMessage, sender: str, to: str, times: int = 1) -> None:
        for _ in range(times):
            with smtplib.LMTP("127.0.0.1", self._port, timeout=10) as server:
                server.sendmail(sender, [to], mail.as_bytes(policy=AS_IT_IS))
        self.story.sweep()

    def reply(
        self, who: str, words: str, sender: str = "", envelope: str | None = None, **headers: str
    ) -> str:
        """Reply to the newest mail somebody got, above its quoted text; answers with what came of it."""
        asked = self.story.mails(who)[-1]
        to = parseaddr(asked["Reply-To"])[1]
        mail = self._new(sender or who, to, f"Re: {asked['Subject']}")
        mail["In-Reply-To"] = mail["References"] = asked["Message-ID"]
        mail["Authentication-Results"] = PASSED
        for name, value in headers.items():
            del mail[name.replace("_", "-")]
            mail[name.replace("_", "-")] = value
        quoted = "\n".join(f"> {line}" for line in text_of(asked).splitlines())
        wrote = f"On Mon, 2 Mar 2026 at 10:12, {asked['From'].addresses[0].display_name} <{to}> wrote:"
        mail.set_content(f"{words}\n\n{wrote}\n{quoted}\n")
        self.bring(mail, sender or who if envelope is None else envelope, to)
        return inbox(self.story.db)[-1].outcome

    def complain(self, *lines: str) -> str:
        """A provider tells that somebody pressed "this is spam", with the address taken out of the mail."""
        mail = self._new("fbl@provider.test", f"abuse@{DOMAIN}", "complaint about a message")
        report = "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x\nVersion: 1\n"
        original = "\n".join(
            ["Content-Type: message/rfc822\n", "From: redacted@provider.test", *lines, "", "x"]
        )
        mail.make_mixed()
        for part in (report, original):
            mail.attach(message_from_string(part, policy=SMTP))
        self.bring(mail, "fbl@provider.test", f"abuse@{DOMAIN}")
        return inbox(self.story.db)[-1].outcome

    def come_back(self, who: str, status: str, times: int = 1) -> str:
        """The newest mail to somebody comes back to the envelope sender that it left with."""
        left = [mail for mail in self.story.relay.messages if mail.recipients == (who,)][-1]
        mail = self._new("MAILER-DAEMON@salon.test", left.sender, "Undelivered Mail Returned to Sender")
        mail["Auto-Submitted"] = "auto-replied"
        mail.set_content("I am sorry to have to inform you that your message could not be delivered.")
        mail.make_mixed()
        mail.replace_header("Content-Type", "multipart/report; report-type=delivery-status")
        mail.attach(message_from_string(REPORT.format(who=who, status=status), policy=SMTP))
        self.bring(mail, "", left.sender, times)
        return inbox(self.story.db)[-1].outcome

    def unsubscribe(self, who: str) -> str:
        """The mail program's own button, as a program without web links presses it."""
        header = str(self.story.mails(who)[-1]["List-Unsubscribe"])
        to = header.partition("<mailto:")[2].partition("?")[0]
        mail = self._new(who, to, "unsubscribe")
        mail.set_content("")
        self.bring(mail, who, to)
        return inbox(self.story.db)[-1].outcome

    def _new(self, sender: str, to: str, subject: str) -> EmailMessage:
        self._number += 1
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, to, subject
        mail["Message-ID"] = f"<{self._number}@elsewhere.test>"
        return mail


def as_sent(story: Story, who: str, number: int) -> str:
    """The text of a mail that somebody got, without its links."""
    return re.sub(r"http://twoyes\.test/\S+", "[link]", text_of(story.mails(who)[number]))


def words_of(story: Story, who: str) -> list[str]:
    return (story.consent(who).words_shown or "").split()


def said(story: Story, who: str) -> tuple[str, str | None]:
    consent = story.consent(who)
    return consent.state, consent.method


def test_two_replies_make_an_introduction_and_a_third_makes_it_a_referral(story: Story, post: Post) -> None:
    story.ask()
    assert post.reply(LINDA, "Yes please") == Effect.ANSWERED_YES
    assert post.reply(NATASHA, "Ja, gerne!") == Effect.ANSWERED_YES
    assert (said(story, LINDA), said(story, NATASHA)) == (("yes", "reply"), ("yes", "reply"))
    assert [story.kinds(who) for who in (LINDA, NATASHA)] == [["ask", "receipt"]] * 2
    story.sweep(seconds=story.settings.HOLD_FOR.total_seconds())
    introduction = story.mails(LINDA)[-1]
    # From here on they write to each other, and not through us.
    assert {parseaddr(one)[1] for one in introduction["Reply-To"].split(",")} == {LINDA, NATASHA}
    assert introduction["From"].addresses[0].addr_spec == f"intro@{DOMAIN}"
    story.sweep(days=3)
    assert story.kinds(NATASHA)[-1] == "follow_up"
    assert post.reply(NATASHA, "Yes") == Effect.IN_TOUCH
    assert story.ledger() == [("referral", None)]


def test_the_words_of_the_mail_and_of_the_reply_are_kept_as_evidence(story: Story, post: Post) -> None:
    story.ask()
    post.reply(LINDA, "Yes, please.")
    words = story.consent(LINDA).words_shown or ""
    for shown in ("A new interior for the salon", f"your address {LINDA}", "Runs the beauty salon"):
        assert shown in words, "a yes by reply is given to what the mail says"
    assert "09:00" in words, "the moments are those of the mail"
    assert words.split() == f"{as_sent(story, LINDA, 0)} {REPLIED} Yes, please.".split()
    assert inbox(story.db)[-1].detail["first_line"] == "Yes, please."


def test_a_reply_is_to_the_words_that_were_sent_and_not_to_those_of_today(story: Story, post: Post) -> None:
    story.ask()
    sent = as_sent(story, LINDA, 0)
    with story.writing() as context:
        case = context.session.merge(story.introduction())
        case.need, case.consents[0].language = "Another need.", "de"
    assert post.reply(LINDA, "Yes") == Effect.ANSWERED_YES
    assert words_of(story, LINDA) == f"{sent} {REPLIED} Yes".split()
    receipt = text_of(story.mails(LINDA)[-1])
    assert "> Rita Quill would like to introduce you to Natasha Orlova." in receipt
    assert "> > A new interior for the salon before spring." in receipt
    assert "Another need." not in receipt


def test_a_reply_to_the_reminder_is_to_the_words_of_the_reminder(story: Story, post: Post) -> None:
    story.ask()
    story.sweep(days=4)
    assert story.kinds(LINDA) == ["ask", "reminder"]
    assert post.reply(LINDA, "No") == Effect.ANSWERED_NO
    assert words_of(story, LINDA) == f"{as_sent(story, LINDA, 1)} {REPLIED} No".split()


def test_a_reply_to_a_mail_that_points_to_the_ask_is_to_the_words_of_both(story: Story, post: Post) -> None:
    story.ask()
    post.reply(LINDA, "Yes, but who is she?")
    assert story.kinds(LINDA) == ["ask", "unclear"]
    assert post.reply(LINDA, "Yes") == Effect.ANSWERED_YES
    both = f"{as_sent(story, LINDA, 0)} {as_sent(story, LINDA, 1)}"
    assert words_of(story, LINDA) == f"{both} {REPLIED} Yes".split()


def test_a_no_below_the_receipt_is_to_the_words_of_the_newest_ask(story: Story, post: Post) -> None:
    story.ask()
    story.sweep(days=4)
    post.reply(LINDA, "Yes")
    assert story.kinds(LINDA) == ["ask", "reminder", "receipt"]
    assert post.reply(LINDA, "No, sorry") == Effect.ANSWERED_NO
    assert words_of(story, LINDA) == f"{as_sent(story, LINDA, 1)} {REPLIED} No, sorry".split()


def test_of_an_ask_that_left_before_its_words_were_kept_the_record_says_so(story: Story, post: Post) -> None:
    story.ask()
    with story.writing() as context:
        context.session.execute(update(OutboxMail).values(sent_subject=None, sent_text=None, sent_html=None))
    assert post.reply(LINDA, "Yes") == Effect.ANSWERED_YES
    lines = (story.consent(LINDA).words_shown or "").splitlines()
    assert lines[0] == by_reply.NOT_KEPT
    assert lines[1] == "Rita Quill would like to introduce you to Natasha Orlova."
    assert lines[-1] == f"{REPLIED} Yes"


def test_the_receipt_of_a_reply_takes_it_back_by_its_link(story: Story, post: Post) -> None:
    story.ask()
    post.reply(LINDA, "yes")
    assert story.answer(LINDA, "undo").status_code == 303
    assert said(story, LINDA)[0] == ConsentState.ASKED
    assert post.reply(LINDA, "no") == Effect.TOO_LATE, "the receipt that was replied to is of the old answer"
    story.sweep()
    assert post.reply(LINDA, "no") == Effect.ANSWERED_NO, "the newest mail is of the links as they are now"


def test_what_is_no_clear_yes_gets_one_friendly_mail_with_the_link_and_no_more(
    story: Story, post: Post
) -> None:
    story.ask()
    assert post.reply(LINDA, "Yes, but who is she?") == Effect.LINK_SENT
    assert post.reply(LINDA, "Maybe") == Effect.NOT_UNDERSTOOD
    assert said(story, LINDA) == ("asked", None)
    assert story.kinds(LINDA) == ["ask", "unclear"]
    assert post.reply(LINDA, "Yes") == Effect.ANSWERED_YES, "a reply to that mail counts as well"


def test_a_reply_of_somebody_else_is_never_an_answer(story: Story, post: Post) -> None:
    story.ask()
    assert post.reply(LINDA, "Yes", sender="mallory@evil.test") == Effect.OTHER_SENDER
    assert said(story, LINDA) == ("asked", None)
    assert story.mails("mallory@evil.test") == []


def test_a_reply_that_our_own_server_marked_as_forged_is_never_an_answer(story: Story, post: Post) -> None:
    story.ask()
    forged = "mx.twoyes.test; dmarc=fail header.from=salon.test"
    for results in (forged, PASSED.replace("mx.twoyes.test", "mx.evil.test"), "mx.twoyes.test; spf=pass"):
        assert post.reply(LINDA, "Yes", Authentication_Results=results) == Effect.DMARC_FAILED
        assert said(story, LINDA) == ("asked", None)
    assert post.reply(LINDA, "Yes") == Effect.ANSWERED_YES


def test_a_server_that_writes_nothing_on_a_pass_is_a_matter_of_one_setting(
    environ: dict[str, str], clock: HandClock, relay: FaultySmtp
) -> None:
    story = Story({**environ, "DMARC_REQUIRED": "false"}, clock, relay)
    with Listening(story) as listening:
        post = Post(story, listening)
        story.ask()
        assert post.reply(LINDA, "Yes", Authentication_Results="mx.twoyes.test; spf=pass") == "answered yes"
        failed = PASSED.replace("pass", "fail")
        assert post.reply(NATASHA, "Yes", Authentication_Results=failed) == Effect.DMARC_FAILED
    story.db.engine.dispose()


@pytest.mark.parametrize("word", ["Yes", "No"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Cc": RITA},
        {"To": RITA},
        {"To": "undisclosed-recipients:;"},
        {"To": f"intro@{DOMAIN}"},
        {"In_Reply_To": "<lunch@quill.test>"},
        {"In_Reply_To": "", "References": "<lunch@quill.test>"},
        {"Subject": "Fwd: An introduction"},
    ],
)
def test_what_is_not_said_to_us_alone_is_never_an_answer(
    story: Story, post: Post, word: str, headers: dict[str, str]
) -> None:
    story.ask()
    assert post.reply(LINDA, word, **headers) == Effect.LINK_SENT
    assert said(story, LINDA) == ("asked", None)
    assert story.kinds(LINDA) == ["ask", "unclear"]


def test_another_s_signed_address_is_no_address_of_ours_for_this(story: Story, post: Post) -> None:
    story.ask()
    other = str(story.mails(NATASHA)[-1]["Reply-To"])
    assert post.reply(LINDA, "Yes", To=other) == Effect.LINK_SENT
    assert said(story, LINDA) == ("asked", None)


def test_the_reminder_and_the_ask_before_it_are_both_mails_of_ours(story: Story, post: Post) -> None:
    story.ask()
    ask = str(story.mails(LINDA)[0]["Message-ID"])
    story.sweep(days=3)
    assert story.kinds(LINDA) == ["ask", "reminder"]
    assert post.reply(LINDA, "Yes", In_Reply_To=ask) == Effect.ANSWERED_YES


def test_a_program_that_says_nothing_of_what_it_replies_to_is_heard(story: Story, post: Post) -> None:
    story.ask()
    assert post.reply(LINDA, "Yes", In_Reply_To="", References="", Cc=LINDA) == Effect.ANSWERED_YES


def test_stop_counts_whoever_else_it_was_said_to(story: Story, post: Post) -> None:
    story.ask()
    assert post.reply(LINDA, "Stop", Cc=RITA, In_Reply_To="<lunch@quill.test>") == Effect.SUPPRESSED


def test_a_yes_below_the_receipt_of_a_no_takes_nothing_back(story: Story, post: Post) -> None:
    story.ask()
    assert post.reply(LINDA, "No thanks") == Effect.ANSWERED_NO
    assert story.kinds(LINDA) == ["ask", "receipt"]
    assert post.reply(LINDA, "Yes, thank you.") == Effect.LINK_SENT
    assert said(story, LINDA)[0] == ConsentState.NO
    assert story.kinds(LINDA) == ["ask", "receipt", "unclear"]


def test_a_yes_below_the_receipt_of_an_undo_is_none(story: Story, post: Post) -> None:
    story.ask()
    post.reply(LINDA, "Yes")
    story.answer(LINDA, "undo")
    story.sweep()
    assert story.kinds(LINDA) == ["ask", "receipt", "receipt"]
    assert post.reply(LINDA, "Oui, merci") == Effect.LINK_SENT
    assert said(story, LINDA)[0] == ConsentState.ASKED


def test_below_the_receipt_of_a_yes_a_yes_changes_nothing_and_a_no_counts(story: Story, post: Post) -> None:
    story.ask()
    post.reply(LINDA, "Yes")
    assert post.reply(LINDA, "Yes, thanks") == Effect.ANSWERED_YES
    assert said(story, LINDA)[0] == ConsentState.YES
    assert post.reply(LINDA, "No, sorry") == Effect.ANSWERED_NO


@pytest.mark.parametrize("words", ["Yes", "I am on holiday until Monday."])
def test_a_mail_without_an_envelope_sender_answers_nothing_and_gets_no_answer(
    story: Story, post: Post, words: str
) -> None:
    story.ask()
    assert post.reply(LINDA, words, envelope="") == Effect.AUTO_REPLY
    assert (said(story, LINDA), story.kinds(LINDA)) == (("asked", None), ["ask"])


@pytest.mark.parametrize("header", ["Message-ID", "List-Unsubscribe"])
def test_a_complaint_counts_where_only_this_was_left_in_the_mail(
    story: Story, post: Post, header: str
) -> None:
    story.ask()
    assert post.complain(f"{header}: {story.mails(LINDA)[0][header]}") == Effect.SUPPRESSED
    assert said(story, LINDA) == ("no", "never")
    assert said(story, NATASHA)[0] == ConsentState.ASKED


def test_a_complaint_about_the_introduction_does_not_tell_whose_it_is(story: Story, post: Post) -> None:
    story.introduce()
    assert post.complain(f"Message-ID: {story.mails(LINDA)[-1]['Message-ID']}") == Effect.NO_EFFECT


@pytest.mark.parametrize(
    ("language", "yes"), [("en", "Yes"), ("de", "Ja"), ("fr", "Oui"), ("es", "Sí"), ("ar", "نعم")]
)
def test_a_yes_below_the_mail_that_asks_whether_it_is_a_yes_or_a_no_counts(
    story: Story, post: Post, language: str, yes: str
) -> None:
    story.ask(a_language=language)
    assert post.reply(LINDA, "Hm") == Effect.LINK_SENT
    assert post.reply(LINDA, yes) == Effect.ANSWERED_YES


def test_a_subject_that_was_made_to_say_no_is_no_subject_of_ours(story: Story, post: Post) -> None:
    story.ask()
    assert post.reply(LINDA, "Yes", Subject="Re: not now") == Effect.LINK_SENT


def test_a_name_that_is_also_a_word_keeps_nobody_from_answering(story: Story, post: Post) -> None:
    story.ask(requester_name="Nur Aydin")
    ask = story.mails(LINDA)[-1]
    assert "Nur" in str(ask["Subject"])
    assert post.reply(LINDA, "Yes", To=str(ask["Reply-To"])) == Effect.ANSWERED_YES


def test_a_holiday_notice_answers_nothing_and_gets_no_answer(story: Story, post: Post) -> None:
    story.ask()
    assert post.reply(LINDA, "Yes", Auto_Submitted="auto-replied") == Effect.AUTO_REPLY
    assert (said(story, LINDA), story.kinds(LINDA)) == (("asked", None), ["ask"])


def test_our_own_mail_coming_back_starts_no_loop(story: Story, post: Post) -> None:
    story.ask()
    ask = story.mails(LINDA)[-1]
    to = parseaddr(ask["Reply-To"])[1]
    post.bring(ask, LINDA, to)
    assert inbox(story.db)[-1].outcome in (Effect.OWN, Effect.AUTO_REPLY)
    assert story.kinds(LINDA) == ["ask"]


def test_a_bounce_is_told_to_the_requester_and_the_address_corrected_once(story: Story, post: Post) -> None:
    story.ask()
    assert post.come_back(NATASHA, "5.1.1", times=3) == Effect.BOUNCED
    assert len(inbox(story.db)) == 1, "the same report three times is one report"
    assert said(story, NATASHA)[0] == ConsentState.UNDELIVERABLE
    assert story.kinds(RITA) == ["verify", "undeliverable"]
    right = "natasha.orlova@interiors.test"
    story.post(story.link(RITA, "/r/"), action="correct", side="b", email=right)
    story.sweep()
    assert post.reply(right, "yes") == Effect.ANSWERED_YES


def test_a_bounce_for_now_is_sent_again(story: Story, post: Post) -> None:
    story.ask()
    assert post.come_back(LINDA, "4.2.2") == Effect.BOUNCED_FOR_NOW
    story.sweep(hours=3)
    assert story.kinds(LINDA) == ["ask", "ask"]
    assert len({mail["Message-ID"] for mail in story.mails(LINDA)}) == 1
    assert said(story, LINDA)[0] == ConsentState.ASKED


def test_a_bounce_to_an_address_that_we_did_not_sign_changes_nothing(story: Story, post: Post) -> None:
    story.ask()
    signed = [mail for mail in story.relay.messages if mail.recipients == (LINDA,)][-1].sender
    forged = signed.replace("bounce+", "bounce+a")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        post.bring(post._new("MAILER-DAEMON@salon.test", forged, "Undelivered"), "", forged)
    assert (inbox(story.db), said(story, LINDA)[0]) == ([], ConsentState.ASKED)


@pytest.mark.parametrize("how", ["reply", "button"])
def test_an_unsubscribe_is_honoured_for_good(story: Story, post: Post, how: str) -> None:
    story.ask()
    assert (post.reply(LINDA, "Stop") if how == "reply" else post.unsubscribe(LINDA)) == Effect.SUPPRESSED
    assert said(story, LINDA) == ("no", "never")
    with story.db.reading() as session:
        assert session.query(Suppression).count() == 1
    story.sweep(days=8)
    assert story.kinds(LINDA) == ["ask"], "nothing more went there, not even a receipt"
    assert story.outbox(MailKind.INTRODUCTION) == []
    story.request(b_email="omar@bicycles.test")
    assert "can’t be asked" in story.verify().get_data(as_text=True)


def test_a_late_reply_is_recorded_and_changes_nothing(story: Story, post: Post) -> None:
    story.ask()
    story.sweep(days=8)
    assert story.introduction().state is State.CLOSED
    before = story.ledger()
    assert post.reply(LINDA, "Yes") == Effect.TOO_LATE
    assert (story.ledger(), said(story, LINDA)[0]) == (before, ConsentState.ASKED)
    assert "no longer open" in text_of(story.mails(LINDA)[-1])
    assert post.reply(LINDA, "Hello?") == Effect.NOT_UNDERSTOOD
    assert story.kinds(LINDA) == ["ask", "unclear"], "told once, and no more"


def test_who_was_told_that_nothing_came_of_it_is_not_told_again(story: Story, post: Post) -> None:
    story.ask()
    post.reply(LINDA, "Yes")
    story.sweep(days=8)
    assert story.kinds(LINDA) == ["ask", "receipt", "not_come_about"]
    assert post.reply(LINDA, "A pity!") == Effect.NOT_UNDERSTOOD
    assert story.kinds(LINDA) == ["ask", "receipt", "not_come_about"]


def test_nothing_that_a_stranger_typed_reaches_an_address_that_is_not_verified(
    story: Story, post: Post
) -> None:
    story.request(requester_name="Poisoned Quill", a_name="Poisoned Marsh", need="A poisoned cake.")
    assert post.reply(RITA, "What is this?") == Effect.LINK_SENT
    assert story.post(story.link(RITA, "/r/"), action="withdraw").status_code == 303
    story.sweep(days=30)
    assert story.kinds(RITA)[:2] == ["verify", "unclear"]
    for mail in story.mails(RITA):
        assert "oisoned" not in str(mail["To"]) + str(mail["Subject"]) + str(mail["From"])
        assert all("oisoned" not in part.get_content() for part in mail.walk() if not part.is_multipart())
