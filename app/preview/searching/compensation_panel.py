"""Plans after compensation: asked for at one size, watched, and shown beside what they are without it."""

import pandas as pd
import streamlit as st

from app.dashboard import login, reads
from app.dashboard.progress import watch
from app.dashboard.session import widgets
from app.dashboard.tables import draw_table
from app.foreign import plain
from app.words import FITS, named
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.coalitions.players import are_halves
from core.records.mends import COMPENSATIONS, CompensatedPlans
from core.records.plans import Selection
from core.selection.finalists import MOST

HELP = f"""Compensation changes weights, most of them beside each cut, so that the layers that stay make up for it.
Up to {MOST} sets of this size are compensated and measured: a minute each for a small model, two to four by logits."""


def show_compensation(shared: Jobs, run: StoredRun, found: Selection, removed: tuple[int, ...]) -> None:
    """Asks for the best set of as many layers as the one on show after compensation; what is known stands below."""
    job = shared.newest("compensate", run.run)
    if job is not None and (job.active or job.status == "failed"):
        watch(job, shared, "Compensating the best plans")
        if job.active:
            return
    count = len(removed)
    possible = 0 < count <= len(found.plans) and not are_halves(found.model.players)
    widgets.begin("search-compensate", "refit")
    how = st.selectbox(
        "Compensation", COMPENSATIONS[1:], format_func=FITS.__getitem__, key="search-compensate", help=HELP
    )
    if st.button(f"Find the best {count:d} after {how}", icon=":material/healing:", disabled=not possible):
        asked = {"run": run.run, "game": run.game, "protected": list(found.protected), "count": count, "how": how}
        shared.task("compensate", run.resolved, login.visitor(), **asked)
        st.rerun()
    for judged in reads.compensated(shared.database, run.run, found):
        draw_table(_table(judged), f"Sets of layers after {judged.how}", f"{judged.how}-{run.run}")
        st.caption(
            f"After {plain(judged.how)}, fitted on {judged.fitted.sequences:d} other windows; measured on "
            f"{plain(judged.protocol)}. Intervals: 90 %, for other text of this kind."
        )


def _table(judged: CompensatedPlans) -> pd.DataFrame:
    """Every finalist, the best of each size first."""
    rows = [
        {
            "removed": plan.count,
            "layers": named(judged.model.players, plan.removed),
            "perplexity": plan.plain,
            f"after {judged.how}": plan.perplexity,
            "low (90 %)": plan.low,
            "high (90 %)": plan.high,
            "cuts": len(plan.cuts),
        }
        for plan in sorted(judged.judged, key=lambda plan: (plan.count, plan.perplexity))
    ]
    return pd.DataFrame(rows)
