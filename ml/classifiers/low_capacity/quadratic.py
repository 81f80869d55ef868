"""Logistic regression on all quadratic terms: a classifier of low capacity, for signals that are few and broad.

Of k features it learns k linear, k square and k (k − 1) / 2 mixed terms, 20 of five features. Boosted
trees and networks can learn more, and pay for that with noise: where signal is half a percent of a
signal region and broad in each feature, their gain is less than what they lose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from ...hyper_checks import refuse_unusable
from ...training.watching import is_watched
from ..kinds import ClassifierKind, EnsembleHyper, register_classifier
from ..members import features_of_members, note_reliability

__all__ = ["QuadraticEnsemble", "QuadraticHyper", "QuadraticLogistic", "quadratic_terms"]

Array = NDArray[np.float64]

_KNOTS = 255  # quantiles between which a feature is mapped to normal scores
_STEPS = 50  # of Newton's method; convergence takes three or four
_ACCURATE = 1e-10  # the change of the loss at which it ends
_ROWS = 65_536  # events whose terms are in memory at once


@dataclass(frozen=True)
class QuadraticHyper:
    """How the regression is regularised.

    Attributes
    ----------
    penalty : float
        λ of the loss ⟨log-loss⟩ + λ/2 |w|². Terms have unit variance, so that the curvature of the
        log-loss is 1/4: at 0.1 coefficients are shrunk to 70 %, less where features are correlated;
        far above 1/4 they follow the difference of the means of both classes.

    Raises
    ------
    ConfigError
        If a value cannot be used.
    """

    penalty: float = 0.1

    def __post_init__(self) -> None:
        refuse_unusable("quadratic", self, penalty=self.penalty > 0)


@dataclass(frozen=True, eq=False)
class QuadraticEnsemble:
    """The mean output of several regressions.

    Attributes
    ----------
    at : ndarray of float64, shape (n_features, n_knots)
        Values of the features that have the normal scores.
    normal : ndarray of float64, shape (n_features, n_knots)
        These scores.
    intercept : ndarray of float64, shape (n_members,)
        Constant term of the log-odds.
    coefficient : ndarray of float64, shape (n_members, n_terms)
        Of the terms in the order of `quadratic_terms`.
    """

    at: Array
    normal: Array
    intercept: Array
    coefficient: Array

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of the members' probabilities for features (n_events, n_features)."""
        return self._probability(x).astype(np.float32)

    def log_odds(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability for features (n_events, n_features)."""
        return logit(self._probability(x)).astype(np.float32)

    def _probability(self, x: NDArray[np.float32]) -> Array:
        found = np.empty(len(x))
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            terms = quadratic_terms(_normal_scores(x[rows], self.at, self.normal))
            found[rows] = expit(terms @ self.coefficient.T + self.intercept).mean(axis=1)
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what :meth:`arrays` returned."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def quadratic_terms(z: Array) -> Array:
    """Return all linear and quadratic terms of normal scores: each of mean 0 and variance 1.

    They are the Hermite polynomials of degree 1 and 2: z_i, then (z_i² − 1)/√2 and z_i z_j in the
    order of the upper triangle, row by row. Those of independent normal z are orthonormal.

    Parameters
    ----------
    z : ndarray of float64, shape (n_events, n_features)
        Normal scores.

    Returns
    -------
    ndarray of float64, shape (n_events, n_features * (n_features + 3) / 2)

    Examples
    --------
    >>> quadratic_terms(np.array([[1.0, 2.0]])).round(3).tolist()
    [[1.0, 2.0, 0.0, 2.0, 2.121]]
    """
    first, second = np.triu_indices(z.shape[1])
    products = z[:, first] * z[:, second]
    same = first == second
    products[:, same] = (products[:, same] - 1) / np.sqrt(2)
    return np.hstack([z, products])


@register_classifier("quadratic")
class QuadraticLogistic(ClassifierKind):
    """Logistic regression on all quadratic terms of normal scores; trained in a moment.

    Features are mapped to normal scores by the ranks of the training events, of both classes
    together, so that no scale and no tail matters. Features that follow the mass are to be
    decorrelated first (``decorrelate:``): their quantile given the mass then becomes a normal score
    given the mass. Each member leaves one inner fold out.
    """

    bags_features: ClassVar[bool] = True
    Hyper: ClassVar[type[QuadraticHyper]] = QuadraticHyper

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: EnsembleHyper,
        seed: int,
    ) -> QuadraticEnsemble:
        """Fit the regressions; see :meth:`ClassifierKind.fit`."""
        n = hyper.inner_folds * hyper.members
        at, normal = _knots_of(x)
        terms = quadratic_terms(_normal_scores(x, at, normal))
        seen = features_of_members(n, x.shape[1], hyper.feature_fraction, seed)
        intercept, coefficient = np.empty(n), np.zeros((n, terms.shape[1]))
        for i in range(n):
            used = np.ones(terms.shape[1], bool) if seen is None else _terms_of(seen[i])
            learnt = np.where(inner == i % hyper.inner_folds, 0.0, weight)
            intercept[i], coefficient[i, used] = fit_ridge(
                terms[:, used], y, learnt, penalty=hyper.settings.penalty
            )
        if is_watched():
            held_out = {}
            for fold in np.unique(inner).tolist():
                members = slice(fold, None, hyper.inner_folds)
                stopped = QuadraticEnsemble(at, normal, intercept[members], coefficient[members])
                held_out[fold] = stopped.score(x[inner == fold])
            note_reliability(held_out, y, weight, inner)
        return QuadraticEnsemble(at, normal, intercept, coefficient)

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper
    ) -> QuadraticEnsemble:
        """Return the ensemble that these arrays are of."""
        del hyper  # the arrays say it all
        return QuadraticEnsemble.from_arrays(arrays)


def fit_ridge(
    terms: Array, y: NDArray[np.bool_], weight: Array, *, penalty: float
) -> tuple[float, Array]:
    """Fit a logistic regression with an L2 penalty by Newton's method.

    Parameters
    ----------
    terms : ndarray of float64, shape (n_events, n_terms)
        Terms of the log-odds.
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,)
        Event weights; the loss is their mean.
    penalty : float
        λ of λ/2 |w|²; the intercept is free.

    Returns
    -------
    float, ndarray of shape (n_terms,)
        Intercept and coefficients.

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(size=(4000, 1))
    >>> y = np.random.default_rng(2).random(4000) < expit(x[:, 0])
    >>> intercept, w = fit_ridge(x, y, np.ones(4000), penalty=1e-6)
    >>> bool(abs(w[0] - 1) < 0.15), bool(abs(fit_ridge(x, y, np.ones(4000), penalty=10)[1][0]) < 0.05)
    (True, True)
    """
    columns = np.hstack([np.ones((len(terms), 1)), terms])
    ridge = np.full(columns.shape[1], penalty)
    ridge[0] = 0.0
    share = weight / weight.sum()
    mean = float(share @ y)
    beta = np.zeros(columns.shape[1])
    beta[0] = logit(np.clip(mean, 1e-12, 1 - 1e-12))
    loss = np.inf
    for _ in range(_STEPS):
        odds = columns @ beta
        before, loss = loss, float(share @ (np.logaddexp(0, odds) - y * odds) + ridge @ beta**2 / 2)
        if before - loss < _ACCURATE:
            break
        p = expit(odds)
        slope = columns.T @ (share * (p - y)) + ridge * beta
        bend = (columns * (share * p * (1 - p))[:, None]).T @ columns + np.diag(ridge)
        beta -= np.linalg.solve(bend, slope)
    return float(beta[0]), beta[1:]


def _terms_of(features: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which terms are of these features alone."""
    first, second = np.triu_indices(len(features))
    return np.concatenate([features, features[first] & features[second]])


def _knots_of(x: NDArray[np.float32]) -> tuple[Array, Array]:
    """Return values of each feature and the normal scores of these, (n_features, n_knots) each.

    Events that share a value share the score of their middle rank.
    """
    at = np.quantile(x.astype(np.float64), np.linspace(0, 1, _KNOTS), axis=0).T
    normal = np.empty_like(at)
    for i, values in enumerate(at):
        ordered = np.sort(x[:, i].astype(np.float64))
        rank = (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")) / 2
        normal[i] = ndtri(np.clip(rank, 0.5, len(x) - 0.5) / len(x))
    return at, normal


def _normal_scores(x: NDArray[np.float32], at: Array, normal: Array) -> Array:
    """Return the normal score of each feature of each event, between the knots linear."""
    pairs = zip(x.T.astype(np.float64), at, normal, strict=True)
    return np.stack([np.interp(values, *knots) for values, *knots in pairs], axis=1)
