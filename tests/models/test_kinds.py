"""Kinds of models that do something in a way of their own: exact from loss to generation, or refused by the reason."""

from pathlib import Path

import pytest

from benchmarks.families.building import build
from benchmarks.families.probing import probe
from core.checkpoint.checkpoint import locate
from core.errors import UnsupportedModel
from core.model.model import load


@pytest.mark.parametrize(
    "kind",
    [
        "openai-gpt",  # blocks return a list
        "minicpm3",  # residuals are divided by the root of the depth
        "longcat_flash",  # two places in the cache for each block
        "blt",  # blocks over patches of bytes, in a configuration beside the one that is called its decoder
    ],
)
def test_losses_exports_and_generation_are_those_of_plain_transformers(kind: str, tmp_path: Path) -> None:
    found = probe(kind, tmp_path)
    assert found["coalitions"] == "fast" and found["error"] < 1e-5
    assert {answer.partition(";")[0] for answer in found["exports"].values()} == {"exact"}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("mllama", "no text passes through block 3 of its 7"),
        ("hrm_text", "its 7 blocks are called 42 times"),
        ("gemma3n_text", "its last 3 blocks reuse keys and values of earlier ones"),
        ("hy_v4", "some blocks attend to the tokens that an earlier one has chosen"),
        ("reformer", "do not pass one hidden state of one shape along"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused_by_its_reason(kind: str, why: str, tmp_path: Path) -> None:
    build(kind, tmp_path)
    with pytest.raises(UnsupportedModel, match=why) as refused:
        load(locate(str(tmp_path)), "float32", "cpu")
    assert "Error" not in refused.value.message and refused.value.hint
