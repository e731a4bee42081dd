"""The command that starts the dashboard."""

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from app.cli.opening import database_of, file_of
from app.example import shipped
from app.root import ROOT
from cache.labels import forget_expired
from core.errors import PortTaken
from core.paths import home

_PORTS = 2**16


def serve(options: argparse.Namespace) -> NoReturn:
    """Starts the dashboard; its other settings are in app/dashboard/.streamlit/config.toml."""
    _check_port(options.address, options.port)
    database = database_of(options)  # a results file that cannot be used is said here, not in the browser
    shipped.load_into(database)
    forget_expired(database)
    arguments = [
        f"--server.port={options.port}",
        f"--server.address={options.address}",
        f"--server.baseUrlPath={options.prefix}",
        *(f"--server.allowedHosts={name}" for name in ("localhost", "127.0.0.1", *options.host)),
        *(f"--secrets.files={folder / 'secrets.toml'}" for folder in _secrets()),
    ]
    # The server's matrices are small, and its worker wants the cores: threads of the two would wait for each other.
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ, "QUORUM_CACHE": str(file_of(options))}
    server = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "dashboard" / "server.py"), *arguments]
    os.execve(sys.executable, server, environment)  # signals then reach the server itself


def _secrets() -> tuple[Path, ...]:
    """The folders of secrets.toml, which may ask for a login: those that Streamlit looks in by itself, and our home."""
    here = [folder / ".streamlit" for folder in (Path.home(), Path.cwd(), ROOT / "app" / "dashboard")]
    return (*here, home())


def _check_port(address: str, port: int) -> None:
    """Raises PortTaken, with the next port that is free."""
    if _is_free(address, port):
        return
    free = next((other for other in range(port + 1, min(port + 100, _PORTS)) if _is_free(address, other)), None)
    if free is None:
        raise PortTaken(
            f"Neither port {port} of {address} can be had nor the next ones.",
            f"Use an address of this machine, such as --address 127.0.0.1, and a port below {_PORTS:,}: --port 8501.",
        )
    raise PortTaken(
        f"Port {port} of {address} cannot be had: another program has it, or this one may not.",
        f"Use another one: --port {free}.",
    )


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does it: an ended one holds nothing
        try:
            tried.bind((address, port))
        except (OSError, OverflowError):
            return False
    return True
