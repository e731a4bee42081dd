"""How much memory an evaluation may take. Without torch: a forecast needs these before anything is loaded."""

# Bytes that the hidden states of one evaluator may take; sequences beyond it go through a plain forward for each mask.
STATES = 2**30
# The largest second copy of the weights that is made, in bytes.
PACKED = 2**31
# Tokens in a batch, and logits alive at once in elements: small enough for a processor's cache, large enough for a GPU.
CPU, ACCELERATOR = (1280, 2**24), (2**14, 2**28)
# A larger model is not loaded a second time, only to say what 16 bits cost; in parameters.
CHECKED = 500_000_000
