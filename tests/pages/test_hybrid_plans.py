"""A plan that takes a hybrid's last layer of attention says so wherever it is chosen: it generates with no cache."""

from pathlib import Path

import pytest

from app.notebook import quorum
from app.words import uncached
from app.worker.client import Jobs
from cache import queries
from core.coalitions.players import players_of
from core.records.spec import ModelInfo
from tests.support.commands import Cli
from tests.support.families import save_family
from tests.support.pages import open_page, said

LOST = "Without layers 1, 4 this hybrid model has no attention left"


@pytest.fixture
def hybrid(tmp_path: Path, text_file: Path, cli: Cli) -> str:
    """A run of a model whose layers 1 and 4 are of attention, and the others Mamba's."""
    model = save_family(tmp_path / "bamba", "Bamba")
    status, run, errors = cli(
        "run", "--model", model, "--corpus", text_file, "--sequences", 2, "--window", 16, "--masks", 20, "--no-search"
    )
    assert status == 0 and run["model"]["attention"] == [1, 4], errors
    return str(run["run"])


def test_commands_notebook_and_pages_say_so(hybrid: str, cli: Cli, shared: Jobs, cache_file: Path) -> None:
    assert cli("predict", hybrid, "--remove", "1,3,4")[1]["uncached"] is True
    assert cli("predict", hybrid, "--remove", "1,3")[1]["uncached"] is False
    # Nothing else is free to go, so that the plan of two is the one that takes both.
    status, chosen, errors = cli("select", hybrid, "--protect", "0,2,3,5,6", "--most", 2, "--units", 0.1)
    assert status == 0, errors
    assert [(plan["removed"] == [1, 4], plan["uncached"]) for plan in chosen["plans"]] == [(False, False), (True, True)]
    table = quorum.load(hybrid, cache_file).select(protect=[0, 2, 3, 5, 6], most=2, units=0.1)
    assert table["uncached"].tolist() == [False, True]

    assert queries.find_selection(shared.database, hybrid).plans[1].removed == (1, 4)
    for page in ("preview", "export"):
        assert LOST in said(open_page(page, run=hybrid, remove="1,4"))
        assert LOST not in said(open_page(page, run=hybrid, remove="1,5"))
    shown = next(
        frame.value for frame in open_page("preview", run=hybrid, tab="plans").dataframe if "layers" in frame.value
    )
    assert shown["with a cache"].tolist() == [True, False]
    page = open_page("contributions", run=hybrid)
    what_if = next(element for element in page.multiselect if element.label == "Layers to remove")
    assert LOST in said(what_if.set_value([1, 4]).run())


@pytest.mark.parametrize(
    ("kind", "protect", "removed", "lost"),
    [
        ("block", (), (1, 4), True),
        ("block", (), (0, 1, 4, 6), True),
        ("block", (), (1,), False),
        ("block", (4,), (1,), False),
        ("sublayer", (), (2, 3, 8, 9), True),  # both halves of both
        ("sublayer", (), (2, 3, 8), False),  # what has lost a half still has its place in the cache
        ("group:2", (), (0, 2), True),
        ("group:2", (), (0, 1), False),
    ],
)
def test_who_plays_decides_what_is_lost(
    kind: str, protect: tuple[int, ...], removed: tuple[int, ...], lost: bool
) -> None:
    players = players_of(7, kind, protect)
    model = ModelInfo("m", "Bamba", 7, 100, "f" * 16, "float32", "cpu", players, attention=(1, 4))
    assert bool(uncached(model, removed)) == lost
    assert not uncached(ModelInfo("m", "Llama", 7, 100, "f" * 16, "float32", "cpu", players), removed)
