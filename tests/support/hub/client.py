"""How a client finds the Hub of a test: this process by what its libraries have read, another by its environment."""

from pathlib import Path

import pytest
from datasets import config
from huggingface_hub import constants

from tests.support.hub.server import Hub


def point(patch: pytest.MonkeyPatch, hub: Hub, home: Path) -> None:
    """Sends this process to `hub`; what it downloads lies in `home`, which is made."""
    home.mkdir(parents=True, exist_ok=True)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        patch.delenv(name, raising=False)
    for name, value in {
        "ENDPOINT": hub.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "HF_HUB_OFFLINE": False,
    }.items():
        patch.setattr(constants, name, value)
    patch.setattr(config, "HF_ENDPOINT", hub.address)
    patch.setattr(config, "HF_DATASETS_CACHE", home / "datasets")
    patch.setattr(config, "HUB_DATASETS_URL", hub.address + "/datasets/{repo_id}/resolve/{revision}/{path}")


def environment(hub: Hub, home: Path) -> dict[str, str]:
    """The same for a process of its own."""
    return {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN": "",
        "HF_HUB_OFFLINE": "0",
    }
