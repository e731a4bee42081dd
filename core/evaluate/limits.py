"""How much memory an evaluation may take. Without torch: a forecast needs these before anything is loaded."""

# Bytes that the hidden states of one evaluator may take, on a CPU and elsewhere; sequences beyond it go through a plain
# forward for each mask.
STATES = 2**30, 2**32
# The most hidden states that go through a block at a time, off the CPU.
TOGETHER = 64
# The largest second copy of the weights that is made, in bytes.
PACKED = 2**31
# Tokens in a batch, and logits alive at once in elements: small enough for a processor's cache, large enough for a GPU.
CPU, ACCELERATOR = (1280, 2**24), (2**14, 2**28)
# A larger model is not loaded a second time, only to say what 16 bits cost; in parameters.
CHECKED = 500_000_000


def at_once(device: str, length: int, vocabulary: int) -> int:
    """Sequences that may have logits at a time, each of `length` tokens."""
    _, logits = CPU if device == "cpu" else ACCELERATOR
    return max(1, logits // (length * vocabulary))


def states_on(device: str) -> int:
    """Bytes that hidden states may take on a device."""
    return STATES[device != "cpu"]
