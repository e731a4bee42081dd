"""The server of these tests is a Hub to the Hub's own clients: huggingface_hub, transformers' files, and datasets."""

from pathlib import Path

import pytest
from datasets import load_dataset
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.support.hub.repositories import Repository, model, ptb, read, wikitext
from tests.support.hub.server import Fault, Hub

NAME = "some/model"


def test_a_model_is_downloaded(hub: Hub, parts: Path) -> None:
    hub.add(model(NAME, parts))
    folder = Path(snapshot_download(NAME))
    assert read(folder) == read(parts)
    info = HfApi().model_info(NAME, files_metadata=True)
    assert info.sha == folder.name
    assert all(file.size == (parts / file.rfilename).stat().st_size for file in info.siblings or [])
    assert len(hub.fetched(".safetensors")) == len(list(parts.glob("*.safetensors"))) > 1
    assert not any(asked.authorization for asked in hub.requests if asked.to_content)


def test_revisions(hub: Hub) -> None:
    files = {"config.json": b"{}"}
    hub.add(Repository(NAME, files, revisions={"v1": {"config.json": b'{"old": 1}'}, "refs/pr/1": files}))
    for revision, content in (("v1", b'{"old": 1}'), ("refs/pr/1", b"{}"), ("main", b"{}")):
        path = Path(hf_hub_download(NAME, "config.json", revision=revision))
        assert path.read_bytes() == content
        assert Path(hf_hub_download(NAME, "config.json", revision=path.parent.name)).samefile(path)
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download(NAME, "config.json", revision="v2")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(NAME, "other.json")


def test_who_may_not(hub: Hub) -> None:
    files = {"config.json": b"{}"}
    hub.add(Repository("a/gated", files, gated=True), Repository("a/private", files, private=True))
    hub.add(Repository("a/old", files, renamed="a/new"), Repository("a/new", files))
    with pytest.raises(GatedRepoError):
        hf_hub_download("a/gated", "config.json")
    for name in ("a/private", "a/missing"):
        with pytest.raises(RepositoryNotFoundError):
            hf_hub_download(name, "config.json")
    with pytest.raises(HfHubHTTPError, match="401"):
        HfApi().model_info("a/new", token="hf_expired")
    assert hf_hub_download("a/gated", "config.json", token=hub.token)
    assert hf_hub_download("a/private", "config.json", token=hub.token)
    assert HfApi().model_info("a/old").id == "a/new"
    assert hf_hub_download("a/old", "config.json")


def test_faults(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 400
    hub.add(Repository(NAME, {"a.safetensors": data, "b.safetensors": data[1:], "c.safetensors": data[2:]}))
    hub.faults = [Fault("a.safe", cut=5000, times=1), Fault("b.safe", flip=7), Fault("c.safe", short=9)]
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    whole = Path(hf_hub_download(NAME, "a.safetensors"))
    assert whole.read_bytes() == data
    assert [asked.range for asked in hub.fetched("a.safetensors")] == ["", "bytes=5000-"]
    assert Path(hf_hub_download(NAME, "b.safetensors")).read_bytes()[6:9] == bytes([7, 8 ^ 1, 9])
    with pytest.raises(OSError, match="Consistency check"):
        hf_hub_download(NAME, "c.safetensors")
    hub.faults = [Fault("/api/", status=429, headers={"Retry-After": "3"}, times=1)]
    with pytest.raises(HfHubHTTPError, match="429"):
        HfApi().model_info(NAME)
    assert HfApi().model_info(NAME).sha


@pytest.mark.parametrize("streaming", [True, False])
def test_data_sets(hub: Hub, streaming: bool) -> None:
    lines = {"train": ["a", "b"], "validation": [" = Title = \n", ""], "test": ["c"]}
    hub.add(wikitext(lines), ptb(lines))
    rows = load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1", split="validation", streaming=streaming)
    assert [row["text"] for row in rows] == lines["validation"]
    rows = load_dataset(
        "ptb-text-only/ptb_text_only",
        data_dir="penn_treebank",  # the revision has no README.md, hence no configurations
        split="test",
        revision="refs/convert/parquet",
        streaming=streaming,
    )
    assert [row["sentence"] for row in rows] == ["c"]
