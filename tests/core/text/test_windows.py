"""Text, windows and protocols."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from benchmarks.byte_tokenizer import save_tokenizer
from core.errors import CorpusError
from core.records.spec import TextSpec
from core.text.corpora import EMBEDDED, Corpus, read
from core.text.windows import cut

TEXT = "".join(chr(97 + number % 26) for number in range(1000))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    folder = tmp_path_factory.mktemp("plain")
    save_tokenizer(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def starting(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    folder = tmp_path_factory.mktemp("bos")
    save_tokenizer(folder, adds_bos=True)
    return AutoTokenizer.from_pretrained(folder)


def spec(split: str = "whole", **changes: object) -> TextSpec:
    return TextSpec(**{"corpus": "t", "split": split, "window": 10, **changes})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9), st.integers(2, 40), st.integers(1, 10))
def test_calibration_and_evaluation_share_no_token(
    tokenizer: PreTrainedTokenizerBase, seed: int, window: int, sequences: int
) -> None:
    """Every window is a piece of the text at a multiple of its length, and the two halves do not meet."""
    unique = "".join(chr(33 + number // 90) + chr(33 + number % 90) for number in range(500))
    positions = {}
    for split in ("calibration", "evaluation"):
        found = cut(
            Corpus("t", split, unique, True), tokenizer, spec(split, window=window, sequences=sequences, seed=seed)
        )
        pieces = [tokenizer.decode(row) for row in found.ids]
        positions[split] = [unique.index(piece) for piece in pieces if len(piece) > 3]
        assert len(pieces) == sequences == found.protocol.sequences and all(piece in unique for piece in pieces)
    assert not positions["calibration"] or max(positions["calibration"]) + window <= 500
    assert not positions["evaluation"] or min(positions["evaluation"]) >= 500


def test_whole_text_in_order(tokenizer: PreTrainedTokenizerBase) -> None:
    found = cut(Corpus("t", "whole", TEXT, False), tokenizer, spec(window=30))
    assert tokenizer.decode(found.ids.flatten()) == TEXT[:990]
    assert found.protocol.predicted == 33 * 29


def test_bos_rules(tokenizer: PreTrainedTokenizerBase, starting: PreTrainedTokenizerBase) -> None:
    corpus = Corpus("t", "whole", TEXT, False)
    assert cut(corpus, tokenizer, spec()).protocol.bos == "none"
    automatic = cut(corpus, starting, spec())
    assert automatic.protocol.bos == "window"
    assert automatic.ids.shape == (100, 11) and (automatic.ids[:, 0] == 256).all()
    assert automatic.protocol.predicted == 1000  # every text token, since each window's first one follows the BOS
    assert starting.decode(automatic.ids[:, 1:].flatten()) == TEXT
    once = cut(corpus, tokenizer, spec(bos="corpus"))
    assert once.ids.flatten()[0] == 256 and (once.ids.flatten()[1:] != 256).all()
    assert len({cut(corpus, tokenizer, spec(bos=bos)).protocol.tokens for bos in ("none", "corpus", "window")}) == 3


def test_files_of_every_kind_hold_the_same_text(tmp_path: Path) -> None:
    documents = ["first tale", "second tälé"]
    (tmp_path / "a.txt").write_text("\n\n".join(documents), encoding="utf-8")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": d, "id": 1}) for d in documents) + "\n")
    pd.DataFrame({"text": documents}).to_parquet(tmp_path / "a.parquet")
    assert {read(str(tmp_path / f"a.{kind}"), "whole").text for kind in ("txt", "jsonl", "parquet")} == {
        "\n\n".join(documents)
    }


def test_embedded_corpus_needs_no_network() -> None:
    assert len(read(EMBEDDED, "calibration").text) > 300_000


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", "", "no text"),
        ("blank.txt", " \n ", "no text"),
        ("table.docx", "a,b", "kind"),
        ("latin.txt", b"\xe9t\xe9", "is not UTF-8"),
        ("broken.jsonl", '{"text": "a"}\n{oops', "Line 2 of broken.jsonl is no JSON"),
        ("other.jsonl", '{"body": "a"}', "has no field text; it has body"),
        ("number.jsonl", '{"text": 7}', "holds int, not text"),
        ("fake.parquet", "not parquet", "cannot be read"),
    ],
)
def test_unusable_files(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CorpusError, match=said) as error:
        read(str(file), "whole")
    assert error.value.hint


def test_too_short_says_how_much_is_needed(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(CorpusError, match=r"500 tokens, and 60 x 10 = 600 are needed"):
        cut(Corpus("t", "calibration", TEXT, True), tokenizer, spec("calibration", sequences=60))
