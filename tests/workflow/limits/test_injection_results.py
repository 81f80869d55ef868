from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.stats import SelectionResult
from overdensity.workflow.limits.injection_results import InjectedSelection, Injection

ROW = SelectionResult(0.1, 20, 20.0, 2.0, 0.0, 0.02, 2.1, 8.0, 9, 0.5, False, False)
FLAGGED = dataclasses.replace(ROW, p_local=None, z_local=None, flagged=True)
MADE = Injection(
    "A",
    40.0,
    0,
    38,
    1000,
    500,
    (
        InjectedSelection(ROW, 12, 0.03, 0.3, 0.01),
        InjectedSelection(FLAGGED, 3, 0.1, 0.1, 0.01),
    ),
)


def test_a_repetition_survives_its_file(tmp_path: Path) -> None:
    assert Injection.from_json(MADE.to_json(tmp_path / "made.json")) == MADE


def test_the_best_significance_is_of_what_may_be_quoted() -> None:
    assert MADE.z_best == 2.1
    assert MADE.selections[1].z_or_zero == 0.0


@pytest.mark.parametrize(("absorbed", "net"), [(-0.1, 0.5), (0.2, 0.3), (2.0, 0.05)])
def test_the_fit_absorbs_nine_tenths_at_most(absorbed: float, net: float) -> None:
    assert InjectedSelection(ROW, 12, absorbed, 0.5, 0.0).net_efficiency == pytest.approx(net)


def test_a_file_of_another_schema_is_refused_with_the_reason(tmp_path: Path) -> None:
    values = MADE.to_dict()
    del values["schema"]
    (tmp_path / "old.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"old.json: Injection is of schema 1, .* reads schema 4"):
        Injection.from_json(tmp_path / "old.json")
