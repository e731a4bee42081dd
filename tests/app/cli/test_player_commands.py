"""Players other than blocks by the command line, and what plain transformers makes of what they export."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from cache.keys import game_key
from core.checkpoint.checkpoint import locate
from core.coalitions.players import indexes, players_of
from core.errors import SelectionError
from core.export.export import export
from core.export.formats import whole_layers
from core.model.masked import playing
from core.model.model import load
from core.records.spec import ModelInfo, TextProtocol, TextSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.commands import Cli
from tests.support.models import CONFIGS, LAYERS, recipe_of, save_model

RUN = ("--sequences", 4, "--window", 16, "--masks", 40)


def test_a_run_of_halves(cli: Cli, tiny: Path, text_file: Path, tmp_path: Path) -> None:
    common = ("--model", tiny, "--corpus", text_file, "--players", "sublayer", "--protect", "0,7")
    status, run, errors = cli("run", *common, *RUN[:4], "--masks", 20, "--no-search")
    assert status == 0, errors
    names = [f"{block}{half}" for block in range(1, 7) for half in "am"]
    assert [item["layer"] for item in run["contributions"]] == names == run["model"]["players"]
    assert run["layers"] == LAYERS

    found = cli("interactions", run["run"])[1]
    pairs = {(pair["first"], pair["second"]): pair["value"] for pair in found["pairs"]}
    assert len(pairs) == 12 * 11 / 2
    assert [half["layer"] for half in found["halves"]] == list(range(1, 7))
    assert all(half["value"] == pairs[f"{half['layer']}a", f"{half['layer']}m"] for half in found["halves"])

    predicted = cli("predict", run["run"], "--remove", "3,5m")[1]
    assert predicted["removed"] == ["3a", "3m", "5m"] == [share["layer"] for share in predicted["shares"]]
    status, chosen, errors = cli("select", run["run"], "--protect", "2a", "--most", 1, "--units", 0.1)
    assert status == 0 and chosen["protected"] == ["2a"], errors
    assert all("2a" not in plan["removed"] and {*plan["removed"]} <= {*names} for plan in chosen["plans"])

    status, exported, errors = cli("export", run["run"], "--remove", "3,5m", "--out", tmp_path / "small")
    assert status == 0 and exported["verified"] and exported["removed"] == ["3a", "3m", "5m"], errors
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "small")
    whole = AutoModelForCausalLM.from_pretrained(tiny)
    assert exported["parameters"]["deleted"] == whole.num_parameters() - model.num_parameters() > 0
    assert model.config.num_hidden_layers == LAYERS - 1
    zero = [name for name, weight in load_file(tmp_path / "small" / "model.safetensors").items() if not weight.any()]
    assert zero == ["model.layers.4.mlp.down_proj.weight"]  # layer 5 of the whole model
    assert exported["parameters"]["zeroed"] == model.model.layers[4].mlp.down_proj.weight.numel()
    assert min(exported["seconds"].values()) > 0
    assert json.loads((tmp_path / "small" / "quorum.json").read_text())["removed"] == ["3a", "3m", "5m"]
    # What was exported has halves again, also the one that is zero.
    again = cli("perplexity", "--model", tmp_path / "small", "--corpus", text_file, "--windows", 3, *common[4:6])
    half = cli(
        "perplexity",
        "--model",
        tmp_path / "small",
        "--corpus",
        text_file,
        "--windows",
        3,
        "--remove",
        "4m",
        *common[4:6],
    )
    assert half[1]["perplexity"] == again[1]["perplexity"] and half[1]["removed"] == ["4m"]


def test_groups_and_protected_layers(cli: Cli, tiny: Path, text_file: Path) -> None:
    common = ("--model", tiny, "--corpus", text_file, "--dtype", "float32")
    status, run, errors = cli(
        "run", *common, *RUN[:4], "--masks", 10, "--players", "group:2", "--sampler", "exhaustive", "--no-search"
    )
    assert status == 0, errors
    assert [item["layer"] for item in run["contributions"]] == ["0-1", "2-3", "4-5", "6-7"]
    text = (*common, "--windows", 3)
    whole = cli("perplexity", *text, "--remove", "2,3,6,7")[1]
    for kind, remove in (("group:2", "2-3,6-7"), ("sublayer", "2,3,6-7"), ("block", "2-3,6-7")):
        found = cli("perplexity", *text, "--players", kind, "--remove", remove)[1]
        assert found["perplexity"] == whole["perplexity"]
    some = cli("perplexity", *text, "--protect", "0,7", "--remove", "2,3,6")[1]
    assert some["removed"] == [2, 3, 6] and some["model"]["players"] == list("123456")


def test_a_comparison_of_halves(cli: Cli, tiny: Path, text_file: Path) -> None:
    common = ("--model", tiny, "--corpus", text_file, "--sequences", 4, "--window", 16, "--players", "sublayer")
    status, found, errors = cli("compare", *common, "--counts", "2", "--units", 0.2, "--protect", "3")
    assert status == 0, errors
    assert [method["method"] for method in found["methods"]] == ["quorum", "one-shot", "taylor+", "sleb"]
    gone = {name for method in found["methods"] for plan in method["plans"] for name in plan["removed"]}
    assert gone and not gone & {"3a", "3m"}
    status, refused, _ = cli("compare", *common, "--methods", "shortgpt,sleb")
    assert status == 1 and "shortgpt cannot choose" in refused["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--players", "heads"], "no players heads"),
        (["--players", "group:9"], "cannot be made"),
        (["--protect", "8"], "cannot be protected: 8"),
        (["--protect", "0,1,2,3,4,5,6,7"], "nobody plays"),
        (["--players", "group:8"], "nothing to choose from"),
    ],
)
def test_impossible_players_are_refused_first(
    cli: Cli, tiny: Path, text_file: Path, arguments: list[object], said: str
) -> None:
    status, answer, errors = cli("run", "--model", tiny, "--corpus", text_file, *RUN, *arguments)
    assert status == 1 and answer["error"]["kind"] == "SelectionError", (answer, errors)
    assert said in answer["error"]["message"] and "Loading the model" not in errors


@pytest.mark.parametrize("family", CONFIGS)
def test_exported_halves_are_the_masked_model(family: str, tmp_path: Path, text_file: Path) -> None:
    """Logits of plain transformers, and generation with a cache as without one."""
    loaded = load(locate(str(save_model(tmp_path / family, family))), "float32", "cpu")
    loaded = loaded.played_by(players_of(LAYERS, "sublayer"))
    text = TextSpec(str(text_file), "evaluation", 16, 2)
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, text)
    removed = indexes(loaded.info.players, ["1a", "3", "5m", "6a"])
    export(loaded, windows, recipe_of(loaded, removed), tmp_path / "small")
    said = (tmp_path / "small" / "README.md").read_text()
    assert "without 1 of 8 layers and 3 halves of layers" in said and "| 8 | 7 |" in said and "1a, 5m, 6a" in said
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    with torch.inference_mode():
        with playing(loaded, ~np.isin(np.arange(2 * LAYERS), removed)):
            masked = loaded.model(input_ids=windows.ids).logits
        assert (model(input_ids=windows.ids).logits - masked).abs().max().item() == 0
        options = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0}
        cached = model.generate(windows.ids[:1], use_cache=True, **options)
        assert torch.equal(cached, model.generate(windows.ids[:1], use_cache=False, **options))


def test_other_tools_take_whole_layers() -> None:
    def whole(kind: str, *named: str, protect: tuple[int, ...] = ()) -> tuple[int, ...]:
        players = players_of(8, kind, protect)
        model = ModelInfo("tiny", "LlamaForCausalLM", 8, 1000, "fedcba9876543210", "float32", "cpu", players=players)
        return whole_layers(model, indexes(players, named))

    assert whole("group:3", "4-6", protect=(0,)) == (4, 5, 6)
    assert whole("sublayer", "4", "2") == (2, 4)
    with pytest.raises(SelectionError, match="half of some: 5m"):
        whole("sublayer", "4", "5m")


def test_games_of_blocks_keep_their_keys() -> None:
    """Evaluations of earlier releases are found again; other players have evaluations of their own."""
    protocol = TextProtocol("text", "calibration", 16, 16, "none", 4, 0, "0123456789abcdef")
    model = ModelInfo("tiny", "LlamaForCausalLM", 8, 1000, "fedcba9876543210", "float32", "cpu")
    keys = [
        game_key(ModelInfo(**{**vars(model), "players": players_of(8, kind, protect)}), protocol)
        for kind, protect in (("block", ()), ("group:1", ()), ("sublayer", ()), ("group:2", ()), ("block", (0,)))
    ]
    assert keys[0] == keys[1] == "4cd4bbe2655f1119"
    assert len({*keys}) == 4
