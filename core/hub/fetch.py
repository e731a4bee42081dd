"""A model of the Hub, brought to this machine: its commit, the files that are needed, and nothing else of it."""

import errno
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError

from core.errors import DiskFull, ModelNotFound, NotWritable, QuorumError, UnsafeWeights, UnsupportedModel
from core.hub.download import Download, RemoteFile
from core.hub.hub_id import HubId
from core.hub.listing import Listing, listed
from core.hub.refusals import offline, refusal
from core.hub.snapshot import CONFIG, INDEX, WEIGHTS, link, missing, parts, remember, shards, snapshot, storage
from core.records.events import Event, Stage

# Settings, what tokenizers are made of, and the terms of use: beside the weights, all that is fetched.
_SMALL = re.compile(r".*\.(json|txt|model|jinja)|(LICEN[CS]E|NOTICE)[^.]*(\.md)?", re.IGNORECASE)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_LARGEST = 2**28  # bytes of a file that is no weights; tokenizers have some ten million
_HTTP = 50 * 10**9  # bytes of a file that the Hub gives by plain HTTP


def fetch(asked: HubId, check_config: Callable[[Path], object]) -> Generator[Event, None, Path]:
    """The folder of a Hub model; downloads what is missing, and tells how far it is.

    A whole copy in the local cache is used as it is, without a question to the Hub: a model does not change between
    two runs. `check_config` sees the folder when it holds config.json alone, and raises if the model is of no use.

    Raises:
        ModelNotFound: no such model or revision, no access to it, or no network.
        UnsafeWeights: it has no safetensors; nothing has been downloaded then.
        UnsupportedModel: what arrived is damaged, or is not all of a model.
        DiskFull, NotWritable: of the cache.
    """
    folder = snapshot(asked)
    absent = missing(folder, asked.file) if folder is not None else []
    if folder is not None and not absent:
        return folder
    if constants.is_offline_mode():
        raise ModelNotFound(*offline(asked, absent))
    try:
        listing = yield from listed(asked)
        if listing.repository != asked.repository:
            yield Stage(f"{asked.repository} is called {listing.repository} now")
        return (yield from _bring(asked, listing, check_config))
    except QuorumError:
        raise
    except Exception as cause:  # the Hub's client raises what its transport, its parser and its checks raise
        if isinstance(cause, OSError) and not isinstance(cause, HfHubHTTPError):
            raise _no_room(asked, cause) from cause
        raise refusal(asked, cause) from cause


def _bring(asked: HubId, listing: Listing, check_config: Callable[[Path], object]) -> Generator[Event, None, Path]:
    base, commit = storage(asked), listing.commit
    folder = base / "snapshots" / commit
    if asked.file:
        yield from _get(asked, listing, parts(asked.file))
    else:
        _check_kind(asked, listing)
        yield from _asking(asked, _get(asked, listing, [CONFIG]))
        check_config(folder)
        weights = [WEIGHTS]
        if WEIGHTS not in listing.files:
            yield from _asking(asked, _get(asked, listing, [INDEX]))
            weights = shards(folder / INDEX)
        yield from _get(asked, listing, [*filter(lambda name: _is_small(listing.files[name]), listing.files), *weights])
    remember(base, asked.revision, commit)
    return folder


def _asking(asked: HubId, events: Iterator[Event]) -> Iterator[Event]:
    """Of what is small, and must be read before it is known how much there is: no figures."""
    for _ in events:
        yield Stage(f"Asking the Hub for {asked}")


def _get(asked: HubId, listing: Listing, names: list[str]) -> Generator[Event, None, None]:
    """Downloads files, and names them in the snapshot when all are there: the weights last."""
    absent = next((name for name in names if name not in listing.files), None)
    if absent is not None:
        raise UnsupportedModel(
            f"{asked.repository} has no file {absent[:200]}, which is part of the model.",
            f"Look at {asked.page}: another revision may be whole.",
        )
    files, base = [listing.files[name] for name in names], storage(asked)
    if large := next((file for file in files if file.size > _HTTP), None):
        raise UnsupportedModel(
            f"{large.name} of {asked} has {_gigabytes(large.size)}, more than the Hub gives in one piece.",
            f"Run `hf download {asked.repository}` first: what it brings is used from there.",
        )
    loading = Download(asked, listing.commit, files, base)
    base.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(base).free) < loading.left:
        raise _full(asked, f"{_gigabytes(loading.left)} are still to come, and {_gigabytes(free)} are free.")
    yield from loading.events()
    for file in files:
        link(base, listing.commit, file.name, file.hash)


def _check_kind(asked: HubId, listing: Listing) -> None:
    """Refuses what is no model of transformers in safetensors, by the names of its files."""
    names = sorted(listing.files)
    weights = [name for name in names if name.endswith(".safetensors")]
    ggufs = [name for name in names if name.lower().endswith(".gguf")]
    if "adapter_config.json" in names and CONFIG not in names:
        raise UnsafeWeights(
            f"{asked.repository} is an adapter, whose weights belong to another model.",
            "Merge it into its model first (peft's merge_and_unload, then save_pretrained), and give that folder.",
        )
    if not weights and ggufs:
        raise ModelNotFound(
            f"{asked.repository} holds GGUF files only: {', '.join(ggufs[:8])}{', …' if len(ggufs) > 8 else ''}.",
            f"Name one of them: {asked.repository}/{ggufs[0]}.",
        )
    if not weights and any(name.endswith(_PICKLES) for name in names):
        raise UnsafeWeights(
            f"{asked} has no safetensors weights on the Hub; other formats can execute code when they load.",
            f"Use a revision that was saved as safetensors (owner/name@revision): see {asked.page}/discussions.",
        )
    if (WEIGHTS not in names and INDEX not in names) or CONFIG not in names:
        absent = f"neither {WEIGHTS} nor {INDEX}" if CONFIG in names else f"no {CONFIG}"
        raise ModelNotFound(
            f"{asked.repository} is no model of transformers: it has {absent}.",
            f"Look at {asked.page}, or take another.",
        )


def _is_small(file: RemoteFile) -> bool:
    return file.size <= _LARGEST and _SMALL.fullmatch(file.name) is not None


def _no_room(asked: HubId, cause: OSError) -> QuorumError:
    if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _full(asked, "what has arrived is kept.")
    return NotWritable(
        f"{constants.HF_HUB_CACHE} cannot be written: {cause.strerror or cause}.",
        "Set HF_HOME to a folder that you may write to.",
    )


def _full(asked: HubId, how: str) -> DiskFull:
    return DiskFull(
        f"The disk of {constants.HF_HUB_CACHE} is full, and {asked} is not whole: {how}",
        "Free some space, or set HF_HOME to a folder on another disk, and start again: it goes on from there.",
    )


def _gigabytes(size: int) -> str:
    """Bytes as the Hub writes them."""
    return f"{size / 10**9:,.2f} GB" if size >= 10**7 else f"{size / 10**6:,.2f} MB"
