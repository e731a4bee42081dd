"""Folders and texts that want something executed, fetched, opened or written: changed copies of a small model."""

import gzip
import json
import pickle
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

Change = Callable[[Path, Path], Any]  # the folder, and another that is nobody's business
HUB = "somebody/elsewhere"


class Trap:
    """A pickle that leaves a mark when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def fields(name: str, **changed: Any) -> Change:
    """Writes entries into a file of settings."""

    def change(folder: Path, _: Path) -> None:
        file = folder / name
        file.write_text(json.dumps((json.loads(file.read_text()) if file.exists() else {}) | changed))

    return change


def both(*changes: Change) -> Change:
    return lambda folder, elsewhere: [change(folder, elsewhere) for change in changes]


def code(folder: Path, elsewhere: Path) -> None:
    """Files that somebody's Python, git, make or transformers would run where it looks for them."""
    mark = f"open({str(elsewhere / 'mark')!r}, 'w').close()\n"
    for name in (
        "own.py",
        "sitecustomize.py",
        "usercustomize.py",
        "conftest.py",
        "torch.py",
        "custom_generate/generate.py",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(mark)
    for name in ("LICENSE.pth", "LICENSE.py", "NOTICE.pth"):
        (folder / name).write_text(f"import os; {mark}")
    (folder / "custom_generate" / "requirements.txt").write_text(f"{HUB}\n")
    (folder / "LICENSE.txt").write_text("Do as you like.")


def pickles(folder: Path, elsewhere: Path) -> None:
    for name in ("pytorch_model.bin", "model.pt", "consolidated.00.pth", "optimizer.pkl", "training_args.bin"):
        (folder / name).write_bytes(pickle.dumps(Trap(elsewhere / "mark")))
    torch.save({"weight": Trap(elsewhere / "mark")}, folder / "tokenizer.pt")


def pickles_only(folder: Path, elsewhere: Path) -> None:
    (folder / "model.safetensors").unlink()
    pickles(folder, elsewhere)


def template(text: str) -> Change:
    def change(folder: Path, elsewhere: Path) -> None:
        (folder / "chat_template.jinja").write_text(text.replace("ELSEWHERE", str(elsewhere)))

    return change


def link(name: str) -> Change:
    """A file that is a link to one outside, which is what it should be."""

    def change(folder: Path, elsewhere: Path) -> None:
        outside = elsewhere / f"{folder.name}-{name}"
        shutil.move(folder / name, outside) if (folder / name).exists() else outside.write_text("{}")
        (folder / name).symlink_to(outside)

    return change


# Whole models of an architecture that transformers knows; what lies beside them is never touched.
BESIDE: dict[str, Change] = {
    "nothing": lambda folder, _: None,
    "code": code,
    "pickles": pickles,
    "code and pickles": both(code, pickles),
    "names": both(
        fields("config.json", _name_or_path=HUB, base_model_name_or_path=HUB, custom_generate=HUB),
        fields("tokenizer_config.json", name_or_path=HUB, _commit_hash="0" * 40, transformers_version="4.40.0"),
        fields("generation_config.json", custom_generate=HUB, _from_model_config=False),
    ),
    # Where it does not know a tokenizer for a local one, transformers asks the Hub whether its pattern is mended.
    "mistral": fields(
        "config.json", model_type="mistral", architectures=["MistralForCausalLM"], transformers_version="4.40.0"
    ),
    "merged adapter": fields("adapter_config.json", base_model_name_or_path=HUB, peft_type="LORA"),
}
# They want what they shall not have, and are refused.
REFUSED: dict[str, Change] = {
    "pickles alone": pickles_only,
    "own model": both(code, fields("config.json", auto_map={"AutoModelForCausalLM": "own.Model"})),
    "own config": both(code, fields("config.json", model_type="own", auto_map={"AutoConfig": "own.Config"})),
    "own tokenizer": both(code, fields("tokenizer_config.json", auto_map={"AutoTokenizer": ["own.T", None]})),
    "their code": fields("config.json", auto_map={"AutoModelForCausalLM": f"{HUB}--own.Model"}),
    "adapter": both(
        lambda folder, _: (folder / "model.safetensors").rename(folder / "adapter_model.safetensors"),
        fields("adapter_config.json", base_model_name_or_path=HUB, peft_type="LORA"),
    ),
    "kernel": fields("config.json", attn_implementation="kernels-community/flash-attn"),
    "inner kernel": fields("config.json", _attn_implementation=f"{HUB}:run"),
    "linked config": link("config.json"),
    "linked weights": link("model.safetensors"),
    "linked tokenizer": link("tokenizer.json"),
    "linked template": link("chat_template.jinja"),
    "shards elsewhere": fields("model.safetensors.index.json", weight_map={"model.norm.weight": "../secret"}),
    "vocabulary elsewhere": fields("tokenizer_config.json", vocab_file="/etc/passwd"),
}  # fmt: skip
if find_spec("peft") is not None:  # which would follow what is left over
    REFUSED["merged adapter"] = BESIDE.pop("merged adapter")
# Templates of chats that reach for files and for Python; a chat is refused, or rendered without them.
TEMPLATES: dict[str, str] = {
    "plain": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    "include": "{% include 'ELSEWHERE/secret' %}",
    "import": "{% import 'ELSEWHERE/secret' as found %}{{ found }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('touch ELSEWHERE/mark') }}",
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "strftime": "{{ strftime_now.__globals__['datetime'].sys.modules['os'].system('touch ELSEWHERE/mark') }}",
}


def made(tiny: Path, folder: Path, elsewhere: Path, change: Change) -> Path:
    """A copy of the small model with a change."""
    shutil.copytree(tiny, folder)
    change(folder, elsewhere)
    return folder


def write_texts(folder: Path, elsewhere: Path, text: str) -> dict[str, Path]:
    """Good texts in packed forms, and texts that hold pickles or names of other places."""
    rows = [text[start : start + 400] for start in range(0, 4000, 400)]
    lines = "".join(json.dumps({"text": row}) + "\n" for row in rows)
    files = {
        "good parquet": "a.parquet",
        "good jsonl.gz": "b.jsonl.gz",
        "pickled type": "c.parquet",
        "pickled file": "d.txt",
    }
    files |= {"pickled parquet": "e.parquet", "addresses": "f.jsonl.gz"}
    paths = {name: folder / file for name, file in files.items()}
    pq.write_table(pa.table({"text": rows}), paths["good parquet"])
    paths["good jsonl.gz"].write_bytes(gzip.compress(lines.encode()))
    # Arrow once unpickled the type of such a column.
    marked = {b"ARROW:extension:name": b"arrow.py_extension_type"}
    marked[b"ARROW:extension:metadata"] = pickle.dumps(Trap(elsewhere / "mark"))
    schema = pa.schema([pa.field("text", pa.string(), metadata=marked)])
    pq.write_table(pa.table({"text": rows}, schema=schema), paths["pickled type"])
    for name in ("pickled file", "pickled parquet"):
        paths[name].write_bytes(pickle.dumps([Trap(elsewhere / "mark")]))
    links = "".join(
        json.dumps({"text": f"http://localhost:9/{row}", "url": "file:///etc/passwd"}) + "\n" for row in rows
    )
    paths["addresses"].write_bytes(gzip.compress(links.encode()))
    return paths
