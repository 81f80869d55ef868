"""Variational Bayes of themes, against scikit-learn's where that can do the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.decomposition import LatentDirichletAllocation

from overdensity.ml.anomaly.topics.variational import (
    Steps,
    beginning,
    learn_themes,
    perplexity,
)

N, WORDS = 400, 12
TRUE = np.stack([np.exp(-np.arange(WORDS) / 3.0), np.exp(np.arange(WORDS) / 3.0)])
TRUE /= TRUE.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def counts():
    """Events of 30 words, most of the first theme."""
    return drawn([0.9, 0.1])


def drawn(alpha):
    rng = np.random.default_rng(0)
    theta = rng.dirichlet(alpha, N)
    return csr_matrix(np.stack([rng.multinomial(30, p) for p in theta @ TRUE]).astype(float))


def learn(words, alpha, *, weight=None, **changes):
    alpha, steps = np.array(alpha), Steps(**{"batch": 50} | changes)
    begin = beginning(words, alpha, steps.eta, np.random.default_rng(3))
    weight = np.ones(words.shape[0]) if weight is None else weight
    return learn_themes(words, alpha, begin, steps, weight=weight, seed=1)


def shapes(lam):
    lam = lam / lam.sum(axis=1, keepdims=True)
    return lam[np.argsort(lam @ np.arange(lam.shape[1]))]


def test_with_equal_concentrations_the_themes_are_those_of_scikit_learn():
    counts = drawn([0.3, 0.3])[:150]
    found = learn(counts, [0.3, 0.3], batch=150, decay=0.0, passes=30)  # a step replaces what was
    other = LatentDirichletAllocation(
        2, doc_topic_prior=0.3, topic_word_prior=0.5, max_iter=30, random_state=0
    ).fit(counts)
    np.testing.assert_allclose(shapes(found), shapes(other.components_), atol=5e-3)
    np.testing.assert_allclose(found.sum(), other.components_.sum(), rtol=1e-6)


def test_themes_are_found_in_batches(counts):
    np.testing.assert_allclose(shapes(learn(counts, [0.9, 0.1])), TRUE, atol=0.05)


def test_events_without_weight_are_not_learnt(counts):
    other = csr_matrix(np.vstack([counts.toarray(), np.full((N, WORDS), 10.0)]))
    weight = np.repeat([2.0, 0.0], N)
    np.testing.assert_allclose(
        shapes(learn(other, [0.9, 0.1], weight=weight))[0], TRUE[0], atol=0.03
    )


def test_events_without_words_change_nothing_but_the_weight_of_the_others(counts):
    empty = csr_matrix(np.vstack([counts.toarray(), np.zeros((N, WORDS))]))
    np.testing.assert_allclose(shapes(learn(empty, [0.9, 0.1]))[0], TRUE[0], atol=0.03)


def test_perplexity_is_lowest_for_the_true_themes_and_concentrations(counts):
    alpha = np.array([0.9, 0.1])
    true, flat = 1e6 * TRUE, np.full_like(TRUE, 1e6)
    found = [
        perplexity(counts, alpha, true),
        perplexity(counts, alpha[::-1], true),
        perplexity(counts, alpha, flat),
    ]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(WORDS, rel=0.05)  # every word as likely as any other
