"""A mail that comes back: another mail server brings its report to our own SMTP server."""

from __future__ import annotations

import csv
import io
import smtplib
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import make_msgid

from demo.mail import Envelope
from demo.story import Story
from demo.warming import plan_of


def take_back(story: Story) -> None:
    """One of the day's mails bounces by mail (RFC 3464), told twice; a forged address is refused."""
    story.report.step("A mail comes back by SMTP")
    port = story.outside.intake
    if not port:
        story.report.say("Left out: where this installation takes in bounces is not known (--intake-port).")
        return
    assert story.warm_day is not None, "its mails are there"
    mail = story.warm_day.mails[0]
    report = _report(mail)
    local, _, domain = mail.sender.partition("@")
    replies = [_bring(port, address, report) for address in (mail.sender, mail.sender, f"b-forged@{domain}")]
    story.report.say(f"Delivered to {local[:14]}…@{domain}: {replies[0]}; to a forged address: {replies[2]}")
    [suppression] = story.office.get(f"/api/v2/suppressions/{story.tenant}", q=mail.recipient)
    export = story.office.send("GET", f"{story.warm_day.path}/recipients.csv").text
    rows = {row["email"].lower(): row for row in csv.DictReader(io.StringIO(export))}
    story.report.table(
        "The bounce",
        [
            ("reply", "250", replies[0][:3]),
            ("reply to the same report again", "250", replies[1][:3]),
            ("reply to a forged address", "550", replies[2][:3]),
            ("recipient", "bounced_hard", rows[mail.recipient]["state"]),
            ("suppressed because of", "hard_bounce", suppression["reason"]),
            ("told by", "mail", suppression["source"]),
            ("bounces the warm-up counts", 1, plan_of(story)["window"]["bounced"]),
        ],
    )


def _report(mail: Envelope) -> Message:
    """A delivery status as mail servers write it: words for people, fields for programs."""
    message = MIMEMultipart("report", report_type="delivery-status")
    message["From"] = "Mail Delivery System <MAILER-DAEMON@mx.example.net>"
    message["To"] = mail.sender
    message["Subject"] = "Undelivered Mail Returned to Sender"
    message["Message-ID"] = make_msgid(domain="mx.example.net")
    message.attach(MIMEText(f"<{mail.recipient}> could not be reached: user unknown\n"))
    status = Message()
    status["Content-Type"] = "message/delivery-status"
    whole, one = Message(), Message()
    whole["Reporting-MTA"] = "dns; mx.example.net"
    one["Final-Recipient"] = f"rfc822; {mail.recipient}"
    one["Action"] = "failed"
    one["Status"] = "5.1.1"
    one["Diagnostic-Code"] = "smtp; 550 5.1.1 User unknown"
    status.set_payload([whole, one])
    message.attach(status)
    return message


def _bring(port: int, address: str, report: Message) -> str:
    """Hand the report in as a mail server does, with no sender; the last reply."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
        smtp.ehlo("mx.example.net")
        smtp.mail("")
        code, reply = smtp.rcpt(address)
        if code == 250:
            code, reply = smtp.data(report.as_bytes())
    return f"{code} {reply.decode()}"
