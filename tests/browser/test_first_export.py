"""From a fresh start, on the real model: what a few clicks after the first paint export is good on text not seen."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import torch
from playwright.sync_api import Browser, expect
from transformers import AutoModelForCausalLM, PreTrainedModel

from core.checkpoint.checkpoint import locate
from core.records.spec import TextSpec
from core.text.corpora import EMBEDDED, read
from core.text.windows import cut
from tests.support.browser import own_home, serving, settle, visit, visitor


def loss(model: PreTrainedModel, ids: torch.Tensor) -> float:
    """By plain transformers, in nats a token."""
    with torch.inference_mode():
        return float(model(input_ids=ids, labels=ids, use_cache=False).loss)


def test_three_clicks_after_the_first_paint_a_good_model_is_exported(tmp_path: Path, browser: Browser) -> None:
    with serving(tmp_path / "results.duckdb", QUORUM_HOME=own_home(tmp_path)) as fresh, visitor(browser) as page:
        page.goto(fresh.address)
        settle(page)
        visit(page, "Preview")
        page.get_by_role("link", name="Export these").click()
        settle(page)
        [asked] = parse_qs(urlsplit(page.url).query)["remove"]
        page.get_by_role("button", name="Export", exact=True).click()
        # How it ends is for tests of exports, on smaller models: this one takes minutes where bfloat16 is emulated.
        expect(page.get_by_text(re.compile(r"^Exporting"))).to_be_visible()

    checkpoint = locate("bundled")
    ids = cut(read(EMBEDDED, "evaluation"), checkpoint.tokenizer, TextSpec(EMBEDDED, "evaluation", 128, 20, seed=0)).ids
    model = AutoModelForCausalLM.from_pretrained(checkpoint.folder, dtype=torch.float32)
    whole, layers = loss(model, ids), model.model.layers
    removed = {int(layer) for layer in asked.split(",")}
    model.model.layers = torch.nn.ModuleList(block for place, block in enumerate(layers) if place not in removed)
    assert removed and 0 < loss(model, ids) - whole < torch.tensor(1.25).log()
