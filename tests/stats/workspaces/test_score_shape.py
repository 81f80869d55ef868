"""Score templates: bins that simulation fills, and fits that find and exclude signals."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import InputError
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.workspaces.score_shape import (
    Region,
    Template,
    score_channel,
    score_edges,
    score_template,
    score_workspace,
)

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def make_regions(rng, *, n_signal=0, simulated=4000, wrong_size=1.0):
    """Return two regions, in which -log p of signal lies three units above background."""
    regions = []
    for name, mean, share in (("4e", 400.0, 0.6), ("4mu", 250.0, 0.4)):
        qcd, top = rng.normal(0, 1, simulated), rng.normal(0.3, 1, simulated // 2)
        edges = score_edges(np.concatenate([qcd, top]), n_bins=6)
        size, small = np.full(qcd.size, mean / qcd.size), np.full(top.size, 0.1 * mean / top.size)
        data = np.concatenate(
            [
                rng.normal(0, 1, rng.poisson(mean * wrong_size)),
                rng.normal(0.3, 1, rng.poisson(0.1 * mean)),
                rng.normal(3, 1, rng.poisson(share * n_signal)),
            ]
        )
        shifted = score_template(qcd + 0.1, edges, size), score_template(qcd - 0.1, edges, size)
        zz = score_template(
            qcd,
            edges,
            size,
            relative_error=0.2,
            variations={"scale": (shifted[0].events, shifted[1].events)},
        )
        peak = rng.normal(3, 1, 3000)
        regions.append(
            Region(
                name,
                score_template(data, edges).events,
                {"zz": zz, "top": score_template(top, edges, small, relative_error=0.3)},
                score_template(peak, edges, np.full(peak.size, 20 * share / peak.size)),
            )
        )
    return regions


def test_a_signal_in_the_tail_is_found_with_its_size():
    found = discovery(score_workspace(make_regions(np.random.default_rng(1), n_signal=60)))
    assert found.z > 5
    assert found.mu == pytest.approx(60 / 20, abs=2.5 * found.mu_error)


def test_without_signal_z_is_that_of_chance_even_where_the_normalisation_is_off():
    rng = np.random.default_rng(2)
    z = [discovery(score_workspace(make_regions(rng, wrong_size=1.2))).z for _ in range(10)]
    assert np.max(z) < 3
    assert np.sum(np.array(z) > 1) <= 5  # 1.6 of 10 expected


def test_a_limit_from_two_regions_is_better_than_from_one():
    regions = make_regions(np.random.default_rng(3))
    both = asymptotic_limit(score_workspace(regions)).expected[2]
    assert both < asymptotic_limit(score_workspace(regions[:1])).expected[2]


def test_effects_of_one_name_are_one_parameter_and_simulation_is_not():
    names = pyhf.Workspace(score_workspace(make_regions(np.random.default_rng(4)))).model().config
    assert set(names.par_order) == {
        "mu",
        "scale",
        "zz_normalisation",
        "top_normalisation",
        "mc_4e",
        "mc_4mu",
        "mc_signal_4e",
        "mc_signal_4mu",
    }


def test_few_simulated_events_weaken_the_limit():
    rng = np.random.default_rng(5)
    regions = make_regions(rng)
    loose = [
        Region(
            region.name,
            region.observed,
            {
                name: Template(each.events, tuple(10 * e for e in each.errors), each.relative_error)
                for name, each in region.backgrounds.items()
            },
            region.signal,
        )
        for region in regions
    ]
    tight = asymptotic_limit(score_workspace(regions)).expected[2]
    assert asymptotic_limit(score_workspace(loose)).expected[2] > 1.05 * tight


def test_errors_are_those_of_the_weights():
    template = score_template([0.5, 0.6, 1.5], [0, 1, 2], [2.0, 1.0, -0.0])
    assert template.events == (3.0, 0.0)
    assert template.errors == pytest.approx((np.sqrt(5), 0.0))


@given(
    st.lists(st.floats(-50, 50) | st.just(1.0), min_size=20, max_size=300),
    st.integers(1, 12),
)
def test_every_bin_has_enough_simulated_events(scores, n_bins):
    edges = score_edges(scores, n_bins=n_bins, least=5)
    filled = np.histogram(scores, [-1e9, *edges[1:-1], 1e9])[0]
    assert filled.min() >= 5
    assert len(filled) <= n_bins


def test_bins_halve_what_is_left():
    scores = np.random.default_rng(0).permutation(1024.0 * np.arange(1024))
    counts = np.array(score_template(scores, score_edges(scores, n_bins=5)).events)
    np.testing.assert_allclose(counts, [512, 256, 128, 64, 64], atol=1)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: score_edges([1.0, 2.0]), "simulate more"),
        (lambda: score_edges([1.0, np.nan]), "not finite"),
        (lambda: score_edges([1.0, 2.0], [1.0]), "one of each"),
        (lambda: score_template([1.0, 5.0], [0, 2]), "outside"),
        (lambda: score_template([1.0], [0, 2], [-1.0]), "merge bins"),
    ],
)
def test_bad_scores_are_refused(action, words):
    with pytest.raises(InputError, match=words):
        action()


def test_a_bin_without_simulated_background_is_refused():
    empty, signal = Template((5.0, 0.0), (1.0, 0.0)), Template((1.0, 1.0), (0.1, 0.1))
    with pytest.raises(InputError, match="signal but no simulated background"):
        score_workspace([Region("a", (5.0, 0.0), {"zz": empty}, signal)])
    with pytest.raises(InputError, match="data but no simulated background"):
        score_workspace([Region("a", (5.0, 2.0), {"zz": empty}, signal)])
    with pytest.raises(InputError, match="the data 3"):
        score_workspace([Region("a", (5.0, 2.0, 1.0), {"zz": empty}, signal)])


def test_pyhf_divides_names_at_slashes() -> None:
    template = Template((5.0,), (1.0,))
    with pytest.raises(InputError, match="'mc_signal_W/Z' cannot be the name of a parameter"):
        score_channel(Region("W/Z", (5.0,), {"zz": template}, template))
