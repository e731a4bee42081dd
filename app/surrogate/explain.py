"""Why one coalition gets its prediction: the perplexity that the surrogate expects, and which layers it blames."""

import pandas as pd
import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.estimated import predictor_of
from app.dashboard.measured import interval_of, known, show_known, was_predicted
from app.dashboard.refitting import offered
from app.dashboard.tables import show_table
from app.digits import perplexity, significant
from app.surrogate.fit_figures import share_bars
from app.words import labels
from cache.database import Database
from cache.queries import StoredRun
from core.records.results import RunResult
from core.selection.removal_paths import least_contributing

# So many layers are removed when the page opens: enough for them to share something.
_AT_FIRST = 3


def show_why(database: Database, chosen: StoredRun, result: RunResult) -> None:
    """The prediction without the layers that the user names, at once, and the share of each of them."""
    chosen = offered(database, chosen)
    players = result.model.players
    removed = st.multiselect(
        "Layers to remove",
        range(len(players)),
        format_func=players.__getitem__,
        default=least_contributing(result.overall, min(_AT_FIRST, len(players) - 1)),
        max_selections=len(players) - 1,
        help="The Gaussian process on the log score predicts at once; nothing is measured",
    )
    gone = tuple(sorted(removed))
    if not removed:
        st.info("Pick one layer or more.")
        return
    predictor = predictor_of(database, chosen)
    if predictor is None:
        st.info("Predictions appear when the run is finished.")
        return
    found, measured = predictor.predict(gone), known(database, chosen, gone)
    if measured is not None:
        show_known(result, measured)
        st.caption(was_predicted(predictor, gone))
    else:
        st.metric(
            f"Perplexity ({'extrapolated' if found.extrapolated else 'predicted'})",
            perplexity(found.perplexity),
            interval_of(found.low, found.high),
            delta_color="off",
            delta_arrow="off",
        )
    if found.extrapolated:
        st.warning("Extrapolated: this set is unlike all that was measured, or smaller. The interval is too sure.")
    parts.show_chart(share_bars(result, found), key="shares")
    st.caption(
        f"Predicted by a surrogate ({reads.basis(database, chosen)}). Bars add up to "
        f"{significant(sum(share.value for share in found.shares), '+')} nats a token, the predicted log score. Each "
        "is a Shapley value among the removed layers: what one takes away, averaged over all orders."
    )
    names = labels(players)
    table = pd.DataFrame({"layer": names[s.layer], "share, nats a token": s.value} for s in found.shares)
    show_table(table, "Share of each removed layer in the predicted log score", f"shares-{chosen.run}")
