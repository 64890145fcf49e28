"""A sample of what tests/torture/run.py does at length: every call of the filter fails once.

CIM_SEED chooses other positions, CIM_TORTURE_SECONDS more or fewer of them, for each walk.
"""

import os
import random

import pytest

from lab.filter_process import sanitized
from lab.workdir import Workdir
from torture.known import known
from torture.run import build, walk
from torture.walks import walks

SEED = int(os.environ.get("CIM_SEED", "1"))
SECONDS = float(os.environ.get("CIM_TORTURE_SECONDS", "10"))


@pytest.fixture(scope="module")
def library():
    if sanitized():
        pytest.skip("a sanitizer has allocators of its own")
    with Workdir() as folder:
        yield build(folder.path)


@pytest.mark.parametrize("name", walks(None, None))
def test_no_call_that_fails_does_harm(name, library, standin):
    standin.set(open=True)
    print(f"CIM_SEED={SEED}")
    _, tried, findings = walk(walks(library, standin)[name], SECONDS,
                              random.Random(f"{SEED} {name}"))
    assert tried > 0
    assert not [str(found) for found in findings if not known(found)]
