"""The texts that the page Runs lets choose from, and those that are put there."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.runs.texts import keep, known_texts
from app.worker.client import Jobs
from core.errors import BadPath, NotAllowed
from core.text.corpora import CORPORA, read
from core.text.self_written.prompt_file import SELF
from tests.support.pages import open_page


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_everybody_finds_what_lies_in_the_folder_of_texts_and_each_person_their_own(own_home: Path) -> None:
    assert known_texts(None) == known_texts("ann@example.org") == [*CORPORA, SELF]
    shared = keep("tale.txt", b"once upon a time", None)
    own = keep("mine.jsonl", b'{"text": "a tale"}\n', "ann@example.org")
    assert shared == own_home / "texts" / "tale.txt" and own_home / "texts" / "visitors" in own.parents
    assert known_texts("ann@example.org") == [*CORPORA, SELF, str(shared), str(own)]
    assert known_texts("bob@example.org") == known_texts(None) == [*CORPORA, SELF, str(shared)]
    assert read(str(own), "whole").text == "a tale"
    assert keep("mine.jsonl", b'{"text": "another"}\n', "ann@example.org") == own
    assert read(str(own), "whole").text == "another"


def test_where_nobody_logs_in_a_text_never_takes_the_place_of_another(own_home: Path) -> None:
    folder = own_home / "texts"
    for name, content, kept in [
        ("tale.txt", b"hers", "tale.txt"),
        ("tale.txt", b"his", "tale-2.txt"),
        ("tale.txt", b"hers", "tale.txt"),
        ("tale.txt", b"mine", "tale-3.txt"),
        ("tale-2.txt", b"yours", "tale-2-2.txt"),
        ("v1.2 rows.jsonl.gz", b"a", "v1.2 rows.jsonl.gz"),
        ("v1.2 rows.jsonl.gz", b"b", "v1.2 rows-2.jsonl.gz"),
    ]:
        assert keep(name, content, None) == folder / kept
        assert (folder / kept).read_bytes() == content
    assert [file.name for file in sorted(folder.iterdir()) if file.read_bytes() == b"hers"] == ["tale.txt"]


def test_uploads_of_one_name_at_once_are_all_kept(own_home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda number: keep("tale.txt", str(number).encode(), None), range(24)))
    assert [int(file.read_bytes()) for file in kept] == list(range(24))


@pytest.mark.parametrize("name", ["", "../x.txt", "a/b.txt", ".hidden.txt", "x\0.txt", "-rf", "a" * 101, "x\n.txt"])
def test_a_name_that_leads_elsewhere_is_none(own_home: Path, name: str) -> None:
    with pytest.raises(BadPath, match="no name for a text"):
        keep(name, b"x", "ann@example.org")
    assert not own_home.exists()


def test_a_person_keeps_twenty_texts_at_most() -> None:
    for number in range(20):
        keep(f"{number}.txt", b"x", "ann@example.org")
    with pytest.raises(NotAllowed, match="You have 20 texts"):
        keep("more.txt", b"x", "ann@example.org")
    keep("7.txt", b"y", "ann@example.org")
    keep("more.txt", b"x", "bob@example.org")


def test_an_upload_is_chosen(shared: Jobs, own_home: Path) -> None:
    page = open_page()
    page.get("file_uploader")[0].set_value(("tale.txt", b"Once upon a time. " * 500, "text/plain")).run()
    assert not page.exception
    assert page.session_state["corpus"] == str(own_home / "texts" / "tale.txt")
    assert page.selectbox(key="corpus").value == str(own_home / "texts" / "tale.txt")
