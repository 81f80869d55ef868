"""Finished chunks on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from overdensity.simulation.chunks import ChunkResult
from overdensity.simulation.parts import Parts
from overdensity.simulation.settings import DetectorSettings

from .conftest import events_of
from .test_chunks import TASK

RESULT = ChunkResult(events_of([2, 0, 1], np.arange(9).reshape(3, 3)), 7, 5.5, 7.5)


def test_a_chunk_is_found_as_it_was_kept(tmp_path: Path) -> None:
    parts = Parts.of(tmp_path / "box.h5")
    assert parts.folder.name == "box.h5.parts"
    assert parts.find(TASK) is None
    assert not parts.folder.exists()
    parts.keep(TASK, RESULT)
    found = parts.find(TASK)
    assert found is not None
    assert (found.generated, found.cross_section, found.weight) == (7, 5.5, 7.5)
    for name, values in vars(RESULT.events).items():
        np.testing.assert_array_equal(getattr(found.events, name), values)
        assert getattr(found.events, name).dtype == values.dtype
    assert parts.reused == 1


def test_chunks_of_other_settings_are_not_found(tmp_path: Path) -> None:
    parts = Parts.of(tmp_path / "box.h5")
    parts.keep(TASK, RESULT)
    for other in (
        replace(TASK, index=1),
        replace(TASK, seed=2),
        replace(TASK, process="other"),
        replace(TASK, pythia=("Tune:pp = 3",)),
        replace(TASK, detector=DetectorSettings(field=2.0)),
    ):
        assert parts.find(other) is None


def test_a_damaged_chunk_is_made_again(tmp_path: Path) -> None:
    parts = Parts.of(tmp_path / "box.h5")
    parts.keep(TASK, RESULT)
    (path,) = parts.folder.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    assert parts.find(TASK) is None
    parts.remove()
    assert list(tmp_path.iterdir()) == []
