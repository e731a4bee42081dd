"""Files of every form hold the same text, or are refused by line or row."""

import gzip
import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from datasets import Dataset, DatasetDict

from core.errors import CorpusError
from core.text.corpora import read

DOCUMENTS = ["first tale", 'second tälé, "quoted"', "a third\none \u2028 of lines"]
TEXT = "\n\n".join(DOCUMENTS)


def lines(documents: Sequence[object] = DOCUMENTS) -> bytes:
    return "\n".join(json.dumps({"text": document, "id": 1}) for document in documents).encode()


FORMS: dict[str, bytes] = {
    "a.txt": TEXT.encode(),
    "a.md": TEXT.encode(),
    "wiki.test.raw": TEXT.encode(),
    "UPPER.TXT": TEXT.encode(),
    "marked.txt": b"\xef\xbb\xbf" + TEXT.encode(),
    "windows.txt": TEXT.replace("\n", "\r\n").encode(),
    "a.txt.gz": gzip.compress(TEXT.encode()),
    "a.txt.zst": zstandard.compress(TEXT.encode()),
    "a.jsonl": lines(),
    "ended.jsonl": lines() + b"\n\n",
    "marked.jsonl": b"\xef\xbb\xbf" + lines(),
    "windows.jsonl": lines().replace(b"\n", b"\r\n"),
    "raw.jsonl": "\n".join(json.dumps({"text": one}, ensure_ascii=False) for one in DOCUMENTS).encode(),
    "a.jsonl.gz": gzip.compress(lines()),
    "two.jsonl.gz": gzip.compress(lines()[:20]) + gzip.compress(lines()[20:]),
    "c4.json.gz": gzip.compress(lines()),
    "A.JSONL.ZST": zstandard.compress(lines()),
    "lines.json": lines(),
    "array.json": json.dumps([{"text": one} for one in DOCUMENTS], indent=1).encode(),
    "texts.json": json.dumps(DOCUMENTS).encode(),
    "rows.json": json.dumps({"text": TEXT}, indent=2).encode(),
    "a.csv": pd.DataFrame({"id": 1, "text": DOCUMENTS}).to_csv(index=False).encode(),
    "a.tsv": pd.DataFrame({"text": DOCUMENTS, "id": 1}).to_csv(index=False, sep="\t").encode(),
    "a.csv.gz": gzip.compress(pd.DataFrame({"text": DOCUMENTS}).to_csv(index=False).encode()),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FORMS[name])
    assert read(str(tmp_path / name), "whole").text == TEXT


COLUMNS: dict[str, Callable[[], pa.Array]] = {
    "plain": lambda: pa.array(DOCUMENTS),
    "large": lambda: pa.array(DOCUMENTS, pa.large_string()),
    "view": lambda: pa.array(DOCUMENTS, pa.string_view()),
    "dictionary": lambda: pa.array(DOCUMENTS).dictionary_encode(),
    "lists": lambda: pa.array([one.split("\n") for one in DOCUMENTS]),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_parquet(tmp_path: Path, kind: str) -> None:
    pq.write_table(pa.table({"body": COLUMNS[kind](), "text": [[1]] * 3}), tmp_path / "a.parquet")
    assert read(str(tmp_path / "a.parquet"), "whole", "body").text == TEXT


def test_folders_that_datasets_saved(tmp_path: Path) -> None:
    whole = Dataset.from_dict({"text": DOCUMENTS, "id": [1, 2, 3]})
    whole.save_to_disk(tmp_path / "one", num_shards=2)
    assert read(str(tmp_path / "one"), "whole").text == TEXT and read(str(tmp_path / "one"), "calibration").halved
    splits = {"train": Dataset.from_dict({"text": ["to learn"]}), "validation": whole}
    DatasetDict(splits).save_to_disk(tmp_path / "several")
    found = {split: read(str(tmp_path / "several"), split) for split in ("calibration", "evaluation", "whole")}
    assert [one.text for one in found.values()] == ["to learn", TEXT, TEXT]
    assert not any(one.halved for one in found.values())
    assert read(str(tmp_path / "several" / "train"), "whole").text == "to learn"


def test_no_file_outside_a_saved_folder_is_read(tmp_path: Path) -> None:
    Dataset.from_dict({"text": ["secret"]}).save_to_disk(tmp_path / "theirs")
    Dataset.from_dict({"text": ["mine"]}).save_to_disk(tmp_path / "mine")
    state = tmp_path / "mine" / "state.json"
    arrow = next((tmp_path / "theirs").glob("*.arrow"))
    for name in (str(arrow), f"../theirs/{arrow.name}", 7, None):
        state.write_text(json.dumps({"_data_files": [{"filename": name}]}))
        with pytest.raises(CorpusError, match="no data set"):
            read(str(tmp_path / "mine"), "whole")


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({"content": "tale"}, "content", "tale"),
        ({"lines": ["one", "two"]}, "lines", "one\ntwo"),
        ({"Text": "tale", "text": "other"}, "Text", "tale"),
    ],
)
def test_fields(tmp_path: Path, row: dict[str, object], field: str, said: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    assert read(str(tmp_path / "a.jsonl"), "whole", field).text == said


def test_a_row_of_null_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(["one", None, "two", None, None, None, None]))
    found = read(str(tmp_path / "a.jsonl"), "whole")
    assert found.text == "one\n\ntwo"
    assert found.left_out == "without text, and left out: line 2, line 4, line 5 and 2 more"
    pq.write_table(pa.table({"text": ["one", None]}), tmp_path / "a.parquet")
    assert "row 2" in read(str(tmp_path / "a.parquet"), "whole").left_out
    (tmp_path / "a.jsonl").write_bytes(lines([None]))
    with pytest.raises(CorpusError, match="no text"):
        read(str(tmp_path / "a.jsonl"), "whole")


DEEP = b"[" * 100_000 + b"]" * 100_000
REFUSED: dict[str, tuple[bytes, str]] = {
    "latin.txt": (b"one\ntwo\ncaf\xe9\n", "Line 3 of latin.txt is not UTF-8: it holds the byte 0xe9"),
    "late.txt": (b"line\n" * 300_000 + b"\xff", "Line 300,001 of late.txt is not UTF-8"),
    "cut.txt": ("tälé".encode()[:-1], "Line 1 of cut.txt is not UTF-8"),
    "utf16.txt": ("tale".encode("utf-16"), "the mark of UTF-16"),
    "nul.txt": (b"one\ntwo\0", "Line 2 of nul.txt holds a NUL"),
    "latin.jsonl": (lines(["a"]) + b'\n{"text": "\xe9"}', "Line 2 of latin.jsonl is not UTF-8"),
    "nul.jsonl": (b'{"text": "\\u0000"}', "Line 1 of nul.jsonl holds a NUL"),
    "half.jsonl": (lines(["a"]) + b'\n{"text": "\\ud83d!"}', r"Line 2 of half.jsonl holds half a character, \\ud83d"),
    "chat.jsonl": (b'{"text": [{"role": "user", "content": "\\ud800"}]}', "Line 1 of chat.jsonl holds half"),
    "key.jsonl": (b'{"body": "a", "id": 1}', "Line 1 of key.jsonl has no field text; it has body, id"),
    "later.jsonl": (lines(["a"]) + b'\n{"id": 1}', "Line 2 of later.jsonl has no field text; it has id"),
    "number.jsonl": (b'{"text": 7}', "Line 1 of number.jsonl holds int, not text"),
    "list.jsonl": (b'{"text": ["a", 7]}', "Line 1 of list.jsonl holds list, not text"),
    "mixed.jsonl": (lines(["a", [{"role": "user", "content": "b"}]]), "Line 2 of mixed.jsonl holds a chat"),
    "message.jsonl": (b'{"text": [{"role": "user"}]}', "a message without a role and a content"),
    "array.jsonl": (b'[{"text": "a"}]', "Line 1 of array.jsonl is no object with fields, but list"),
    "deep.jsonl": (lines(["a"]) + b'\n{"text": ' + DEEP + b"}", "Line 2 of deep.jsonl is nested too deep"),
    "deep.json": (b'[{"text": ' + DEEP + b"}]", "Row 1 of deep.json is nested too deep"),
    "cut.jsonl": (lines() + b'\n{"text": "cut off her', "Line 4 of cut.jsonl is cut off"),
    "cut.json": (b'[{"text": "a"}, {"text": "b"', "Row 2 of cut.json is cut off"),
    "open.json": (b'[{"text": "a"}, {"text": "b"}', "Row 3 of open.json is cut off"),
    "wrong.jsonl": (lines(["a"]) + b"\n{oops\n" + lines(["b"]), "Line 2 of wrong.jsonl is no JSON: Expecting"),
    "wrong.json": (b'[{"text": "a"} {"text": "b"}, oops]', "Row 3 of wrong.json is no JSON|Row 2 of wrong.json"),
    "digits.jsonl": (b'{"text": ' + b"7" * 5000 + b"}", "Line 1 of digits.jsonl is no JSON"),
    "column.csv": (b"body\na\n", "Line 2 of column.csv has no field text; it has body"),
    "fields.csv": (b"text,id\na,1\nb,2,3\n", "Line 3 of fields.csv has not as many fields"),
    "few.csv": (b"id,text\n1,a\n2\n", "Line 3 of few.csv has not as many fields"),
    "quotes.csv": (b'text\na\n"b\nc', "of quotes.csv cannot be read: unexpected end of data"),
    "fake.gz.txt.gz": (b"no gzip", "packed wrongly"),
    "cut.txt.gz": (gzip.compress(os.urandom(2000).hex().encode())[:-900], "packed wrongly, or cut off"),
    "fake.jsonl.zst": (b"no zstd", "packed wrongly"),
    "fake.parquet": (b"PAR1 no Parquet", "cannot be read as Parquet"),
    "empty.parquet": (b"", "cannot be read as Parquet"),
    "empty.jsonl": (b"", "no text"),
    "empty.json": (b" \n", "no text"),
    "header.csv": (b"text\n", "no text"),
    "picture.png": (b"\x89PNG", "of a kind that cannot be read"),
    "data.gz": (gzip.compress(b"a"), "of a kind that cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    content, said = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=said) as error:
        read(str(tmp_path / name), "whole")
    assert error.value.hint and len(error.value.message) < 500


def test_what_is_no_file(tmp_path: Path) -> None:
    """None of these is opened for reading: that could wait for ever."""
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.txt"))
        kinds = {"pipe.txt": "a pipe", "folder.txt": "a folder", "socket.txt": "a socket", "/dev/zero": "a device"}
        for name, said in kinds.items():
            with pytest.raises(CorpusError, match=said):
                read(str(tmp_path / name), "whole")
    (tmp_path / "link.txt").symlink_to("/dev/zero")
    with pytest.raises(CorpusError, match="a device"):
        read(str(tmp_path / "link.txt"), "whole")
    with pytest.raises(CorpusError, match="There is no corpus"):
        read(str(tmp_path / "missing.txt"), "whole")


def test_a_field_of_plain_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("tale")
    for corpus in (str(tmp_path / "a.txt"), "python-docs"):
        with pytest.raises(CorpusError, match="plain text and has no field content"):
            read(corpus, "whole", "content")
