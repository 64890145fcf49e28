"""Mail that applications send, with the tag and without."""

SENDER = "robot@acme.example"
RECIPIENT = "ann@example.com"
TEXT = b"The board meeting is off.\r\n\r\n..\r\nSorry.\r\n"

# How mime_tree shows a cancellation of one text.
PLAIN = [
    "multipart/mixed",
    "  multipart/alternative",
    "    text/plain",
    "    text/calendar method=CANCEL",
    "  application/ics method=CANCEL attachment",
]
HTML = [line.replace("text/plain", "text/html") for line in PLAIN]

ATTACHMENT = (
    b"--outer\r\nContent-Type: text/plain\r\n\r\nSee the plan.\r\n"
    b"--outer\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n"
    b"--outer--\r\n")
BOTH = (
    b"--both\r\nContent-Type: text/plain\r\n\r\nIt's off.\r\n"
    b"--both\r\nContent-Type: text/html\r\n\r\n<p>It's off.</p>\r\n"
    b"--both--\r\n")
MULTIPART = 'MIME-Version: 1.0\r\nContent-Type: multipart/%s; boundary="%s"\r\n'

# Header fields, body, and the parts that are delivered.
MESSAGES = {
    "html": (
        "MIME-Version: 1.0\r\nContent-Type: text/html; charset=us-ascii\r\n",
        b"<p>The board meeting is off.</p>\r\n", HTML),
    "utf8": (
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n",
        "Sitzung fällt aus: schöne Grüße\r\n".encode(), PLAIN),
    "8bit_undeclared": ("", b"Sitzung f\xe4llt aus\r\n", PLAIN),
    "nul": ("", b"before\0after\r\n", PLAIN),
    "no_body": ("", b"", PLAIN),
    "dots": ("", b".\r\n..\r\n.dot\r\n", PLAIN),
    "no_mime_version": ("Content-Type: text/html\r\n", b"<p>Off.</p>\r\n", HTML),
    "folded_content_type": (
        "MIME-Version: 1.0\r\nContent-Type: text/html;\r\n\tcharset=us-ascii;\r\n"
        f" x-application={'a' * 900};\r\n x-version=1\r\n", b"<p>Off.</p>\r\n", HTML),
    "content_type_twice_the_same": (
        "MIME-Version: 1.0\r\nContent-Type: text/html\r\nContent-Type: text/html\r\n",
        b"<p>Off.</p>\r\n", HTML),
    "alternative": (MULTIPART % ("alternative", "both"), BOTH, [
        "multipart/mixed",
        "  multipart/alternative",
        "    text/plain",
        "    text/html",
        "    text/calendar method=CANCEL",
        "  application/ics method=CANCEL attachment"]),
    "attachment": (MULTIPART % ("mixed", "outer"), ATTACHMENT, [
        "multipart/mixed",
        "  multipart/alternative",
        "    text/plain",
        "    text/calendar method=CANCEL",
        "  application/pdf attachment",
        "  application/ics method=CANCEL attachment"]),
}


def untagged(body=TEXT, header="", *, sender=SENDER, recipient=RECIPIENT):
    """A message's bytes. header: more lines for it, each with its CRLF."""
    return "".join((
        f"From: Acme <{sender}>\r\n",
        f"To: <{recipient}>\r\n",
        "Subject: Board meeting\r\n",
        "Date: Mon, 27 Apr 2026 09:30:00 +0000\r\n",
        "Message-ID: <board-meeting@acme.example>\r\n",
        header,
        "\r\n",
    )).encode() + body


def tagged(invite_id, body=TEXT, header="", **people):
    return untagged(body, f"X-Cancel-Invite: {invite_id}\r\n{header}", **people)
