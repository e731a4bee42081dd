"""A model by its Hub id: fetched once, only what is needed of it, pinned to a commit, and gone on with after an end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from app.root import ROOT
from core.checkpoint.checkpoint import finding, locate
from core.checkpoint.gguf import bundled_file
from core.checkpoint.size import shape_of
from core.errors import DiskFull, ModelNotFound, NotWritable
from core.hub import download
from core.model.model import load
from core.records.events import Downloading, Event, Stage
from tests.support.hub.client import environment
from tests.support.hub.repositories import Repository, model, read
from tests.support.hub.server import Fault, Hub

NAME = "some/model"


def followed(name: str) -> list[Event]:
    return list(finding(name))


def test_the_model_of_the_hub_is_the_model_of_the_folder(hub: Hub, parts: Path) -> None:
    hub.add(model(NAME, parts))
    events = followed(NAME)
    checkpoint = locate(NAME)
    expected = load(locate(str(parts)), "float32", "cpu").info
    info = load(checkpoint, "float32", "cpu").info
    assert (info.fingerprint, info.source) == (expected.fingerprint, NAME)
    assert (info.commit, expected.commit) == (hub.repositories["models", NAME].commit("main"), "")
    loading = [event for event in events if isinstance(event, Downloading)]
    assert loading[-1].done == loading[-1].total > sum(file.stat().st_size for file in parts.glob("*.safetensors"))
    assert [event.done for event in loading] == sorted(event.done for event in loading) or loading[0].done == 0
    assert shape_of(NAME) == shape_of(str(parts))
    assert not any(asked.authorization for asked in hub.requests if asked.to_content)


def test_only_what_is_needed_and_never_code(hub: Hub, tiny: Path) -> None:
    more = ("own.py", "pytorch_model.bin", "consolidated.safetensors", "onnx/model.onnx", "README.md", "LICENSE.pth")
    files = read(tiny) | dict.fromkeys(more, b"x") | {"tokenizer.model": b"x", "LICENSE": b"terms"}
    hub.add(Repository(NAME, files))
    folder = locate(NAME).folder
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == files.keys() - set(more)
    assert not any(asked.path.endswith(more) for asked in hub.requests)


def test_what_is_here_is_used_without_a_question(hub: Hub, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(model(NAME, parts))
    first = locate(NAME)
    hub.requests.clear()
    hub.repositories["models", NAME].files["new.json"] = b"{}"  # main has moved on
    assert locate(NAME).folder == first.folder
    assert locate(f"{NAME}@{first.commit}").folder == first.folder
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert locate(NAME).commit == first.commit
    with pytest.raises(ModelNotFound, match="HF_HUB_OFFLINE"):
        locate(f"{NAME}@other")
    next(first.folder.glob("*-00002-*")).unlink()
    assert shape_of(NAME) is None
    with pytest.raises(ModelNotFound, match=r"not whole on this machine .model-00002"):
        locate(NAME)
    assert not hub.requests


def test_what_other_programs_have_downloaded_is_used_too(hub: Hub, parts: Path) -> None:
    hub.add(model(NAME, parts))
    folder = snapshot_download(NAME)
    hub.requests.clear()
    assert locate(NAME).folder == Path(folder)
    assert not hub.requests
    Path(folder, "tokenizer.json").unlink()  # a program that needed no tokenizer
    Path(folder, "tokenizer_config.json").unlink()
    assert locate(NAME).tokenizer("tale")
    assert not hub.fetched(".safetensors")
    assert len(hub.requests) == 1  # the list; the contents are still there


def test_revisions_are_pinned(hub: Hub, parts: Path, tiny: Path) -> None:
    old = read(tiny)
    hub.add(model(NAME, parts, revisions={"v1.0": old, "refs/pr/2": old}))
    repository = hub.repositories["models", NAME]
    for revision in ("v1.0", "refs/pr/2", repository.commit_of("v1.0"), repository.commit_of("main")[:8]):
        assert locate(f"{NAME}@{revision}").commit == repository.commit(revision)
    tag = locate(f"{NAME}@v1.0")
    repository.revisions["v1.0"] = read(parts)  # somebody moves the tag
    assert locate(f"{NAME}@v1.0").commit == tag.commit


def test_a_file_is_gone_on_with_where_it_was(hub: Hub, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PATIENCE", 4.0)
    monkeypatch.setattr(download, "TIMEOUT", 1.0)
    hub.add(model(NAME, parts))
    first, second = "model-00001-of", "model-00002-of"
    hub.faults = [Fault(second, cut=3000, times=1), Fault(second, stall=0)]
    with pytest.raises(ModelNotFound, match="has stopped sending"):
        locate(NAME)
    assert len([asked for asked in hub.requests if first in asked.path and asked.to_content]) == 1
    hub.faults.clear()
    hub.requests.clear()
    locate(NAME)
    assert not [asked for asked in hub.requests if first in asked.path]
    assert [asked.range for asked in hub.requests if second in asked.path and asked.to_content] == ["bytes=3000-"]


def test_a_cut_is_gone_on_with_at_once(hub: Hub, parts: Path) -> None:
    hub.add(model(NAME, parts))
    hub.faults = [Fault("model-00002", cut=3000, times=2)]
    locate(NAME)
    ranges = [asked.range for asked in hub.requests if "model-00002" in asked.path and asked.to_content]
    assert ranges == ["", "bytes=3000-", "bytes=6000-"]


def test_a_server_without_ranges_begins_anew(hub: Hub, parts: Path) -> None:
    hub.add(model(NAME, parts))
    hub.faults = [Fault("model-00002", cut=3000, times=1), Fault("model-00002", ignores_range=True)]
    assert load(locate(NAME), "float32", "cpu")


def arriving(blobs: Path) -> Iterator[int]:
    """How much there is of each file under way: any of them may be whole, and called otherwise, at any moment."""
    for file in blobs.glob("*.incomplete"):
        with suppress(FileNotFoundError):
            yield file.stat().st_size


def test_after_a_kill(hub: Hub, parts: Path, tmp_path: Path) -> None:
    hub.add(model(NAME, parts))
    hub.faults = [Fault("model-00002", ends=4000)]  # on a busy machine a first attempt may get nothing at all
    program = f"from core.checkpoint.checkpoint import locate; locate({NAME!r})"
    going = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **environment(hub, tmp_path / "hf")}
    )
    blobs = tmp_path / "hf" / "hub" / "models--some--model" / "blobs"
    until = time.monotonic() + 60
    while 4000 not in arriving(blobs):
        assert time.monotonic() < until
        time.sleep(0.05)
    going.send_signal(signal.SIGKILL)
    going.wait()
    hub.requests.clear()
    hub.faults.clear()
    assert load(locate(NAME), "float32", "cpu")
    assert [asked.range for asked in hub.fetched(".safetensors") if "00002" in asked.path] == ["bytes=4000-"]
    assert not list(blobs.glob("*.incomplete"))


def test_two_at_once_fetch_each_file_once(hub: Hub, parts: Path) -> None:
    hub.add(model(NAME, parts))
    hub.faults = [Fault("model-0000", rate=100_000)]
    with ThreadPoolExecutor(2) as both:
        one, other = both.map(locate, [NAME, f"{NAME}@main"])
    assert one.folder == other.folder
    assert len(hub.fetched(".safetensors")) == len(list(parts.glob("*.safetensors")))


def test_whoever_waits_may_leave_at_any_time(hub: Hub, parts: Path) -> None:
    hub.add(model(NAME, parts))
    for fault in (Fault("/api/", silent=30), Fault("config.json", stall=10), Fault("model-00002", stall=3000)):
        hub.faults = [fault]
        began, events = time.monotonic(), finding(NAME)
        for event in events:
            assert isinstance(event, Downloading | Stage)
            if time.monotonic() - began > 0.6:
                break
        events.close()
        assert time.monotonic() - began < 3
    hub.faults.clear()
    assert locate(NAME)


def test_one_file_of_a_gguf_repository(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    content = bundled_file().read_bytes()
    hub.add(Repository("some/model-GGUF", {"model.Q4.gguf": content, "model.Q8.gguf": b"GGUF", "README.md": b""}))
    with pytest.raises(ModelNotFound, match="GGUF files only") as refused:
        locate("some/model-GGUF")
    assert "some/model-GGUF/model.Q4.gguf" in refused.value.hint
    made = tmp_path / "made"
    monkeypatch.setattr("core.checkpoint.gguf.dequantised", lambda parts: _noted(parts, made))
    with pytest.raises(Exception, match="noted"):
        locate("some/model-GGUF/model.Q4.gguf@main")
    assert made.read_text().endswith("model.Q4.gguf")
    assert not hub.fetched("Q8.gguf")


def _noted(parts: list, made: Path) -> None:
    """Dequantising takes long, and has its own tests."""
    assert parts[0].file.read_bytes() == bundled_file().read_bytes()
    made.write_text(str(parts[0].file))
    raise RuntimeError("noted")


def test_a_cache_without_links(hub: Hub, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    hub.add(model(NAME, parts))
    assert not any(file.is_symlink() for file in locate(NAME).folder.iterdir())


def test_no_room(hub: Hub, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(model(NAME, parts))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
        with pytest.raises(DiskFull, match="are still to come"):
            locate(NAME)
    assert not hub.fetched(".json")
    with monkeypatch.context() as patched:
        patched.setattr(constants, "HF_HUB_CACHE", "/dev/null/hub")
        with pytest.raises(NotWritable, match="/dev/null/hub"):
            locate(NAME)
