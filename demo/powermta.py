"""Accounting rows as PowerMTA writes them, for mails that were really sent."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from demo.mail import Envelope

Row = dict[str, str]
_DELIVERY_COLUMNS = (
    "type timeLogged timeQueued orig rcpt orcpt dsnAction dsnStatus dsnDiag dsnMta bounceCat srcType srcMta "
    "dlvType dlvSourceIp dlvDestinationIp dlvEsmtpAvailable dlvSize vmta jobId envId queue vmtaPool"
)
DELIVERY_COLUMNS = tuple(_DELIVERY_COLUMNS.split())
_REMOTE_COLUMNS = "type timeLogged orig rcpt orcpt dsnStatus dsnDiag dsnMta dsnReportingMta bounceCat srcType"
REMOTE_COLUMNS = tuple(_REMOTE_COLUMNS.split())
_FEEDBACK_COLUMNS = (
    "type timeLogged repSourceIp feedbackType format userAgent envid orig rcpt reportingMTA dlvSourceIp"
)
FEEDBACK_COLUMNS = tuple(_FEEDBACK_COLUMNS.split())


def logged(moment: datetime, seconds: int = 1) -> str:
    """PowerMTA's ISO time of a moment some seconds later."""
    return (moment + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S%z")


def _result(mail: Envelope, kind: str, job: str, seconds: int, **fields: str) -> Row:
    domain = mail.recipient.partition("@")[2]
    return {
        "type": kind,
        "timeLogged": logged(mail.received_at, seconds),
        "timeQueued": logged(mail.received_at, 0),
        "orig": mail.sender,
        "rcpt": mail.recipient,
        "dsnMta": f"mx.{domain} (192.0.2.25)",
        "srcType": "smtp",
        "srcMta": "tidings (127.0.0.1)",
        "dlvType": "smtp",
        "dlvSourceIp": "198.51.100.7",
        "dlvDestinationIp": "192.0.2.25",
        "dlvEsmtpAvailable": "ENHANCEDSTATUSCODES,8BITMIME,PIPELINING",
        "vmta": "demo1",
        "jobId": job,
        "envId": mail.reference,
        "queue": f"{domain}/demo1",
        **fields,
    }


def delivered(mail: Envelope, job: str) -> Row:
    return _result(
        mail,
        "d",
        job,
        1,
        dsnAction="relayed",
        dsnStatus="2.0.0 (success)",
        dsnDiag="smtp;250 2.0.0 OK, queued",
        dlvSize="6144",
    )


def bounced(mail: Envelope, job: str, category: str, status: str, diagnostic: str) -> Row:
    return _result(
        mail,
        "b",
        job,
        1,
        dsnAction="failed",
        dsnStatus=status,
        dsnDiag=f"smtp;{diagnostic}",
        bounceCat=category,
    )


def deferred(mail: Envelope, job: str) -> Row:
    return _result(
        mail,
        "t",
        job,
        0,
        dsnAction="delayed",
        dsnStatus="4.7.0 (other or undefined security status)",
        dsnDiag="smtp;421 4.7.0 Too many messages, slow down",
        bounceCat="policy-related",
    )


def received(mail: Envelope, job: str) -> Row:
    """Says only that PowerMTA took the mail; no figure may change by it."""
    return _result(mail, "r", job, 0)


def remote_bounce(mail: Envelope) -> Row:
    """A bounce that came back later as a mail: no job, no envelope id, only the bounce address."""
    return {
        "type": "rb",
        "timeLogged": logged(mail.received_at, 2),
        "orig": mail.sender,
        "rcpt": mail.recipient,
        "dsnStatus": "5.1.1 (bad destination mailbox address)",
        "dsnDiag": 'smtp;550 5.1.1 no such local recipient in "RCPT TO"',
        "dsnMta": "mail.example.net (192.0.2.30)",
        "bounceCat": "bad-mailbox",
        "srcType": "smtp",
    }


def complaint(mail: Envelope) -> Row:
    """A feedback-loop report; providers leave the recipient out."""
    return {
        "type": "f",
        "timeLogged": logged(mail.received_at, 2),
        "feedbackType": "abuse",
        "format": "arf",
        "userAgent": "Example FBL/1.0",
        "envid": mail.reference,
        "reportingMTA": "fbl.example.net",
        "dlvSourceIp": "198.51.100.7",
    }


def as_csv(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """An accounting file: header line first, CR LF, empty cells for what a row does not have."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def as_json(rows: Iterable[Row]) -> str:
    """What the usual forwarder posts: an array of objects, times as Unix seconds in a string."""
    posted = [row | {"timeLogged": _epoch(row["timeLogged"])} for row in rows]
    return json.dumps(posted)


def _epoch(logged_at: str) -> str:
    return str(int(datetime.strptime(logged_at, "%Y-%m-%d %H:%M:%S%z").timestamp()))
