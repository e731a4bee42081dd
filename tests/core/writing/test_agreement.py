"""Agreement, divergence, last words and texts against plain transformers on the exported folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from cache.database import Database
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.model.model import load
from core.records.behaviour.writes import Behaviour
from core.records.events import Behaved, Exported
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.text.corpora import read
from core.text.windows import cut
from core.writing.last_words import last_words
from tests.support.models import recipe_of

REMOVED = (0, 3, 4)


@pytest.fixture
def spec(spec: RunSpec) -> RunSpec:
    """In float32, on every processor."""
    return replace(spec, dtype="float32")


@pytest.fixture
def behaved(spec: RunSpec, engine: Engine) -> Behaviour:
    *_, done = engine.behave(spec, REMOVED, tokens=6, windows=5)
    assert isinstance(done, Behaved)
    return done.found


@pytest.fixture
def engine(cache_file: Path) -> Engine:
    return Engine(Store(Database(cache_file)))


def test_figures_are_those_of_the_exported_folder(
    behaved: Behaviour, spec: RunSpec, engine: Engine, tiny: Path, tmp_path: Path
) -> None:
    loaded = load(locate(str(tiny)), "float32", "cpu")
    *_, exported = engine.export(replace(recipe_of(loaded, REMOVED), spec=spec), tmp_path / "small")
    assert isinstance(exported, Exported)
    text = replace(spec.text("evaluation"), sequences=5)
    tokenizer = loaded.checkpoint.tokenizer
    windows = cut(read(spec.corpus, "evaluation"), tokenizer, text)
    assert behaved.predicts.protocol == windows.protocol and behaved.removed == REMOVED
    both = [AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (tiny, tmp_path / "small")]
    with torch.inference_mode():
        whole, pruned = (model(input_ids=windows.ids).logits[:, :-1].double().log_softmax(-1) for model in both)
    same = (whole.argmax(-1) == pruned.argmax(-1)).double().mean(1)
    assert behaved.predicts.agreement.top1.value == pytest.approx(float(same.mean()))
    assert behaved.predicts.agreement.top1.error == pytest.approx(float(same.std()) / 5**0.5)
    kl = (whole.exp() * (whole - pruned)).sum(-1).numpy()
    near = behaved.predicts.agreement
    assert [near.kl_50, near.kl_90, near.kl_99, near.kl_999] == pytest.approx(
        [float(np.quantile(kl, share)) for share in (0.5, 0.9, 0.99, 0.999)], rel=1e-4
    )
    for model, words in zip(both, (behaved.predicts.whole_words, behaved.predicts.pruned_words), strict=True):
        right = []
        for row, some in zip(windows.ids, last_words(tokenizer, windows.ids.numpy()), strict=True):
            for begin, end in some:
                written = model.generate(row[None, :begin], max_new_tokens=end - begin, do_sample=False)
                right.append(written[0].tolist() == row[:end].tolist())
        assert words.of == len(right) > 0 and words.value == pytest.approx(np.mean(right))


def test_texts_are_those_of_generate(
    behaved: Behaviour, spec: RunSpec, engine: Engine, tiny: Path, tmp_path: Path
) -> None:
    loaded = load(locate(str(tiny)), "float32", "cpu")
    list(engine.export(replace(recipe_of(loaded, REMOVED), spec=spec), tmp_path / "small"))
    tokenizer = loaded.checkpoint.tokenizer
    for folder, writes in ((tiny, behaved.whole), (tmp_path / "small", behaved.pruned)):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        for prompt, text in zip(behaved.prompts, writes.texts, strict=True):
            ids = tokenizer(prompt, return_tensors="pt").input_ids
            theirs = model.generate(ids, max_new_tokens=6, do_sample=False)[0, ids.shape[1] :]
            assert tokenizer.decode(theirs, skip_special_tokens=True) == text
    assert behaved.whole.agreed >= behaved.pruned.agreed
