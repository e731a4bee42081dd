"""What can be wrong with an installation, checked one by one."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from app.cli.opening import file_of
from app.cli.terminal import say
from app.root import ROOT
from cache.database import Database
from cache.evaluations import count_evaluations
from core.errors import QuorumError
from core.paths import home

_REQUIREMENTS = ROOT / "requirements.txt"
_GIGABYTE = 1e9


@dataclass(frozen=True)
class Check:
    """One finding; `hint` is what to do if it is not ok."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def doctor(options: argparse.Namespace) -> int:
    """Checks the installation; the exit status is 1 if something is wrong."""
    checks = examine(file_of(options))
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}" for check in checks]
    lines += [f"\n{check.name}: {check.hint}" for check in checks if not check.ok]
    healthy = all(check.ok for check in checks)
    say(options.json, {"ok": healthy, "checks": [asdict(check) for check in checks]}, "\n".join(lines))
    return 0 if healthy else 1


def examine(file: Path) -> list[Check]:
    """Checks Python, the packages, the computing device, the bundled model, the results file and the disk."""
    checks = {
        "python": _python,
        "packages": _packages,
        "device": _device,
        "bundled model": _bundled,
        "results file": lambda: _results(file),
        "disk": _disk,
    }
    return [_guarded(name, check) for name, check in checks.items()]


def _guarded(name: str, check: Callable[[], tuple[bool, str, str]]) -> Check:
    try:
        ok, detail, hint = check()
    except QuorumError as error:
        return Check(name, False, error.message, error.hint)
    except ImportError as error:
        return Check(name, False, str(error), "Run `make setup`.")
    return Check(name, ok, detail, hint if not ok else "")


def _python() -> tuple[bool, str, str]:
    found = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info >= (3, 11), found, "Quorum needs Python 3.11 or newer."


def _packages() -> tuple[bool, str, str]:
    pins = [line.split("==") for line in _pinned()]
    wrong = []
    for name, pin in pins:
        try:
            have = version(name)
        except PackageNotFoundError:
            have = "missing"
        if have.split("+")[0] != pin:
            wrong.append(f"{name} {have}, not {pin}")
    return not wrong, "; ".join(wrong) or f"{len(pins)} as pinned", "Run `make setup`."


def _pinned() -> list[str]:
    """The requirements, `name==version`: of the checkout, or of the installed distribution."""
    found = _REQUIREMENTS.read_text().splitlines() if _REQUIREMENTS.exists() else requires("quorum") or []
    return [line for text in found if (line := text.partition("#")[0].strip())]


def _device() -> tuple[bool, str, str]:
    import torch

    from core.checkpoint.device import choose_device, choose_dtype

    device = choose_device()
    detail = f"{device}, {choose_dtype('auto', device)}, {torch.get_num_threads()} threads, {os.cpu_count()} cores"
    return True, detail, ""


def _bundled() -> tuple[bool, str, str]:
    from core.checkpoint.gguf import bundled_file

    return True, bundled_file().name, ""


def _results(file: Path) -> tuple[bool, str, str]:
    return True, f"{file}, {count_evaluations(Database(file)):,} evaluations", ""


def _disk() -> tuple[bool, str, str]:
    folder = next(path for path in (home(), *home().parents) if path.exists())
    free = shutil.disk_usage(folder).free / _GIGABYTE
    return free > 1, f"{free:.1f} GB free at {folder}", "The bundled model needs 0.6 GB there: free some space."
