"""Latent Dirichlet allocation: the rarer theme is the signal's, whatever the truth."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Images, Sample, Window, make_method, performance
from overdensity.processors import DijetProcessor, LhcoSource, process

logger = logging.getLogger("overdensity.tests")
FAST = {"restarts": 1, "passes": 2, "scale": 12.0, "batch": 500}


@pytest.fixture(scope="module")
def fitted(sample, window):
    method = make_method("lda", **FAST)
    return method.fit(method.shown(sample), window, seed=1)


def test_the_signal_is_the_theme_of_fewer_words(fitted, sample, window):
    assert fitted.shares.sum() == pytest.approx(1.0)
    inside = window.signal(sample.mass)
    score = fitted.score(fitted.shown(sample))
    assert performance(score[inside], sample.label[inside]).auc > 0.95


def test_concentrations_are_those_of_the_lowest_perplexity(sample, window):
    def lost(alphas):
        method = make_method("lda", **FAST | {"alphas": alphas})
        return method.fit(method.shown(sample).take(np.arange(800)), window, seed=1)

    both = lost([[0.9, 0.1], [0.5, 0.5]])
    alone = [lost([alpha]).perplexities[0] for alpha in both.hyper.alphas]
    assert both.hyper.alphas == ((0.9, 0.1), (0.5, 0.5))  # tuples, as the default is
    assert list(both.perplexities) == alone
    assert both.alpha == tuple(both.hyper.alphas[int(np.argmin(alone))])


def test_score_is_the_sum_of_log_ratios_of_all_words(fitted, sample):
    some = fitted.shown(sample).take(np.arange(5))
    words = np.concatenate(
        [12.0 * some.blocks[name][:].reshape(5, -1) for name in fitted._blocks], 1
    )
    lighter_first = sample.features[:5, 0] <= sample.features[:5, 1]
    half = words.shape[1] // 2
    words[~lighter_first] = np.roll(words[~lighter_first], half, axis=1)
    signal = int(fitted.shares.argmin())
    expected = words @ np.log(fitted.themes[signal] / fitted.themes[1 - signal])
    np.testing.assert_allclose(fitted.score(some), expected, rtol=1e-4, atol=1e-4)


def test_counts_are_shown_as_they_are(sample):
    block = Images.from_array(3 * np.ones((len(sample), 2, 2)))
    shown = make_method("lda").shown(replace(sample, blocks={"j1_mass_plane": block}))
    assert shown.label is None
    assert shown.blocks["j1_mass_plane"][:1].tolist() == [[[3.0, 3.0], [3.0, 3.0]]]


def test_without_signal_there_is_no_excess(excess_of, without_signal):
    assert abs(excess_of(make_method("lda", **FAST), without_signal)) < 3


def test_fewer_events_than_themes_are_refused(sample, window):
    method = make_method("lda", min_events=1)
    one = method.shown(sample).take(np.flatnonzero(window.signal(sample.mass))[:1])
    with pytest.raises(InputError, match="1 events in the signal region, where 2 are needed for 2"):
        method.fit(one, window, seed=1)


def test_events_without_planes_are_refused():
    columns = Sample.from_arrays([3500.0], [[100.0]], ["j1_mass"])
    with pytest.raises(
        InputError, match=r"'lda' needs images; .* \(j1_mass_plane, j1_lund_plane\?\)"
    ):
        make_method("lda").shown(columns)


def test_planes_without_any_splitting_are_refused(sample, window):
    method = make_method("lda")
    block = Images.from_array(np.zeros((len(sample), 2, 2)))
    empty = method.shown(replace(sample, blocks={"j1_mass_plane": block}))
    with pytest.raises(InputError, match="no jet has a splitting in j1_mass_plane"):
        method.fit(empty, window, seed=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("alphas", [[1.0]]), ("alphas", [[0.9, 0.1], [1.0, 1.0, 1.0]]), ("eta", 0.0), ("region", "x")],
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("lda", **{name: value})


@pytest.fixture(scope="module")
def planes(shared_data, tmp_path_factory):
    """The planes of 13 000 reference events, 1000 of them signal; about 15 seconds."""
    processor = DijetProcessor(features=("mass_plane", "lund_plane"))
    file = str(shared_data / "reference" / "rnd_events_13k.h5")
    out = str(tmp_path_factory.mktemp("planes"))
    return process(file, out, source=LhcoSource(), processor=processor).columns


@pytest.mark.slow(seconds=30)
@pytest.mark.parametrize("basis", ["mass_plane", "lund_plane"])
def test_reference_signal_has_larger_scores_with_it_and_without(basis, planes):
    window = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
    names = [f"{jet}_{name}" for name in ("mass", basis) for jet in ("j1", "j2")]
    sample = Sample.from_parquet(planes, features=names)
    background, signal = (np.flatnonzero(sample.label == label) for label in (0, 1))
    found = {}
    for n_signal in (474, 0):  # 5 % and none
        fewer = {} if basis == "mass_plane" else {"restarts": 12, "continued": 3}  # for the time
        method = make_method("lda", region="all", **fewer)
        shown = method.shown(sample)
        learnt = np.sort(np.r_[background[:9000], signal[:n_signal]])
        method.fit(shown.take(learnt), window, seed=1)
        test = np.r_[background[9000:], signal[n_signal:]]
        reached = performance(method.score(shown.take(test)), sample.label[test], eps_b=(0.01,))
        found[n_signal] = (reached.auc, reached.sic[0].sic, float(method.shares.min()))
    logger.info("%s: AUC, SIC(1 %%), share of the theme: %s", basis, found)
    assert found[474][0] > 0.75
    if basis == "mass_plane":  # the other has it from hard splittings alone, signal or not
        assert found[474][0] > found[0][0] + 0.1
        assert found[474][1] > found[0][1] + 1
