"""The global p-value with the training repeated: its record and its figure."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from overdensity.stats.search.pseudo_datasets import Smallest
from overdensity.stats.search.pseudo_experiments import global_p
from overdensity.workflow.calibrate.retrained import PseudoDataset, Retrained, retrained_figure
from overdensity.workflow.stages.search_result import SearchResults

P_VALUES = (0.3, 0.02, 0.001)


@pytest.fixture
def retrained() -> Retrained:
    datasets = tuple(
        PseudoDataset(index, 6000, Smallest(p, 0.0, 1, 0.1)) for index, p in enumerate(P_VALUES)
    )
    return Retrained(
        global_p=global_p(1e-4, np.array(P_VALUES)),
        z_local=3.7,
        p_pseudo_experiments=0.01,
        ks_p_value=0.5,
        datasets=datasets,
        source="data",
        smearing=0.15,
        assumptions=("none",),
        key="k",
    )


def test_record_comes_back_from_its_file(retrained: Retrained, tmp_path: Path) -> None:
    path = retrained.to_json(tmp_path / "pseudodata.json")
    assert Retrained.from_json(path) == retrained


def test_p_value_is_a_limit_where_no_pseudo_dataset_comes_up_to_the_data(
    retrained: Retrained,
) -> None:
    assert retrained.global_p.is_limit
    assert retrained.global_p.p_global == 1 / (len(P_VALUES) + 1)


def test_figure_shows_all_pseudo_datasets(
    retrained: Retrained, finished_run: Path, tmp_path: Path
) -> None:
    shutil.copy(finished_run / "results.json", tmp_path)
    retrained.to_json(tmp_path / "pseudodata.json")
    steps = {line.get_label(): line for line in retrained_figure(tmp_path).axes[0].lines}
    number = len(SearchResults.from_json(tmp_path / "results.json").pseudo_z)
    assert len(np.ravel(steps["3 trained anew"].get_xdata())) == 3
    assert len(np.ravel(steps[f"{number} pseudo-experiments"].get_xdata())) == number
    assert np.ravel(steps["data"].get_xdata())[0] == 3.7
