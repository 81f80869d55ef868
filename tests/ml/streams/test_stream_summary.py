"""What is left of a stream, and events drawn from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.core.arrays import write_arrays
from overdensity.ml import Sample
from overdensity.ml.streams.online_flow import OnlineFlow
from overdensity.ml.streams.stream_summary import StreamSummary


def test_drawn_events_have_the_counted_masses(learned: OnlineFlow, toy_stream: Sample) -> None:
    drawn = learned.summary().sample(seed=1)
    np.testing.assert_allclose(np.sort(drawn.mass), np.sort(toy_stream.mass), rtol=1.1e-3)
    assert drawn.names == toy_stream.names
    assert len(np.unique(drawn.event)) == len(drawn)


def test_the_same_seed_draws_the_same_events_from_the_file(
    learned: OnlineFlow, tmp_path: Path
) -> None:
    summary = learned.summary()
    path = summary.save(tmp_path / "summary.npz")
    again = StreamSummary.load(path, device="cpu")
    np.testing.assert_array_equal(
        again.sample(100, seed=3).features, summary.sample(100, seed=3).features
    )
    assert again.save(tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "summary.npz"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"summary.npz: no summary of a stream, or a damaged one"):
        StreamSummary.load(path)
    write_arrays(path, masses=np.zeros(1, np.int64))
    with pytest.raises(InputError, match=r"summary.npz: a summary of another version"):
        StreamSummary.load(path)
