"""Files on their way from the Hub into the cache: in several threads, checked by their hashes, and never twice.

What has arrived of a file lies beside it as `.incomplete`; after a kill, the next request asks for the rest only.
huggingface_hub's own download begins such a file anew.
"""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils._headers import build_hf_headers

from core.errors import UnsupportedModel
from core.hub.hub_id import HubId
from core.hub.refusals import seconds_to_wait
from core.records.events import Downloading, Event

PATIENCE = 12.0  # seconds without a new byte
_THREADS, _TICK = 4, 0.25
TIMEOUT = 5.0  # seconds for each step of an exchange; what ends it is tried again until patience does
TRANSIENT = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository."""

    name: str
    size: int
    hash: str  # SHA-256 of what lies in LFS, and git's SHA-1 of anything else


class Stopped(Exception):
    """Nobody wants the files any more."""


class Download:
    """Some files of one commit."""

    def __init__(self, asked: HubId, commit: str, files: Iterable[RemoteFile], base: Path) -> None:
        self._asked, self._commit, self._base = asked, commit, base
        self._files = [file for file in files if not self._blob(file).is_file()]
        self._queue = list(self._files)
        self._stop = threading.Event()
        self._heard = time.monotonic()
        self._failure: Exception | None = None

    @property
    def left(self) -> int:
        """Bytes that are still to come."""
        return sum(file.size for file in self._files) - self._done()

    def events(self) -> Generator[Event, None, None]:
        """Fetches them, telling how far it is, and stops when it is closed.

        Raises:
            UnsupportedModel: what arrived is not what the Hub lists.
            OSError, httpx2.TransportError, HfHubHTTPError: no room, or the Hub does not give it.
        """
        if not self._files:
            return
        (self._base / "blobs").mkdir(parents=True, exist_ok=True)
        began, before, total = time.monotonic(), self._done(), sum(file.size for file in self._files)
        threads = [threading.Thread(target=self._work, daemon=True) for _ in self._files[:_THREADS]]
        try:
            for thread in threads:
                thread.start()
            while alive := [thread for thread in threads if thread.is_alive()]:
                done = self._done()
                yield Downloading(str(self._asked), done, total, (done - before) / (time.monotonic() - began + 1e-9))
                alive[0].join(_TICK)
                if self._failure is not None:
                    break
        finally:
            self._stop.set()
        if self._failure is not None:
            raise self._failure
        yield Downloading(str(self._asked), total, total, (total - before) / (time.monotonic() - began + 1e-9))

    def _done(self) -> int:
        """Bytes on the disk: another process may be at it as well."""
        return sum(self._blob(file).is_file() * file.size or _size(self._part(file)) for file in self._files)

    def _work(self) -> None:
        try:
            while self._queue and not self._stop.is_set():
                self._fetch(self._queue.pop(0))
        except Stopped:
            pass
        except Exception as failure:  # told by whoever waits
            self._failure = self._failure or failure
            self._stop.set()

    def _fetch(self, file: RemoteFile) -> None:
        locks = self._base.parent / ".locks" / self._base.name  # as of every other program's downloads
        locks.mkdir(parents=True, exist_ok=True)
        with self._locked(locks / f"{file.hash}.lock"), self._part(file).open("a+b", buffering=0) as part:
            if self._blob(file).is_file():
                self._part(file).unlink()
                return
            self._complete(file, part)
            self._part(file).replace(self._blob(file))

    def _locked(self, path: Path) -> FileLock:
        lock = FileLock(path)
        while not self._stop.is_set():
            with suppress(Timeout):
                lock.acquire(timeout=_TICK)
                return lock
            self._heard = time.monotonic()  # another process fetches it
        raise Stopped

    def _complete(self, file: RemoteFile, part: BinaryIO) -> None:
        """Appends what is missing, and holds the whole against its hash."""
        while (had := part.seek(0, 2)) < file.size:
            try:
                if not self._stream(file, part, had):
                    break
                if part.tell() == had:
                    raise httpx2.RemoteProtocolError("nothing was sent")
            except (httpx2.TransportError, HfHubHTTPError) as cause:
                self._wait_or_raise(cause)
        if _digest(file, part) != file.hash:
            self._part(file).unlink()
            raise UnsupportedModel(
                f"{file.name} of {self._asked} arrived damaged: its contents are not those that the Hub lists.",
                "Start again: it is fetched anew. If that does not help, something on the way changes what is sent.",
            )

    def _stream(self, file: RemoteFile, part: BinaryIO, had: int) -> bool:
        """Appends what comes; False where the file that is sent ends before the one that is listed."""
        headers = {**build_hf_headers(), "Accept-Encoding": "identity", **({"Range": f"bytes={had}-"} if had else {})}
        url = hf_hub_url(self._asked.repository, file.name, revision=self._commit)
        with get_session().stream("GET", url, headers=headers, timeout=httpx2.Timeout(TIMEOUT)) as response:
            if response.status_code == 416:
                return False
            hf_raise_for_status(response)
            if had and response.status_code != 206:  # the server knows no ranges
                part.truncate(0)
            for chunk in response.iter_bytes():
                if self._stop.is_set():
                    raise Stopped
                if part.write(chunk) < len(chunk):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._heard = time.monotonic()
                if part.tell() >= file.size:  # more than is listed is left out
                    part.truncate(file.size)
                    break
        return True

    def _wait_or_raise(self, cause: Exception) -> None:
        """Waits before the next attempt, or raises `cause`: it is not worth one, or patience has ended."""
        pause = 1.0
        if isinstance(cause, HfHubHTTPError):
            if cause.response.status_code not in TRANSIENT:
                raise cause
            pause = seconds_to_wait(cause) or pause
        if time.monotonic() + pause - self._heard > PATIENCE:
            raise cause
        if self._stop.wait(pause):
            raise Stopped

    def _blob(self, file: RemoteFile) -> Path:
        return self._base / "blobs" / file.hash

    def _part(self, file: RemoteFile) -> Path:
        return self._base / "blobs" / f"{file.hash}.incomplete"


def _digest(file: RemoteFile, part: BinaryIO) -> str:
    part.seek(0)
    digest = hashlib.sha256() if len(file.hash) == 64 else hashlib.sha1(b"blob %d\0" % file.size)
    while piece := part.read(2**20):
        digest.update(piece)
    return digest.hexdigest()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
