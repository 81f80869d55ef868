from __future__ import annotations

import json
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.stats import SelectionResult
from overdensity.workflow.limits.limits_result import LimitsResults, WindowLimits, YieldLimit
from overdensity.workflow.stages.provenance import Provenance

ROW = SelectionResult(0.1, 20, 20.0, 2.0, 1.0, 0.5, 0.0, 8.0, 9, 0.5, False, False)
WINDOW = WindowLimits(3464.1, 3000.0, 4000.0, (YieldLimit(ROW, 9.0, (5.0, 6.0, 8.0, 10.0, 12.0)),))
MADE = LimitsResults(0.95, (WINDOW,), (), None, ("a flag",), Provenance.of({}, 1, []))


def test_limits_survive_their_file(tmp_path: Path) -> None:
    assert LimitsResults.from_json(MADE.to_json(tmp_path / "limits.json")) == MADE


def test_a_limit_on_a_yield_is_of_the_row_it_was_set_on() -> None:
    (limit,) = WINDOW.selections
    assert limit.selection is ROW
    assert limit.efficiency == 0.1


def test_a_file_of_an_earlier_version_is_refused_with_the_reason(tmp_path: Path) -> None:
    values = {key: value for key, value in MADE.to_dict().items() if key != "schema"}
    (tmp_path / "limits.json").write_text(json.dumps(values))
    with pytest.raises(
        InputError, match=r"limits.json: LimitsResults is of schema 1, and this"
    ) as e:
        LimitsResults.from_json(tmp_path / "limits.json")
    assert "\n" not in str(e.value)


def test_limits_print_as_a_table() -> None:
    table = MADE.table()
    assert table.rows == (("3000-4000", "10 %", "9", "8"),)
    assert str(MADE).splitlines()[0] == "95 % CLs upper limits on selected signal events"
    assert "- a flag" in str(MADE)
