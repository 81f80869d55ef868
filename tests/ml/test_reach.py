"""What CWoLa hunting reaches on events made with Delphes (DATA.md), over several seeds."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.ml import (
    Sample,
    Window,
    cross_fit,
    fold_of,
    make_method,
    performance,
    scan_edges,
    scan_windows,
)
from overdensity.stats import selection_levels

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
    scores = cross_fit(make_method("cwola"), sample, window, seed=seed)
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
