"""What a comparison found, stored and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.ml import Comparison, FeatureDifference, RegionComparison


def test_a_comparison_is_read_as_it_was_stored(tmp_path: Path) -> None:
    features = (FeatureDifference("met", 0.2), FeatureDifference("m4l", 0.1))
    region = RegionComparison("1", 90, 400, 88.5, 310.0, 0.54, 0.1, 1.28, features)
    found = Comparison((region,), 0.1, 1.28, False, 99, 5, 1, ("region 2 is not compared",))
    path = found.to_json(tmp_path / "comparison.json")
    assert Comparison.from_json(path) == found
    path.write_text(path.read_text().replace("met", "mets"))
    with pytest.raises(InputError, match=r"comparison\.json.*overdensity validate compare"):
        Comparison.from_json(path)
