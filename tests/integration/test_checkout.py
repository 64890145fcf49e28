"""What a checkout promises whoever has it, whatever their umask, and whoever else works in it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from lab import tools
from lab.filter_process import binary

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.parametrize("umask", [0o027, 0o077], ids=oct)
def test_the_demo_runs_under_any_umask(umask):
    done = subprocess.run([sys.executable, tools.ROOT / "tests/demo"], capture_output=True, text=True,
                          umask=umask, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"ATTENDEE:mailto:ben@", done.stdout)


def test_what_root_builds_in_the_checkout_of_another_is_that_users(workdir):
    """sudo make demo, and make as the user afterwards."""
    source = workdir / "source"
    shutil.copytree(tools.ROOT / "milter", source / "milter")
    shutil.copy(tools.ROOT / "Makefile", source)
    made = source / "build/tools/of-root"
    made.parent.mkdir(parents=True)
    made.write_text("")
    system = source / "build/packaging/of-a-system"
    system.parent.mkdir()
    system.write_text("")
    link = source / "build/link"
    link.symlink_to(binary())
    shutil.copy(binary(), source / "build/cancel-invite-milter")
    os.chown(source, 12345, 23456)
    subprocess.run(["make", "-s", "all", "-o", "build/cancel-invite-milter"], cwd=source, check=True)
    assert {(path.lstat().st_uid, path.lstat().st_gid)
            for path in (made, link, source / "build")} == {(12345, 23456)}
    assert system.stat().st_uid == 0 and binary().stat().st_uid == tools.ROOT.stat().st_uid
