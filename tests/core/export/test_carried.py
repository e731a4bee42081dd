"""Nothing of a foreign folder goes along with an export but text, and no export lands among code."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from core.errors import BadPath, ExportError
from core.export.carried import copy_generation, copy_terms
from core.export.target import check_target, named_target
from core.paths import home


def test_terms_are_text_under_names_that_nothing_runs(tmp_path: Path) -> None:
    parent, out = tmp_path / "parent", tmp_path / "out"
    parent.mkdir(), out.mkdir()
    good = {"LICENSE": "MIT", "license.TXT": "so", "NOTICE.md": "é", "USE_POLICY.md": "no"}
    bad = ("pth", "py", "so", "pyc", "html", "sh", "service", "desktop", "pth.zip", "json", "exe")
    for name, text in good.items():
        (parent / name).write_text(text, encoding="utf-8")
    for ending in bad:
        (parent / f"LICENSE.{ending}").write_text("import os")
    (tmp_path / "secret").write_text("key")
    (parent / "LICENSE-link.txt").symlink_to(tmp_path / "secret")
    os.mkfifo(parent / "LICENSE-fifo")
    (parent / "LICENSE-folder").mkdir()
    (parent / "LICENSE-binary").write_bytes(b"\xff\xfe\x00")
    (parent / "LICENSE-nul").write_bytes(b"text\x00")
    (parent / "LICENSE\n.txt").write_text("a name of two lines")
    with (parent / "LICENSE-long.txt").open("wb") as sparse:
        sparse.truncate(3 * 2**30)
    assert sorted(copy_terms(parent, out)) == sorted(good)
    assert {file.name: file.read_text(encoding="utf-8") for file in out.iterdir()} == good


def test_terms_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    parent, out = tmp_path / "models--a--b" / "snapshots" / "0123", tmp_path / "out"
    parent.mkdir(parents=True), out.mkdir()
    (parent.parent.parent / "blobs").mkdir()
    (parent.parent.parent / "blobs" / "1f").write_text("terms")
    (parent / "LICENSE").symlink_to("../../blobs/1f")
    assert copy_terms(parent, out) == ["LICENSE"] and not (out / "LICENSE").is_symlink()


def test_generation_settings_lose_the_name_of_code(tmp_path: Path) -> None:
    parent, out = tmp_path / "parent", tmp_path / "out"
    parent.mkdir(), out.mkdir()
    assert not copy_generation(parent, out)
    (parent / "generation_config.json").write_text('{"temperature": 0.3, "auto_map": {"x": "evil.py"}}')
    assert copy_generation(parent, out)
    assert "temperature" in (out / "generation_config.json").read_text()
    assert "evil" not in (out / "generation_config.json").read_text()


@pytest.mark.parametrize("inside", ["lib/python3.11/site-packages/new", "lib/x", "new", "bin"])
def test_no_export_into_an_environment(tmp_path: Path, inside: str) -> None:
    (tmp_path / "pyvenv.cfg").write_text("")
    with pytest.raises(ExportError, match="place of code"):
        check_target(tmp_path / inside)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pyvenv.cfg"]


@pytest.mark.parametrize("name", ["site-packages", "dist-packages/x", "a/__pycache__/b", ".git", "r/.git/hooks"])
def test_no_export_among_code(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match="place of code"):
        check_target(tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_no_export_where_this_python_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "way").symlink_to(sysconfig.get_paths()["purelib"])
    monkeypatch.syspath_prepend(str(tmp_path / "searched"))
    for out in (Path(sys.prefix) / "new", tmp_path / "way" / "new", tmp_path / "searched"):
        with pytest.raises(ExportError, match="place of code"):
            check_target(out)
    assert check_target(tmp_path / "searched" / "new").name == "new"  # as in the folder that Quorum is started in


def test_names_of_the_dashboard_stay_below_exports() -> None:
    assert named_target(" smaller v1.2 ") == home() / "exports" / "smaller v1.2"
    for name in ("", ".", "..", "../x", "/x", "a/b", "a\\b", ".pth", "a\0b", "a\nb", "x" * 121, "~", "C:x", "a."):
        with pytest.raises(BadPath):
            named_target(name)


def test_a_link_below_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "q"))
    (tmp_path / "q" / "exports").mkdir(parents=True)
    (tmp_path / "q" / "exports" / "way").symlink_to(tmp_path)
    with pytest.raises(BadPath, match="link"):
        named_target("way")


def test_the_page_may_import_where_exports_go() -> None:
    code = "import core.export.target, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
