"""Files of lists with our own names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from overdensity.processors import ParquetSource, read_events
from overdensity.processors.sources.layout import COLLECTIONS
from overdensity.processors.sources.layouts.flat import FLAT


def test_every_collection_has_its_place() -> None:
    assert tuple(FLAT.collections) == COLLECTIONS


def test_ids_and_labels_are_taken_as_they_are(tmp_path) -> None:
    columns = {f"jets_{x}": [[1.0], [2.0, 3.0]] for x in ("pt", "eta", "phi", "tau1")}
    ids = np.array([7, 2**63 + 1], np.uint64)
    pq.write_table(pa.table({**columns, "event": ids, "label": [0, 1]}), tmp_path / "a.parquet")
    events = read_events(ParquetSource(FLAT), tmp_path / "a.parquet", collections=("jets",))
    assert events.event.to_list() == ids.tolist()
    assert events.label.to_list() == [0, 1]
    assert events.jets.tau1.to_list() == [[1.0], [2.0, 3.0]]
    assert events.jets.mass.to_list() == [[0.0], [0.0, 0.0]]
