"""Content hashes: what makes two measurements the same measurement."""

import hashlib
import json
from collections.abc import Sequence

from core.records.spec import ModelInfo, RunSpec, TextProtocol

# Raised whenever a change of code changes what an evaluation measures, so that old figures are not taken for new ones.
METRIC = 1


def game_key(model: ModelInfo, protocol: TextProtocol) -> str:
    """One key for all evaluations that compare: the same weights, tokens, windows, BOS, dtype and metric."""
    # Games of before there were other players than blocks, or quantised weights, keep their keys.
    players = [] if model.players == tuple(map(str, range(model.layers))) else [model.players]
    quantised = [model.quantisation] if model.quantisation else []
    return _digest(
        METRIC,
        model.fingerprint,
        model.dtype,
        protocol.tokens,
        protocol.window,
        protocol.stride,
        protocol.bos,
        *players,
        *quantised,
    )


def model_key(model: ModelInfo) -> str:
    """One key for all answers of a model: the same weights, dtype and players."""
    return _digest(METRIC, model.fingerprint, model.dtype, model.players, model.quantisation)


def run_key(game: str, protocol: TextProtocol, strata: Sequence[int], spec: RunSpec) -> str:
    """The name of a run: the same request gets the same name, so that starting it again resumes it."""
    # Runs of before there were samplers keep their names.
    sampler = [] if spec.sampler == "stratified" else [spec.sampler]
    return _digest(game, protocol.corpus, protocol.split, list(strata), spec.masks, spec.seed, *sampler)[:8]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
