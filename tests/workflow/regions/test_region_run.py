"""``overdensity run`` of a file with groups: regions in, limits out; resumed, and refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from scipy.stats import kstest

from overdensity.core import InputError
from overdensity.core.files.yaml_values import yaml_text
from overdensity.workflow.regions.region_config import RegionSearchConfig
from overdensity.workflow.regions.region_result import RegionSearchResults
from overdensity.workflow.regions.region_run import run_regions

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf
Call = Callable[..., tuple[int, str, str]]
FLOW = {"layers": 2, "width": 8, "depth": 1, "epochs": 2}


def columns(path: Path, n: int, seed: int, *, hardness: float = 1.0, weight: float = 0.0) -> str:
    """Write events of two regions, and a third that is thin; weights where they are asked for."""
    rng = np.random.default_rng(seed)
    region = rng.choice([0, 1, 4], n, p=[0.6, 0.37, 0.03])
    pt = 10 + rng.exponential(25 * hardness, n)
    table: dict[str, Any] = {
        "event": rng.integers(0, 2**63, n).astype(np.uint64),
        "l1_pt": pt,
        "n_jets": rng.poisson(1.2 * hardness, n),
        "region": region,
    }
    if weight:
        sign = np.where(rng.random(n) < 0.05, -1, 1) if hardness == 1 else np.ones(n)
        tilt = 0.03 * (pt > 60)
        table |= {"weight": weight * sign}
        table |= {"weight_up": table["weight"] * (1 + tilt)}
        table |= {"weight_down": table["weight"] * (1 - tilt)}
    pq.write_table(pa.table(table), path)
    return str(path)


def made(folder: Path, *, seed: int = 1, n_signal: int = 0, simulated: int = 1500) -> dict[str, Any]:
    """Write data and simulation, and return the configuration of their search: 400 events expected."""
    rng = np.random.default_rng([seed, 7])
    data = columns(folder / "data.parquet", rng.poisson(400), 10 * seed)
    if n_signal:
        added = columns(folder / "added.parquet", n_signal, 10 * seed + 1, hardness=5)
        both = pa.concat_tables([pq.read_table(each) for each in (data, added)])
        pq.write_table(both, data)
    zz = columns(folder / "zz.parquet", simulated, 10 * seed + 2, weight=0.5)
    vll = columns(folder / "vll.parquet", 400, 10 * seed + 3, hardness=5, weight=1.0)
    return {
        "events": data,
        "groups": "region",
        "features": ["l1_pt", "n_jets"],
        "method": {"name": "region_flows", "device": "cpu", "min_events": 100, "flow": FLOW},
        "backgrounds": {"zz": {"files": zz, "cross_section": 4.0, "uncertainty": 0.05}},
        "signals": {"vll": {"files": vll, "cross_section": 0.3, "mass": 200}},
        "luminosity": 100,
        "uncertainties": {
            "luminosity": 0.02,
            "weights": {"pileup": {"up": "weight_up", "down": "weight_down"}},
        },
        "folds": 2,
        "out": str(folder / "run"),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("regions")


@pytest.fixture(scope="module")
def file(folder: Path) -> Path:
    path = folder / "regions.yaml"
    path.write_text(yaml_text(made(folder, n_signal=40)))
    return path


@pytest.mark.figures
def test_a_search_in_regions_finds_an_injected_signal_and_resumes(
    call: Call, file: Path, folder: Path
) -> None:
    code, out, _ = call("run", file)
    assert code == 0, out
    found = RegionSearchResults.from_json(folder / "run" / "regions.json")
    assert [each.name for each in found.regions] == ["0", "1", "4"]
    assert found.visible.p_global < 1e-3
    signal = found.signals[0]
    assert signal.discovery.z > 4
    assert signal.observed > signal.expected[2]
    assert 20 < signal.discovery.mu * signal.events < 80
    assert any("region 4: too few simulated events" in flag for flag in found.flags)
    assert found.regions[2].auc is None
    assert found.regions[0].expected == pytest.approx(400 * 0.6, rel=0.1)
    assert "local p" in out
    assert (folder / "run" / "workspace_vll.json").is_file()
    page = (folder / "run" / "report.html").read_text()
    assert "Benchmark signals" in page
    assert page.count("<img") == 4

    models = list((folder / "run" / "flows").glob("*.npz"))
    assert len(models) == 2
    kept = models[0].stat().st_mtime_ns
    models[1].unlink()  # as if the run had been killed before the second fold
    assert call("run", folder / "run" / "config.yaml", "--out", folder / "run")[0] == 0
    again = RegionSearchResults.from_json(folder / "run" / "regions.json")
    assert (again.visible, again.signals) == (found.visible, found.signals)
    assert models[0].stat().st_mtime_ns == kept
    assert models[1].is_file()
    assert "report:" in call("report", folder / "run")[1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"signals": {"vll": {"files": "vll.parquet"}}}, "'vll' has no cross_section"),
        ({"method": "cwola"}, "is made with region_flows, not with cwola"),
        ({"features": ["l1_pt", "region"]}, "'region' is named twice, or is the column of groups"),
        ({"features": ["l1_pt", "met"]}, "no column 'met'"),
        ({"regions": {0: "a", 3: "b"}}, "no background was simulated in 'b'"),
        ({"uncertainties": {"factors": {"luminosity": 0.1}}}, "two uncertainties are called"),
        ({"events": "zz.parquet"}, "data must have no weights"),
        ({"method": {"name": "region_flows", "min_events": 5000}}, "no region has as many"),
        ({"luminosity": 0}, "luminosity must be greater than 0"),
        ({"group": "region"}, "unknown key 'group': did you mean 'groups'"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(
    call: Call,
    file: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    sentence: str,
) -> None:
    monkeypatch.chdir(folder)
    path = tmp_path / "bad.yaml"
    path.write_text(yaml_text(yaml.safe_load(file.read_text()) | change))
    code, _, error = call("run", path, "--out", tmp_path / "run")
    assert code == 2
    assert sentence in " ".join(error.split())
    assert not (tmp_path / "run" / "regions.json").exists()


def test_negative_weights_of_a_whole_region_are_refused(tmp_path: Path) -> None:
    values = made(tmp_path)
    table = pq.read_table(tmp_path / "zz.parquet")
    weight = table["weight"].to_numpy().copy()
    weight[table["region"].to_numpy() == 1] = -0.1
    index = table.schema.get_field_index("weight")
    pq.write_table(table.set_column(index, "weight", pa.array(weight)), tmp_path / "zz.parquet")
    with pytest.raises(InputError, match="simulated events in region '1' sum to -"):
        run_regions(RegionSearchConfig(**values))


def test_other_commands_send_a_search_in_regions_to_run(call: Call, file: Path) -> None:
    code, _, error = call("hunt", file)
    assert code == 2
    assert "is done by 'overdensity run' alone" in error


@pytest.mark.slow(seconds=30)
def test_p_is_uniform_without_signal_and_limits_cover(tmp_path: Path) -> None:
    p, limits = [], []
    for seed in range(1, 13):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found = run_regions(RegionSearchConfig(**made(folder, seed=100 + seed, n_signal=0)))
        p.append(found.visible.p_global)
        limits.append(found.signals[0].strength.observed)
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01
    assert min(p) > 1e-3
    assert np.median(limits) < 1.0  # 30 predicted events are excluded
