"""Arrays on disk, whole or made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.core.arrays import read_arrays, write_arrays

SCORES = np.random.default_rng(0).random(100, np.float32)


def test_arrays_come_back(tmp_path: Path) -> None:
    write_arrays(tmp_path / "new" / "a.npz", scores=SCORES, number=3)
    found = read_arrays(tmp_path / "new" / "a.npz")
    assert found is not None
    np.testing.assert_array_equal(found["scores"], SCORES)
    assert int(found["number"]) == 3
    assert read_arrays(tmp_path / "none.npz") is None


def test_no_changed_bit_changes_a_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, scores=SCORES)
    good, rng = path.read_bytes(), np.random.default_rng(1)
    refused = 0
    for at in range(0, len(good), 2):
        bad = bytearray(good)
        bad[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        caplog.clear()
        if (found := read_arrays(path)) is None:
            refused += 1
            assert len(caplog.messages) == 1
        elif "scores" in found:
            np.testing.assert_array_equal(found["scores"], SCORES)
    assert refused > 200  # all that lie in the numbers
