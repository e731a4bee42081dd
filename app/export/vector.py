"""Figures as SVG, drawn by a browser of this machine: Plotly itself can draw in nothing else."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from app.export.run_figures import RunFigure

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_WIDTH, _HEIGHT = 900, 450  # pixels; the height where the figure names none
_SECONDS = 120
# No network and nothing of the user's: a folder of its own, and no name that is found.
_OPTIONS = (
    "--headless",
    "--dump-dom",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=60000",
)
_DRAW = (
    "for(const drawn of document.querySelectorAll('.plotly-graph-div'))"
    "Plotly.toImage(drawn,{{format:'svg',width:{width},height:drawn.layout.height||{height}}})"
    ".then(url=>drawn.parentElement.dataset.svg=drawn.id+' '+url.slice(url.indexOf(',')+1))"
)


def browser() -> str | None:
    """The program of a Chromium or Chrome on this machine; None where none is found."""
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def vectors(figures: Sequence[RunFigure]) -> dict[str, str]:
    """SVG by the figures' names; none of one that could not be drawn, and none at all without a browser."""
    program = browser()
    if program is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figures.html"
        page.write_text(_page(figures), encoding="utf-8")
        # A superuser's browser starts without its sandbox only; it opens this page and nothing else.
        sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        command = [program, *_OPTIONS, *sandbox, f"--user-data-dir={folder}/profile", page.as_uri()]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return {}
    found = re.findall(rb'data-svg="([\w-]+) ([^"]+)"', done.stdout)
    return {name.decode(): unquote(drawing.decode()) for name, drawing in found}


def _page(figures: Sequence[RunFigure]) -> str:
    """All figures in one page, which leaves the SVG of each beside it."""
    drawn = [
        figure.on_paper().to_html(full_html=False, include_plotlyjs=index == 0, div_id=figure.name)
        for index, figure in enumerate(figures)
    ]
    script = _DRAW.format(width=_WIDTH, height=_HEIGHT)
    return "\n".join(["<!doctype html><meta charset='utf-8'>", *drawn, f"<script>{script}</script>"])
