"""What CWoLa hunting reaches on events made with Delphes (DATA.md), over several seeds."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.ml import (
    Folding,
    Sample,
    Window,
    cross_fit,
    fold_of,
    make_method,
    performance,
    scan_edges,
    scan_windows,
)
from overdensity.ml.evaluation.mass_dependence import mass_sculpting
from overdensity.stats import selection_levels
from overdensity.stats.selection.conformal import conformal_p

pytestmark = pytest.mark.slow
FEATURES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")


@pytest.fixture(scope="module")
def reference(shared_data):
    def read(name):
        table = pq.read_table(
            shared_data / "reference" / f"rnd_{name}.parquet", columns=["mjj", *FEATURES]
        )
        return np.stack([column.to_numpy() for column in table.columns], axis=1)

    return read("background"), read("signal")


def mixed(background, signal):
    rows = np.concatenate([background, signal])
    label = np.repeat([0, 1], [len(background), len(signal)])
    return Sample.from_arrays(rows[:, 0], rows[:, 1:], FEATURES, label=label)


def box(reference, n_background, n_signal, seed):
    rng = np.random.default_rng(seed)
    counts = (n_background, n_signal)
    return mixed(
        *(r[rng.choice(len(r), n, replace=False)] for r, n in zip(reference, counts, strict=True))
    )


def kept(sample, window, efficiency, seed):
    scores = cross_fit(make_method("cwola"), sample, window, Folding(seed=seed))
    edges = scan_edges()
    inside = (sample.mass >= edges[0]) & (sample.mass < edges[-1])
    fold = fold_of(sample.event, 7, seed=seed)
    return inside, selection_levels(scores, fold, (efficiency,), within=inside) > 0


def asimov(s, b):
    """Significance of s over known b (Cowan et al., arXiv:1007.1727, equation 97)."""
    return np.sqrt(2 * ((s + b) * np.log1p(s / b) - s))


def test_trees_reach_the_reference_on_the_benchmark_split(reference):
    background, signal = reference
    window = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
    data = mixed(background[:250_000], signal[:565]).without_label()
    test = mixed(background[250_000:], signal[20_000:])
    test = test.take(window.signal(test.mass))
    found = [
        performance(make_method("cwola").fit(data, window, seed=s).score(test), test.label)
        for s in range(3)
    ]
    # DATA.md: 4.3-4.6 / 8.7-9.0 / 9.1-9.4 / AUC 0.80; the test events alone leave 8 % on the
    # tight ones
    assert np.median([f.sic[0].sic for f in found]) > 4.3
    assert np.median([f.sic[1].sic for f in found]) > 8.7 * 0.92
    assert np.median([f.max_sic.sic for f in found]) > 9.1 * 0.92
    assert np.median([f.auc for f in found]) > 0.80


def test_hidden_signal_of_a_demo_box_is_uncovered(reference):
    window, n_seeds = scan_windows()[2], 4
    before, after = [], []
    for seed in range(n_seeds):
        sample = box(reference, 40_000, 250, seed)
        _, selected = kept(sample, window, 0.01, seed)
        region = window.signal(sample.mass)
        for counted, z in ((region, before), (region & selected, after)):
            s = np.count_nonzero(counted & (sample.label == 1))
            z.append(asimov(s, np.count_nonzero(counted) - s))
    assert max(before) < 3
    assert min(after) > 5


def test_without_signal_no_window_has_an_excess(reference):
    z = []
    for seed in range(2):
        sample = box(reference, 40_000, 0, 100 + seed)
        for window in scan_windows():
            inside, selected = kept(sample, window, 0.01, seed)
            region = window.signal(sample.mass)
            # a selection that knows nothing of the mass keeps the same fraction everywhere
            outside = inside & ~region
            expected = region.sum() * (selected & outside).sum() / outside.sum()
            error = np.sqrt(expected * (1 + expected / max((selected & outside).sum(), 1)))
            z.append((np.count_nonzero(selected & region) - expected) / error)
    assert max(z) < 4
    assert abs(np.mean(z)) < 1


def test_methods_with_an_outer_density_reach_what_they_reached(reference):
    background, signal = reference
    window = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
    data = mixed(background[:250_000], signal[:565]).without_label()
    test = mixed(background[250_000:], signal[20_000:])
    inside, of_background = window.signal(test.mass), test.label == 0
    flow = make_method("cathode", flow={"epochs": 10}).fit_outside(data, window, seed=1)
    sic, chi2 = {}, {}
    for name in ("cathode", "lacathode"):
        score = make_method(name).fit_inside(flow, data, window, seed=1).score(test)
        sic[name] = performance(score[inside], test.label[inside]).sic[0].sic
        (shape,) = mass_sculpting(
            test.mass[of_background],
            score[of_background],
            edges=scan_edges(),
            efficiencies=(0.01,),
        )
        chi2[name] = shape.chi2 / shape.ndf
    assert sic["cathode"] > 3.5
    assert sic["lacathode"] > 2.5
    assert chi2["lacathode"] < 5
    assert chi2["lacathode"] < chi2["cathode"]


@pytest.mark.parametrize("name", ["cathode", "lacathode"])
def test_without_signal_an_outer_density_makes_no_excess(name, reference):
    window, seed = scan_windows()[2], 11
    sample = box(reference, 30_000, 0, seed)
    scores = cross_fit(make_method(name), sample, window, Folding(seed=seed))
    fold = fold_of(sample.event, 7, seed=seed)
    p = conformal_p(scores, sample.mass, fold, window=(window.low, window.high))
    inside = window.signal(sample.mass)
    for efficiency in (0.01, 0.001):
        expected = efficiency * np.count_nonzero(inside)
        found = np.count_nonzero(p[inside] <= efficiency)
        error = np.sqrt(expected * (1 + np.count_nonzero(inside) / np.count_nonzero(~inside)))
        assert found < expected + 4 * error + 1
