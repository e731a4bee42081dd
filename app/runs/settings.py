"""The settings of runs, in words, and which of them differ."""

from collections.abc import Sequence

from app.words import called
from cache.queries import StoredRun
from core.records.spec import BUNDLED

Settings = dict[str, str]


def settings(run: StoredRun) -> Settings:
    """What was asked for, with what was settled when the run began."""
    spec, found = run.spec, run.findings
    return {
        "model": called(BUNDLED)
        if spec.model == BUNDLED
        else spec.model,  # folders of one name are told by their paths
        "text": f"{spec.corpus}, field {spec.field}" if spec.field else spec.corpus,
        "sampler": spec.sampler,
        "coalitions": f"{spec.masks:,}",
        "strata": ", ".join(map(str, run.strata)),
        "sequences": f"{spec.sequences:,} x {spec.window:,} tokens",
        "protocol": spec.preset or "none",
        "players": spec.players,
        "layers that stay": ", ".join(map(str, spec.protect)) or "none",
        "BOS": found.bos if found else spec.bos,
        "seed": str(spec.seed),
        "precision": found.dtype if found else spec.dtype,
        "device": found.device if found else spec.device,
    }


def parted(every: Sequence[Settings]) -> tuple[list[str], Settings]:
    """The names of the settings that differ, and the others with their one value."""
    differing = [name for name in every[0] if len({one[name] for one in every}) > 1]
    return differing, {name: value for name, value in every[0].items() if name not in differing}
