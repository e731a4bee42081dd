"""A program that is called ends with whoever asked for it, and what it has started with it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.records.events import Stage
from core.tools.call import run

PROGRAM = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(300)
"""
PARENT = f"""
import os, sys
from core.records.events import Stage
from core.tools.call import run
for _ in run(Stage("at work"), "It", [sys.executable, "-c", {PROGRAM!r}, sys.argv[1]], os.environ, ""):
    pass
"""


def there(process: int) -> bool:
    """Whether a process lives, and is more than a note of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(process: int) -> bool:
    for _ in range(200):
        if not there(process):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_closed_before_the_end_it_ends_with_what_it_started(tmp_path: Path) -> None:
    told = tmp_path / "told"
    going = run(Stage("at work"), "It", [sys.executable, "-c", PROGRAM, str(told)], os.environ, "")
    while not told.exists():
        next(going)
    program, child = map(int, told.read_text().split())
    assert there(program) and there(child)
    going.close()
    assert gone(program) and gone(child)


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux alone")
def test_killed_it_takes_the_program_along(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with subprocess.Popen([sys.executable, "-c", PARENT, str(told)]) as parent:
        while not told.exists():
            assert parent.poll() is None
            time.sleep(0.05)
        program, child = map(int, told.read_text().split())
        parent.kill()
    try:
        assert gone(program)
    finally:
        os.kill(child, 9)
