"""Which splits of a data set calibrate, and which evaluate: the two never share text."""

from collections.abc import Collection

from core.errors import CorpusError

_TESTS = ("test", "validation", "valid", "val", "dev", "eval")


def paired(splits: Collection[str], name: str) -> tuple[str, str]:
    """The splits for calibration and for evaluation; the same twice where there is only one: its halves are used then.

    Raises:
        CorpusError: splits whose names do not say what they are for.
    """
    tests = [split for split in _TESTS if split in splits]
    if len(splits) == 1:
        return (only := next(iter(splits))), only
    if "test" in tests and len(tests) > 1:
        return tests[1], "test"
    if "train" in splits and tests:
        return "train", tests[0]
    raise CorpusError(
        f"{name} has the splits {', '.join(sorted(splits))}: which is meant is not clear.",
        "Name one after a colon, as in owner/name:config:split; of a saved folder, give the split's own folder.",
    )
