"""Messages of the corpus that are too large to be kept as files.

generate(folder) writes each as NAME.eml; NAME.expect stands in the corpus like the others'.
"""

import base64
from pathlib import Path

TEXT = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nYour booking was cancelled.\r\n"
PDF = (b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
       b"Content-Disposition: attachment; filename=invoice.pdf\r\n\r\nJVBERi0xLjQK\r\n")


def generate(folder):
    """Write every message into the folder; returns their paths."""
    messages = {
        "nested-20-deep": nested(20),
        "nested-21-deep": nested(21),
        "999-parts": multipart("outer", [TEXT] * 999),
        "1001-parts": multipart("outer", [TEXT] * 1001),
        "part-headers-60k": multipart("outer", [long_header(60_000) + TEXT, PDF]),
        "part-headers-over-64k": multipart("outer", [long_header(66_000) + TEXT, PDF]),
        "large-attachment": multipart("outer", [TEXT, large_attachment()]),
        "large-text": large_text(),
    }
    paths = []
    for name, entity in messages.items():
        path = Path(folder) / f"{name}.eml"
        path.write_bytes(header(name) + entity)
        paths.append(path)
    return paths


def header(name):
    return (f"From: reservations@app.example\r\n"
            f"To: ada@customer.example\r\n"
            f"Subject: {name}\r\n"
            f"Date: Tue, 14 Oct 2025 09:30:00 +0000\r\n"
            f"Message-ID: <{name}@app.example>\r\n"
            f"X-Cancel-Invite: corpus-invite\r\n"
            f"MIME-Version: 1.0\r\n").encode()


def multipart(boundary, parts):
    mark = b"--" + boundary.encode()
    return (f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode()
            + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts)
            + mark + b"--\r\n")


def nested(levels):
    entity = TEXT
    for level in range(levels):
        entity = multipart(f"level-{level}", [entity])
    return entity


def long_header(length):
    line = b"X-Long: " + b"x" * 68 + b"\r\n"
    return line * (length // len(line) + 1)


def large_attachment():
    content = bytes(range(256)) * 8192
    return (b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
            b"Content-Disposition: attachment; filename=large.bin\r\n\r\n"
            + base64.encodebytes(content).replace(b"\n", b"\r\n"))


def large_text():
    line = b"The quick brown fox cancels the lazy dog's booking.\r\n"
    return (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            + line * 20_000 + "Grüße\r\n".encode())
