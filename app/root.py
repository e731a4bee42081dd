"""Where the checkout, or the installed packages, lie: the folder of app, cache, core and pages; and how they start."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "python -m app"  # what an installation calls quorum
