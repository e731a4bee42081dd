"""Where replicas of a model run: in processes of this machine, or on a cluster of Ray that is there."""

import os
import re
import secrets
import subprocess
import sys
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


def check(machines: Machines | None) -> None:
    """ClusterError for what can be told before anything takes long: Ray is missing or old, or there is no token."""
    if machines is None:
        return
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        raise ClusterError("Ray, which runs workers, is not installed.", _INSTALL) from None
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        raise ClusterError(f"Ray {version} is too old.", _INSTALL)
    if machines.address and not re.fullmatch(r"[\w.-]+:\d{1,5}|\[[\da-fA-F:]+\]:\d{1,5}", machines.address):
        raise ClusterError(f"{machines.address[:100]} is no address of a cluster.", "Give HOST:PORT, as 10.0.0.1:6379.")
    if machines.address and not _has_token():
        raise ClusterError(
            "There is no token for the cluster.",
            "Set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to a file with the token that the cluster was started with.",
        )


@contextmanager
def connected(machines: Machines) -> Iterator[Any]:
    """Ray, connected to the cluster or, with processes of its own, to this machine.

    Raises:
        ClusterError: it does not start, or the cluster does not answer, or refuses the token.
    """
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_worker_niceness": "0",  # its own 15 lets workers starve beside any other process
        # Processes that Ray starts here find this very Quorum.
        "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if machines.address:
        with _environment(environment):
            _knock(machines.address)
            with _started(machines.address, **quiet) as ray:
                yield ray
        return
    # Names of sockets may have about 100 letters.
    short = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    folder = Unfinished(short / "ray")
    try:
        with (
            _environment(environment | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}),
            _started(
                "local",
                num_cpus=machines.workers,
                include_dashboard=False,
                object_store_memory=_MEMORY,
                _temp_dir=str(folder.path),
                **quiet,
            ) as ray,
        ):
            yield ray
    finally:
        folder.drop()


def _knock(address: str) -> None:
    """Asks for the cluster's name in a process of its own: where it is refused, Ray asks on, and then ends its process.

    Raises:
        ClusterError: nobody answers there, or the token is refused.
    """
    ask = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
    with subprocess.Popen([sys.executable, "-c", ask, address], stderr=subprocess.PIPE, text=True) as asking:
        assert asking.stderr is not None
        try:
            for line in asking.stderr:
                if "InvalidAuthToken" in line:
                    raise ClusterError(
                        f"The cluster {address} refuses the token.",
                        "Set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, to the token that the cluster was started with.",
                    )
                if "Failed to connect" in line:
                    raise ClusterError(
                        f"No cluster answers at {address}.",
                        "Check the address, and that `ray start --head` runs there.",
                    )
        finally:
            asking.kill()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets variables for as long as it lasts: the token of one cluster must not be taken for another's."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= variables
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _started(address: str, **options: Any) -> Iterator[Any]:
    try:
        ray = import_module("ray")
        inner = import_module("ray._raylet")
        # Ray reads how it is to authenticate when it is imported, and its token once: what it has read may be of
        # another cluster.
        inner.Config.initialize("")
        inner.AuthenticationTokenLoader.instance().reset_cache()
        ray.init(address=address, **options)
    except Exception as cause:  # of many kinds, some of which are Ray's own
        where = "here" if address == "local" else f"on the cluster {address}"
        said = str(cause).strip() or type(cause).__name__
        raise ClusterError(
            f"Ray does not start {where}: {said.splitlines()[0][:300]}",
            "This machine must be a node of the cluster (ray start --address=…), and have as many processors.",
        ) from cause
    try:
        yield ray
    finally:
        ray.shutdown()


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").exists()
