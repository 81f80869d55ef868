"""Online variational Bayes for latent Dirichlet allocation, on sparse counts of words.

gensim's LdaModel does the same document by document, and scikit-learn's has one number for the
concentrations of all themes, where the two themes of jets need two (arXiv:2101.08320, section 3.6).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import gammaln, psi

__all__ = ["Steps", "beginning", "learn_themes", "perplexity"]

Array = NDArray[np.float64]

_ALIKE = 30  # events that a theme begins with
_ROUNDS = 50  # of the mixing proportions of a batch
_STILL = 1e-3  # mean change of these that ends the rounds
_TINY = 1e-100


class Steps(NamedTuple):
    """How themes are learnt, step by step.

    Attributes
    ----------
    eta : float
        Concentration of the words in a theme.
    passes, batch : int
        How often all events are learnt, and how many in a step.
    decay, offset : float
        Step t counts as (offset + t) ** -decay.
    """

    eta: float = 0.5
    passes: int = 5
    batch: int = 2000
    decay: float = 0.5
    offset: float = 1.0


def learn_themes(
    words: Any, alpha: Array, begin: Array, steps: Steps, *, weight: Array, seed: int
) -> Array:
    r"""Return the Dirichlet parameters λ of all themes, shape (n_themes, n_words).

    M. Hoffman, D. Blei, F. Bach (NIPS 2010), algorithm 2: for each batch of events, mixing
    proportions with the Dirichlet parameters

    .. math:: \gamma_{dk} = \alpha_k + \sum_w n_{dw} \phi_{dwk}, \qquad
              \phi_{dwk} \propto \exp\left(E[\ln\theta_{dk}] + E[\ln\beta_{kw}]\right)

    are found for the themes as they are, and then λ moves towards
    :math:`\eta + \frac{D}{|batch|} \sum_d n_{dw} \phi_{dwk}` by the share of the step.

    Parameters
    ----------
    words : csr_matrix, shape (n_events, n_words)
        How often each word is in each event.
    alpha : ndarray of float64, shape (n_themes,)
        Concentrations of the themes.
    begin : ndarray of float64, shape (n_themes, n_words)
        λ to begin with (:func:`beginning`).
    steps : Steps
        How to learn.
    weight : ndarray of float64, shape (n_events,)
        Event weights, 1 on average.
    seed : int
        Decides the batches.
    """
    rng, n = np.random.default_rng(seed), words.shape[0]
    lam, step = begin, 0
    for _ in range(steps.passes):
        for rows in np.array_split(rng.permutation(n), max(1, -(-n // steps.batch))):
            part = words[rows]
            beta = _expectation(lam)
            _, theta = _proportions(part, alpha, beta)
            weighted = _shares(part, theta, beta) * np.repeat(weight[rows], np.diff(part.indptr))
            shares = csr_matrix((weighted, part.indices, part.indptr), shape=part.shape)
            found = steps.eta + n / weight[rows].sum() * (shares.T @ theta).T * beta
            share = (steps.offset + step) ** -steps.decay
            lam = (1 - share) * lam + share * found
            step += 1
    return lam


def beginning(words: Any, alpha: Array, eta: float, rng: np.random.Generator) -> Array:
    """Return λ to begin with: the common theme as all events are, each other as a few that are alike.

    Themes that begin at random describe what varies most among the background, and a rare theme
    with a small concentration dies out in the first steps. A group of events that have the same rare words
    is what is looked for.

    Parameters
    ----------
    words : csr_matrix, shape (n_events, n_words)
        How often each word is in each event.
    alpha : ndarray of float64, shape (n_themes,)
        Concentrations; the theme of the largest is the common one.
    eta : float
        Concentration of the words.
    rng : numpy.random.Generator
        Draws an event for each other theme.
    """
    total = np.asarray(words.sum(axis=0)).ravel()
    rare = words.multiply(1 / np.sqrt(total + 10 * eta)).tocsr()
    length = np.sqrt(np.asarray(rare.multiply(rare).sum(axis=1)).ravel()) + _TINY
    share, lam = alpha / alpha.sum(), np.empty((len(alpha), len(total)))
    for theme in range(len(alpha)):
        like = total
        if theme != alpha.argmax():
            near = np.asarray((rare @ rare[rng.integers(len(length))].T).todense()).ravel()
            few = np.argsort(-near / length, kind="stable")[:_ALIKE]
            like = np.asarray(words[few].sum(axis=0)).ravel()
        lam[theme] = eta + share[theme] * total.sum() * like / max(like.sum(), 1)
    return lam


def perplexity(words: Any, alpha: Array, lam: Array) -> float:
    r"""Return the perplexity of events under themes: exp of minus the bound on ln p a word.

    Hoffman et al., equation 15, without the part of the themes themselves, which is the same for all events.

    Parameters
    ----------
    words : csr_matrix, shape (n_events, n_words)
        Events that the themes were not learnt from.
    alpha : ndarray of float64, shape (n_themes,)
        Concentrations of the themes.
    lam : ndarray of float64, shape (n_themes, n_words)
        Of :func:`learn_themes`.
    """
    beta = _expectation(lam)
    gamma, theta = _proportions(words, alpha, beta)
    log_theta = psi(gamma) - psi(gamma.sum(axis=1, keepdims=True))
    mixed = words.data * np.log(_mixed(words, theta, beta))
    bound = mixed.sum() + ((alpha - gamma) * log_theta + gammaln(gamma) - gammaln(alpha)).sum()
    bound += (gammaln(alpha.sum()) - gammaln(gamma.sum(axis=1))).sum()
    return float(np.exp(-bound / words.sum()))


def _expectation(dirichlet: Array) -> Array:
    """Return exp(E[ln p]) of Dirichlet distributions, one a row."""
    return np.exp(psi(dirichlet) - psi(dirichlet.sum(axis=1, keepdims=True)))


def _mixed(words: Any, theta: Array, beta: Array) -> Array:
    """Return the sum over themes at each word that an event has, shape (n_entries,)."""
    event = np.repeat(np.arange(words.shape[0]), np.diff(words.indptr))
    terms = (theta[event, k] * beta[k, words.indices] for k in range(len(beta)))
    return sum(terms, np.zeros(len(words.indices))) + _TINY


def _shares(words: Any, theta: Array, beta: Array) -> Array:
    return words.data / _mixed(words, theta, beta)


def _proportions(words: Any, alpha: Array, beta: Array) -> tuple[Array, Array]:
    """Return the Dirichlet parameters of the mixing proportions, and exp(E[ln θ]) of these."""
    gamma = np.tile(alpha + words.sum() / words.shape[0] / len(alpha), (words.shape[0], 1))
    theta = _expectation(gamma)
    for _ in range(_ROUNDS):
        ratio = csr_matrix(
            (_shares(words, theta, beta), words.indices, words.indptr), shape=words.shape
        )
        before, gamma = gamma, alpha + theta * (ratio @ beta.T)
        theta = _expectation(gamma)
        if np.abs(gamma - before).mean() < _STILL:
            break
    return gamma, theta
