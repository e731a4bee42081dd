"""Rivals that mend what they cut, against their definitions by plain transformers, numpy and scipy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from torch.nn.functional import cosine_similarity
from transformers import AutoModelForCausalLM

from cache.database import Database
from cache.store import Store
from core.baselines import compensated, table
from core.baselines.compare import Match
from core.baselines.compensated import linearpatch, prune_comp, replaceme
from core.baselines.compensated.hadamard import hadamard
from core.baselines.compensated.repair import Repair, repaired
from core.baselines.contest import Contest
from core.baselines.lorp import clusters_of, removal_order
from core.baselines.table import REPAIRS, RIVALS
from core.checkpoint.checkpoint import locate
from core.errors import QuorumError
from core.evaluate.meter import Meter
from core.model.masked import playing
from core.model.model import LoadedModel, load
from core.records.events import Compared, Event, Stage
from core.records.plans import METHODS, Comparison
from core.records.spec import RunSpec
from core.run.engine import Engine
from tests.support.models import LAYERS, save_model

IDS = torch.randint(0, 256, (10, 12), generator=torch.Generator().manual_seed(1))
FIT = torch.randint(0, 256, (9, 14), generator=torch.Generator().manual_seed(2))


def contest(loaded: LoadedModel, *counts: int) -> Contest:
    return Contest(loaded, IDS, Meter(loaded, IDS, (10,)), counts, fit=FIT)


@pytest.fixture
def uneven(tmp_path: Path) -> LoadedModel:
    """A model whose least layers are in its midst, so that a scale has layers behind it."""
    model = AutoModelForCausalLM.from_pretrained(save_model(tmp_path), dtype=torch.float32)
    with torch.no_grad():
        for place, factor in ((1, 0.3), (3, 0.2), (4, 0.25), (6, 0.35)):
            model.model.layers[place].self_attn.o_proj.weight *= factor
            model.model.layers[place].mlp.down_proj.weight *= factor
    model.save_pretrained(tmp_path)
    return load(locate(str(tmp_path)), "float32", "cpu")


def plain(loaded: LoadedModel) -> Any:
    """The model by transformers alone; its head is its own."""
    model = AutoModelForCausalLM.from_pretrained(loaded.checkpoint.folder, dtype=torch.float32).eval()
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    return model


def states(model: Any, ids: torch.Tensor) -> list[torch.Tensor]:
    """Hidden states before each layer, and behind the last one, before the final norm."""
    found: list[torch.Tensor] = []
    handles = [layer.register_forward_pre_hook(lambda _, args: found.append(args[0])) for layer in model.model.layers]
    handles.append(model.model.norm.register_forward_pre_hook(lambda _, args: found.append(args[0])))
    with torch.inference_mode():
        model(input_ids=ids, use_cache=False)
    for handle in handles:
        handle.remove()
    return found


def without(model: Any, removed: tuple[int, ...]) -> Any:
    model.model.layers = torch.nn.ModuleList(
        layer for place, layer in enumerate(model.model.layers) if place not in removed
    )
    return model


def logits(loaded: LoadedModel, removed: tuple[int, ...], repair: Repair) -> torch.Tensor:
    mask = ~np.isin(np.arange(LAYERS), removed)
    with torch.inference_mode(), playing(loaded, mask), repaired(loaded, repair):
        found: torch.Tensor = loaded.model(input_ids=IDS, use_cache=False).logits
    return found


@contextmanager
def hooked(module: torch.nn.Module, hook: Any) -> Iterator[None]:
    handle = module.register_forward_hook(hook)
    yield
    handle.remove()


def test_hadamard_matrices() -> None:
    for order in (1, 2, 4, 32, 256):
        assert np.array_equal(hadamard(order) * np.sqrt(order), scipy.linalg.hadamard(order))
    for order in (12, 20, 28, 36, 44, 576, 960, 1536):
        found = hadamard(order)
        assert found is not None and np.allclose(np.abs(found), order**-0.5)
        assert np.allclose(found @ found.T, np.eye(order), atol=1e-9)
    assert hadamard(6) is None and hadamard(70) is None, "there is none"


def test_prune_comp_is_its_loop_on_plain_models(uneven: LoadedModel) -> None:
    """As its code has it: layers are deleted, and what stands before them is multiplied, the embedding too."""
    asked = contest(uneven, 1, 2, 4)
    plans, model = prune_comp.prune_comp(asked), plain(uneven)
    left, gone = list(range(LAYERS)), []
    for player, scale in asked.path:
        seen = states(model, IDS)
        influence = [1 - cosine_similarity(one, other, dim=-1).mean().item() for one, other in pairwise(seen)]
        place = int(np.argmin(influence))
        sizes = [state.abs().mean(dim=1) for state in states(model, FIT)]
        assert player == left.pop(place)
        assert scale == pytest.approx((sizes[place + 1] / sizes[place]).mean().item(), rel=1e-3)
        gone.append(player)
        without(model, (place,))
        with torch.no_grad():
            model.model.embed_tokens.weight *= scale
            for layer in model.model.layers[:place]:
                layer.self_attn.o_proj.weight *= scale
                layer.mlp.down_proj.weight *= scale
    assert plans == {count: tuple(sorted(gone[:count])) for count in (1, 2, 4)}
    with torch.inference_mode():
        theirs = model(input_ids=IDS, use_cache=False).logits
    ours = logits(uneven, plans[4], prune_comp.repair(asked, plans[4]))
    assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * theirs.abs().max().item())
    assert not torch.allclose(ours, logits(uneven, plans[4], Repair()), rtol=1e-2)


@pytest.mark.parametrize("count", [1, 3])
def test_replaceme_is_least_squares_and_its_fused_model_has_the_map(count: int, tiny_loaded: LoadedModel) -> None:
    asked = contest(tiny_loaded, count)
    removed = RIVALS["replaceme"](asked)[count]
    model = plain(tiny_loaded)
    last = [state[:, -1] for state in states(model, IDS)]
    turns = {
        first: cosine_similarity(last[first], last[first + count], dim=-1).arccos().mean().item()
        for first in range(1, LAYERS - count + 1)
    }
    begin = min(turns, key=lambda first: turns[first])
    assert removed == tuple(range(begin, begin + count))
    answers: list[torch.Tensor] = []
    with hooked(model.model.layers[begin - 1].mlp, lambda _, __, output: answers.append(output)):
        seen = states(model, FIT)
    m, before, behind = (
        state.reshape(-1, 32).double().numpy() for state in (answers[0], seen[begin], seen[begin + count])
    )
    matrix = torch.from_numpy(np.linalg.lstsq(m, behind - before + m, rcond=None)[0]).float()
    mlp = without(model, removed).model.layers[begin - 1].mlp
    with torch.inference_mode(), hooked(mlp, lambda _, __, output: output @ matrix):
        theirs = model(input_ids=IDS, use_cache=False).logits
    repair = replaceme.repair(asked, removed)
    assert [name.split(".")[2] for name in repair.patches] == [str(begin - 1)] and not repair.matrices
    ours = logits(tiny_loaded, removed, repair)
    assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * theirs.abs().max().item())


@pytest.mark.parametrize("count", [1, 3])
def test_linearpatch_is_its_matrix_at_the_cut(count: int, tiny_loaded: LoadedModel) -> None:
    asked = contest(tiny_loaded, count)
    removed = RIVALS["linearpatch"](asked)[count]
    model = plain(tiny_loaded)
    seen = states(model, IDS)
    alike = {
        first: cosine_similarity(seen[first], seen[first + count], dim=-1).mean().item()
        for first in range(1, LAYERS - count)
    }
    begin = max(alike, key=lambda first: alike[first])
    assert removed == tuple(range(begin, begin + count))
    turned = scipy.linalg.hadamard(32) / np.sqrt(32)
    before, behind = (
        np.abs(states(model, FIT)[place].numpy() @ turned).mean(axis=1) for place in (begin, begin + count)
    )
    matrix = torch.from_numpy(turned @ np.diag((behind / before).mean(axis=0)) @ turned.T).float()
    repair = linearpatch.repair(asked, removed)
    assert torch.allclose(repair.matrices[begin], matrix, rtol=1e-4, atol=1e-5) and not repair.patches
    layer = without(model, removed).model.layers[begin - 1]
    with torch.inference_mode(), hooked(layer, lambda _, __, output: output @ matrix):
        theirs = model(input_ids=IDS, use_cache=False).logits
    ours = logits(tiny_loaded, removed, repair)
    assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * theirs.abs().max().item())


def test_a_bias_goes_through_the_map_too(tmp_path: Path) -> None:
    """GPT-2 has one, and keeps its weights the other way round."""
    loaded = load(locate(str(save_model(tmp_path, "gpt2"))), "float32", "cpu")
    asked = contest(loaded, 2)
    removed = RIVALS["replaceme"](asked)[2]
    repair = replaceme.repair(asked, removed)
    before, answers = loaded.blocks.modules[removed[0] - 1].mlp, []
    with torch.inference_mode(), hooked(before, lambda _, __, output: answers.append(output)):
        loaded.model(input_ids=IDS)
        with repaired(loaded, repair):
            loaded.model(input_ids=IDS)
    plain_answer, mapped = (answer.reshape(-1, 32).double().numpy() for answer in answers)
    matrix = np.linalg.lstsq(plain_answer, mapped, rcond=None)[0]
    assert np.allclose(plain_answer @ matrix, mapped, rtol=1e-3, atol=1e-3 * np.abs(mapped).max()), "a linear map"


def test_lorp_takes_one_of_each_cluster_and_then_where_most_is_alike() -> None:
    alike = np.full((8, 8), 0.1)
    alike[:4, :4], alike[4:, 4:] = 0.8, 0.9
    np.fill_diagonal(alike, 1)
    alike[1, 2] = alike[2, 1] = 0.85
    clusters = clusters_of(alike)
    mean = alike[np.triu_indices(8, 1)].mean()
    assert -np.log2(mean) >= 1 and clusters == [[0, 1, 2, 3], [4, 5, 6, 7]]
    # 1 and 2 are most alike to the others of theirs, 4 to 6 all the same; then the second cluster is more alike, until
    # only one of it stays: it has no pair left. Of the first, 0 may not go.
    assert removal_order(alike, clusters, {0, 7}) == [1, 4, 5, 6, 2, 3]
    assert len(clusters_of(alike + 0.12)) == 3 and len(clusters_of(alike + 0.25)) == 4


MATCH = Match(("prune-comp", "replaceme", "linearpatch", "lorp"), (1, 3), compensate="refit", fit=24)


def events(spec: RunSpec, cache_file: Path, match: Match = MATCH) -> Iterator[Event]:
    return Engine(Store(Database(cache_file))).compare(replace(spec, dtype="float32"), match)


def ended(spec: RunSpec, cache_file: Path, match: Match = MATCH) -> Comparison:
    *_, last = events(spec, cache_file, match)
    assert isinstance(last, Compared)
    return last.comparison


def test_compared_stopped_and_asked_again(
    spec: RunSpec, cache_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ended(spec, tmp_path / "whole.duckdb")
    for method in whole.methods:
        plain, own = [plan.plain for plan in method.compensated], [plan.perplexity for plan in method.plans]
        assert (plain == pytest.approx(own)) == (not METHODS[method.method].mends), method.method
        assert method.exportable == (method.method != "linearpatch")
    turns, growth = [], prune_comp.growth
    monkeypatch.setattr(prune_comp, "growth", lambda *asked: [turns.append(asked[2:]), growth(*asked)][1])
    fits: list[tuple[str, tuple[int, ...]]] = []

    def counted(name: str) -> Any:
        fit = REPAIRS[name]
        return lambda contest, removed: [fits.append((name, removed)), fit(contest, removed)][1]

    for name in [*REPAIRS]:
        monkeypatch.setitem(table.REPAIRS, name, counted(name))
    steps = events(spec, cache_file)
    for event in steps:
        if isinstance(event, Stage) and event.text == "replaceme fits after removing 3":
            steps.close()
    assert len(turns) == 3 and [name for name, _ in fits] == ["prune-comp", "prune-comp", "replaceme"]
    assert ended(spec, cache_file) == whole
    assert len(turns) == 3 and len(fits) == len(set(fits)) == 6, "nothing is fitted twice"
    more = ended(spec, cache_file, replace(MATCH, methods=("prune-comp",), counts=(3, 4), compensate="none"))
    assert len(turns) == 4, "the path goes on from where it was"
    assert more.methods[0].plans[0] == whole.methods[0].plans[1] and more.fitted == whole.fitted


def test_what_a_model_cannot_be_is_refused_before_anybody_chooses(
    spec: RunSpec, cache_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compensated.linearpatch, "hadamard", lambda order: None)
    normed = str(save_model(tmp_path / "normed", "gemma3"))
    for name, model in (("prune-comp", normed), ("replaceme", normed), ("linearpatch", spec.model)):
        told = []
        with pytest.raises(QuorumError, match=name) as refusal:
            for event in events(replace(spec, model=model), cache_file, Match(("sleb", name), (1,), fit=24)):
                told += [event.text] if isinstance(event, Stage) else []
        assert f"Leave out {name}" in refusal.value.hint and not any("chooses" in text for text in told)
