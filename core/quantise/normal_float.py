"""What runs in a process with bitsandbytes: NF4, written before anything is computed with it.

After the first forward on a processor its weights lie in another order, and what is saved then is another model.

Arguments: the model's folder, the new folder, and the size of groups, of which it knows one.
"""

import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig


def main() -> None:
    source, out, _ = sys.argv[1:]
    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    placed = {"device_map": {"": "cpu"}, "dtype": "auto", "trust_remote_code": False}
    model = AutoModelForCausalLM.from_pretrained(source, quantization_config=settings, **placed)
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(source, trust_remote_code=False).save_pretrained(out)


if __name__ == "__main__":
    main()
