"""What the benchmarks compare the filter with is comparable. They themselves are run by hand."""

from pathlib import Path

import pytest

from bench.filters import empty_filter, waiting_filter
from bench.untagged import negotiated
from lab.filter_process import FilterProcess, binary

BUILD = Path(binary()).parent


def test_the_filter_to_compare_with_wants_of_the_mail_server_what_ours_wants(workdir):
    with empty_filter(BUILD, workdir.folder("empty")) as empty, \
            FilterProcess(workdir.folder("ours"), cronofy={"url": "http://127.0.0.1:1"}) as ours:
        assert negotiated(empty) == negotiated(ours)


@pytest.mark.parametrize("route", ["header", "domain"])
def test_the_filter_that_only_waits_starts_and_talks(workdir, route):
    with waiting_filter(BUILD, workdir.folder("waiting"), 0.1, route) as waiting:
        assert negotiated(waiting).startswith(b"O")
