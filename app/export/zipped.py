"""An exported folder as a zip, for whoever sits at another machine: sent as it is packed, of whatever size it is.

Streamlit holds what it lets download in memory; this goes beside it. Nobody guesses an address that was not shown to
them: it holds 128 random bits, known to this server alone and until it ends.
"""

import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse

WHERE = "download"  # the address is .../download/TOKEN
_PIECE = 2**20  # bytes read at a time
_offered: dict[str, Path] = {}


def offer(folder: Path) -> str:
    """The address of a folder's zip, from a page beside it."""
    known = next((token for token, path in _offered.items() if path == folder), None)
    token = known or secrets.token_urlsafe(16)
    _offered[token] = folder
    return f"{WHERE}/{token}"


def answer(request: Request) -> StreamingResponse:
    """The zip of an address that was offered; 404 for any other, or where the folder is gone."""
    folder = _offered.get(request.path_params["token"])
    if folder is None or not folder.is_dir():
        raise HTTPException(404, "There is no such download: open the page Export again.")
    name = f'attachment; filename="{folder.name.encode("ascii", "replace").decode()}.zip"'
    return StreamingResponse(packed(folder), media_type="application/zip", headers={"Content-Disposition": name})


def packed(folder: Path) -> Iterator[bytes]:
    """The bytes of a zip of a folder's files, below its name; weights do not get smaller by packing, so nothing is."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            entry = zipfile.ZipInfo.from_file(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield sink.taken()
    yield sink.taken()


class _Sink:
    """Where a zip is written that cannot go back, and from which is taken what has been written so far."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
