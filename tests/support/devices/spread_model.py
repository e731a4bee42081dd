"""What a model over two devices says, beside the same model on the processor, as JSON.

python -m tests.support.devices.spread_model MODEL
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from core.checkpoint.checkpoint import locate
from core.coalitions.players import players_of
from core.compensation.compensate import compensate
from core.errors import UnsupportedModel
from core.evaluate.continuing.continuations import greedy
from core.evaluate.evaluator import Evaluator
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel, load
from core.model.similarity import similarity
from core.pauses import come
from core.records.spec import TextProtocol
from core.text.windows import Windows
from core.writing.agreement import predictions
from tests.support.devices.pretended import NAME, pretending, spread

DEVICES = 2
IDS = torch.randint(0, 256, (5, 20), generator=torch.Generator().manual_seed(0))
FITTED = torch.randint(0, 256, (32, 20), generator=torch.Generator().manual_seed(1))
CUTS = (1, 3, 4, 6)  # the blocks before and after the second one are on two devices


def main() -> None:
    loaded = load(locate(sys.argv[1]), "float32", "cpu")
    masks = np.random.default_rng(0).random((12, len(loaded.info.players))) < 0.6
    alone = dict(_said(loaded, masks, 1))
    with pretending():
        spread(loaded.model, list(loaded.blocks.modules), DEVICES)
        there = replace(loaded, info=replace(loaded.info, device=f"{NAME}:0"))
        found = {f"{together} together": dict(_said(there, masks, together)) for together in (1, 4)}
        devices = sorted({str(weight.device) for weight in loaded.model.parameters()})
    print(json.dumps({"devices": devices, "alone": alone, "spread": found}))


def _said(loaded: LoadedModel, masks: Any, together: int) -> Iterator[tuple[str, Any]]:
    evaluator = Evaluator(loaded, IDS, together=together)
    yield "shared prefixes", evaluator._batches[0].sequences is not None
    yield "losses", [found.tolist() for _, found in sorted(evaluator.losses(masks))]
    both = sorted(Evaluator(loaded, IDS, together=together).with_divergences(masks[:6]))
    yield "divergences", [found.tolist() for _, found in both]
    yield "plain", [sequence_losses(loaded, IDS, mask).tolist() for mask in masks[:6]]
    yield "what-if", [part.tolist() for part in Evaluator(loaded, IDS, growing=True).stream(masks[0])]
    yield "similarity", similarity(loaded, IDS).cosine.tolist()
    yield "likeliest", [found.pruned.tolist() for _, found in predictions(loaded, IDS, masks[:3])]
    halved = loaded.played_by(players_of(len(loaded.blocks), "sublayer", ()))
    some = np.tile(masks[:3], 2)  # in another order, so that blocks lose one half
    yield "halves", [found.tolist() for _, found in sorted(Evaluator(halved, IDS, together=together).losses(some))]
    starts = [IDS[0, :7].tolist(), IDS[1, :4].tolist()]
    yield "written", [*greedy(loaded, masks[0], starts, 6)][-1]
    text = Windows(FITTED, TextProtocol("drawn", "whole", 20, 20, "none", len(FITTED), None, ""))
    for how in ("scale", "refit"):  # no gradients: torch's own are for one device of such a kind
        try:
            fitted, _ = come(compensate(loaded, text, ~np.isin(np.arange(len(masks[0])), CUTS), how))
        except UnsupportedModel:  # its blocks cannot be changed so, wherever they are
            continue
        yield how, [[mend.strength, mend.before, mend.after] for mend in fitted.cuts]


if __name__ == "__main__":
    main()
