"""The validation region in the report, and whole searches on both sides of the cuts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.ml.thin_windows import ThinWindow
from overdensity.workflow import SearchResults, load_config, run_search
from overdensity.workflow.report.validation_section import validation_section, validation_sentence
from overdensity.workflow.search_run import validate_region

from ...conftest import make_box, write_search

REGION = {"cuts": [{"column": "delta_eta", "above": None, "below": 1.3}], "side": "pass"}


def on_side(results: SearchResults, side: str, **more: Any) -> SearchResults:
    """Return results as if they were of one side of the cuts."""
    configuration = results.provenance.configuration | {"region": REGION | {"side": side}} | more
    return replace(results, provenance=replace(results.provenance, configuration=configuration))


@pytest.fixture
def results(finished_run: Path) -> SearchResults:
    return on_side(SearchResults.from_json(finished_run / "results.json"), "pass")


@pytest.fixture
def out(results: SearchResults, tmp_path: Path) -> Path:
    (tmp_path / "validation").mkdir()
    on_side(results, "fail").to_json(tmp_path / "validation" / "results.json")
    return tmp_path


def test_every_window_has_a_row_of_both_searches(results: SearchResults, out: Path) -> None:
    section = validation_section(results, out)
    assert section is not None
    assert len(section["rows"]) == len(results.windows)
    assert all(row["z"] == row["search"] for row in section["rows"])
    assert "events without delta_eta < 1.3: global p" in section["sentence"]
    assert "an excess where none is expected" in section["sentence"]


def test_only_the_validation_of_this_search_is_shown(results: SearchResults, out: Path) -> None:
    assert validation_section(on_side(results, "pass", out="elsewhere"), out) is not None
    assert validation_section(on_side(results, "pass", seed=2), out) is None
    assert validation_section(on_side(results, "pass", region=None), out) is None
    limits = {"signals": {}, "strengths": [10, 20]}  # asked for after the validation
    later = on_side(results, "pass", limits=limits, pseudo_datasets={"number": 3})
    assert validation_section(later, out) is not None
    (out / "validation" / "results.json").unlink()
    assert validation_section(results, out) is None


def test_what_is_quiet_or_has_no_result_is_called_so(results: SearchResults) -> None:
    assert results.best is not None
    quiet = replace(results, best=replace(results.best, p_global=0.4, p_global_is_limit=False))
    assert validation_sentence(quiet).endswith("nothing, as it should be.")
    thin = replace(quiet, left_out=(ThinWindow(5000.0, 6000.0, "too few events"),))
    said = validation_sentence(thin)
    assert "nothing (3 of 4 windows searched)" in said
    assert "as it should be" not in said
    assert "no result" in validation_sentence(replace(results, best=None))


def test_a_signal_in_the_search_region_leaves_the_validation_region_quiet(tmp_path: Path) -> None:
    box = make_box(tmp_path / "box.parquet", background=10_000, signal=100, seed=3)
    table = pq.read_table(box)
    rng, signal = np.random.default_rng(4), table["label"].to_numpy() == 1
    delta_eta = np.where(signal, 1.3, 2.6) * rng.random(len(table))
    pq.write_table(table.append_column("delta_eta", pa.array(delta_eta)), box)
    path = write_search(tmp_path, box)
    keys = [
        "region={cuts: {delta_eta: {below: 1.3}}}",
        "pseudo_experiments=200",
        "selections=[0.02]",
        "fit.spurious=none",
    ]
    config = load_config(path, keys)

    outside = validate_region(config)  # before the search is looked at
    inside = run_search(config)
    n = np.count_nonzero(delta_eta < 1.3)
    in_scan = n, len(table) - n
    assert (inside.n_events, outside.n_events) == pytest.approx(in_scan, abs=5)
    assert inside.best is not None
    assert outside.best is not None
    assert inside.best.low < 3800 < inside.best.high
    assert inside.best.p_global < 0.02
    assert outside.best.p_global > 0.05
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"{outside.n_events} events without delta_eta &lt; 1.3: global p" in page
    again = load_config(tmp_path / "run" / "validation" / "config.yaml")
    assert run_search(again) == outside  # can be run by itself, and was not made again


def test_windows_that_one_of_both_leaves_out_are_not_mistaken(
    results: SearchResults, out: Path
) -> None:
    fewer = validation_section(replace(results, windows=results.windows[1:]), out)
    assert fewer is not None
    assert [row["search"] == "not searched" for row in fewer["rows"]] == [True, False, False]
    assert [row["z"] == row["search"] for row in fewer["rows"]][1:] == [True, True]
    on_side(replace(results, windows=results.windows[:2]), "fail").to_json(
        out / "validation" / "results.json"
    )
    section = validation_section(results, out)
    assert section is not None
    assert len(section["rows"]) == 2
