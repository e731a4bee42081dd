"""The Hub's list of a model's files: one question, with an end to the waiting."""

import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from re import fullmatch

import httpx2
from huggingface_hub import HfApi, ModelInfo
from huggingface_hub.errors import HfHubHTTPError

from core.hub import download
from core.hub.download import RemoteFile
from core.hub.hub_id import HubId
from core.hub.refusals import seconds_to_wait
from core.records.events import Event, Stage


@dataclass(frozen=True)
class Listing:
    """What a repository holds at one commit."""

    repository: str  # its present name
    commit: str
    files: Mapping[str, RemoteFile]  # those at its top


def listed(asked: HubId) -> Generator[Event, None, Listing]:
    """The Hub's list of files, asked for by a thread of its own: it may take long to say nothing."""
    found: list[Listing | Exception] = []
    until = time.monotonic() + download.PATIENCE

    def ask() -> None:
        while not found:
            try:
                found.append(_listing(asked))
            except Exception as cause:
                wait = _pause(cause)
                if wait is None or time.monotonic() + wait > until:
                    found.append(cause)
                else:
                    time.sleep(wait)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    while thread.is_alive() and time.monotonic() < until:
        yield Stage(f"Asking the Hub for {asked}")
        thread.join(0.25)
    answer = found[0] if found else httpx2.ReadTimeout("no answer")
    if isinstance(answer, Exception):
        raise answer
    return answer


def _pause(cause: Exception) -> float | None:
    """Seconds until a question is worth asking again, or None."""
    if isinstance(cause, HfHubHTTPError):
        if cause.response.status_code not in download.TRANSIENT:
            return None
        return seconds_to_wait(cause) or 1.0
    return 1.0 if isinstance(cause, httpx2.TransportError) and not isinstance(cause, httpx2.ConnectError) else None


def _listing(asked: HubId) -> Listing:
    info = _info(asked.repository, asked.revision)
    if info.id != asked.repository:  # a redirection to the present name may forget what was asked for
        info = _info(info.id, asked.revision)
    files = {}
    for entry in info.siblings or []:
        hashed, size = entry.lfs.sha256 if entry.lfs else entry.blob_id, entry.lfs.size if entry.lfs else entry.size
        if "/" in entry.rfilename or "\\" in entry.rfilename:
            continue  # what lies deeper is of other programs
        if not isinstance(size, int) or not fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", hashed or ""):
            raise ValueError(f"it gives no size or hash of {entry.rfilename}")
        files[entry.rfilename] = RemoteFile(entry.rfilename, size, str(hashed))
    if not fullmatch(r"[0-9a-f]{40}", info.sha or ""):
        raise ValueError("it names no commit")
    return Listing(info.id, str(info.sha), files)


def _info(repository: str, revision: str) -> ModelInfo:
    return HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=download.TIMEOUT)
