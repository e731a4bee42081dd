"""Where replicas of a model run: in processes of this machine, or on a cluster of Ray that is there."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from core.errors import ClusterError
from core.unfinished import Unfinished

_OLDEST = (2, 55)  # earlier ones have known holes, or no tokens
_INSTALL = "Install it: pip install -r requirements-cluster.txt"
_MEMORY = 100 * 2**20  # bytes that Ray keeps for objects: masks and losses are small
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Machines:
    """What measures a run."""

    workers: int | None = None  # replicas of the model; None: as many as a cluster has room for
    address: str | None = None  # of a cluster, host:port; None: this machine


def check(machines: Machines) -> None:
    """ClusterError for what can be told before anything takes long: Ray is missing or old, or there is no token."""
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        raise ClusterError("Ray, which runs workers, is not installed.", _INSTALL) from None
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        raise ClusterError(f"Ray {version} is too old.", _INSTALL)
    if machines.address and not _has_token():
        raise ClusterError(
            "There is no token for the cluster.",
            "Set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to a file with the token that the cluster was started with.",
        )


@contextmanager
def connected(machines: Machines) -> Iterator[Any]:
    """Ray, connected to the cluster or, with processes of its own, to this machine.

    Ray reads how it is to authenticate when it is imported, once in a process; so nobody else imports it.

    Raises:
        ClusterError: it does not start, or the cluster does not answer.
    """
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_worker_niceness": "0",  # its own 15 lets workers starve beside any other process
    }
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if machines.address:
        with _started(machines.address, **quiet) as ray:
            yield ray
        return
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Names of sockets may have about 100 letters.
    short = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    folder = Unfinished(short / "ray")
    try:
        with _started(
            "local",
            num_cpus=machines.workers,
            include_dashboard=False,
            object_store_memory=_MEMORY,
            _temp_dir=str(folder.path),
            **quiet,
        ) as ray:
            yield ray
    finally:
        folder.drop()


@contextmanager
def _started(address: str, **options: Any) -> Iterator[Any]:
    # Processes that Ray starts here find this very Quorum.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        ray = import_module("ray")
        ray.init(address=address, **options)
    except (ImportError, RuntimeError, OSError, ValueError) as cause:
        where = "here" if address == "local" else f"on the cluster {address}"
        raise ClusterError(
            f"Ray does not start {where}: {str(cause).strip().splitlines()[0][:300]}",
            "Check the address and the token; this machine must be a node of the cluster (ray start --address=…).",
        ) from cause
    try:
        yield ray
    finally:
        ray.shutdown()


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").exists()
