"""A process whose TLS gets no random numbers any more is ended, so that another is started."""

import subprocess

import pytest

from lab import tools
from lab.filter_process import FilterProcess, sanitized
from lab.one_message import deliver

SOFTWARE = 70

# libcrypto's, as it is once a generator could not be made.
PRELOADED = """
#include <stdlib.h>
#include <unistd.h>
int RAND_status(void) { return access(getenv("NO_RANDOM_NUMBERS"), F_OK) != 0; }
"""


@pytest.fixture
def preloaded(workdir):
    if sanitized():
        raise tools.Missing("a sanitizer wants to be the first library")
    source, library = workdir.write("random.c", PRELOADED), f"{workdir}/random.so"
    subprocess.run([tools.installed("gcc"), "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.fixture
def switch(workdir):
    """The file that says that there are none."""
    return workdir.path / "no-random-numbers"


@pytest.fixture
def running(workdir, standin, preloaded, switch):
    standin.set(open=True)
    env = {"LD_PRELOAD": preloaded, "NO_RANDOM_NUMBERS": str(switch)}
    return FilterProcess(workdir.folder("filter"), standin, env=env,
                         cronofy={"attempts": 1, "timeout": "1s", "deadline": "5s"})


def test_five_calls_in_a_row_that_could_not_be_made_end_it(running, switch):
    running.start()
    switch.touch()
    for _ in range(4):
        assert deliver(running).reply.startswith("451 4.3.0 ")
        assert running.alive()
    deliver(running)
    assert running.wait() == SOFTWARE
    assert "HTTP calls have failed for good" in running.log()


def test_it_does_not_start_without(running, switch):
    switch.touch()
    with pytest.raises(AssertionError, match="no random numbers for TLS"):
        running.start()
