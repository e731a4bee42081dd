"""A text of a model's own is drawn from plain transformers' distribution, written once, and read by every command."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from app.requests import located
from app.words import called
from cache.in_memory import InMemory
from cache.store import Store
from core.errors import CorpusError
from core.evaluate.continuing import own_text
from core.evaluate.continuing.continuations import prompt_ids
from core.evaluate.game import Games
from core.model.model import LoadedModel
from core.paths import own_name
from core.pauses import come
from core.records.looks import Refusal, TextSeen
from core.records.spec import RunSpec, TextSpec
from core.run.look import look
from core.text.self_written.prompt_file import EACH, check_prompts, prompts_of
from core.text.self_written.prompts import PROMPTS
from tests.support.commands import Cli


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "prompts.txt"
    file.write_text("The 7th traveller\n\n  told a longer tale of \r\nWinter\n")
    return file


@pytest.fixture
def spec(tiny: Path, prompts: Path) -> RunSpec:
    return RunSpec(str(tiny), f"self:{prompts}", sequences=4, window=16, masks=40, dtype="float32", device="cpu")


def opened(spec: RunSpec, split: str = "calibration") -> Any:
    return come(Games(Store(InMemory())).open(spec, spec.text(split), lambda _: None))


def test_each_token_is_drawn_as_plain_forwards_would_draw_it(tiny: Path, tiny_loaded: LoadedModel) -> None:
    """A text of its own, with the generator of its prompt; a text that ends, or fills all positions, begins anew."""
    starts = [prompt_ids(tiny_loaded, prompt) for prompt in ("The 7th traveller", "Winter", "A tale of long ago")]
    found = come(own_text._sampled(tiny_loaded, starts, range(3), own_text._room(tiny_loaded, starts)))
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    for place, (start, texts) in enumerate(zip(starts, found, strict=True)):
        assert sum(map(len, texts)) == EACH and len(texts) > 1, "256 positions hold no text of 768 tokens"
        draws = torch.Generator().manual_seed(place)
        for token in texts[0][:40]:
            with torch.no_grad():
                shares = model(torch.tensor([start]), use_cache=False).logits[0, -1].softmax(-1)
            assert token == int(torch.multinomial(shares, 1, generator=draws))
            start = [*start, token]
        for text in texts:
            assert 257 not in text[:-1], "after its end nothing follows"


def test_it_is_written_once_and_halves_are_apart(
    spec: RunSpec, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(spec)
    [file] = (own_home / "written").glob("*/*.txt")
    assert first.windows.protocol.corpus == "self:prompts.txt"

    def again(*_: object) -> NoReturn:
        raise AssertionError("it is written again")

    with monkeypatch.context() as patch:
        patch.setattr(own_text, "_sampled", again)
        assert opened(spec).windows.protocol == first.windows.protocol
        tokenizer = first.loaded.checkpoint.tokenizer
        ids = tokenizer(file.read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"]
        begin, end = ids[: len(ids) // 2], ids[len(ids) // 2 :]
        for split, half in (("calibration", begin), ("evaluation", end)):
            cut = {tuple(half[place : place + 16]) for place in range(0, len(half), 16)}
            assert all(tuple(window[-16:].tolist()) in cut for window in opened(spec, split).windows.ids)
        Path(spec.corpus.removeprefix("self:")).write_text("Summer\n")
        with pytest.raises(AssertionError, match="written again"):
            opened(spec)


def test_stopped_in_the_middle_it_goes_on(
    tiny_loaded: LoadedModel, prompts: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, times, text = own_text._sampled, [0], TextSpec(f"self:{prompts}", "whole")
    monkeypatch.setattr(own_text, "_TOGETHER", 2)
    whole = come(own_text.own_corpus(tiny_loaded, text, ("A tale", "Winter", "Rain"))).text
    shutil.rmtree(own_home / "written")

    def stopped(*asked: Any) -> Any:
        times[0] += 1
        if times[0] == 2:
            raise KeyboardInterrupt
        return plain(*asked)

    monkeypatch.setattr(own_text, "_sampled", stopped)
    with pytest.raises(KeyboardInterrupt):
        come(own_text.own_corpus(tiny_loaded, text, ("A tale", "Winter", "Rain")))
    assert come(own_text.own_corpus(tiny_loaded, text, ("A tale", "Winter", "Rain"))).text == whole
    assert times == [3], "what was written is not written again"


def test_texts_do_not_depend_on_which_others_are_written_beside_them(
    tiny_loaded: LoadedModel, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do the second ones after a prompt, which go on with its generator where the first ones ended."""
    prompts = ("The 7th traveller told a longer tale", "Winter", "A tale of long ago")
    starts = [prompt_ids(tiny_loaded, prompt) for prompt in prompts]
    room = own_text._room(tiny_loaded, starts)
    beside = come(own_text._sampled(tiny_loaded, starts, range(3), room))
    alone = [text for p in range(3) for text in come(own_text._sampled(tiny_loaded, starts, range(p, p + 1), room))]
    assert beside == alone and all(len(texts) > 1 for texts in alone)
    text = TextSpec("self:", "whole")
    four = come(own_text.own_corpus(tiny_loaded, text, prompts)).text
    monkeypatch.setattr(own_text, "_TOGETHER", 2)
    assert come(own_text.own_corpus(tiny_loaded, text, prompts)).text == four, "files of four are none of two"


def test_run_perplexity_and_select_read_it(cli: Cli, tiny: Path, prompts: Path, own_home: Path) -> None:
    text = ("--model", tiny, "--dtype", "float32", "--corpus", f"self:{prompts}", "--window", 16)
    status, run, errors = cli("run", *text, "--sequences", 4, "--masks", 40, "--no-search")
    assert status == 0, errors
    [file] = (own_home / "written").glob("*/*.txt")
    written = file.stat().st_mtime_ns
    assert run["protocol"]["corpus"] == "self:prompts.txt"
    status, found, errors = cli("perplexity", *text, "--windows", 3)
    assert status == 0, errors
    assert found["protocol"]["corpus"] == "self:prompts.txt" and np.isfinite(found["perplexity"])
    status, found, errors = cli("select", run["run"], "--most", 2, "--units", 0.1)
    assert status == 0 and found["plans"], errors
    agreeing = ("--worth", "agreement", "--limit", 4, "--no-search")
    status, agreed, errors = cli("run", *text, "--sequences", 4, "--masks", 40, *agreeing)
    assert status == 0 and agreed["run"] == run["run"], errors
    [task] = agreed["needs"]["tasks"]
    assert (task["task"], task["answers"], task["items"]) == ("agreement", "accuracy", 4)
    assert "self:prompts.txt" in task["source"], "of the half that no run reads"
    status, stored, errors = cli("run", *text[:5], "self:", "--window", 16, "--sequences", 4, "--masks", 10)
    assert status == 0, errors
    assert stored["protocol"]["corpus"] == "self" and stored["run"] != run["run"]
    assert file.stat().st_mtime_ns == written and len([*(own_home / "written").iterdir()]) == 2


def test_what_cannot_be_written_is_refused_before_the_weights_are_read(
    cli: Cli, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object) -> NoReturn:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("core.evaluate.game.load", loaded)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "one.txt").write_text("Winter")
    (tmp_path / "no.txt").write_bytes(b"\xff\xfeW\0")
    for corpus, options, says in (
        (f"self:{tmp_path}/none.txt", (), "There is no file of prompts"),
        (f"self:{tmp_path}/empty.txt", (), "holds 0 prompts"),
        (f"self:{tmp_path}/no.txt", (), "not UTF-8"),
        (f"self:{tmp_path}", (), "self:"),
        (f"self:{tmp_path}/one.txt", ("--field", "text"), "no field"),
        (f"self:{tmp_path}/one.txt", ("--sequences", 10, "--window", 128), "Give 5 prompts or more"),
        (f"self:{tmp_path}/one.txt", ("--sequences", 1, "--window", 300, "--masks", 40), "256 positions"),
        (f"self:{tmp_path}/one.txt", ("--sequences", 1, "--window", 64, "--bos", "corpus", "--masks", 40), "One BOS"),
    ):
        status, answer, _ = cli("run", "--model", tiny, "--corpus", corpus, *options)
        error = answer["error"]
        assert status == 1 and error["kind"] == "CorpusError", error
        assert says in f"{error['message']} {error['hint']}" or says == "self:", error


def test_too_few_prompts_for_a_fit_are_refused_before_anything_is_written(cli: Cli, tiny: Path, own_home: Path) -> None:
    """The stored prompts give 7,680 tokens to fit on; 12,288 are taken unless --fit says otherwise."""
    text = ("--model", tiny, "--dtype", "float32", "--corpus", "self:", "--compensate", "scale", "--window", 128)
    for command in (("perplexity", *text, "--windows", 3, "--remove", "1"), ("compare", *text, "--sequences", 4)):
        status, answer, errors = cli(*command)
        assert status == 1, errors
        assert "96 x 128" in answer["error"]["message"] and "--fit" in answer["error"]["hint"]
        assert not (own_home / "written").exists()


@pytest.mark.parametrize(("split", "needed"), [("calibration", 1280), ("whole", 1280), ("evaluation", 5 * EACH)])
def test_as_many_prompts_as_are_named_are_enough(split: str, needed: int) -> None:
    """And not many more than it takes."""
    with pytest.raises(CorpusError) as refused:
        check_prompts("self:", split, 1, needed // 128, 128)
    count = int(refused.value.hint.split()[1])
    check_prompts("self:", split, count, needed // 128, 128)
    share = 1 if split == "whole" else 2
    assert (count - 2) * EACH // share < needed


def test_its_name_tells_no_folder_and_a_look_says_how_much_there_will_be(
    spec: RunSpec, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called(spec.corpus) == own_name(spec.corpus) == "self:prompts.txt"
    assert called("self:") == "self" and prompts_of("self:") == PROMPTS
    monkeypatch.chdir(tmp_path)
    assert located(replace(spec, corpus="self:prompts.txt")).corpus == spec.corpus
    seen = look(spec).text
    assert isinstance(seen, TextSeen) and seen.tokens == 3 * EACH // 2
    prompts.unlink()
    assert isinstance(look(spec).text, Refusal)
