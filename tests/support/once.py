"""What is made once in a session of tests, also where several processes run them."""

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


class Once:
    """A folder that all processes of a session share. What lies in it is read, and copied before it is changed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """The file or folder `name`, which `make` has put there: now, or when it was first asked for."""
        path, made = self._folder / name, self._folder / f"{name}.made"
        with FileLock(f"{path}.making"):
            if not made.exists():
                make(path)
                made.touch()
        return path
