"""What Quorum makes of one kind: losses against whole forwards, and an export against plain transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from transformers import PreTrainedModel

from benchmarks.families.building import build
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.errors import QuorumError
from core.evaluate.evaluator import Evaluator
from core.export.export import export
from core.export.recipes.recipe import Recipe
from core.model.model import LoadedModel, load
from core.model.skipping import skipping
from core.records.spec import RunSpec, TextSpec
from core.text.corpora import EMBEDDED, read
from core.text.windows import Windows, cut

_RANDOM = 4  # masks, beside the whole model and each block alone, kept or dropped


def probe(kind: str, folder: Path) -> dict[str, Any]:
    """What is written down of a kind. Without `failed`, nothing was wrong; refusals are told by their message.

    Returns:
        `class`; `coalitions` (fast, whole forwards, or why refused), `error` (the largest relative difference of a
        loss from whole forwards); `exports` (by removed layers: `exact`, or why refused), `generation`.
    """
    torch.set_num_threads(1)
    try:
        found: dict[str, Any] = {"class": build(kind, folder / "whole")}
    except ValueError as cause:
        return {"unbuilt": str(cause)}
    try:
        loaded = load(locate(str(folder / "whole")), "float32", "cpu")
        text = TextSpec(EMBEDDED, "evaluation", 24, 4)
        windows = cut(read(EMBEDDED, "evaluation"), loaded.checkpoint.tokenizer, text)
        found |= _coalitions(loaded, windows)
    except QuorumError as refusal:
        return {**found, "coalitions": _said(refusal, folder)}
    except Exception as cause:  # a failure of ours is what the table is to show
        return {**found, "failed": f"{type(cause).__name__}: {cause}"[:300]}
    layers = loaded.info.layers
    exports: dict[str, str] = {}
    for removed in dict.fromkeys([(0, layers // 2, layers - 1), (1, layers // 2), (layers - 1,)]):
        try:
            exports[",".join(map(str, removed))] = _export(loaded, windows, removed, folder / f"small-{removed[0]}")
        except QuorumError as refusal:
            exports[",".join(map(str, removed))] = _said(refusal, folder)
        except Exception as cause:
            return {**found, "failed": f"export without {removed}: {type(cause).__name__}: {cause}"[:300]}
    return {**found, "exports": exports}


def _said(refusal: QuorumError, folder: Path) -> str:
    return f"{type(refusal).__name__}: {refusal.message}".replace(f"{folder}/", "")


def _coalitions(loaded: LoadedModel, windows: Windows) -> dict[str, Any]:
    layers = loaded.info.layers
    random = np.random.default_rng(0).random((_RANDOM, layers)) < 0.5
    masks = np.vstack([np.ones((1, layers), dtype=np.bool_), np.eye(layers) == 1, np.eye(layers) == 0, random])
    evaluator = Evaluator(loaded, windows.ids)
    error = 0.0
    for row, ours in evaluator.losses(masks):
        plain = _losses(_logits(loaded, windows, masks[row]), windows.ids)
        error = max(error, float(np.max(np.abs(ours - plain) / np.abs(plain))))
    if not error < 1e-5:
        return {"failed": f"losses differ by {error:.1e} from whole forwards", "error": error}
    fast = all(batch.sequences is not None for batch in evaluator._batches)
    return {"coalitions": "fast" if fast else "whole forwards", "error": float(f"{error:.1e}")}


def _logits(loaded: LoadedModel, windows: Windows, mask: Any) -> torch.Tensor:
    with torch.inference_mode(), skipping(loaded.blocks, mask):
        found: torch.Tensor = loaded.model(input_ids=windows.ids, use_cache=False).logits
    return found


def _losses(logits: torch.Tensor, ids: torch.Tensor) -> Any:
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none").mean(dim=1).numpy()


def _export(loaded: LoadedModel, windows: Windows, removed: tuple[int, ...], out: Path) -> str:
    """Exports, opens what was written with plain transformers, and says how it compares."""
    info = loaded.info
    players = tuple(info.players[layer] for layer in removed)
    export(loaded, windows, Recipe(RunSpec(model=info.source), info.fingerprint, info.layers, players, "ab12cd34"), out)
    opening: Any = getattr(transformers, loaded.info.architecture)  # AutoModelForCausalLM leaves some classes out
    plain: PreTrainedModel = opening.from_pretrained(out, dtype=torch.float32).eval()
    with torch.inference_mode():
        theirs = plain(input_ids=windows.ids, use_cache=False).logits
    ours = _logits(loaded, windows, without(info.layers, removed))
    if not torch.allclose(theirs, ours, rtol=1e-5, atol=1e-5):
        raise ArithmeticError(f"logits differ by {float((theirs - ours).abs().max()):.1e}")
    if not torch.equal(theirs, ours):
        return "exact; to rounding"
    if _generates(plain, windows.ids):
        return "exact"
    return "exact; no cache" if _generates(loaded.model, windows.ids) else "exact; no cache, nor the whole model"


def _generates(model: Any, ids: torch.Tensor) -> bool:
    """Whether tokens generated with a cache are those without."""
    options = {"max_new_tokens": 12, "min_new_tokens": 12, "do_sample": False, "pad_token_id": 0}
    try:
        with_cache, plain = (model.generate(ids[:1], use_cache=cached, **options) for cached in (True, False))
    except Exception:  # transformers' own generation, which some kinds lack
        return False
    return bool(torch.equal(with_cache, plain))
