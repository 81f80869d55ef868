"""The polynomial of a ratio and its fit, against scipy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import BPoly
from scipy.optimize import approx_fprime

from overdensity.core import FitError
from overdensity.stats.spectra.binning import dijet_edges
from overdensity.stats.spectra.ratio_fit import Form, bernstein, fit_ratio, of_all, of_the_rest

EDGES = dijet_edges(2659, 6099)


@pytest.mark.parametrize("degree", [0, 1, 4, 7])
def test_bin_averages_are_those_of_scipys_bernstein_polynomials(degree):
    columns = bernstein(EDGES, degree)
    for k in range(degree + 1):
        poly = BPoly(np.eye(degree + 1)[:, k : k + 1], EDGES[[0, -1]])
        exact = [quad(poly, a, b)[0] / (b - a) for a, b in pairwise(EDGES)]
        np.testing.assert_allclose(columns[:, k], exact, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(columns.sum(axis=1), 1)


@pytest.mark.parametrize(("link", "highest"), [(of_the_rest, np.inf), (of_all, 1.0)])
def test_the_gradient_is_the_derivative_of_the_loss(link, highest):
    form = Form(bernstein(EDGES, 2), link, highest)
    n = np.full(EDGES.size - 1, 100.0)
    k, c = np.linspace(30, 10, n.size), np.array([0.3, 0.2, 0.1])
    gradient, _ = form.slopes(c[None], k[None], n[None])
    numerical = approx_fprime(c, lambda c: form.loss(c[None], k[None], n[None])[0], 1e-7)
    np.testing.assert_allclose(gradient[0], -numerical, rtol=1e-4, atol=1e-3)


def test_an_even_ratio_is_the_share_of_all_events():
    n = np.full(EDGES.size - 1, 200.0)
    none = np.zeros(n.size, dtype=bool)
    fit = fit_ratio(Form(bernstein(EDGES, 0), of_all, 1.0), n / 4, n, none, seed=1)
    assert fit.ratio[0] == pytest.approx(0.25)
    # binomial error of 25 % of all events, drawn towards one half by one event a bin
    assert fit.ratio_error[0] == pytest.approx(np.sqrt(0.25 * 0.75 / n.sum()), rel=0.01)


def test_an_even_ratio_to_the_rest_has_the_error_of_both_counts():
    n = np.full(EDGES.size - 1, 300.0)
    none = np.zeros(n.size, dtype=bool)
    fit = fit_ratio(Form(bernstein(EDGES, 0), of_the_rest, np.inf), n / 3, n, none, seed=1)
    assert fit.ratio[0] == pytest.approx(0.5)
    selected, rest = n.sum() / 3, n.sum() * 2 / 3
    assert fit.ratio_error[0] == pytest.approx(0.5 * np.sqrt(1 / selected + 1 / rest), rel=0.01)


def test_more_coefficients_than_bins_are_refused():
    n, none = np.full(EDGES.size - 1, 200.0), np.zeros(EDGES.size - 1, dtype=bool)
    with pytest.raises(FitError, match="needs more than"):
        fit_ratio(Form(bernstein(EDGES, n.size), of_all, 1.0), n / 4, n, none, seed=1)
