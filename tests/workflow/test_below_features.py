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

EXAMPLES = Path(__file__).parents[2] / "examples" / "below_features"
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


def raw_events(path: Path, signal: int, seed: int, background: int = BACKGROUND) -> str:
    """Write events of two jets in the format of the LHC Olympics; those of the signal have two prongs."""
    rng = np.random.default_rng(seed)
    power, n = -5.0, background + signal
    u = rng.uniform(size=background)
    mass = (LOW**power + u * (HIGH**power - LOW**power)) ** (1 / power)
    mass = np.concatenate([mass, rng.normal(MASS, 80.0, signal)])
    label = np.repeat([0.0, 1.0], [background, signal])
    phi = rng.uniform(-np.pi, np.pi, n)
    rows = np.zeros((n, 2, PARTICLES, 3))
    for jet in (0, 1):
        rows[:background, jet] = jets(background, 1, rng)
        rows[background:, jet] = jets(signal, 2, rng)
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


ONE_EPOCH = {"epochs": 1, "batch": 200}
LAST_EPOCH = ONE_EPOCH | {"keep": "last"}
REDUCED: dict[str, dict[str, object]] = {  # of what the examples learn
    "deep_ensemble": {"classifier.deep_ensemble.training": LAST_EPOCH},
    "graph_autoencoder": {"training": ONE_EPOCH, "particles": 8},
    "image_autoencoder": {"training": ONE_EPOCH, "filters": [2, 2, 2]},
    "image_vae": {"training": ONE_EPOCH, "blocks": 1},
    "lda": {"min_events": 20},
    "lstm": {"classifier.lstm.training": ONE_EPOCH},
    "medoids": {"jets": 30, "medoids": 1, "metric": "mse"},
    "lorentznet": {"classifier.lorentznet.training": ONE_EPOCH},
    "part": {"classifier.part.training": ONE_EPOCH},
    "particle_flow": {"classifier.pfn.training": ONE_EPOCH},
    "particlenet": {"classifier.particlenet.training": ONE_EPOCH},
    "pcnn": {"classifier.pcnn.training": ONE_EPOCH},
    "tag_n_train": {
        "epochs": 1,
        "classifier.networks.epochs": 1,
        "signal_like": [0.5, 0.5],
        "min_events": 4,
    },
    "ucluster": {
        "clusters": 3,
        "pretraining": ONE_EPOCH,
        "training": LAST_EPOCH,
        "min_events": 20,
    },
    "vrnn": {"training": ONE_EPOCH},
}


@pytest.mark.slow(seconds=15)
@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.yaml")))
def test_each_example_goes_from_raw_events_to_a_report(
    call: Call, tmp_path: Path, few_events: Path, name: str
) -> None:
    """With networks that learn next to nothing: that the parts fit together."""
    changes = {f"method.{key}": value for key, value in REDUCED.get(name, {}).items()} | {
        "events.files": [str(few_events / "box.h5")],
        "selections": [0.2],
        "repeats": 1,
        "pseudo_experiments": 100,
        "cluster": "threads",
        "workers": 1,
    }
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    code, _, err = call("run", EXAMPLES / f"{name}.yaml", *words, "--out", tmp_path / "run")
    assert code == 0, err
    assert (tmp_path / "run" / "report.html").is_file()
    assert SearchResults.from_json(tmp_path / "run" / "results.json").best is not None
