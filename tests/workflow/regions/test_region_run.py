"""``overdensity run`` of a file with groups: regions in, limits out; resumed, and quiet without signal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import kstest

from overdensity.core import FitError, InputError
from overdensity.workflow import load_config
from overdensity.workflow.regions import region_run
from overdensity.workflow.regions.region_config import RegionSearchConfig, load_regions
from overdensity.workflow.regions.region_result import RegionSearchResults
from overdensity.workflow.regions.region_run import _flags, run_regions
from overdensity.workflow.stages.run import open_run

from .conftest import search_in_regions

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf
Call = Callable[..., tuple[int, str, str]]


def test_an_injected_signal_is_found_with_its_size(region_search: Path) -> None:
    found = RegionSearchResults.from_json(region_search / "run" / "regions.json")
    assert found.visible.p_global < 1e-3
    signal = found.signals[0]
    assert signal.discovery.z > 4
    assert signal.observed > signal.expected[2]
    assert 20 < signal.discovery.mu * signal.events < 80


def test_a_thin_region_is_one_bin_and_told(region_search: Path) -> None:
    found = RegionSearchResults.from_json(region_search / "run" / "regions.json")
    assert [each.name for each in found.regions] == ["0", "1", "4"]
    assert any("region 4: too few simulated events" in flag for flag in found.flags)
    assert found.regions[2].auc is None
    assert found.regions[2].edges == ()
    assert found.regions[0].expected == pytest.approx(400 * 0.6, rel=0.1)


def test_a_region_whose_closure_is_not_tested_is_told(region_search: Path) -> None:
    found = RegionSearchResults.from_json(region_search / "run" / "regions.json")
    shapes = [replace(found.regions[0], auc=None), *found.regions[1:]]
    events = SimpleNamespace(names={0: "0", 1: "1", 4: "4"})
    flags = _flags(events, SimpleNamespace(thin={4}), shapes)  # type: ignore[arg-type]
    assert [flag for flag in flags if "to compare them" in flag] == [
        "region 0: too few simulated events to compare them with events of the flow"
    ]


def test_a_signal_that_no_classifier_learnt_is_told(tmp_path: Path) -> None:
    values = search_in_regions(tmp_path)
    few = pq.read_table(tmp_path / "vll.parquet").slice(0, 30)
    pq.write_table(few, tmp_path / "vll.parquet")
    found = run_regions(RegionSearchConfig(**values | {"classifier": True}))
    assert found.signals[0].classifier is None
    assert any("signal vll: too few simulated events" in flag for flag in found.flags)


def test_a_fit_that_fails_is_told_and_the_rest_stands(
    region_search: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfitted(*_: object) -> None:
        msg = "1 of 1 fits of the model do not converge"
        raise FitError(msg)

    run = Path(shutil.copytree(region_search / "run", tmp_path / "run"))
    config = load_regions(region_search / "regions.yaml").model_copy(update={"out": str(run)})
    monkeypatch.setattr(region_run, "benchmark", unfitted)
    found = run_regions(config)
    assert found == RegionSearchResults.from_json(run / "regions.json")
    assert found.signals == ()
    assert any("signal vll: no limit, as a fit failed: 1 of 1 fits" in flag for flag in found.flags)
    assert found.visible.p_global < 1e-3
    assert not (run / "workspace_vll.json").exists()


def test_a_killed_run_goes_on_with_the_flows_that_it_has(
    call: Call, region_search: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(region_search / "run", tmp_path / "run")
    kept, lost = sorted((run / "flows").glob("*.npz"))
    written = kept.stat().st_mtime_ns
    lost.unlink()
    (run / "regions.json").unlink()
    code, out, _ = call("run", region_search / "regions.yaml", "--out", run)
    assert code == 0
    assert "local p" in out
    assert kept.stat().st_mtime_ns == written
    assert lost.is_file()
    one, other = (
        RegionSearchResults.from_json(folder / "regions.json")
        for folder in (run, region_search / "run")
    )
    assert (one.visible, one.signals, one.regions) == (other.visible, other.signals, other.regions)


def test_the_configuration_of_a_run_can_be_run_again(region_search: Path) -> None:
    again = load_regions(region_search / "run" / "config.yaml")
    assert again == load_regions(region_search / "regions.yaml")


def test_the_folder_of_another_search_is_refused(
    call: Call, region_search: Path, search_file: Path
) -> None:
    folder = open_run(load_config(search_file)).folder
    before = (folder / "config.yaml").read_bytes()
    code, _, error = call("run", region_search / "regions.yaml", "--out", folder)
    assert code == 2
    assert (
        f"{folder}: holds a search with windows, whose configuration and report a search" in error
    )
    assert (folder / "config.yaml").read_bytes() == before
    with pytest.raises(
        InputError, match=r"holds a search in regions, .* give it another folder with out"
    ):
        open_run(load_config(search_file, out=str(region_search / "run")))


def test_negative_weights_of_a_whole_region_are_refused(tmp_path: Path) -> None:
    values = search_in_regions(tmp_path)
    table = pq.read_table(tmp_path / "zz.parquet")
    weight = table["weight"].to_numpy().copy()
    weight[table["region"].to_numpy() == 1] = -0.1
    index = table.schema.get_field_index("weight")
    pq.write_table(table.set_column(index, "weight", pa.array(weight)), tmp_path / "zz.parquet")
    with pytest.raises(InputError, match="simulated events in region '1' sum to -"):
        run_regions(RegionSearchConfig(**values))


@pytest.mark.slow(seconds=14)
def test_p_is_uniform_without_signal_and_the_signal_is_excluded(tmp_path: Path) -> None:
    p, limits, ratios = [], [], []
    for seed in range(101, 109):
        values = search_in_regions(tmp_path / str(seed), seed=seed)
        found = run_regions(RegionSearchConfig(**values | {"classifier": seed < 103}))
        p.append(found.visible.p_global)
        limits.append(found.signals[0].strength.observed)
        if (ratio := found.signals[0].ratio) is not None:
            ratios.append(ratio)
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01
    assert min(p) > 1e-3
    assert len(ratios) == 2
    assert all(0.7 < ratio < 3 for ratio in ratios)  # of the limit of a classifier
    assert np.median(limits) < 1.0  # 30 events are predicted
