"""Searches in two regions of toy leptons, and a third that is too thin for a flow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core.files.yaml_values import yaml_text
from overdensity.workflow.regions.region_config import RegionSearchConfig
from overdensity.workflow.regions.region_run import run_regions

from ...conftest import made_once, nothing_drawn

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


def all_of(path: str) -> float:
    """Return the sum of weights in a file, of which nothing was cut."""
    return float(np.sum(pq.read_table(path)["weight"].to_numpy()))


def search_in_regions(
    folder: Path, *, seed: int = 1, n_signal: int = 0, simulated: int = 1500
) -> dict[str, Any]:
    """Write data and simulation, and return the configuration of their search: 400 events expected."""
    rng = np.random.default_rng([seed, 7])
    folder.mkdir(exist_ok=True)
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
        "backgrounds": {
            "zz": {
                "files": zz,
                "cross_section": 4.0,
                "generated": all_of(zz),
                "uncertainty": 0.05,
            }
        },
        "signals": {
            "vll": {"files": vll, "cross_section": 0.3, "generated": all_of(vll), "mass": 200}
        },
        "luminosity": 100,
        "uncertainties": {
            "luminosity": 0.02,
            "weights": {"pileup": {"up": "weight_up", "down": "weight_down"}},
        },
        "folds": 2,
        "classifier": False,
        "out": str(folder / "run"),
    }


@pytest.fixture(scope="session")
def region_search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search with 40 signal events: its files, ``regions.yaml`` and ``run``."""

    def search(folder: Path) -> None:
        values = search_in_regions(folder, n_signal=40)
        (folder / "regions.yaml").write_text(yaml_text(values))
        with nothing_drawn():
            run_regions(RegionSearchConfig(**values))

    return made_once(tmp_path_factory, "regions", search)
