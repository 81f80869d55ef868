from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from overdensity.stats import SelectionResult, z_of_p
from overdensity.workflow.limits.discovery_reach import (
    discovery_reach,
    injection_points,
    z_global_of,
)
from overdensity.workflow.limits.injection_results import InjectedSelection, Injection

ROW = SelectionResult(0.1, 20, 20.0, 2.0, 0.0, 0.5, 0.0, 8.0, 9, 0.5, False, False)
PSEUDO = np.linspace(0, 3, 999).tolist()


def injection(strength: float, z: float | None, repeat: int = 0) -> Injection:
    row = dataclasses.replace(ROW, z_local=z, p_local=None if z is None else 0.1, flagged=z is None)
    found = InjectedSelection(row, round(strength), 0.1, 0.5, 0.0)
    return Injection("A", strength, repeat, round(strength), 1000, 500, (found,))


def test_global_significance_ends_where_pseudo_experiments_do() -> None:
    assert z_global_of(100.0, PSEUDO) == pytest.approx(float(z_of_p(1e-3)))
    assert z_global_of(-1.0, PSEUDO) < -3


def test_the_reach_is_where_the_median_crosses() -> None:
    by_strength = {0.0: [injection(0.0, 0.0)], 100.0: [injection(100.0, 4.0)]}
    found = discovery_reach(by_strength, 0.1, PSEUDO)
    assert found.local_3 == pytest.approx(75.0)
    assert found.local_5 is None
    assert found.global_5 is None


def test_a_flagged_repeat_discovers_nothing() -> None:
    assert injection(100.0, None).z_best == 0.0


def test_points_are_quantiles_of_the_repeats() -> None:
    some = [injection(50.0, z, repeat) for repeat, z in enumerate((1.0, 2.0, 6.0))]
    (point,) = injection_points({50.0: some}, PSEUDO)
    (selection,) = point.selections
    assert (point.strength, point.repeats) == (50.0, 3)
    assert selection.z_local[2] == 2.0
    assert list(selection.z_local) == sorted(selection.z_local)
    assert selection.selected_signal == 50.0
    assert selection.absorbed == pytest.approx(0.2)
