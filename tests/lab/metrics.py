"""The filter's page of metrics, and the Debian package's promtool that judges it.

    page = scrape(9895)
    page.value("cancel_invite_messages_total", account="acme", result="cancelled")
"""

import http.client
import re
import subprocess

from lab import tools


class Page:
    """The text of a page, in Prometheus' format."""

    def __init__(self, text):
        self.text = text
        self._samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
                labels = tuple(sorted(re.findall(r'(\w+)="((?:\\.|[^"\\])*)"', labels or "")))
                assert (name, labels) not in self._samples, f"twice: {line}"
                self._samples[name, labels] = float(value)

    def names(self):
        return {name for name, _ in self._samples}

    def value(self, name, **labels):
        """Of this one series; None if it isn't there."""
        return self._samples.get((name, tuple(sorted(labels.items()))))

    def series(self, name):
        """The labels, as dicts, of all series of that name and their values: [(labels, value)]."""
        return [(dict(labels), value) for (its, labels), value in self._samples.items()
                if its == name]


def get(port, path, method="GET", host="127.0.0.1", timeout=10, **more):
    """(status, headers, body) of one request."""
    client = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        client.request(method, path, **more)
        response = client.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        client.close()


def scrape(port, **options):
    status, headers, body = get(port, "/metrics", **options)
    assert status == 200, (status, body)
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
    return Page(body)


def promtool(*arguments, input=None):
    """Runs promtool, which must find nothing to complain about."""
    done = subprocess.run([tools.program("prometheus", "usr/bin/promtool"), *arguments],
                          input=input, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
