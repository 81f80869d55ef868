"""A layout of one's own."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

from overdensity.core import ConfigError
from overdensity.processors import RootSource, layout_from, read_events
from overdensity.processors.sources.described_layout import layout_from as described


def test_a_layout_of_ones_own_reads_the_branches_it_names(tmp_path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        columns = {f"jet_{x}": ak.Array([[30e3, 20e3], [10e3]]) for x in ("pt", "m")}
        columns |= {f"jet_{x}": ak.Array([[0.5, -1.0], [2.0]]) for x in ("eta", "phi")}
        file.mktree("ntuple", {**columns, "number": np.array([7, 8])})
    layout = layout_from(
        {
            "tree": "ntuple",
            "collections": {
                "jets": {
                    "pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi", "mass": "jet_m",
                    "unit": 1e-3, "extras": {"tau1": {"branch": "jet_eta", "scale": 2}},
                }
            },
            "numbers": ["number"],
        }
    )  # fmt: skip
    source = RootSource(layout)
    events = read_events(source, tmp_path / "a.root", collections=("jets",))
    assert events.jets.pt.to_list() == [[30.0, 20.0], [10.0]]
    assert events.jets.tau1.to_list() == [[1.0, -2.0], [4.0]]
    assert source.settings()["layouts"][0]["collections"]["jets"][0]["unit"] == 1e-3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tre": "t"}, r"layout has no key 'tre': did you mean 'tree'"),
        ({"tree": "t"}, "say where the particles or jets are"),
        ({"collections": {"jet": {}}}, "no key 'jet': did you mean 'jets'"),
        ({"collections": {"jets": {"pt": "a"}}}, r"layout\.collections\.jets\.eta is missing"),
        (
            {"collections": {"jets": {"pt": "a", "eta": "b", "phi": "c", "unit": "MeV"}}},
            r"jets\.unit is 'MeV'; it takes a number",
        ),
    ],
)
def test_a_bad_description_is_refused(values, message) -> None:
    with pytest.raises(ConfigError, match=message):
        described(values)
