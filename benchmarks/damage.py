"""Valid files of five kinds, damaged by chance: each is read as it is, or refused by name."""

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from core.checkpoint.config import check_weights, read_config
from core.checkpoint.gguf_header import read_header
from core.checkpoint.headers import headers
from core.checkpoint.safety import check_folder
from core.checkpoint.size import shape_of
from core.errors import QuorumError
from core.text.corpora import read
from tests.support.models import save_model

# What a number, or a value of JSON, becomes.
_VALUES = (b"0", b"-1", b"1e9", b"1000000000", b"9" * 30, b"9" * 5000, b"NaN", b"-Infinity", b"null", b"[]", b"{}")
_VALUES += (b'""', b'"\\ud800"', b"[1,[2]]", b"true", b'"../x"', b"0.5")
_BYTES = (b"\x00", b"\xff", b"{", b"}", b"[" * 50, b'"', b",", b"\xef\xbb\xbf", b"\r", b"\xff" * 8, b"\x00" * 8)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content after one to four changes: bytes flipped, put in, cut out or doubled, values of JSON replaced."""
    for _ in range(chance.randint(1, 4)):
        at, to = sorted(chance.randrange(len(content) + 1) for _ in range(2))
        values = list(re.finditer(rb"-?\d+(?:\.\d+)?|true|false|null|\"[^\"]{0,40}\"", content[:100_000]))
        match chance.randrange(6):
            case 0 if at < len(content):
                content = content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :]
            case 1:
                content = content[:at]
            case 2:
                content = content[:at] + content[min(to, at + 64) :]
            case 3:
                content = content[:at] + chance.choice(_BYTES) + content[at:]
            case 4:
                content = content[:to] + content[at : min(to, at + 200)] + content[to:]
            case _ if values:
                found = chance.choice(values)
                content = content[: found.start()] + chance.choice(_VALUES) + content[found.end() :]
    return content


class Readers:
    """One valid file of each kind, below a folder, and what reads it."""

    def __init__(self, folder: Path, write_gguf: Callable[[Path], object]) -> None:
        self._model = save_model(folder / "model")
        self._index = save_model(folder / "sharded")
        (self._index / "model.safetensors").rename(self._index / "a.safetensors")
        weights = dict.fromkeys(headers(self._model), "a.safetensors")
        (self._index / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))
        self._gguf, self._lines, self._table = folder / "m.gguf", folder / "t.jsonl", folder / "t.parquet"
        write_gguf(self._gguf)
        rows = [{"text": f"line {number} é", "n": number} for number in range(30)]
        self._lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
        pd.DataFrame(rows).to_parquet(self._table)
        self.kinds: dict[str, tuple[Path, Callable[[], object]]] = {
            "configuration": (self._model / "config.json", lambda: self._check(self._model)),
            "safetensors": (self._model / "model.safetensors", lambda: self._check(self._model)),
            "index": (self._index / "model.safetensors.index.json", lambda: self._check(self._index)),
            "gguf": (self._gguf, lambda: read_header(self._gguf)),
            "jsonl": (self._lines, lambda: read(str(self._lines), "whole")),
            "parquet": (self._table, lambda: read(str(self._table), "whole")),
        }

    def refuses(self, kind: str, seed: int) -> bool:
        """Whether the file of a kind, damaged by a seed, is refused; any error that has no name is passed on."""
        file, check = self.kinds[kind]
        whole = file.with_name(f"{file.name}.whole")
        shutil.copyfile(file, whole)
        try:
            content, chance = whole.read_bytes(), random.Random(seed)
            head = 10_000 if kind == "safetensors" else len(content)  # weights may be any bytes
            file.write_bytes(damaged(content[:head], chance) + content[head:])
            check()
        except QuorumError as error:
            assert error.message and error.hint
            return True
        finally:
            whole.replace(file)
        return False

    @staticmethod
    def _check(folder: Path) -> None:
        shape_of(str(folder))
        check_folder(folder)
        check_weights("it", read_config("it", folder), folder)
