"""The recurrences that benchmark models train with, against transformers' own: outputs and gradients."""

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, MambaConfig, PreTrainedConfig, RwkvConfig

from benchmarks.recurrence import Recurrence, fast

CONFIGS = {
    "mamba": MambaConfig(vocab_size=40, hidden_size=16, state_size=3, num_hidden_layers=3),
    "rwkv": RwkvConfig(vocab_size=40, hidden_size=16, num_hidden_layers=3),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_model_computes_and_learns_the_same(config: PreTrainedConfig) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64).train()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn_like(weight)
    ids = torch.randint(40, (2, 19))

    def once() -> list[Tensor]:
        logits = model(input_ids=ids, use_cache=False).logits
        return [logits, *torch.autograd.grad(logits.logsumexp(dim=-1).sum(), list(model.parameters()))]

    own = once()
    with fast():
        ours = once()
    again = once()
    for one, other, after in zip(own, ours, again, strict=True):
        # transformers computes some of it in float32 whatever the dtype.
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
        assert torch.equal(after, one)


def test_gradient_of_the_recurrence() -> None:
    torch.manual_seed(0)
    a, b = (torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(Recurrence.apply, (a, b))
