"""The model card of an exported folder: where the model came from, and what it lost."""

import json
import re
from dataclasses import dataclass

from core import __version__
from core.coalitions.players import dropped, indexes
from core.errors import ModelNotFound
from core.export.recipes.recipe import COMMAND, Recipe
from core.hub.hub_id import HubId
from core.records.behaviour.treatments import Treatment
from core.records.mends import Compensation, Heal, Healing
from core.records.spec import BUNDLED, BUNDLED_HUB, ModelInfo, TextProtocol


@dataclass(frozen=True)
class Outcome:
    """What an export has found out about both models, on one text."""

    protocol: TextProtocol
    dense_perplexity: float
    perplexity: float  # of the smaller model
    parameters: int  # of the smaller model
    plain_perplexity: float  # without compensation and training
    compensation: Compensation | None
    healing: Healing | None = None


def card(parent: ModelInfo, recipe: Recipe, outcome: Outcome, licences: list[str], drafts: bool) -> str:
    """README.md, with the front matter that the Hugging Face Hub reads.

    Args:
        parent: the whole model.
        recipe: what was removed from it.
        outcome: what was measured of both.
        licences: names of the parent's licence files, which lie beside the card.
        drafts: whether transformers lets it write ahead of its parent.
    """
    hub = _repository(parent.source)
    base = [f"base_model: {json.dumps(hub)}"] if hub else []
    licence = ["license: apache-2.0"] if parent.source == BUNDLED else []
    name = hub or re.split(r"[/\\]", parent.source.rstrip("/\\"))[-1]
    commit = f", commit `{parent.commit}`" if parent.commit else ""
    blocks, halves = dropped(parent.players, parent.layers, indexes(parent.players, recipe.removed))
    share = 1 - outcome.parameters / parent.parameters
    done = outcome.compensation if outcome.compensation and outcome.compensation.accepted else None
    kept = "The weights that stay are the parent's, bit by bit"
    kept += ", but for those that are zero" if halves else ", but for those that were fitted" if done else ""
    trained = outcome.healing if outcome.healing and outcome.healing.kept.step else None
    made = f"{kept}; nothing was trained afterwards."
    if trained:
        made = "Of the weights that stay, the matrices inside the layers were trained afterwards (LoRA, merged)."
    zero = "- Attention (a) and MLPs (m) switched off by output projections that are zero: "
    terms = f"The parent's terms apply: {', '.join(licences)}." if licences else "The parent's licence applies."
    return "\n".join(
        [
            "---",
            *base,
            *licence,
            "library_name: transformers",
            "pipeline_tag: text-generation",
            "tags:",
            "- quorum",
            "- pruned",
            "- layer-pruning",
            "---",
            "",
            f"# {_plain(name)} without {len(blocks)} of {parent.layers} layers"
            + (f" and {len(halves)} halves of layers" if halves else ""),
            "",
            f"Made with Quorum {__version__}. {made}",
            "",
            "| | parent | this model |",
            "| --- | --- | --- |",
            f"| layers | {parent.layers} | {parent.layers - len(blocks)} |",
            f"| parameters | {parent.parameters:,} | {outcome.parameters:,} ({share:.1%} fewer) |",
            f"| perplexity | {outcome.dense_perplexity:.3f} | {outcome.perplexity:.3f} |",
            "",
            *(_gave(outcome) if done or trained else []),
            f"- Parent: {_plain(name)} ({parent.architecture}, fingerprint `{parent.fingerprint}`{commit}).",
            f"- Layers removed, counted from 0: {', '.join(map(str, blocks)) or 'none'}.",
            *([f"{zero}{', '.join(halves)}."] if halves else []),
            *([_fitted(outcome.compensation)] if outcome.compensation else []),
            *([_healed(recipe, outcome.healing)] if outcome.healing else []),
            f"- Perplexity was measured in {parent.dtype} on {_plain(str(outcome.protocol))}. It compares only "
            "with perplexities of the same protocol.",
            f"- The layers were chosen with run `{recipe.run}`; its specification is in `quorum.json`.",
            f"- {terms}",
            "",
            *(_drafting() if drafts else []),
            "To make it again, with `quorum.json` as FILE:",
            "",
            "```sh",
            COMMAND,
            "```",
            "",
        ]
    )


def _gave(outcome: Outcome) -> list[str]:
    """What each step that changed anything gave."""
    measured = outcome.protocol, outcome.dense_perplexity, outcome.plain_perplexity
    steps = Treatment(*measured, outcome.compensation, outcome.healing, outcome.perplexity).steps()
    return [
        "What each step gave, on text that none of them has seen:",
        "",
        "| step | perplexity |",
        "| --- | --- |",
        *(f"| {step} | {found:.3f} |" for step, found in steps),
        "",
    ]


def _drafting() -> list[str]:
    return [
        "It can draft for its parent, which still writes its own text: assisted generation, one text at a time. "
        "`select RUN --for draft` measures whether that gains time. With the parent loaded as `parent`, and this "
        "folder as `draft`, by transformers:",
        "",
        "```python",
        "parent.generate(**inputs, do_sample=False, assistant_model=draft)",
        "```",
        "",
    ]


def _fitted(done: Compensation) -> str:
    """What was changed beside the cuts, on which text, and how that was decided."""
    text = f"{_plain(str(done.fitted))}, of which the last {done.held} sequences decided and were not fitted on"
    if not done.accepted:
        return f"- Compensation ({done.how}) lowered the loss at no cut, and nothing was changed: {text}."
    scaled = "what all layers after a cut add was divided by one number"
    refitted = "the output projections before a cut were fitted anew by ridge regression"
    what = scaled if done.how == "scale" else refitted
    last = f"then moved together towards the whole model's predictions, steps: {len(done.steps)}"
    end = last if done.steps else "no training"
    return f"- Compensation: {what}, at {done.accepted} of {len(done.cuts)} cuts; {end}. Text: {text}."


def _healed(recipe: Recipe, done: Healing) -> str:
    """What was trained, on what, and what that gave on text that it has not seen."""
    heal, kept, first = recipe.heal, done.kept, done.readings[0]
    assert heal is not None  # which has asked for it
    text = f"Text: {_plain(done.text)}, {done.held} of them held out"
    if not kept.step:
        none = f"{done.steps} steps of training did not lower the loss of what was held out"
        return f"- {none}: nothing was changed. {text}."
    how = f"rank {heal.rank}, alpha {heal.alpha}, dropout {heal.dropout}, learning rate {heal.rate:g}"
    gave = f"perplexity of what was held out {first.perplexity:.3f} before and {kept.perplexity:.3f} after"
    return (
        f"- Training: LoRA ({how}), {kept.step} steps of {heal.batch}, seed {heal.seed}{_distilled(heal)}; {gave}. "
        f"{text}."
    )


def _distilled(heal: Heal) -> str:
    """That the whole model's predictions were learnt, if they were."""
    if not heal.distil:
        return ""
    return f"; {heal.distil:.0%} of the loss was KL from the parent's predictions at temperature {heal.temperature:g}"


def _repository(source: str) -> str:
    """Where the parent is on the Hub, as far as its name says; empty if it is not there."""
    if source == BUNDLED:
        return BUNDLED_HUB
    try:
        return HubId.of(source).repository
    except ModelNotFound:
        return ""


def _plain(text: str) -> str:
    """A name on one line, without what Markdown and HTML would take for their own."""
    return re.sub(r"[^\w .,:()/+-]", "_", text)
