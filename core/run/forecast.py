"""What a run will take, before it begins: arithmetic on the sizes of the model and of the request.

Memory follows from what the evaluator keeps (`evaluate.evaluator`, `evaluate.packing`); compute is counted in
block-token evaluations, as `evaluate.meter` does, with the prefixes that a run's rounds share. Time is that at an
earlier run's rate.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.checkpoint.size import BYTES, Shape
from core.coalitions.masks import Masks, own_layers
from core.coalitions.measurements import Floats
from core.evaluate import limits
from core.sampling.samplers import rounds

# Python with torch, transformers and scikit-learn, before any weights: measured, in bytes, of main memory.
_PROGRAM = 500 * 2**20


@dataclass(frozen=True)
class Memory:
    """Bytes at once, by what they are for."""

    weights: int
    packed: int  # the second copy, laid out for the processor's multiplication
    states: int  # one hidden state for each depth
    logits: int
    exact: int  # the float32 model that says what 16 bits cost; what measuring took has been given back then
    program: int  # which other memory has no part in

    @property
    def total(self) -> int:
        """The most at any moment, of the memory of what computes."""
        return self.program + self.weights + max(self.packed + self.states + self.logits, self.exact)


def memory(shape: Shape, sequences: int, length: int, dtype: str, device: str) -> Memory:
    """The memory of a run.

    Args:
        shape: of the model.
        sequences: calibration windows.
        length: tokens in each.
        dtype: float32, bfloat16 or float16.
        device: cpu, or else an accelerator, where no weights are packed.
    """
    size, vocabulary = BYTES[dtype], shape.vocabulary
    tokens, _ = limits.CPU if device == "cpu" else limits.ACCELERATOR
    batch = min(sequences, max(1, tokens // length))
    at_once = min(batch, limits.at_once(device, length, vocabulary))
    embedding = 0 if shape.tied else vocabulary * shape.hidden
    packed = (shape.plain - embedding) * size if device == "cpu" and dtype != "float16" else 0
    a_sequence = (shape.layers + 1) * length * shape.hidden * size
    room = limits.states_on(device)
    kept = sequences if sequences * a_sequence <= room else room // (a_sequence * batch) * batch
    states = kept * a_sequence
    if device != "cpu" and batch == sequences:  # several of them may go through a block at a time
        waiting = 2 * limits.TOGETHER * (shape.layers + 2) * length * shape.hidden * size * sequences
        states = max(states, min(room, states + waiting))
    compared = dtype != "float32" and shape.plain == shape.parameters <= limits.CHECKED
    return Memory(
        weights=shape.weights(dtype),
        packed=packed if packed <= limits.PACKED else 0,
        states=states,
        # The loss is summed up in float32, one sequence at a time: a copy of its logits, and their log softmax.
        logits=(at_once * size + 2 * BYTES["float32"]) * length * vocabulary,
        exact=shape.parameters * BYTES["float32"] if compared else 0,
        program=_PROGRAM if device != "cuda" else 0,
    )


def work(masks: Masks, missing: NDArray[np.bool_], head: float) -> float:
    """Block evaluations a token that a run's missing coalitions take, heads counted as the blocks that they equal.

    Args:
        masks: the blocks that are computed, (1 + masks, layers), as the run walks them: the whole model first.
        missing: (1 + masks,), True where a coalition has not been measured.
        head: what a head costs, in blocks.
    """
    return float(costs(masks, missing, head).sum())


def costs(masks: Masks, missing: NDArray[np.bool_], head: float) -> Floats:
    """The same of each coalition, (1 + masks,): what it has in common with the one before it is no cost of its own."""
    found = np.zeros(len(masks))
    for low, high in pairwise(rounds(len(masks) - 1)):
        rows = low + np.flatnonzero(missing[low:high])
        found[rows] = own_layers(masks[rows]) + head
    return found
