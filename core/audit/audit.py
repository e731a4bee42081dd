"""Every claim of a run, held against what was measured."""

from core.audit.arithmetic import exactness, figures, sums
from core.audit.coverage import chosen, coalitions, texts
from core.audit.evidence import Evidence
from core.records.audits import Audit


def audit(run: Evidence) -> Audit:
    """Everything that can be told of a run; what cannot is said to be so, and what is no number fails.

    Raises:
        SelectionError: too few coalitions to fit and to test on.
    """
    run.measured.check_enough()
    return Audit(
        run=run.result.run,
        own=len(run.measured),
        figures=figures(run),
        sums=sums(run),
        exactness=exactness(run),
        coalitions=coalitions(run),
        texts=texts(run),
        chosen=chosen(run),
    )
