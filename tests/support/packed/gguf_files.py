"""GGUF files of the small model that tests make, whole and in parts, by llama.cpp's own writer."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gguf import GGUFWriter
from safetensors.numpy import load_file

# In the order of the file: the names of a block's tensors in both worlds.
_BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_HEADS = {"attn_q": 4, "attn_k": 2}

Tensors = dict[str, np.ndarray]


def write(
    folder: Path, model: Path, change: Callable[[Tensors], object] = lambda _: None, part: int = 0, **extra: str
) -> list[Path]:
    """Writes a saved Llama as GGUF, in parts of `part` tensors if there is a number; gives the files.

    `change` may edit the tensors, and `extra` are further keys of the architecture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(folder / "model.gguf", "llama", split_max_tensors=part)
    writer.add_context_length(256)
    writer.add_embedding_length(32)
    writer.add_block_count(8)
    writer.add_feed_forward_length(48)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(258)
    writer.add_rope_dimension_count(8)
    writer.add_rope_freq_base(10000.0)
    for key, value in extra.items():
        writer.add_string(f"llama.{key.replace('_', '.')}", value)
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["th" if token == "~" else token for token in sorted(vocabulary, key=vocabulary.get)])
    writer.add_token_types([1] * 256 + [3, 3])
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(257)
    tensors = packed_tensors(model)
    change(tensors)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(folder.glob("*.gguf"))


def packed_tensors(model: Path) -> Tensors:
    """The tensors of a saved Llama under llama.cpp's names, queries and keys in its order."""
    saved = load_file(model / "model.safetensors")
    found = {"token_embd.weight": saved["model.embed_tokens.weight"], "output_norm.weight": saved["model.norm.weight"]}
    for layer in range(8):
        for name, packed in _BLOCK.items():
            tensor = saved[f"model.layers.{layer}.{name}.weight"]
            if heads := _HEADS.get(packed):
                tensor = tensor.reshape(heads, 2, -1, tensor.shape[1]).swapaxes(1, 2).reshape(tensor.shape)
            found[f"blk.{layer}.{packed}.weight"] = np.ascontiguousarray(tensor)
    return found
