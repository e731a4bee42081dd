"""An end to waiting: the Hub's clients try again for minutes where nothing is answered."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from huggingface_hub import constants

SILENCE = 12.0  # seconds without anything new
_TICK = 0.2

Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Answer], repository: str, silence: float | None = None) -> Answer:
    """What `ask` gives, which may take as long as something arrives in the repository's cache.

    Args:
        ask: the question.
        repository: a data set's.
        silence: seconds without anything new that are waited; None: SILENCE.

    Raises:
        TimeoutError: nothing has for a while; `ask` is left to itself.
        Exception: whatever `ask` raises.
    """
    silence = silence or SILENCE
    answers: list[Answer] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(ask())
        except BaseException as failure:  # raised again by whoever waits
            failures.append(failure)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    heard, before = time.monotonic(), -1
    while thread.is_alive():
        thread.join(_TICK)
        if (now := _arrived(repository)) != before:
            heard, before = time.monotonic(), now
        if thread.is_alive() and time.monotonic() - heard > silence:
            raise TimeoutError(f"no answer for {silence:.0f} s")
    if failures:
        raise failures[0]
    return answers[0]


def _arrived(repository: str) -> int:
    """Bytes of a data set in the cache."""
    blobs = Path(constants.HF_HUB_CACHE).expanduser() / f"datasets--{repository.replace('/', '--')}" / "blobs"
    try:
        return sum(file.stat().st_size for file in blobs.iterdir())
    except OSError:
        return 0
