"""Factorized topics: the two jets of an event are independent once the kinds of both are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ....core import InputError
from ....core.windows import Window
from ...hyper_checks import refuse_unusable, section
from ...method import Method, Need, register_method
from ...sample import Sample

__all__ = ["FactorizedTopics", "FactorizedTopicsHyper", "Topics", "factorize"]

Array = NDArray[np.float64]
Region = Literal["signal", "all"]
Against = Literal["all", "background"]

_CHECKED = 100  # iterations between two looks at the likelihood
_TINY = 1e-12  # share of the events in a cell
_POPULATED = 5e-4  # of the jets: bins with fewer decide nothing about a topic


class Topics(NamedTuple):
    """A histogram of pairs, taken apart.

    Attributes
    ----------
    shapes : ndarray of float64, shape (n_bins, n_topics)
        The distribution of each topic; columns add up to one.
    pairs : ndarray of float64, shape (n_topics, n_topics)
        How often a jet of one topic stands opposite a jet of another; symmetric, of sum one.
    gains : ndarray of float64, shape (n_restarts,)
        Log-likelihood of each restart below the best, for the events of the histogram.
    """

    shapes: Array
    pairs: Array
    gains: Array


@dataclass(frozen=True)
class FactorizedTopicsHyper:
    """Hyperparameters of factorized topics (arXiv:2101.08320, section 5.2).

    Attributes
    ----------
    topics : int
        How many; published: 3, one of them the background.
    observable : str
        Of each jet: the columns ``j1_<observable>`` and ``j2_<observable>``. Published: the mass.
    bins : int
        Of the observable. Not published.
    highest : float
        Upper end of the observable, GeV for a mass; events beyond it are not learnt.
    region : {"signal", "all"}
        Learn from the signal region, or from all events as published. Jets of the same kind are independent
        at one resonant mass only.
    against : {"all", "background"}
        What the signal's density is divided by: that of all events, or of the pairs of two background
        jets as published (equation 5.9), which has no word on events with one background jet.
    restarts : int
        Random beginnings, of which the one with the largest likelihood is kept.
    iterations : int
        Of each restart, at most.
    tolerance : float
        Converged where 100 iterations add less to the log-likelihood.
    smoothing : float
        So many jets, distributed as all jets are, are added to each topic before events are scored: bins
        where a topic has no jet by chance do not decide alone.
    min_events : int
        The fewest events to learn from.
    """

    topics: int = 3
    observable: str = "mass"
    bins: int = 60
    highest: float = 800.0
    region: str = "signal"
    against: str = "all"
    restarts: int = 12
    iterations: int = 5000
    tolerance: float = 0.02
    smoothing: float = 10.0
    min_events: int = 100

    def __post_init__(self) -> None:
        refuse_unusable(
            section(self),
            self,
            topics=self.topics >= 2,
            bins=self.bins > self.topics,
            highest=0 < self.highest < np.inf,
            region=self.region in get_args(Region),
            against=self.against in get_args(Against),
            restarts=self.restarts >= 1,
            iterations=self.iterations >= 1,
            tolerance=self.tolerance > 0,
            smoothing=self.smoothing >= 0,
            min_events=self.min_events >= 1,
        )


@register_method("factorized_topics")
class FactorizedTopics(Method[FactorizedTopicsHyper]):
    """Pairs of jets as a mixture of products: which pair of kinds of jets is there beside the background.

    The histogram D of an observable of both jets is taken apart as P F Pᵀ: the shapes P of a few
    topics, and how often F they stand opposite each other. The background is the topic that most
    often stands opposite itself; the signal is the most frequent pair of other topics. The
    score is the logarithm of the share of the signal at the place of an event.
    """

    needs: tuple[Need, ...] = ("features",)
    source: ClassVar[str] = (
        "Factorized topic modeling, LHC Olympics 2020 (arXiv:2101.08320), section 5.2; jet topics: "
        "arXiv:1802.00008"
    )
    Hyper: ClassVar[type[FactorizedTopicsHyper]] = FactorizedTopicsHyper
    fast: ClassVar[Mapping[str, Any]] = {"bins": 40, "restarts": 10, "iterations": 400}

    @property
    def fewest_events(self) -> int:
        """As the hyperparameters say; see :attr:`Method.fewest_events`."""
        return max(self.hyper.min_events, self.hyper.topics)

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Take the histogram of both jets apart; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        pair = self._pair(data)
        data.refuse_constant_features()
        learnt = (pair >= 0).all(axis=1) & (pair < self.hyper.highest).all(axis=1)
        if self.hyper.region == "signal":
            learnt &= window.signal(data.mass)
        n = int(np.count_nonzero(learnt))
        if n < self.fewest_events:
            where = " in the signal region" if self.hyper.region == "signal" else ""
            msg = (
                f"window {window}: {n} events{where} have both "
                f"{self.hyper.observable} columns below {self.hyper.highest:g}, where "
                f"{self.fewest_events} are needed for {self.hyper.topics} topics; use more events, "
                "wider bins, a larger highest or fewer topics"
            )
            raise InputError(msg)
        weight = None if data.weight is None else data.weight[learnt]
        edges = np.linspace(0.0, self.hyper.highest, self.hyper.bins + 1)
        counts = np.histogram2d(*pair[learnt].T, bins=[edges, edges], weights=weight)[0]
        counts = (counts + counts.T) / 2
        self._names, self._topics = data.names, factorize(counts, self.hyper, seed=seed)
        self._jets = counts.sum(axis=0)
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the logarithm of the signal's share; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        first, second = (self._densities(values) for values in self._pair(data).T)
        pairs = self._topics.pairs
        x, y = self._signal
        signal = pairs[x, y] * first[:, x] * second[:, y]
        if x != y:
            signal += pairs[x, y] * first[:, y] * second[:, x]
        kept = slice(None) if self.hyper.against == "all" else [self._background]
        other = np.einsum("nk,kl,nl->n", first[:, kept], pairs[kept][:, kept], second[:, kept])
        if self.hyper.against == "all":
            other = np.maximum(
                other - signal, 0.0
            )  # the same order as signal / other, not rounded to 1
        return np.log((signal + _TINY) / (other + _TINY)).astype(np.float32)

    @property
    def daughters(self) -> tuple[float, float]:
        """The positions of the signal's two topics, the lower first; GeV for masses.

        The background is subtracted from a topic as far as it goes (mutual irreducibility,
        arXiv:1802.00008), and the peak is where the rest stands out most from the fluctuations of
        all jets.
        """
        found = [self._peak(self._topics.shapes[:, topic]) for topic in self._signal]
        return min(found), max(found)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return {"names": np.array(self._names), "jets": self._jets, **self._topics._asdict()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names, self._jets = tuple(map(str, arrays["names"])), arrays["jets"]
        self._topics = Topics(*(arrays[name] for name in Topics._fields))

    @property
    def _background(self) -> int:
        return int(np.diag(self._topics.pairs).argmax())

    @property
    def _signal(self) -> tuple[int, int]:
        """The most frequent pair of topics that are not background; twice one where it is alone."""
        pairs = self._topics.pairs * (2 - np.eye(self.hyper.topics))  # in either order
        pairs[self._background] = pairs[:, self._background] = -1.0
        first, second = np.unravel_index(pairs.argmax(), pairs.shape)
        return int(first), int(second)

    def _pair(self, data: Sample) -> Array:
        """Return the observable of both jets, shape (n_events, 2)."""
        names = [f"{jet}_{self.hyper.observable}" for jet in ("j1", "j2")]
        missing = [name for name in names if name not in data.names]
        if missing:
            msg = (
                f"method {self.name!r} needs {' and '.join(names)}, one observable of two jets; there "
                f"is no {' and no '.join(missing)} among the features {', '.join(data.names)}"
            )
            raise InputError(msg)
        return data.features[:, [data.names.index(name) for name in names]].astype(np.float64)

    def _densities(self, values: Array) -> Array:
        """Return the shapes of all topics at some values, linear between the centers of bins."""
        jets = self._jets.sum() * self._topics.pairs.sum(axis=0)
        added = self.hyper.smoothing * self._jets[:, None] / self._jets.sum()
        shapes = (jets * self._topics.shapes + added) / (jets + self.hyper.smoothing)
        return np.stack([np.interp(values, self._centers, p) for p in shapes.T], axis=1)

    @property
    def _centers(self) -> Array:
        width = self.hyper.highest / self.hyper.bins
        return np.asarray(width * (np.arange(self.hyper.bins) + 0.5), dtype=np.float64)

    def _peak(self, shape: Array) -> float:
        background = self._topics.shapes[:, self._background]
        populated = self._jets > _POPULATED * self._jets.sum()
        ratio = shape[populated] / np.maximum(background[populated], _TINY)
        left = np.maximum(shape - ratio.min(initial=np.inf) * background, 0.0) * populated
        stands_out = left / np.sqrt(np.maximum(self._jets, 1.0))
        top = int(np.clip(stands_out.argmax(), 1, len(shape) - 2))
        low, middle, high = np.log(stands_out[top - 1 : top + 2] + _TINY)  # a parabola of these
        curvature = min(low - 2 * middle + high, -_TINY)
        step = float(np.clip((low - high) / (2 * curvature), -1.0, 1.0))
        return float(self._centers[top]) + step * self.hyper.highest / self.hyper.bins


def factorize(counts: Array, hyper: FactorizedTopicsHyper, *, seed: int) -> Topics:
    r"""Take a symmetric histogram of pairs apart.

    The Poisson likelihood of D = P F Pᵀ is maximized by expectation and maximization, which are
    multiplicative updates: with :math:`R_{ij} = D_{ij} / (P F P^T)_{ij}`,

    .. math::
        F_{kl} \leftarrow F_{kl} (P^T R P)_{kl}, \quad
        P_{ik} \leftarrow P_{ik} (R P F)_{ik}, \text{ normalised}

    It never falls (D. Lee, H. Seung, NIPS 2000). Published: the squared error of the histogram
    in place of the likelihood, which counts the few cells with most events (problem 5.1).

    Parameters
    ----------
    counts : ndarray of float64, shape (n_bins, n_bins)
        Symmetric; its sum is the number of events.
    hyper : FactorizedTopicsHyper
        Topics, restarts and when to stop.
    seed : int
        Decides the beginnings.

    Returns
    -------
    Topics
        The restart of the largest likelihood.
    """
    rng, n = np.random.default_rng(seed), counts.sum()
    shape = (hyper.restarts, len(counts), hyper.topics)
    data = counts / n
    p = data.sum(axis=0)[:, None] * rng.uniform(0.1, 2.0, shape) + rng.dirichlet(
        np.ones(len(counts)), (hyper.restarts, hyper.topics)
    ).transpose(0, 2, 1)
    p /= p.sum(axis=1, keepdims=True)
    f = rng.uniform(size=(hyper.restarts, hyper.topics, hyper.topics))
    f = f + f.transpose(0, 2, 1)
    f /= f.sum(axis=(1, 2), keepdims=True)
    likelihood = before = np.full(hyper.restarts, -np.inf)
    for iteration in range(1, hyper.iterations + 1):
        mixed = p @ f
        model = np.maximum(mixed @ p.transpose(0, 2, 1), 1e-300)
        ratio = data / model
        f, p = f * (p.transpose(0, 2, 1) @ ratio @ p), p * (ratio @ mixed)
        f /= f.sum(axis=(1, 2), keepdims=True)
        p /= p.sum(axis=1, keepdims=True)
        if iteration % _CHECKED == 0 or iteration == hyper.iterations:
            likelihood = n * (data * np.log(model)).sum(axis=(1, 2))
            if np.all(likelihood - before < hyper.tolerance):
                break
            before = likelihood
    best = int(likelihood.argmax())
    return Topics(p[best], (f[best] + f[best].T) / 2, likelihood - likelihood[best])
