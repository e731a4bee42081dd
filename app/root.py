"""Where the checkout, or the installed packages, lie: the folder that holds app, cache, core and pages."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
