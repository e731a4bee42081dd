"""Data sets of the Hub: by short names and by their own, only their own files, and every refusal by name."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from transformers import AutoTokenizer

from benchmarks.byte_tokenizer import save_tokenizer
from core.errors import CorpusError
from core.records.presets import whole
from core.records.spec import TextSpec
from core.text import hub_data
from core.text.corpora import read
from core.text.windows import cut
from tests.support.hub.repositories import Repository, ptb, wikitext
from tests.support.hub.server import Fault, Hub

LINES = {
    "train": [f"trained {number}" for number in range(60)],
    "validation": [" = Title = \n", "", *(f"valid {number}" for number in range(60))],
    "test": [f"tested {number}" for number in range(60)],
}
WIKITEXT = "Salesforce/wikitext"


def rows(texts: list[str], field: str = "text") -> bytes:
    return "\n".join(json.dumps({field: text}) for text in texts).encode()


def data_set(files: dict[str, bytes], card: str = "", **more: object) -> Repository:
    described = {"README.md": f"---\n{card}---\n".encode()} if card else {}
    return Repository("some/data", described | files, kind="datasets", **more)


def parquet(texts: list[str]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame({"text": texts}).to_parquet(file)
    return file.getvalue()


def test_named_corpora(hub: Hub) -> None:
    hub.add(wikitext(LINES), ptb(LINES))
    books = {"refs/convert/parquet": {f"plain_text/train/{n:04}.parquet": parquet([f"book {n}"]) for n in range(3)}}
    hub.add(Repository("bookcorpus/bookcorpus", {"bookcorpus.py": b"!"}, kind="datasets", revisions=books))
    c4 = {f"en/c4-{split}.{n:05}-of-00002.json.gz": rows([f"{split} {n}"]) for split in LINES for n in range(2)}
    named = [f"  - split: {split}\n    path: en/c4-{split}.*.json.gz\n" for split in ("train", "validation")]
    card = f"---\nconfigs:\n- config_name: en\n  data_files:\n{''.join(named)}---\n"
    packed = {name: gzip.compress(content) for name, content in c4.items()}
    hub.add(Repository("allenai/c4", {"README.md": card.encode(), **packed}, kind="datasets"))
    for corpus, calibration, evaluation, halved in (
        ("wikitext2", LINES["validation"], LINES["test"], False),
        ("ptb", LINES["train"], LINES["test"], False),
        ("c4", ["train 0", "train 1"], ["validation 0", "validation 1"], False),
        ("bookcorpus", ["book 0", "book 1", "book 2"], ["book 0", "book 1", "book 2"], True),
    ):
        found = [read(corpus, split) for split in ("calibration", "evaluation", "whole")]
        assert [one.text for one in found] == ["\n\n".join(calibration), *["\n\n".join(evaluation)] * 2]
        assert [one.halved for one in found] == [halved, halved, False]
    assert not hub.fetched(".py")


def test_any_data_set_by_its_name(hub: Hub) -> None:
    files = {f"data/{split}-00000-of-00001.jsonl": rows(texts, "body") for split, texts in LINES.items()}
    hub.add(data_set(files, revisions={"v1": {"train.csv": b"text\nold tale\n"}}), wikitext(LINES))
    assert read("some/data", "evaluation", "body").text == "\n\n".join(LINES["test"])
    assert read("some/data", "calibration", "body").text == "\n\n".join(LINES["validation"])
    assert read("some/data@v1", "whole").text == "old tale"
    one = read(f"{WIKITEXT}:wikitext-2-raw-v1:train", "calibration")
    assert one.text == "\n\n".join(LINES["train"]) and one.halved
    assert one.name == f"{WIKITEXT}:wikitext-2-raw-v1:train"
    hub.add(ptb(LINES))  # its only configuration
    assert read("ptb-text-only/ptb_text_only", "whole", "sentence").text == "\n\n".join(LINES["test"])


def test_protocols_of_the_literature(hub: Hub, tmp_path: Path) -> None:
    """As the paper's own evaluation does: tokens of the joined text after one BOS, in windows that do not overlap."""
    hub.add(wikitext(LINES), ptb(LINES))
    save_tokenizer(tmp_path / "plain")
    save_tokenizer(tmp_path / "adding", adds_bos=True)
    plain, adding = (AutoTokenizer.from_pretrained(tmp_path / name) for name in ("plain", "adding"))
    for corpus, preset, joined, tokenizer, begun in (
        ("wikitext2", "paper", "\n\n".join(LINES["test"]), plain, True),
        ("ptb", "paper", "\n\n".join(LINES["validation"]), plain, True),
        ("ptb", "paper", "\n\n".join(LINES["validation"]), adding, True),
        ("ptb", "2048", " ".join(LINES["test"] * 60), adding, True),
        ("ptb", "4096", " ".join(LINES["test"] * 60), plain, False),
    ):
        hub.add(ptb(LINES if preset == "paper" else {"test": LINES["test"] * 60}))
        spec = whole(corpus, 128, None, "auto", preset=preset)
        windows = cut(read(corpus, "whole", "", preset), tokenizer, spec)
        ids = [256] * begun + tokenizer(joined, add_special_tokens=False)["input_ids"]
        expected = np.array(ids[: len(ids) // spec.window * spec.window]).reshape(-1, spec.window)
        assert np.array_equal(windows.ids.numpy(), expected)
        assert windows.protocol.preset == preset and windows.protocol.bos == ("corpus" if begun else "none")
        assert f"protocol {preset}" in str(windows.protocol)


def test_a_protocol_takes_the_first_documents(hub: Hub) -> None:
    named = "configs:\n- config_name: en\n  data_files:\n  - split: validation\n    path: v.jsonl\n"
    texts = [str(number) for number in range(1500)]
    files = {"README.md": f"---\n{named}---\n".encode(), "v.jsonl": rows(texts)}
    hub.add(Repository("allenai/c4", files, kind="datasets"))
    assert read("c4", "whole", "", "paper").text == "\n\n".join(texts[:1000])
    assert read("c4", "whole", "", "2048").text == " ".join(texts[:1100])
    assert whole("c4", 128, None, "auto", preset="2048") == TextSpec("c4", "whole", 2048, 256, preset="2048")


def test_of_a_large_file_is_fetched_what_is_read(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_data, "_KEPT", 1000)
    hub.add(data_set({"train.jsonl": rows(LINES["train"]), "test.jsonl": rows(LINES["test"])}))
    assert read("some/data", "whole").text == "\n\n".join(LINES["test"])
    asked = [request.range for request in hub.fetched("test.jsonl")]
    assert asked and all(asked) and not hub.fetched("train.jsonl")


def test_what_was_read_whole_needs_no_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(wikitext(LINES), ptb(LINES))
    for corpus in ("wikitext2", "ptb", f"{WIKITEXT}:wikitext-2-raw-v1:train"):
        first = read(corpus, "whole")
        hub.add(wikitext({split: ["other"] for split in LINES}), ptb({split: ["other"] for split in LINES}))
        asked = len(hub.requests)
        assert read(corpus, "whole") == first and len(hub.requests) == asked
        hub.add(wikitext(LINES), ptb(LINES))
    assert read("wikitext2", "calibration").text == "\n\n".join(LINES["validation"]), "the other split, at that commit"
    hub.add(wikitext({split: ["other"] for split in LINES}))
    assert read(f"{WIKITEXT}@main:wikitext-2-raw-v1", "whole").text == "other", "another name asks again"


def test_what_was_read_in_part_is_asked_about_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.text.corpora._HUB_DOCUMENTS", 5)
    hub.add(wikitext(LINES))
    assert read("wikitext2", "whole").text == "\n\n".join(LINES["test"][:5])
    hub.add(wikitext({split: ["other"] for split in LINES}))
    assert read("wikitext2", "whole").text == "other"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"repository": 7}', '{"files": {"test": ["../../x"]}}'])
def test_a_damaged_list_is_no_list(hub: Hub, tmp_path: Path, damage: str) -> None:
    hub.add(wikitext(LINES))
    first = read("wikitext2", "whole")
    [listed] = tmp_path.rglob("quorum-*.json")
    listed.write_text(damage)
    assert read("wikitext2", "whole") == first


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        ("some/missing", "no data set some/missing"),
        ("some/data@v9", "no such revision"),
        ("some/data:other", "other"),
        ("some/data:default:dev", "no split dev; it has train"),
        ("some/gated", "is gated"),
        ("some/private", "or it is private"),
        ("some/program", "published as a program"),
        ("some/pictures", "cannot be used|kind that cannot be read|elsewhere"),
        ("some/elsewhere", "keeps its data elsewhere"),
        ("some/above", "keeps its data elsewhere"),
        ("some/splits", "which is meant is not clear"),
        ("ptb-text-only/ptb_text_only:other", "no configuration other; there are penn_treebank"),
        ("some/half", "Line 2 of train.jsonl of some/half holds half a character"),
    ],
)
def test_refusals(hub: Hub, corpus: str, said: str) -> None:
    files = {"train.jsonl": rows(["tale"])}
    other = f"configs:\n- config_name: default\n  data_files: {hub.address}/secret.jsonl\n"
    above = "configs:\n- config_name: default\n  data_files: ../../other/data/train.jsonl\n"
    hub.add(data_set(files), ptb(LINES))
    for name, repository in {
        "gated": data_set(files, gated=True),
        "private": data_set(files, private=True),
        "program": data_set({"program.py": b"raise SystemExit('executed')"}),
        "pictures": data_set({"a.png": b"\x89PNG", "b.png": b"\x89PNG"}),
        "elsewhere": data_set(files, other),
        "above": data_set(files, above),
        "splits": data_set(
            {"data/red-0.jsonl": b"", "data/red-00000-of-00001.jsonl": rows(["a"])}
            | {"data/blue-00000-of-00001.jsonl": rows(["b"])}
        ),
        "half": data_set({"train.jsonl": rows(["a"]) + b'\n{"text": "\\ud800"}'}),
    }.items():
        repository.name = f"some/{name}"
        hub.add(repository)
    with pytest.raises(CorpusError, match=said) as error:
        read(corpus, "whole")
    assert error.value.hint
    assert not any("secret" in asked.path or "other/data" in asked.path for asked in hub.requests)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("/api/", status=429), "fewer requests"),
        (Fault("/api/", status=500), "answers 500"),
        (Fault("train.jsonl", status=403), "answers 403"),
        (Fault("train.jsonl", cut=10), "cannot be read"),
    ],
)
def test_faults(hub: Hub, monkeypatch: pytest.MonkeyPatch, fault: Fault, said: str) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.add(data_set({"train.jsonl": rows(["tale"] * 10)}))
    hub.faults = [fault]
    with pytest.raises(CorpusError, match=said):
        read("some/data", "whole")


@pytest.mark.parametrize("fault", [Fault("/api/", silent=600), Fault("resolve", silent=600), Fault("parquet", stall=9)])
def test_silence_ends(hub: Hub, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr("core.text.patience.SILENCE", 1.0)
    hub.add(wikitext(LINES))
    hub.faults = [fault]
    with pytest.raises(CorpusError, match="TimeoutError"):
        read("wikitext2", "whole")


def test_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CorpusError, match="cannot be read") as error:
        read("wikitext2", "whole")
    assert "python-docs" in error.value.hint
