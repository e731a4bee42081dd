"""The table of architectures in docs/models.md: what tests/models prove of each family of random models, in words."""

from tests.support.families import FAMILIES, INEXPRESSIBLE, REFUSED, WITHOUT_EXPORT

# Fields of a family's configuration that a deletion changes, beside the number of layers.
MENDED: dict[str, tuple[str, ...]] = {
    "Qwen2": ("layer_types", "max_window_layers"),
    "Qwen3": ("layer_types", "max_window_layers"),
    "Gemma 2": ("layer_types",),
    "Gemma 3": ("layer_types",),
    "GPT-Neo": ("attention_types",),
    "OLMo 3": ("layer_types",),
    "Cohere 2": ("layer_types",),
    "SmolLM3": ("layer_types", "no_rope_layers"),
    "Qwen3-MoE": ("decoder_sparse_step", "mlp_only_layers"),
    "Llama 4": ("layer_types", "moe_layers", "no_rope_layers"),
    "DeepSeek-V3": ("first_k_dense_replace",),
    "GPT-OSS": ("layer_types",),
    "RecurrentGemma": ("block_types",),
    "Jamba": ("attn_layer_offset", "attn_layer_period", "expert_layer_offset", "expert_layer_period"),
    "Bamba": ("attn_layer_indices",),
    "LFM2": ("full_attn_idxs", "layer_types"),
    "Granite 4": ("layer_types",),
    "Nemotron-H": ("layers_block_type",),
    "Zamba 2": ("hybrid_layer_ids", "layers_block_type"),
    "ModernBERT Decoder": ("layer_types",),
}
# What else there is to say: of coalitions, and of exports.
_COALITIONS = {
    "xLSTM": "with `--dtype float32`: in bfloat16, which transformers' own forward does not compute, it is refused",
    "Gemma 3n": "its last blocks reuse keys and values of earlier ones, which then cannot be dropped",
}
_EXPORTS = {
    "GPT-2": (
        "with `scale_attn_by_inverse_layer_idx` only the last layers can go, since a block divides its attention "
        "scores by its own number"
    ),
    "GPT-Neo": "attention written out layer by layer",
    "Qwen3-MoE": "every layer without experts is named",
    "RWKV": (
        "the norm of the embedding, which the first block holds, goes to the new first block; `rescale_every` is 0 "
        "unless the weights are float16"
    ),
    "RecurrentGemma": "blocks written out layer by layer",
    "Jamba": (
        "its configuration can say that attention, and experts, come at one period each; other removals are refused"
    ),
    "Zamba 2": (
        "its attention layers share weights in turn, so that only the Mamba layers between can go; other removals are "
        "refused"
    ),
    "ModernBERT Decoder": (
        "not without the first block, since the model builds its first block without the norm that others have"
    ),
    "DiffLlama": "a block's `lambda_init` follows from its number, and no field of the configuration sets it",
    "MiniMax": "how fast its linear attention decays follows from a block's number and the number of blocks",
}


def table() -> str:
    """The rows, in Markdown."""
    rows = [f"| {family} | {_coalitions(family)} | {_export(family)} |" for family in FAMILIES]
    return "\n".join(["| family | coalitions | export |", "| --- | --- | --- |", *rows])


def _coalitions(family: str) -> str:
    return _joined("refused" if family in REFUSED else "fast", _COALITIONS.get(family))


def _export(family: str) -> str:
    if family in REFUSED:
        return "refused"
    verdict = "refused" if family in WITHOUT_EXPORT else "in part" if family in INEXPRESSIBLE else "exact"
    fields = " and ".join(", ".join(f"`{field}`" for field in MENDED.get(family, ())).rsplit(", ", 1))
    return _joined(verdict, _EXPORTS.get(family)) + (f"; {fields} mended" if fields else "")


def _joined(verdict: str, note: str | None) -> str:
    """A note says why not, or what else there is."""
    return verdict if note is None else f"{verdict}{'; ' if verdict in ('fast', 'exact') else ': '}{note}"
