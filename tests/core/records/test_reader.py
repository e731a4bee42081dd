"""Records come back from JSON as they were written, and those of earlier releases with defaults."""

import json
import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.records.diagnostics import Diagnostics
from core.records.events import Exported, Measured, Progress, Timed
from core.records.plans import Comparison, Scores, Selection
from core.records.reader import from_fields, from_json
from core.records.results import Precision, RunResult
from core.records.spec import ModelInfo, RunSpec, TextProtocol

KINDS = [RunSpec, ModelInfo, TextProtocol, RunResult, Precision, Diagnostics, Selection, Comparison, Scores]
EVENTS = [Measured, Exported, Progress, Timed]
# A model names as many players as it has layers.
st.register_type_strategy(
    ModelInfo, st.builds(ModelInfo, layers=st.integers(0, 9), players=st.lists(st.text()).map(tuple), quantisation=...)
)


@pytest.mark.parametrize("kind", [*KINDS, *EVENTS])
def test_what_is_read_is_what_was_written(kind: type[Any]) -> None:
    """Any record at all, with NaN and infinities in it; `repr` tells tuples from lists, floats from whole numbers."""

    @settings(max_examples=25, deadline=None, suppress_health_check=[*HealthCheck])
    @given(st.from_type(kind))
    def check(record: Any) -> None:
        text = json.dumps(asdict(record))
        assert repr(from_json(kind, text)) == repr(record)
        assert repr(from_fields(kind, json.loads(text))) == repr(record)

    check()


def result_of_the_first_release() -> dict[str, Any]:
    """A result as it was stored before there were players, intervals of predictions or interactions."""
    return {
        "run": "ab12cd34",
        "model": {
            "source": "bundled",
            "architecture": "LlamaForCausalLM",
            "layers": 2,
            "parameters": 1000,
            "fingerprint": "f" * 16,
            "dtype": "float32",
            "device": "cpu",
        },
        "protocol": {
            "corpus": "python-docs",
            "split": "calibration",
            "window": 128,
            "stride": 128,
            "bos": "none",
            "sequences": 1,
            "seed": 0,
            "tokens": "0" * 16,
        },
        "strata": [1],
        "masks": 2,
        "dense_perplexity": 12,
        "contributions": [{"layer": 0, "value": 0.5, "low": 0.25, "high": 0.75, "calibration": math.nan}],
        "surrogate": {"name": "Network", "r2": -math.inf, "spearman": math.nan, "mae": 0.1, "masks": 2},
        "others": [],
        "not_finite": 0,
        "measured": 3,
        "cached": 0,
        "seconds": 1.5,
    }


def test_results_of_earlier_releases() -> None:
    found = from_json(RunResult, json.dumps(result_of_the_first_release()))
    assert found.model.players == ("0", "1") and found.model.quantisation == ""
    assert (found.precision, found.interactions) == (None, None)
    assert (found.bands, found.layer_parameters, found.learnt, found.others) == ((), (), (), ())
    assert found.strata == (1,) and found.dense_perplexity == 12.0
    [contribution] = found.contributions
    assert contribution.stratum is None and math.isnan(contribution.calibration)
    assert found.surrogate.r2 == -math.inf and found.parameters_without([0]) is None
    left_out = result_of_the_first_release() | {"precision": None, "no_longer_kept": [1, 2]}
    assert repr(from_fields(RunResult, left_out)) == repr(found)


def test_specifications_of_earlier_releases() -> None:
    earlier = {"model": "bundled", "corpus": "python-docs", "sequences": 10, "window": 128, "masks": 300, "seed": 1}
    assert from_fields(RunSpec, earlier) == RunSpec(seed=1)
    assert from_json(RunSpec, json.dumps(earlier | {"strata": None})) == RunSpec(seed=1)
    assert from_fields(RunSpec, earlier | {"strata": [3, 5], "protect": [7, 0]}) == RunSpec(
        seed=1, strata=(3, 5), protect=(0, 7)
    )


@pytest.mark.parametrize("name", ["run", "model", "contributions", "surrogate"])
def test_what_is_no_record(name: str) -> None:
    broken = result_of_the_first_release()
    del broken[name]
    with pytest.raises(ValidationError):
        from_fields(RunResult, broken)
    with pytest.raises(ValidationError):
        from_json(RunResult, json.dumps(broken)[:-5])
