import json
import smtplib
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.state import answers, free_port, wait_until

MAIL = "Subject: Grüße\r\nMessage-ID: <1@example.com>\r\nX-Job: spring\r\n\r\n.a line with a dot\r\nlast"


@dataclass
class Catcher:
    smtp_port: int
    url: str

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return bytes(answer.read())

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[Catcher]:
    smtp, http = free_port(), free_port()
    command = [sys.executable, "-m", "deploy.local.mailcatcher", "--dir", str(tmp_path)]
    command += ["--smtp-port", str(smtp), "--http-port", str(http)]
    with subprocess.Popen(command) as process:
        try:
            assert wait_until(lambda: answers(http), 30)
            yield Catcher(smtp, f"http://127.0.0.1:{http}")
        finally:
            process.terminate()


def test_mail_arrives_byte_for_byte_and_is_listed(catcher: Catcher) -> None:
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port) as client:
        client.sendmail("news@example.com", ["Ann@example.org", "bob@example.org"], MAIL.encode())
    listed = catcher.json("/messages?to=ann@example.org")
    assert listed["count"] == 1
    [mail] = listed["messages"]
    assert (mail["from"], mail["to"]) == ("news@example.com", ["Ann@example.org", "bob@example.org"])
    assert (mail["message_id"], mail["job"]) == ("<1@example.com>", "spring")
    assert catcher.get(f"/messages/{mail['id']}") == MAIL.encode() + b"\r\n"
    assert catcher.json("/count?to=nobody@example.org") == {"count": 0}


def test_pipelined_mails_in_one_write_are_all_kept_and_answered_in_order(catcher: Catcher) -> None:
    with socket.create_connection(("127.0.0.1", catcher.smtp_port), timeout=10) as client:
        replies = client.makefile("rb")
        replies.readline()
        one = (
            b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nSubject: %d\r\n\r\n..x\r\n.\r\n"
        )
        client.sendall(b"HELO me\r\n" + b"".join(one % number for number in range(50)) + b"BOGUS\r\nQUIT\r\n")
        codes = [line[:3] for line in replies]
    assert codes == [b"250"] + [b"250", b"250", b"354", b"250"] * 50 + [b"500", b"221"]
    mails = catcher.json("/messages?after=0&limit=100")["messages"]
    assert [mail["subject"] for mail in mails] == [str(number) for number in range(50)]
    assert catcher.get(f"/messages/{mails[7]['id']}") == b"Subject: 7\r\n\r\n.x\r\n"


def test_end_mark_split_over_packets_is_seen_and_a_bare_newline_is_none(catcher: Catcher) -> None:
    with socket.create_connection(("127.0.0.1", catcher.smtp_port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = client.makefile("rb")
        for part in (b"MAIL FROM:<>\r\n", b"RCPT TO:<b@example.com>\r\n", b"DATA\r\n"):
            client.sendall(part)
        [replies.readline() for _ in range(4)]
        for part in (b"body\n.\nstill body\r\n", b".", b"\r", b"\n"):
            client.sendall(part)
        assert replies.readline().startswith(b"250")
    [mail] = catcher.json("/messages")["messages"]
    assert catcher.get(f"/messages/{mail['id']}") == b"body\n.\nstill body\r\n"


def test_commands_out_of_order_are_refused(catcher: Catcher) -> None:
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port) as client:
        client.ehlo()
        assert client.has_extn("pipelining")
        assert client.docmd("RCPT TO:<a@example.com>")[0] == 503
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("MAIL FROM:a@example.com")[0] == 501
        assert client.docmd("MAIL FROM:<a@example.com> SIZE=10 ENVID=x")[0] == 250
        assert client.docmd("RCPT TO:<>")[0] == 501
        assert client.docmd("x" * 5000)[0] == 500


def test_html_of_strangers_is_shown_without_scripts_or_requests(catcher: Catcher) -> None:
    mail = b"Subject: <b>\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>"
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port) as client:
        client.sendmail("a@example.com", ["b@example.com"], mail)
    with urllib.request.urlopen(f"{catcher.url}/messages/1/view", timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert b"&lt;b&gt;" in catcher.get("/")


def test_clearing_forgets_mails_and_unknown_numbers_are_not_found(catcher: Catcher) -> None:
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port) as client:
        client.sendmail("a@example.com", ["b@example.com"], MAIL.encode())
    clear = urllib.request.Request(f"{catcher.url}/messages", method="DELETE")
    with urllib.request.urlopen(clear, timeout=10) as answer:
        assert answer.status < 300
    assert catcher.json("/count") == {"count": 0}
    for path, status in (("/messages/1", 404), ("/messages?limit=-1", 400)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            catcher.get(path)
        assert refused.value.code == status
        refused.value.close()
