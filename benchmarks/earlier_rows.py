"""What earlier calls of a benchmark have measured and written."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def earlier_rows(out: Path, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of its file, if all of `asked` stands there; what was measured in another way does not stand beside."""
    stored = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    same = {key: stored.get(key) for key in asked} == json.loads(json.dumps(asked))
    return list(stored["rows"]) if same and stored else []
