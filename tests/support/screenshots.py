"""A picture of every page in both themes, of a results file: what `make screenshots` does.

python -m tests.support.screenshots [FILE]     writes docs/pictures/PAGE-light.png and PAGE-dark.png
"""

import argparse
import io
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser

from cache.database import default_file
from tests.support.browser import ROOT, Server, chromium, names, rest, serving, unfold, visit, visitor

PICTURES = ROOT / "docs" / "pictures"
PAUSE = 1000  # milliseconds: charts grow to the width of their page after they are drawn
COLOURS = 256  # the rare ones are kept, as vermilion, and pale ones moved to their means


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=default_file(), help="results; no server may be using it")
    parser.add_argument("--only", nargs="*", metavar="PAGE", help="pages to take, by name; all if none is named")
    options = parser.parse_args()
    if not options.file.exists():
        print(f"There is no {options.file}: finish a run first, with make run.", file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copy(options.file, Path(folder) / "results.duckdb"))
        with serving(copy) as server, chromium() as browser:
            for theme in ("light", "dark"):
                take(browser, server, theme, options.only)
    return 0


def take(browser: Browser, server: Server, theme: str, only: list[str] | None) -> None:
    """The pictures of one theme."""
    with visitor(browser, theme) as page:
        page.goto(server.address)
        for name in only or names(page):
            visit(page, name)
            if name == "Export":  # a picture is for everybody: a name that says what it is
                page.get_by_role("textbox", name="Name of the folder").fill("smaller-model")
                page.keyboard.press("Enter")
            rest(page)
            unfold(page)
            page.wait_for_timeout(PAUSE)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            file = PICTURES / f"{name.lower()}-{theme}.png"
            picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1).save(file, optimize=True)
            print(f"{file.relative_to(ROOT)}: {picture.width} x {picture.height}, {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    sys.exit(main())
