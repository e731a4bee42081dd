"""What an export has saved, in words: parameters that are gone, those that are only zero, and the speed."""

from core.records.events import Exported


def saved(done: Exported) -> list[str]:
    """Sentences without a full stop."""
    zeros = (
        f"; {done.zeroed:,} more are zero and still in the file: half of a layer saves neither memory nor much time"
        if done.zeroed
        else ""
    )
    return [
        f"{done.deleted:,} parameters are gone from the file{zeros}",
        f"a forward of one window takes {done.pruned:.3g} s, the whole model's {done.whole:.3g} s (medians, measured "
        "on this machine)",
    ]
