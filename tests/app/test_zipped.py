"""An exported folder as a zip: the same files, sent while they are read, and to whoever was shown the address."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from app.export.zipped import answer, offer, packed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "smaller model"
    (made / "deeper").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "empty").touch()
    (made / "deeper" / "weights.bin").write_bytes(bytes(range(256)) * 20_000)
    (tmp_path / "secret").write_text("not yours")
    (made / "link").symlink_to(tmp_path / "secret")
    return made


def test_the_zip_holds_the_files_and_nothing_else(folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(packed(folder)))) as archive:
        assert archive.testzip() is None
        names = {"config.json", "empty", "deeper/weights.bin"}
        assert set(archive.namelist()) == {f"smaller model/{name}" for name in names}
        for name in names:
            assert archive.read(f"smaller model/{name}") == (folder / name).read_bytes()


def test_a_large_folder_is_never_in_memory(folder: Path) -> None:
    with (folder / "large").open("wb") as file:
        file.truncate(200 * 2**20)
    tracemalloc.start()
    size = sum(map(len, packed(folder)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 200 * 2**20 and most < 8 * 2**20


def test_only_what_was_offered_is_sent(folder: Path, tmp_path: Path) -> None:
    client = TestClient(Starlette(routes=[Route("/download/{token}", answer)]))
    address = offer(folder)
    assert address == offer(folder) and len(address.removeprefix("download/")) >= 22
    sent = client.get(f"/{address}")
    assert sent.status_code == 200 and 'filename="smaller model.zip"' in sent.headers["Content-Disposition"]
    assert zipfile.ZipFile(io.BytesIO(sent.content)).testzip() is None
    for other in ("x", "..%2Fsecret", f"{address.removeprefix('download/')}x"):
        assert client.get(f"/download/{other}").status_code == 404
    folder.rename(tmp_path / "elsewhere")
    assert client.get(f"/{address}").status_code == 404
