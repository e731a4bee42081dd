"""Whether the library that adds low-rank matrices is there: asked without torch, before anything is read."""

from importlib import metadata

from core.errors import HealingError


def check_peft() -> None:
    """HealingError where peft is not installed."""
    try:
        metadata.version("peft")
    except metadata.PackageNotFoundError:
        raise HealingError(
            "peft, which trains low-rank additions, is not installed.",
            "Install it: pip install -r requirements-heal.txt",
        ) from None
