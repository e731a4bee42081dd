"""What the Hub does not give is refused with its reason and the next step, soon, and without a trace in the cache."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from core.checkpoint.checkpoint import locate
from core.errors import BadPath, ModelError, ModelNotFound, NotCausal, UnsafeWeights, UnsupportedModel
from core.hub import download
from tests.support.hub.repositories import Repository, model, read
from tests.support.hub.server import Fault, Hub

NAME = "some/model"
Change = Callable[[Hub, dict[str, bytes]], None]


def fault(**how: object) -> Change:
    where = str(how.pop("where", "model-00002"))
    return lambda hub, files: hub.faults.append(Fault(where, **how))


def repository(**how: object) -> Change:
    return lambda hub, files: hub.add(Repository(NAME, files, **how))


def only(*names: str, **more: bytes) -> Change:
    """A repository with these files of the model, and others."""
    return lambda hub, files: hub.add(
        Repository(
            NAME, {name: files.get(name, b"x") for name in names} | {k.replace("__", "."): v for k, v in more.items()}
        )
    )


def data_set(hub: Hub, files: dict[str, bytes]) -> None:
    hub.repositories.clear()
    hub.add(Repository(NAME, files, kind="datasets"))


def without(part: str) -> Change:
    return lambda hub, files: hub.add(Repository(NAME, {k: v for k, v in files.items() if part not in k}))


LIMIT = {"RateLimit": '"api";r=0;t=240', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}
DISABLED = {"X-Error-Message": "Access to this resource is disabled."}
GONE = {"X-Error-Code": "EntryNotFound"}
NOWHERE, CIRCLE = {"Location": "http://127.0.0.1:9/"}, {"Location": "/api/models/some/model"}
CASES: dict[str, tuple[Change, type[ModelError], str, str]] = {
    "missing": (lambda hub, files: hub.repositories.clear(), ModelNotFound, "There is no model some/model", "hf auth"),
    "private": (repository(private=True), ModelNotFound, "or it is private and no token is set", "hf auth login"),
    "gated": (repository(gated=True), ModelNotFound, "is gated", "Ask for it on https://huggingface.co/some/model"),
    "closed": (fault(where="/api/", status=403, headers=DISABLED), ModelNotFound, "has closed", "another model"),
    "a data set": (data_set, ModelNotFound, "is a data set", "--corpus some/model"),
    "forbidden": (fault(where="/resolve/", status=403), ModelNotFound, "refuses the token", "settings/tokens"),
    "asked too often": (fault(where="/api/", status=429, headers=LIMIT), ModelNotFound, "for 240 s", "logged in"),
    "asked too often, later": (
        fault(where="/resolve/", status=429, headers={"Retry-After": "99"}), ModelNotFound, "for 99 s", "is kept"
    ),
    "too often, without a word": (fault(where="/api/", status=429), ModelNotFound, "too many came", "Wait"),
    "in trouble": (fault(where="/api/", status=500), ModelNotFound, "trouble of its own (500)", "status.huggingface"),
    "in trouble later": (fault(where="/lfs/", status=502), ModelNotFound, "trouble of its own (502)", "is kept"),
    "another status": (fault(where="/api/", status=418), ModelNotFound, "refuses some/model (418)", "Look at"),
    "silent": (fault(where="/api/", silent=60), ModelNotFound, "does not answer", "bundled"),
    "silent later": (fault(where="/lfs/", silent=60), ModelNotFound, "does not answer", "is kept"),
    "stopping": (fault(stall=2000), ModelNotFound, "has stopped sending", "is kept"),
    "cut off at once": (fault(cut=0), ModelNotFound, "ends the connection", "is kept"),
    "another byte": (fault(flip=4321), UnsupportedModel, "model-00002-of-", "fetched anew"),
    "too short": (fault(short=10), UnsupportedModel, "arrived damaged", "fetched anew"),
    "other settings": (fault(where="/config.json", flip=20), UnsupportedModel, "config.json of some/model", "anew"),
    "a file is gone": (fault(where="/resolve/", status=404, headers=GONE), ModelNotFound, "lists a file", "Start"),
    "a login page": (fault(where="/api/", status=200), ModelNotFound, "makes no sense", "HF_ENDPOINT"),
    "elsewhere": (fault(where="/api/", status=302, headers=NOWHERE), ModelNotFound, "cannot be reached", "bundled"),
    "in circles": (fault(where="/api/", status=302, headers=CIRCLE), ModelNotFound, "makes no sense", "proxy"),
    "a shard missing": (without("model-00002"), UnsupportedModel, "has no file model-00002", "another revision"),
    "pickles": (only("config.json", "pytorch_model.bin"), UnsafeWeights, "no safetensors", "owner/name@revision"),
    "GGUF": (only("config.json", "a.Q4.gguf", "b.gguf"), ModelNotFound, "GGUF files only", "some/model/a.Q4.gguf"),
    "an adapter": (
        only("adapter_config.json", "adapter_model.safetensors"), UnsafeWeights, "is an adapter", "merge_and_unload"
    ),
    "no settings": (without("config.json"), ModelNotFound, "it has no config.json", "another"),
    "no index": (without("index.json"), ModelNotFound, "neither model.safetensors nor", "another"),
    "empty": (only("README.md"), ModelNotFound, "is no model of transformers", "Look at"),
    "an encoder": (only("model.safetensors", config__json=b'{"model_type": "t5"}'), NotCausal, "", ""),
    "no index in the index": (
        only("config.json", model__safetensors__index__json=b"{}"), UnsupportedModel, "weight_map", "again"
    ),
}  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PATIENCE", 1.2)
    monkeypatch.setattr(download, "TIMEOUT", 0.5)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", CASES)
def test_refused_with_its_reason(hub: Hub, parts: Path, name: str) -> None:
    change, error, said, advised = CASES[name]
    hub.add(model(NAME, parts))
    change(hub, read(parts))
    began = time.monotonic()
    with pytest.raises(error) as refused:
        locate(NAME)
    assert type(refused.value) is error
    assert said in refused.value.message
    assert advised in refused.value.hint
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("revision", ["v9", "0" * 40, "feature/none"])
def test_a_revision_that_is_not_there(hub: Hub, parts: Path, revision: str) -> None:
    hub.add(model(NAME, parts))
    with pytest.raises(ModelNotFound, match=f"has no revision {revision}") as refused:
        locate(f"{NAME}@{revision}")
    assert "/commits/main" in refused.value.hint


def test_a_model_that_was_renamed_is_followed(hub: Hub, parts: Path) -> None:
    hub.add(Repository("old/name", {}, renamed=NAME), model(NAME, parts))
    assert locate("old/name").commit == locate(NAME).commit


def test_a_token_that_the_hub_refuses(hub: Hub, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(model(NAME, parts, gated=True))
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    with pytest.raises(ModelNotFound, match="refuses the token"):
        locate(NAME)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert locate(NAME).folder.is_dir()
    assert not any(asked.authorization for asked in hub.requests if asked.to_content)


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFound, match=r"cannot be reached .*, and some/model is not on this machine"):
        locate(NAME)


@pytest.mark.parametrize(
    "name",
    ["../x/y", "a/b/c", "a b/c", "a/b c", "a/", "/a", "a/b/", "a//b", "a/../b", "a--b/c", "a/b.git", "a/b@", "a/b@../c",
     "a/b@x y", "a/b@/x", "-a/b", "a/" + "b" * 200, "a/b/../c.gguf", "a/b/c/d.gguf", "a/b\n", "ä/b", "name", "@",
     "a/b@x@y", "a/b?x=1", "a/b#c", "http://x/y", "~nobody-here/x"],
)  # fmt: skip
def test_names_are_checked_before_anything_is_asked(hub: Hub, name: str) -> None:
    hub.add(Repository(name, {}))
    with pytest.raises((ModelNotFound, BadPath)) as refused:
        locate(name)
    assert refused.value.hint
    assert not hub.requests


def test_another_thread_that_closes_the_client_hides_no_data_set(
    hub: Hub, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All threads share the client of huggingface_hub, which closes it when one of them does not reach its server."""
    data_set(hub, read(parts))
    ask, closed = HfApi.dataset_info, [RuntimeError("Cannot send a request, as the client has been closed.")]

    def asked(api: HfApi, *names: str, **how: float) -> object:
        if closed:
            raise closed.pop()
        return ask(api, *names, **how)

    monkeypatch.setattr(HfApi, "dataset_info", asked)
    with pytest.raises(ModelNotFound, match="is a data set"):
        locate(NAME)
