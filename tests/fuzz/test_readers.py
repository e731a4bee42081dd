"""Damaged foreign files are read or refused by name. For longer: `python -m benchmarks.fuzz MINUTES`."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.damage import Readers
from benchmarks.fuzz import gguf_file


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    return Readers(tmp_path_factory.mktemp("fuzz"), gguf_file)


@pytest.mark.parametrize("kind", ["configuration", "safetensors", "index", "gguf", "jsonl"])
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_damaged(readers: Readers, kind: str, seed: int) -> None:
    readers.refuses(kind, seed)


@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_damaged_parquet(readers: Readers, seed: int) -> None:
    """Each is read by a process of its own."""
    readers.refuses("parquet", seed)
