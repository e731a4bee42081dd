"""Which layers does a language model need? Layers as players of a cooperative game, from a notebook or a script.

    run(model, corpus, masks=300)     measures, and gives a Run; started again, it goes on
    runs(), load(name)                the runs in a results file, and one of them
    evaluate(model, corpus, masks)    the losses of coalitions, (masks, sequences)
    fit(masks, losses, dense)         a Surrogate of losses that were measured anywhere
    compare(methods)                  ours and the literature's methods, as a table
    draft(model, removed)             a model of transformers without layers, that drafts for it and shares its weights
    quantise(folder, out)             a folder in four bits, measured beside the one that it was made of

An expected failure is a QuorumError: `message` names the cause, `hint` the next step. docs/api.md has all of it.
"""

from app.notebook.fitted_surrogate import Surrogate, fit
from app.notebook.mask_losses import evaluate
from app.notebook.method_table import compare
from app.notebook.models.draft_model import draft
from app.notebook.models.quantised_folder import quantise
from app.notebook.named_runs import load, run, runs
from app.notebook.run_handle import Run
from core import __version__
from core.errors import QuorumError
from core.records.spec import RunSpec

__all__ = [
    "QuorumError",
    "Run",
    "RunSpec",
    "Surrogate",
    "__version__",
    "compare",
    "draft",
    "evaluate",
    "fit",
    "load",
    "quantise",
    "run",
    "runs",
]
