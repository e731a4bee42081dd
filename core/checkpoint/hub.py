"""The Hugging Face Hub: asked once, answered fast, and only for files that hold no code."""

from collections.abc import Callable
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from core.checkpoint.headers import read_object
from core.errors import ModelNotFound, QuorumError, UnsafeWeights

_SECONDS = 10
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "LICENSE*", "NOTICE*"]


def fetch_model(repository: str, check_config: Callable[[Path], object]) -> Path:
    """The local folder of a Hub model; downloads what is missing.

    A complete copy in the local Hub cache is used as it is, so that a model does not change between two runs.
    `check_config` sees the folder when it holds config.json alone, and raises if the model is of no use.

    Raises:
        ModelNotFound: no such model, no access to it, or no network.
        UnsafeWeights: it has no safetensors file; nothing has been downloaded then.
    """
    try:
        folder = Path(snapshot_download(repository, local_files_only=True))
        if _is_complete(folder):
            return folder
    except (LocalEntryNotFoundError, HFValidationError):
        pass
    hint = "Check the name and the network, give a local folder, or use the embedded model: bundled."
    try:
        names = [file.rfilename for file in HfApi().model_info(repository, timeout=_SECONDS).siblings or []]
        if not any(name.endswith(".safetensors") for name in names):
            raise UnsafeWeights(
                f"{repository} has no safetensors weights on the Hub; other formats can execute code when they load.",
                "Use a revision of the model that was saved as safetensors.",
            )
        check_config(Path(snapshot_download(repository, allow_patterns=["config.json"])))
        return Path(snapshot_download(repository, allow_patterns=_FILES))
    except GatedRepoError as cause:
        raise ModelNotFound(
            f"{repository} is gated: its owner grants access.", "Ask for access on its page, then `hf auth login`."
        ) from cause
    except (RepositoryNotFoundError, HFValidationError) as cause:
        raise ModelNotFound(f"There is no model {repository}, here or on the Hub.", hint) from cause
    except QuorumError:
        raise
    except Exception as cause:  # the Hub client's transport errors share no base class across its versions
        raise ModelNotFound(
            f"{repository} is not on this machine, and the Hub cannot be reached ({type(cause).__name__}).",
            hint,
        ) from cause


def on_disk(repository: str) -> Path | None:
    """The folder of a Hub model that has been downloaded; the Hub is not asked."""
    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def _is_complete(folder: Path) -> bool:
    """Whether all shards are there: a download may have been interrupted."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return any(folder.glob("*.safetensors"))
    shards = read_object(index).get("weight_map")
    # What is no table of names is refused when the folder is checked.
    return not isinstance(shards, dict) or all((folder / str(shard)).is_file() for shard in shards.values())
