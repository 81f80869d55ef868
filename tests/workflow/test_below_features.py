"""Methods that read constituents and images, from raw events through `overdensity run`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from overdensity.workflow.stages.search_result import SearchResults

from ..conftest import HIGH, LOW
from ..processors.conftest import write_lhco

logger = logging.getLogger("overdensity.tests")

Call = Callable[..., tuple[int, str, str]]
BACKGROUND, SIGNAL, MASS = 4000, 120, 3800.0
PARTICLES = 20

PARTICLE_FLOW = {
    "processor": {"name": "dijet", "features": ["constituents_20"]},
    "features": ["j1_constituents_20", "j2_constituents_20"],
    "method": {
        "name": "cwola",
        "classifier": {
            "kind": "pfn",
            "inner_folds": 2,
            "members": 1,
            "pfn": {
                "phi": [16, 16],
                "f": [16],
                "particles": 20,
                "training": {"epochs": 10, "batch": 100, "learning_rate": 5e-3, "patience": 3},
            },
        },
    },
}
AUTOENCODER = {
    "processor": {"name": "dijet", "features": ["image"]},
    "features": ["j1_image", "j2_image"],
    "method": {
        "name": "image_autoencoder",
        "filters": [4, 4, 2],
        "latent": 3,
        "training": {"epochs": 3, "batch": 100, "learning_rate": 5e-3},
    },
}


def jets(n: int, prongs: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return particles of jets, shape (n, PARTICLES, 3): fractions of pT, eta and phi from the axis."""
    share = rng.dirichlet(np.full(PARTICLES, 0.6), n)
    place = rng.normal(0, 0.12, (n, PARTICLES, 2))
    if prongs == 2:
        angle = rng.uniform(0, 2 * np.pi, n)
        half = 0.3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        side = np.where(np.arange(PARTICLES) % 2, 1, -1)
        place = 0.3 * place + half[:, None] * side[:, None]
    return np.concatenate([share[..., None], place], axis=2)


def raw_events(path: Path, signal: int, seed: int) -> str:
    """Write events of two jets in the format of the LHC Olympics; those of the signal have two prongs."""
    rng = np.random.default_rng(seed)
    power, n = -5.0, BACKGROUND + signal
    u = rng.uniform(size=BACKGROUND)
    mass = (LOW**power + u * (HIGH**power - LOW**power)) ** (1 / power)
    mass = np.concatenate([mass, rng.normal(MASS, 80.0, signal)])
    label = np.repeat([0.0, 1.0], [BACKGROUND, signal])
    phi = rng.uniform(-np.pi, np.pi, n)
    rows = np.zeros((n, 2, PARTICLES, 3))
    for jet in (0, 1):
        rows[:BACKGROUND, jet] = jets(BACKGROUND, 1, rng)
        rows[BACKGROUND:, jet] = jets(signal, 2, rng)
        rows[:, jet, :, 2] += (phi + jet * np.pi)[:, None]
    rows[..., 0] *= mass[:, None, None] / 2
    order = rng.permutation(n)
    flat = np.column_stack([rows.reshape(n, -1), label])
    return write_lhco(path, flat[order])


def searched(call: Call, folder: Path, settings: dict[str, Any], signal: int) -> SearchResults:
    """Run a search from raw events and return its results, after its last line was seen."""
    folder.mkdir()
    values = settings | {
        "events": {"files": [raw_events(folder / "events.h5", signal, seed=1)]},
        "scan": {"low": LOW, "high": HIGH, "bins": 9},
        "selections": [0.1, 0.03],
        "folds": 3,
        "fit": {"function": "dijet3"},
        "pseudo_experiments": 500,
        "cluster": "threads",
        "workers": 1,
        "out": str(folder / "run"),
    }
    (folder / "search.yaml").write_text(yaml.safe_dump(values))
    code, out, err = call("run", folder / "search.yaml")
    assert code == 0, err
    last = out.strip().splitlines()[-1]
    assert "local significance" in last or "there is no result" in last
    results = SearchResults.from_json(folder / "run" / "results.json")
    logger.info("%s, %d signal events: %s", settings["method"]["name"], signal, results.best)
    return results


@pytest.mark.slow(seconds=27)
@pytest.mark.parametrize("settings", [PARTICLE_FLOW, AUTOENCODER], ids=["pfn", "images"])
def test_raw_events_are_searched_below_the_features(
    call: Call, tmp_path: Path, settings: dict[str, Any]
) -> None:
    found = searched(call, tmp_path / "signal", settings, SIGNAL)
    assert found.best is not None
    assert found.best.p_global < 0.05
    assert abs(found.best.mass / MASS - 1) < 0.05
    run = tmp_path / "signal" / "run"
    assert (run / "report.html").is_file()
    shown = json.loads((run / "histograms.json").read_text("utf-8"))
    assert f"{settings['features'][0]}: ln radius" in shown
    empty = searched(call, tmp_path / "none", settings, 0)
    # One box says little: this one reads 0.012 with the particle flow network, thirteen others 0.06 to 1.
    assert empty.best is None or empty.best.p_global > 0.005
