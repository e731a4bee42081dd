"""A request in the form in which it means the same to every process."""

from dataclasses import replace

from core.corpora import CORPORA
from core.paths import user_path
from core.types import BUNDLED, RunSpec


def located(spec: RunSpec) -> RunSpec:
    """The same request with paths made absolute: the worker, and whoever resumes the run, have another folder."""
    return replace(
        spec,
        model=spec.model if spec.model == BUNDLED else _absolute(spec.model),
        corpus=spec.corpus if spec.corpus in CORPORA else _absolute(spec.corpus),
    )


def _absolute(name: str) -> str:
    path = user_path(name)
    return str(path.resolve()) if path.exists() else name
