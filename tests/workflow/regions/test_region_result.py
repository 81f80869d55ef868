"""``regions.json`` and its tables."""

from __future__ import annotations

import json
from pathlib import Path

from overdensity.workflow.regions.region_result import RegionSearchResults


def test_the_file_is_strict_json_with_what_the_interface_names(region_search: Path) -> None:
    stored = json.loads((region_search / "run" / "regions.json").read_text())
    for count in stored["visible"]["regions"]:
        assert {"region", "observed", "expected", "p_local", "cross_section"} <= set(count)
    assert {"p_global", "z_global", "is_limit"} <= set(stored["visible"])
    for signal in stored["signals"]:
        assert {"name", "cross_section", "observed", "expected"} <= set(signal)
    assert all(isinstance(flag, str) for flag in stored["flags"])


def test_tables_have_a_line_for_each_region_and_signal(region_search: Path) -> None:
    found = RegionSearchResults.from_json(region_search / "run" / "regions.json")
    assert [row[0] for row in found.table().rows] == ["0", "1", "4"]
    assert found.table().rows[2][3] == "–"
    assert [row[0] for row in found.signals_table().rows] == ["vll"]
    assert found.sentence.startswith(f"{found.visible.regions[0].observed} events where")
    assert "most anomalous bin" in str(found)
