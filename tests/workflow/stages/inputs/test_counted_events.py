"""Events count as the one who asks for them says, and those of a region are told by its cuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.workflow.config.region import RegionConfig
from overdensity.workflow.stages.inputs.counted_events import events_in_region, weighed


def sample(weight: list[float]) -> Sample:
    mass = np.linspace(3000, 4000, len(weight))
    return Sample.from_arrays(mass, mass[:, None], ["j1_mass"], weight=np.array(weight))


def test_weights_stay_or_go_as_is_said() -> None:
    events = sample([1.0, 2.0, -1.0])
    assert weighed(events, "kept", file="a", seed=1) is events
    dropped = weighed(events, "dropped", file="a", seed=1)
    assert len(dropped) == 3
    assert dropped.weight is None
    with pytest.raises(InputError, match=r"^a: events have different weights"):
        weighed(events, "refused", file="a", seed=1)
    assert weighed(sample([0.5, 0.5]), "refused", file="a", seed=1).weight is None


def test_events_are_thinned_to_equal_weights_under_a_seed() -> None:
    events = sample([1.0, 0.25] * 2000)
    thinned = [weighed(events, "thinned", file="a", seed=seed) for seed in (1, 1, 2)]
    assert len(thinned[0]) == pytest.approx(2500, abs=4 * np.sqrt(2000 * 0.25 * 0.75))
    np.testing.assert_array_equal(thinned[0].event, thinned[1].event)
    assert set(thinned[0].event) != set(thinned[2].event)
    for weights in ([1.0, -1.0], [0.0, 0.0]):
        with pytest.raises(InputError, match="negative or no weights"):
            weighed(sample(weights), "thinned", file="a", seed=1)


def test_a_cut_on_a_list_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    lists = [[{"pt": 1.0, "eta": 0.0, "phi": 0.0}]] * 3
    pq.write_table(pa.table({"mjj": [3000.0, 3100.0, 3200.0], "j1_constituents": lists}), path)
    region = RegionConfig.model_validate({"cuts": {"j1_constituents": {"below": 1.0}}})
    with pytest.raises(InputError, match="'j1_constituents' holds lists"):
        events_in_region([path], "mjj", (), region)
