"""Folders whose tokenizer is a tokenizer.model alone, as of Vicuna: their perplexity is that of plain transformers."""

import io
import json
from pathlib import Path

import pytest
import sentencepiece
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from tests.support.commands import Cli
from tests.support.models import SMALL, randomised

WINDOW, WINDOWS = 16, 6


@pytest.fixture(params=["bytes", "no bytes", "bytes, class"])
def vicuna(request: pytest.FixtureRequest, tmp_path: Path, text_file: Path) -> Path:
    """A random Llama with a tokenizer that sentencepiece itself has trained."""
    folder, trained = tmp_path / "vicuna", io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(f"{said}." for said in text_file.read_text().split(". ")),
        model_writer=trained,
        vocab_size=400,
        model_type="bpe",
        byte_fallback=request.param != "no bytes",
        hard_vocab_limit=False,
        bos_id=1,
        eos_id=2,
        unk_id=0,
        minloglevel=2,
    )
    torch.manual_seed(0)
    sizes = {"vocab_size": 400, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None, "num_hidden_layers": 3}
    model = AutoModelForCausalLM.from_config(LlamaConfig(**SMALL | sizes), dtype=torch.float32)
    randomised(model).save_pretrained(folder)
    (folder / "tokenizer.model").write_bytes(trained.getvalue())
    if request.param.endswith("class"):
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    return folder


def test_perplexity_is_that_of_plain_transformers(vicuna: Path, text_file: Path, cli: Cli) -> None:
    status, answer, said = cli(
        *("perplexity", "--model", vicuna, "--corpus", text_file, "--dtype", "float32", "--device", "cpu"),
        *("--bos", "none", "--window", WINDOW, "--windows", WINDOWS),
    )
    assert status == 0, said
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(vicuna / "tokenizer.model"))
    text = text_file.read_text()
    ids = AutoTokenizer.from_pretrained(vicuna)(text, add_special_tokens=False)["input_ids"]
    # transformers reads the file as those who made its format; whether a space goes in front is the class's affair.
    assert ids[1:] == pieces.encode(text)[1:]
    model = AutoModelForCausalLM.from_pretrained(vicuna, dtype=torch.float32).eval()
    windows = torch.tensor(ids[: WINDOW * WINDOWS]).view(WINDOWS, WINDOW)
    with torch.inference_mode():
        logits = model(input_ids=windows).logits
    expected = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), windows[:, 1:].flatten()).exp()
    assert answer["perplexity"] == pytest.approx(expected.item(), rel=1e-5)
