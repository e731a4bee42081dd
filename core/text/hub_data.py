"""Data sets on the Hugging Face Hub, by name: which of their files a split is, and those files one after another.

Programs that a data set is published with are never executed: the Hub keeps a Parquet copy of many such data sets.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import DatasetCard, HfApi, HfFileSystem, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.errors import CorpusError
from core.text.hub_names import HubData, HubName
from core.text.kept_data import kept_file, recall, remember
from core.text.local_files import file_values, stream_values, within
from core.text.patience import patiently
from core.text.rows import Row
from core.text.streams import unpacked, unpacking

_CONVERTED = "refs/convert/parquet"  # where the Hub keeps its Parquet copies, as config/split/0000.parquet
_SECONDS = 10  # for the Hub to answer
_KEPT = 2**26  # bytes of a file that is downloaded and kept, as all Parquet is; of others is fetched what is read


def find_data(name: HubName) -> HubData:
    """Which files there are: as they were when the data set was read whole, or as the Hub says.

    Raises:
        CorpusError: no such data set, configuration or split, no access to it, no network, or a program alone.
    """
    with _hub_errors(name.repository):
        return recall(name) or _asked(name)


def _asked(name: HubName) -> HubData:
    return patiently(partial(_found, name), name.repository)


def _found(name: HubName) -> HubData:
    with _hub_errors(name.repository):
        info = HfApi().dataset_info(name.repository, revision=name.revision, timeout=_SECONDS)
        names = [file.rfilename for file in info.siblings or []]
        if f"{name.repository.partition('/')[2]}.py" not in names and name.revision != _CONVERTED:
            return HubData(name.repository, str(info.sha), _published(name, str(info.sha), names))
        try:
            copy = HfApi().dataset_info(name.repository, revision=_CONVERTED, timeout=_SECONDS)
        except RevisionNotFoundError as cause:
            raise CorpusError(
                f"{name.repository} is published as a program, which is never executed, and the Hub keeps no Parquet "
                "copy of it.",
                "Use a data set of Parquet, JSON or text files, or one that is saved as such.",
            ) from cause
        return HubData(
            name.repository, str(copy.sha), _converted(name, [file.rfilename for file in copy.siblings or []])
        )


def hub_values(name: HubName, data: HubData, split: str, field: str) -> Iterator[Row]:
    """What a field holds in the files of a split, with where each is; files are fetched as they are read."""
    if data == recall(name) and not all(kept_file(data, file) for file in data.files[split]):
        with _hub_errors(name.repository):
            data = _asked(name)  # the commit of another split may be gone by now
    whole = True
    for file in data.files.get(split, []):
        kept = kept_file(data, file)
        with _hub_errors(data.repository), unpacking(PurePosixPath(file).name):
            if kept is None:
                hub, address = HfFileSystem(), f"datasets/{data.repository}@{data.commit}/{file}"
                if not file.endswith(".parquet") and hub.info(address)["size"] > _KEPT:
                    whole = False
                    with hub.open(address, "rb") as raw:
                        stream = unpacked(BufferedReader(raw), PurePosixPath(file).name)
                        yield from within(file, stream_values(stream, PurePosixPath(file).name, field))
                    continue
                fetch = partial(hf_hub_download, data.repository, file, repo_type="dataset", revision=data.commit)
                kept = Path(patiently(fetch, data.repository))
            yield from within(file, file_values(kept, field))
    if whole:
        remember(name, data)


def _published(name: HubName, commit: str, names: list[str]) -> dict[str, list[str]]:
    """The files of each split, as `datasets` finds them by their names or by what the data set's card says."""
    from datasets import load_dataset_builder

    _check_card(name.repository, commit, names)
    try:
        builder = load_dataset_builder(name.repository, name.config, revision=commit)
    except (ValueError, OSError, RuntimeError) as cause:  # FileNotFoundError among them: no data files
        if "gated" in str(cause):
            raise _gated(name.repository) from cause
        raise CorpusError(
            f"{name.repository} cannot be used{f' with {name.config}' if name.config else ''}: "
            f"{str(cause).strip().splitlines()[0][:300]}",
            "Name the configuration, and a split if need be: owner/name:config:split.",
        ) from cause
    base = f"hf://datasets/{name.repository}@{commit}/"
    found = {str(split): list(map(str, files)) for split, files in (builder.config.data_files or {}).items()}
    if not found or not all(file.startswith(base) for files in found.values() for file in files):
        raise CorpusError(
            f"{name.repository} keeps its data elsewhere, or in no files.", "Use a data set that holds its own files."
        )
    return {split: [file.removeprefix(base) for file in files] for split, files in found.items()}


def _converted(name: HubName, names: list[str]) -> dict[str, list[str]]:
    """The files of each split in a Parquet copy."""
    parts = [(path.parts, file) for file in sorted(names) if (path := PurePosixPath(file)).suffix == ".parquet"]
    configs = sorted({parts[0] for parts, _ in parts if len(parts) == 3})
    config = name.config or (configs[0] if len(configs) == 1 else "")
    if config not in configs:
        raise CorpusError(
            f"{name.repository} has {f'no configuration {config}' if config else 'several configurations'}; there are "
            f"{', '.join(configs) or 'none'}.",
            "Name one: owner/name:config.",
        )
    files: dict[str, list[str]] = {}
    for (found, split, _), file in ((parts, file) for parts, file in parts if len(parts) == 3):
        if found == config:
            files.setdefault(split.removeprefix("partial-"), []).append(file)
    return files


def _check_card(repository: str, commit: str, names: list[str]) -> None:
    """A card may point to files anywhere: `datasets` would ask other machines for them."""
    if ".huggingface.yaml" in names:
        raise CorpusError(f"{repository} describes its files in a way that is not read.", "Use another data set.")
    if "README.md" not in names:
        return
    card = DatasetCard.load(hf_hub_download(repository, "README.md", repo_type="dataset", revision=commit))
    if any("://" in text or ".." in text for text in _texts(card.data.to_dict().get("configs"))):
        raise CorpusError(f"{repository} keeps its data elsewhere.", "Use a data set that holds its own files.")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _gated(repository: str) -> CorpusError:
    return CorpusError(
        f"The data set {repository} is gated: its owner grants access.",
        "Ask for access on its page, then `hf auth login`.",
    )


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Turns whatever the Hub or the way to it says into CorpusError, with what to do."""
    try:
        yield
    except CorpusError:
        raise
    except Exception as cause:  # transport errors share no base class across versions of the client
        answer = cause.__cause__ if isinstance(cause.__cause__, HfHubHTTPError) else cause
        raise _refusal(repository, answer) from cause


def _refusal(repository: str, cause: BaseException) -> CorpusError:
    local = "or use the embedded corpus python-docs, or a local file."
    match cause:
        case GatedRepoError():
            return _gated(repository)
        case RevisionNotFoundError():
            return CorpusError(
                f"The data set {repository} has no such revision.", "Leave @REVISION out, or name one that it has."
            )
        case RepositoryNotFoundError() | HFValidationError():
            return CorpusError(
                f"There is no data set {repository} on the Hugging Face Hub, or it is private.",
                f"Check the name, log in with `hf auth login` if it is yours, {local}",
            )
        case HfHubHTTPError() if cause.response.status_code == 429:
            return CorpusError(
                "The Hugging Face Hub asks for fewer requests (429).", "Wait some minutes, or `hf auth login`."
            )
        case HfHubHTTPError():
            return CorpusError(
                f"The Hugging Face Hub answers {cause.response.status_code} for the data set {repository}.",
                f"Try again later, {local}",
            )
    return CorpusError(
        f"The data set {repository} on the Hugging Face Hub cannot be read ({type(cause).__name__}).",
        f"Check the network, {local}",
    )
