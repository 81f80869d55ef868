"""The record prints as a table, one line a nuisance, and survives JSON."""

from __future__ import annotations

from overdensity.stats.limits.profiled import UpperLimit
from overdensity.stats.uncertainties.impacts import Impact, Impacts, StrengthScan
from overdensity.workflow.uncertainties.uncertainties_result import Uncertainties


def test_it_prints_and_survives_json() -> None:
    limit = UpperLimit(2.0, (1.0, 1.2, 1.5, 2.0, 2.5), 0.95, "asymptotic", 30.0)
    impacts = Impacts(1.0, 0.3, 3.4, (Impact("jes", 0.1, 0.9, 0.2, -0.3),))
    scan = StrengthScan((0.0, 1.0), (9.0, 0.0), (12.0, 0.0))
    found = Uncertainties(50.0, True, 3.5, 3.0, limit, limit, impacts, scan, None, None, "key")
    assert Uncertainties.from_dict(found.to_dict()) == found
    text = str(found)
    assert "jes" in text
    assert "limit 100 selected events" in text
