"""Limits of a search in regions for HEPData: its own validator takes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from overdensity.workflow.regions.region_hepdata import write_region_hepdata
from overdensity.workflow.regions.region_result import RegionSearchResults


def test_the_submission_holds_the_limits(region_search: Path, tmp_path: Path) -> None:
    found = RegionSearchResults.from_json(region_search / "run" / "regions.json")
    folder = write_region_hepdata(found, tmp_path)  # refused submissions raise
    stored = yaml.safe_load((folder / "limits_on_visible_cross_sections.yaml").read_text())
    columns = {each["header"]["name"]: each["values"] for each in stored["dependent_variables"]}
    seen = [float(each["value"]) for each in columns["Observed limit"]]
    assert seen == pytest.approx([each.cross_section for each in found.visible.regions], rel=1e-4)
    assert len(list(folder.glob("score_of_region_*.yaml"))) == 3
    assert (folder / "submission.tar.gz").is_file()
