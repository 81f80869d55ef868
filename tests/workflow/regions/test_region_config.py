"""The configuration of a search in regions, and what is refused of it in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from overdensity.core import ConfigError
from overdensity.core.files.yaml_values import yaml_text
from overdensity.workflow import SearchConfig
from overdensity.workflow.regions.region_config import (
    RegionSearchConfig,
    RegionUncertainties,
    load_any_search,
)

Call = Callable[..., tuple[int, str, str]]
UP_AND_DOWN = {"up": "weight_up", "down": "weight_down"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"signals": {"vll": {"files": "vll.parquet"}}}, "'vll' has no cross_section"),
        (
            {"signals": {"vll": {"files": "vll.parquet", "cross_section": 1}}},
            "signals.vll: it has a cross_section and no 'generated', so that the efficiency is not known",
        ),
        (
            {"backgrounds": {"zz": {"files": "zz.parquet", "cross_section": 1}}},
            "backgrounds.zz: it has a cross_section and no 'generated'",
        ),
        (
            {"backgrounds": {"zz": {"files": "zz.parquet", "generated": 1}}},
            "generated goes with a cross_section (fb)",
        ),
        ({"method": "cwola"}, "is made with region_flows, not with cwola"),
        ({"features": ["l1_pt", "region"]}, "'region' is named twice, or is the column of groups"),
        ({"features": ["l1_pt", "met"]}, "no column 'met'"),
        ({"regions": {0: "a", 3: "b"}}, "no background was simulated in 'b'"),
        ({"uncertainties": {"factors": {"luminosity": 0.1}}}, "two uncertainties are called"),
        (
            {"uncertainties": {"weights": {"luminosity": UP_AND_DOWN}}},
            "two uncertainties are called",
        ),
        ({"uncertainties": {"factors": {"mu": 0.1}}}, "'mu' is the name of another parameter"),
        (
            {"uncertainties": {"factors": {"zz_normalisation": 0.1}}},  # it would be that of zz
            "'zz_normalisation' is the name of another parameter of the fit",
        ),
        ({"uncertainties": {"weights": {"mc_0": UP_AND_DOWN}}}, "'mc_0' is the name of another"),
        ({"uncertainties": {"weights": {"pu": {"up": "w", "down": "w"}}}}, "the same column 'w'"),
        ({"features": ["l1_pt", "event"]}, "'event' is no feature, but the event of each event"),
        ({"regions": {0: "a", 1: "a"}}, "two are called 'a'"),
        ({"regions": {0: "W/Z"}}, "'W/Z': a region, or an uncertainty of shapes, has no '/'"),
        ({"regions": {0: "a", "0": "b"}}, "0 stands twice, as a number and as a word"),
        (
            {"signals": {"zz": {"files": "zz.parquet", "cross_section": 1, "generated": 9e3}}},
            "'zz' is the name of a background",
        ),
        ({"events": "zz.parquet"}, "data must have no weights"),
        ({"method": {"name": "region_flows", "min_events": 5000}}, "no region has as many"),
        ({"luminosity": float("inf")}, "luminosity must be a finite number"),
        ({"luminosity": 0}, "luminosity must be greater than 0"),
        ({"group": "region"}, "unknown key 'group': did you mean 'groups'"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(
    call: Call, region_search: Path, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    values = yaml.safe_load((region_search / "regions.yaml").read_text()) | change
    if values["events"] == "zz.parquet":
        values["events"] = str(region_search / "zz.parquet")
    path = tmp_path / "bad.yaml"
    path.write_text(yaml_text(values))
    code, _, error = call("run", path, "--out", tmp_path / "run")
    assert code == 2
    assert sentence in " ".join(error.split())
    assert not (tmp_path / "run" / "regions.json").exists()


def test_other_commands_send_a_search_in_regions_to_run(call: Call, region_search: Path) -> None:
    code, _, error = call("hunt", region_search / "regions.yaml")
    assert code == 2
    assert "is done by 'overdensity run' alone" in error


def test_a_search_with_windows_has_no_groups(region_search: Path, tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("events: {files: box.parquet}")
    assert isinstance(load_any_search(path), SearchConfig)
    with pytest.raises(ConfigError, match="backgrounds"):
        load_any_search(path, ["groups=region"])
    assert isinstance(load_any_search(region_search / "regions.yaml"), RegionSearchConfig)


def test_luminosity_and_factors_are_uncertainties_of_all_yields() -> None:
    found = RegionUncertainties(luminosity=0.02, factors={"identification": 0.03})
    assert found.of_sizes == {"luminosity": 0.02, "identification": 0.03}
