"""Where programs of other projects lie: below $QUORUM_HOME/tools, away from the packages that Quorum itself imports."""

import shlex
import sys
from pathlib import Path

from core.errors import ToolError
from core.paths import home

_ROOT = Path(__file__).parents[2]


def side_folder(tool: str) -> Path:
    """The folder of a tool, whether it is there or not."""
    return home() / "tools" / tool


def check_package(tool: str, package: str, version: str) -> Path:
    """The side folder that holds a package in this very version.

    Raises:
        ToolError: it does not; the hint is the command that installs it.
    """
    folder = side_folder(tool)
    name = package.replace("-", "_")
    if not (folder / f"{name}-{version}.dist-info").is_dir():
        older = any(folder.glob(f"{name}-*.dist-info"))
        raise ToolError(
            f"{package} {version} is not installed{', but another version' if older else ''}.",
            f"Install it, beside Quorum's own packages: {install_command(tool)}",
        )
    return folder


def install_command(tool: str) -> str:
    """What puts the packages of requirements-TOOL.txt, without what those name themselves, into the side folder."""
    parts = [sys.executable, *["-m", "pip", "install", "--no-deps", "--require-hashes", "--upgrade", "--target"]]
    return shlex.join([*parts, str(side_folder(tool)), "-r", str(_ROOT / f"requirements-{tool}.txt")])
