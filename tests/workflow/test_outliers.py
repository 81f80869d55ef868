"""Outlier detectors through the whole search: they learn the mass as little as they may."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.workflow import parse_config, run_search

logger = logging.getLogger("overdensity.tests")


@pytest.mark.slow(seconds=60)
@pytest.mark.parametrize("method", [{"name": "pca"}, {"name": "autoencoder", "members": 3}])
def test_delphes_events_without_resonance_are_quiet(
    method: dict[str, object], shared_data: Path, tmp_path: Path
) -> None:
    background = pq.read_table(shared_data / "reference" / "rnd_background.parquet")
    p_global = []
    for seed in (1,):
        rows = np.random.default_rng([7, seed]).choice(len(background), 40_000, replace=False)
        box = tmp_path / f"{seed}.parquet"
        pq.write_table(background.take(rows), box)
        results = run_search(
            parse_config(
                {
                    "events": {"format": "columns", "files": [str(box)]},
                    "seed": seed,
                    "out": str(tmp_path / str(seed)),
                    "method": method,
                    "repeats": 1,
                    "pseudo_experiments": 1000,
                }
            )
        )
        assert results.best is not None
        p_global.append(results.best.p_global)
    logger.info("p_global without signal, %s: %s", method["name"], p_global)
    assert min(p_global) > 0.005
