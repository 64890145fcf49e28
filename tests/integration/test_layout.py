"""The sources stand in rooms, floor above floor: every include runs down, none in a circle.

milter/README.md draws the house.
"""

import re

import pytest

from lab.tools import ROOT

# From the roof down; rooms of one floor don't know each other.
FLOORS = (("main.c",), ("command",), ("daemon",), ("message",), ("cronofy",), ("pace",),
          ("config", "ledger"), ("mail", "metrics"), ("base",))
FLOOR = {room: len(FLOORS) - number for number, rooms in enumerate(FLOORS) for room in rooms}

# A library's header, and whose name may begin how that includes it.
LIBRARIES = {
    "libmilter/": ("daemon/filter.c", "daemon/daemon.c"),  # callbacks; starting it
    "curl/": ("cronofy/http", "config/config_grammar.c", "config/redis_address.c"),  # calls; URLs
    "cjson/": ("cronofy/cronofy.c",),
    "libical/": ("mail/calendar.c",),
    "sqlite3.h": ("ledger/",),
    "hiredis/": ("pace/redis_",),
    "microhttpd.h": ("metrics/",),
    "openssl/": ("base/", "pace/redis_connection.c"),  # digests; TLS
    "systemd/": ("daemon/service.c",),
}

# mail/ takes bytes and gives bytes.
FORBIDDEN = {"mail": {"config.h", "clock.h", "log.h"}}

FILES = sorted((ROOT / "milter").rglob("*.[ch]"))
HEADERS = {path.name: path for path in FILES if path.suffix == ".h"}


def room(path):
    folder = path.parent.name
    return path.name if folder == "milter" else folder


def where(path):
    return path.relative_to(ROOT / "milter").as_posix()


def includes(path):
    """(is it one of ours, the name) of each include."""
    return [(quote == '"', name) for quote, name in
            re.findall(r'^\s*#\s*include\s+(["<])([^">]+)[">]', path.read_text(), re.M)]


def own_includes(path):
    return [HEADERS[name] for ours, name in includes(path) if ours]


def circle():
    """Headers that include each other, round and round; [] if there are none."""
    done = set()

    def visit(path, way):
        if path in way:
            return [where(each) for each in way[way.index(path):]]
        if path in done:
            return []
        done.add(path)
        return next(filter(None, (visit(other, [*way, path]) for other in own_includes(path))), [])

    return next(filter(None, (visit(path, []) for path in FILES)), [])


def test_the_house_is_seen():
    assert len(FILES) > 100 and len({room(path) for path in FILES}) == len(FLOOR)
    assert HEADERS["server.h"] in own_includes(HEADERS["filter.h"])


def test_every_file_stands_in_a_room():
    assert {room(path) for path in FILES} <= set(FLOOR)


def test_header_names_are_unique():
    """One -I for each room: a second header of a name would hide the first."""
    assert len(HEADERS) == sum(path.suffix == ".h" for path in FILES)


def test_every_include_runs_down():
    upward = {f"{where(path)} includes {where(other)}" for path in FILES
              for other in own_includes(path)
              if room(path) != room(other) and FLOOR[room(other)] >= FLOOR[room(path)]}
    assert upward == set()


def test_no_include_goes_in_a_circle():
    assert circle() == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_stays_in_its_room(library):
    places = LIBRARIES[library]
    users = {where(path) for path in FILES
             for ours, name in includes(path) if not ours and name.startswith(library)}
    assert users or library == "systemd/"
    assert {user for user in users if not user.startswith(places)} == set()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_pure_room_stays_pure(name):
    used = {f"{where(path)} includes {other}" for path in FILES if room(path) == name
            for ours, other in includes(path) if ours and other in FORBIDDEN[name]}
    assert used == set()
