"""How far the contributions can be trusted, in one sentence before all else."""

import streamlit as st

from app.dashboard import navigation
from app.digits import significant
from cache.queries import StoredRun
from core.attribution.stability import stability
from core.records.results import RunResult

# With fewer, hyperparameters are in doubt, too, and no interval holds that.
_MASKS_A_LAYER = 2


def show_trust(run: StoredRun, result: RunResult) -> None:
    """How settled the ranks are, and how good the surrogate is that the contributions come from."""
    fit = result.surrogate
    if result.is_exact:
        st.markdown("They are exact: every coalition was measured, and no surrogate has a part in them.")
        return
    said, link = st.columns([7, 1])
    said.markdown(
        f"**How far to trust them:** {ranking(result)}; the surrogate's R² on {fit.masks} **unseen** coalitions is "
        f"{significant(fit.r2)}."
    )
    link.page_link(navigation.surrogate(), label="Surrogate")
    if run.refit is not None:
        st.caption("These are the figures of the run's own contributions, without what the refit takes in.")
    if fit.masks < _MASKS_A_LAYER * len(result.model.players):
        st.warning("These are few coalitions for so many layers: the intervals may be too narrow. Measure more.")


def ranking(result: RunResult) -> str:
    """How alike a run on other coalitions would rank the layers, and what it takes until that is settled."""
    found = stability(result)
    so_far = f"rank correlation with another run **{significant(found.spearman)}** (expected"
    if found.more == 0:
        return f"{so_far}: settled, from {significant(found.settled)})"
    more = f"about {found.more:,} more coalitions, extrapolated" if found.more else "far more coalitions"
    return f"{so_far}; {significant(found.settled)} takes {more})"
