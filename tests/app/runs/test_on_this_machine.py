"""What the form of a run offers: models and data sets of this machine, by names that are told apart."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from app.runs.on_this_machine import known_data_sets, known_models, told_apart
from app.runs.texts import known_texts
from app.worker.client import Jobs
from core.records.looks import ModelSeen, TextSeen
from core.records.spec import BUNDLED, RunSpec
from core.run.look import look
from core.text.hub_names import HubData, HubName
from core.text.kept_data import remember
from tests.support.pages import open_page

COMMIT = "c" * 40


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a cache of the Hub's with nothing in them."""
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))  # for the process that computes
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "hub").mkdir()
    return tmp_path / "home"


def cached(hub: Path, name: str, kind: str = "models") -> Path:
    """The empty folder of a repository's one commit."""
    base = hub / f"{kind}--{name.replace('/', '--')}"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(COMMIT)
    folder = base / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    return folder


def test_whole_causal_models_of_the_cache(tmp_path: Path, tiny: Path) -> None:
    shutil.copytree(tiny, cached(tmp_path / "hub", "some/model"), dirs_exist_ok=True)
    half = cached(tmp_path / "hub", "some/half")
    shutil.copytree(tiny, half, dirs_exist_ok=True)
    (half / "model.safetensors").unlink()
    encoder = cached(tmp_path / "hub", "some/encoder")
    shutil.copytree(tiny, encoder, dirs_exist_ok=True)
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps({**config, "architectures": ["BertForMaskedLM"]}))
    damaged = cached(tmp_path / "hub", "some/damaged")
    shutil.copytree(tiny, damaged, dirs_exist_ok=True)
    (damaged / "config.json").write_bytes(b"\xff{")
    (tmp_path / "hub" / "models--[a](b)--**c**--d").mkdir()
    (tmp_path / "hub" / "version.txt").write_text("1")
    assert known_models() == [BUNDLED, "some/model"]


def test_the_folder_of_models(home: Path, tiny: Path) -> None:
    shutil.copytree(tiny, home / "models" / "mine")
    shutil.copytree(tiny, home / "models" / "0123456789abcdef")
    (home / "models" / "0123456789abcdef" / "gguf.json").write_text("{}")
    (home / "models" / "small.gguf").write_bytes(b"GGUF")
    (home / "models" / "digests.json").write_text("{}")
    (home / "models" / "nothing").mkdir()
    assert known_models() == [BUNDLED, str(home / "models" / "mine"), str(home / "models" / "small.gguf")]


def test_data_sets_that_need_no_question(tmp_path: Path) -> None:
    for name in ("some/texts", "some/part", "some/unclear"):
        cached(tmp_path / "hub", name, "datasets")
    file = tmp_path / "hub" / "datasets--some--texts" / "snapshots" / COMMIT / "train.jsonl"
    file.write_text('{"text": "a tale"}\n')
    remember(HubName("some/texts"), HubData("some/texts", COMMIT, {"train": ["train.jsonl"]}))
    remember(HubName("some/part"), HubData("some/part", COMMIT, {"train": ["train.jsonl"]}))
    remember(HubName("some/unclear"), HubData("some/unclear", COMMIT, {"one": ["a.jsonl"], "two": ["b.jsonl"]}))
    assert known_data_sets() == ["some/texts"]
    assert "some/texts" in known_texts(None) and "some/texts" not in known_texts("ann@example.org")


def test_equal_names_are_told_apart() -> None:
    said = told_apart([BUNDLED, "/a/tale.txt", "/b/tale.txt", "/c/SmolLM2-135M-Instruct", "/d/tale.txt"])
    assert list(said.values()) == [
        "SmolLM2-135M-Instruct",
        "tale.txt",
        "tale.txt (2)",
        "SmolLM2-135M-Instruct (2)",
        "tale.txt (3)",
    ]


def test_a_model_of_the_cache_is_offered_and_looked_at(
    shared: Jobs, tmp_path: Path, tiny: Path, text_file: Path
) -> None:
    shutil.copytree(tiny, cached(tmp_path / "hub", "some/model"), dirs_exist_ok=True)
    assert open_page().selectbox(key="model").options == ["SmolLM2-135M-Instruct", "some/model"]
    seen, absent = (look(RunSpec(name, str(text_file))) for name in ("some/model", "some/other"))
    assert isinstance(seen.model, ModelSeen) and (seen.model.family, seen.model.layers) == ("llama", 8)
    assert absent.model is None and isinstance(absent.text, TextSeen) and absent.text.tokens is None
