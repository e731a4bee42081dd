"""Small files that unpack to gigabytes: a part is read, or they are refused, and memory stays bounded."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from core.errors import CorpusError
from core.text import documents
from core.text.corpora import read

CHILD = """
import resource, sys
from core.errors import CorpusError
from core.text.corpora import read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]:
    try:
        print(len(read(name, "whole").text))
    except CorpusError as error:
        print(type(error).__name__)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def bomb(file: Path, size: int, rows: int) -> None:
    """A column of one value, written once, that every row refers to."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array(["1" * size]))
    table = pa.table({"text": column})
    pq.write_table(table, file, compression="zstd", store_schema=False, dictionary_pagesize_limit=2**30)


def test_memory(tmp_path: Path) -> None:
    """A process of its own tells the most memory that it took, for all of them."""
    bomb(tmp_path / "a.parquet", 2**20, 20_000)
    with zstandard.ZstdCompressor().stream_writer((tmp_path / "a.txt.zst").open("wb")) as packed:
        for _ in range(1000):
            packed.write(b"tale " * 209_715)
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", 1) as unending:
        for _ in range(80):
            unending.write(b"x" * 2**20)
    for name in ("a.txt", "b.jsonl", "c.csv", "d.json", "e.parquet"):
        with (tmp_path / name).open("wb") as sparse:
            sparse.truncate(3 * 2**30)
    names = sorted(str(file) for file in tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *names], capture_output=True, text=True, check=True, timeout=120
    )
    *said, memory = done.stdout.split()
    assert dict(zip((Path(name).name for name in names), said, strict=True)) == {
        "a.jsonl.gz": "CorpusError",
        "a.parquet": str(documents.CHARACTERS + 63 * 2),
        "a.txt": "CorpusError",
        "a.txt.zst": str(documents.CHARACTERS),
        "b.jsonl": "CorpusError",
        "c.csv": "CorpusError",
        "d.json": "CorpusError",
        "e.parquet": "CorpusError",
    }
    assert int(memory) < 2**29


def test_what_a_footer_says_is_looked_at_before_anything_is_unpacked(tmp_path: Path) -> None:
    bomb(tmp_path / "long.parquet", 40 * 2**20, 2)
    with pytest.raises(CorpusError, match="unpacks"):
        read(str(tmp_path / "long.parquet"), "whole")
    bomb(tmp_path / "shared.parquet", 160 * 2**20, 100)
    with pytest.raises(CorpusError, match="for 100 values"):
        read(str(tmp_path / "shared.parquet"), "whole")


@pytest.mark.parametrize("form", ["txt", "jsonl", "parquet"])
def test_a_part_of_a_long_text_is_known_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    for module in (documents, sys.modules["core.text.local_files"]):
        monkeypatch.setattr(module, "CHARACTERS", 1000)
    texts, file = ["tale " * 25] * 20, tmp_path / f"a.{form}"
    if form == "parquet":
        pq.write_table(pa.table({"text": texts}), file)
    else:
        file.write_text("".join(texts) if form == "txt" else "\n".join(f'{{"text": "{text}"}}' for text in texts))
    found = read(str(file), "whole")
    assert not found.ended and 990 <= len(found.text.replace("\n", "")) <= 1000
    texts[8:] = []
    if form == "parquet":
        pq.write_table(pa.table({"text": texts}), file)
    else:
        file.write_text("".join(texts) if form == "txt" else "\n".join(f'{{"text": "{text}"}}' for text in texts))
    assert read(str(file), "whole").ended


def test_rows_without_text_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand million of them take no room in a file."""
    monkeypatch.setattr(documents, "CHARACTERS", 64 * 100)
    for value in ("", None):
        pq.write_table(pa.table({"text": pa.array(["tale"] + [value] * 5000, pa.string())}), tmp_path / "a.parquet")
        found = read(str(tmp_path / "a.parquet"), "whole")
        assert found.text.strip() == "tale" and not found.ended


def test_a_damaged_footer_ends_nobodys_process(tmp_path: Path) -> None:
    """A type changed in the statistics of a column (0x0c, text, to 0x08, numbers) is no exception but an abort."""
    texts, file = ["first tale", "second", "", "x" * 300] * 9, tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": texts, "n": range(36)}), file)
    whole = file.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refused = 0
    for place in [place for place in range(footer, len(whole) - 8) if whole[place] == 0x0C][:6]:
        file.write_bytes(whole[:place] + b"\x08" + whole[place + 1 :])
        try:
            assert read(str(file), "whole").text.startswith("first tale")
        except CorpusError as error:
            assert "cannot be read as Parquet" in error.message
            refused += 1
    assert refused
