"""What every test can ask for by name.

The filter, the stand-in and the sink are expensive to stop or cheap to reset, so they are shared;
a mail server is neither and is made anew for each test.
"""

import contextlib
import os
import sys
from pathlib import Path

import pytest

os.umask(0o022)  # mail servers run as users of their own, and must be able to read what we write
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

from lab import mta as lab_mta, tools  # noqa: E402
from lab.filter_process import FilterProcess  # noqa: E402
from lab.postfix import Postfix  # noqa: E402
from lab.sendmail import Sendmail  # noqa: E402
from lab.sink import Sink  # noqa: E402
from lab.workdir import Workdir  # noqa: E402
from standin.client import Standin  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call):
    """A test for which a program is missing is skipped, and says which."""
    if call.excinfo is not None and call.excinfo.errisinstance(tools.Missing):
        skipped = pytest.skip.Exception(str(call.excinfo.value))
        call.excinfo = pytest.ExceptionInfo.from_exc_info(
            (type(skipped), skipped, call.excinfo.tb))


def pytest_terminal_summary(terminalreporter):
    """The figures of the survival tests, whether they passed or not."""
    lines = [line for outcome in ("passed", "failed")
             for report in terminalreporter.stats.get(outcome, ()) if report.when == "call"
             for name, line in report.user_properties if name == "survival"]
    if lines:
        terminalreporter.section("survival")
    for line in sorted(lines):
        terminalreporter.write_line(line)


@pytest.fixture
def workdir():
    with Workdir() as made:
        yield made


@pytest.fixture(scope="session")
def _standin():
    with Standin() as running:
        yield running


@pytest.fixture
def standin(_standin):
    """A Cronofy without any invite. What it is asked must be as its documentation has it."""
    _standin.reset()
    yield _standin
    assert _standin.violations() == []


@pytest.fixture
def cronofy(standin):
    """A Cronofy in which every invite exists."""
    standin.set(open=True)
    return standin


@pytest.fixture(scope="session")
def _sink():
    with contextlib.closing(Sink()) as running:
        yield running


@pytest.fixture
def sink(_sink):
    """Where mail is delivered; empty."""
    _sink.reset()
    return _sink


@pytest.fixture(scope="module")
def start_filter(_standin):
    """start_filter(milter={"on_refused": "hold"}, ...): a filter of its own for one test.

    Ending takes libmilter a second or more, so they all end together after the last test.
    """
    with Workdir() as folder, contextlib.ExitStack() as ending:
        started = []

        def start(**sections):
            filter = FilterProcess(folder.folder(f"filter-{len(started)}"), _standin, **sections)
            filter.start()
            ending.callback(filter.stop)
            started.append(filter)
            return filter

        yield start
        for filter in started:
            filter.terminate()


@pytest.fixture
def make(workdir, cronofy):
    """make(milter={...}, ...): a filter that is not yet started, in the test's own folder."""
    with contextlib.ExitStack() as ending:
        def make_one(**options):
            made = FilterProcess(workdir, cronofy, **options)
            ending.callback(made.close)
            return made

        yield make_one


@pytest.fixture
def start(cronofy):
    """start(milter={...}, ...): as start_filter, but it must end well with the test."""
    with contextlib.ExitStack() as ending:
        def start_one(**sections):
            folder = ending.enter_context(Workdir())
            return ending.enter_context(FilterProcess(folder, cronofy, **sections))

        yield start_one


@pytest.fixture(scope="module")
def _filter(start_filter):
    return start_filter()


@pytest.fixture
def filter(_filter, standin):
    """A filter with the default configuration, but for short time-outs; must survive the test."""
    yield _filter
    assert _filter.alive(), _filter.log()


def starting(Server, workdir, sink):
    """A function that starts mail servers of this kind; they end with the test."""
    with contextlib.ExitStack() as ending:
        def start(milter, **options):
            server = Server(workdir, sink, milter, **options)
            ending.callback(server.close)
            return server.start()

        yield start


@pytest.fixture
def start_postfix(workdir, sink, standin):
    """start_postfix(filter.socket, main="...", ...): see lab.postfix.Postfix."""
    yield from starting(Postfix, workdir, sink)


@pytest.fixture
def postfix(start_postfix, filter):
    """A Postfix with the filter."""
    return start_postfix(filter.socket)


@pytest.fixture
def start_sendmail(workdir, sink, standin):
    """start_sendmail(filter.socket, mc="...", ...): see lab.sendmail.Sendmail."""
    yield from starting(Sendmail, workdir, sink)


@pytest.fixture
def sendmail(start_sendmail, filter):
    """A Sendmail with the filter."""
    return start_sendmail(filter.socket)


# For tests with a fixture `way`, one of lab.mta's: the mail server and the filter's mode.

@pytest.fixture(scope="module")
def start_mta_filter(start_filter, way):
    """As start_filter, with what the way wants of the filter."""
    return lambda **sections: start_filter(**lab_mta.sections(way, **sections))


@pytest.fixture(scope="module")
def mta_filter(start_mta_filter):
    """The way's filter with the default configuration."""
    return start_mta_filter()


@pytest.fixture
def start_mta(request, way, mta_filter):
    """start_mta(): the way's mail server with mta_filter; start_mta(filter, main="...", ...)."""
    name, mode = way
    start_server = request.getfixturevalue(f"start_{name}")

    def start(filter=mta_filter, **options):
        in_mode = {} if mode == "direct" else {mode: True}
        return start_server(filter.socket, **in_mode, **options)

    return start


@pytest.fixture
def mta(start_mta):
    return start_mta()
