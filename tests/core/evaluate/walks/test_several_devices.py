"""A model whose blocks lie on two devices: every answer is that of the same model on one.

The devices are pretended ones, which refuse what brings two of them together, as GPUs do. The expected losses are plain
forwards on the processor.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.models import CONFIGS, save_model


@pytest.mark.parametrize("family", CONFIGS)
def test_a_model_over_two_devices_has_the_numbers_of_one(family: str, tmp_path: Path) -> None:
    folder = save_model(tmp_path / family, family)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.devices.spread_model", str(folder)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout)
    assert found["devices"] == ["pretended:0", "pretended:1"]
    alone = found["alone"]
    assert alone["losses"][:6] == [pytest.approx(row, rel=1e-5) for row in alone["plain"]]
    for said in found["spread"].values():
        assert said["shared prefixes"]
        for name, numbers in said.items():
            if name != "what-if":
                assert np.allclose(numbers, alone[name], rtol=1e-5, atol=1e-6), name
        assert np.allclose(np.concatenate(said["what-if"]), alone["losses"][0], rtol=1e-5)
