"""Several methods as one: their scores made comparable by ranks, and added up, or the largest taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri_exp

from ....core import ConfigError, InputError, nearest_names
from ....core.arrays import within
from ....core.windows import Window
from ...folds import fold_of
from ...hyper_checks import refuse_unusable
from ...hyperparameters import as_configured, replaced
from ...method import METHODS, Method, Need, register_method
from ...sample import Sample

__all__ = ["Combination", "CombinationHyper", "sideband_weights", "surprise"]

By = Literal["rank_average", "fisher", "maximum", "sideband_weighted"]
Array = NDArray[np.float64]

_FEWEST = 100  # events that rank the scores
_BINS = 8  # of the mass outside the signal region, equally filled
_NOISE = 2.0  # how far above what fluctuations give on average the means of bins count as equal
_TAIL = 0.01  # of the ranking events, whose mean excess continues the ranks


@dataclass(frozen=True)
class CombinationHyper:
    """Hyperparameters of a combination.

    Attributes
    ----------
    of : tuple
        The methods: names, or mappings of ``name`` and hyperparameters.
    by : {"rank_average", "fisher", "maximum", "sideband_weighted"}
        The mean rank; the mean of -ln of the fraction of events above (Fisher); its maximum; or its
        mean with weights (:func:`sideband_weights`).
    parts : int
        One of so many parts of the training events, by a hash of their ids, is not learnt: it tells
        the ranks of scores.
    """

    of: tuple[Any, ...] = ("mahalanobis", "pca")
    by: str = "sideband_weighted"
    parts: int = 4

    def __post_init__(self) -> None:
        """Check the methods, and note all their hyperparameters."""
        named = [{"name": each} if isinstance(each, str) else each for each in self.of]
        for each in named:
            if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
                msg = (
                    f"method 'combination': of holds names of methods, or mappings with name and "
                    f"hyperparameters, and not {each!r}"
                )
                raise ConfigError(msg)
            if each["name"] == "combination":
                msg = "method 'combination': a combination is none of its own methods; name others"
                raise ConfigError(msg)
        if len(named) < 2:
            msg = f"method 'combination': of names {len(named)} methods, and two are needed"
            raise ConfigError(msg)
        if self.by not in get_args(By):
            msg = f"method 'combination': by: {self.by!r}: {nearest_names(self.by, get_args(By))}"
            raise ConfigError(msg)
        refuse_unusable("method 'combination'", self, parts=self.parts >= 2)
        whole = (
            {"name": each["name"], **as_configured(made.hyper)}
            for each, made in zip(named, map(_made, named), strict=True)
        )
        object.__setattr__(self, "of", tuple(whole))

    def methods(self) -> list[Method[Any]]:
        """Return the methods, not fitted."""
        return [_made(each) for each in self.of]


@register_method("combination")
class Combination(Method[CombinationHyper]):
    """Scores of several methods, as ranks among events that none of them learnt, made one.

    Each method learns from the same events, and a part that is kept back tells which fraction of
    events has a larger score. So no method counts for more because its numbers are larger, or its
    training events are scored higher than others.
    """

    source: ClassVar[str] = (
        "R. A. Fisher, Statistical Methods for Research Workers, 1932, section 21.1; that methods "
        "are complementary: LHC Olympics 2020 (arXiv:2101.08320), section 4.2.3"
    )
    Hyper: ClassVar[type[CombinationHyper]] = CombinationHyper
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "outliers"

    def __init__(self, hyper: CombinationHyper | None = None) -> None:
        super().__init__(hyper)
        members = self.hyper.methods()
        self._members = members
        needed: dict[Need, None] = dict.fromkeys(n for member in members for n in member.needs)
        self.needs = tuple(needed)
        self.windowed = self.hyper.by == "sideband_weighted" or any(m.windowed for m in members)

    @property
    def fewest_events(self) -> int:
        """Those of the neediest method, and the part that is kept back; see `Method.fewest_events`."""
        parts = self.hyper.parts
        return -(-max(member.fewest_events for member in self._members) * parts // (parts - 1))

    @property
    def learnt_files(self) -> tuple[str, ...]:
        """Those of all methods; see `Method.learnt_files`."""
        found = dict.fromkeys(path for member in self._members for path in member.learnt_files)
        return tuple(found)

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn every method, and the ranks of their scores; see `Method.fit`."""
        self._names, self._blocks = data.names, tuple(data.blocks)
        data.refuse_constant_features()
        kept = fold_of(data.event, self.hyper.parts, seed=seed, salt="combination") == 0
        outside = kept & ~window.signal(data.mass)
        if np.count_nonzero(outside) < _FEWEST:
            msg = (
                f"window {window}: {np.count_nonzero(outside)} events outside the signal region rank "
                f"the scores of method 'combination', and {_FEWEST} are needed; use more events"
            )
            raise InputError(msg)
        learnt, ranking = data.take(~kept), data.take(kept)
        self._members = [
            _fitted(member, learnt, window, simulation, int(own))
            for member, own in zip(
                self.hyper.methods(),
                np.random.SeedSequence([seed, 1]).generate_state(len(self.hyper.of)),
                strict=True,
            )
        ]
        scores = self._scores(ranking)
        self._ranks = np.sort(scores, axis=1)
        self._weights = np.full(len(scores), 1 / len(scores))
        if self.hyper.by == "sideband_weighted":
            beside = outside[kept]
            of_all = np.stack(
                [surprise(row, at) for row, at in zip(self._ranks, scores, strict=True)]
            )
            self._weights = sideband_weights(of_all[:, beside], ranking.mass[beside])
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the combined score; see `Method.score`."""
        self.refuse_unlike(data)
        of_each = np.stack(
            [surprise(row, at) for row, at in zip(self._ranks, self._scores(data), strict=True)]
        )
        if self.hyper.by == "maximum":
            return of_each.max(axis=0).astype(np.float32)
        if self.hyper.by == "rank_average":
            of_each = -np.expm1(-of_each)
        return (self._weights @ of_each).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see `Method.arrays`."""
        own = {
            "names": np.array(self._names, np.str_),
            "blocks": np.array(self._blocks, np.str_),
            "ranks": self._ranks,
            "weights": self._weights,
        }
        for number, member in enumerate(self._members):
            own |= {f"{number}.{key}": array for key, array in member.arrays().items()}
        return own

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` returned."""
        self._names, self._blocks = (tuple(map(str, arrays[key])) for key in ("names", "blocks"))
        self._ranks, self._weights = arrays["ranks"], arrays["weights"]
        self._members = self.hyper.methods()
        for number, member in enumerate(self._members):
            member.restore(within(arrays, f"{number}."))

    def _scores(self, data: Sample) -> NDArray[np.float32]:
        """Return the scores of all methods, shape (n_methods, n_events)."""
        return np.stack([member.score(member.shown(data)) for member in self._members])


def surprise(ranks: NDArray[np.floating], scores: NDArray[np.floating]) -> Array:
    r"""Return -ln of the fraction of other events with a larger score.

    Between the scores of these events it is interpolated, and beyond the largest it goes on with the mean
    excess of the highest hundredth, as if the tail were exponential: no two large scores are equal.

    Parameters
    ----------
    ranks : ndarray of shape (n_ranking,)
        Scores of the other events, in rising order.
    scores : ndarray of shape (n_events,)
        What is compared with them.

    Returns
    -------
    ndarray of shape (n_events,)

    Examples
    --------
    >>> surprise(np.arange(100.0), np.array([49.5, 89.0, 200.0])).round(1).tolist()
    [0.7, 2.3, 106.3]
    """
    n, ranks = ranks.size, ranks.astype(np.float64)
    above = (n - np.arange(n) - 0.5) / n
    found = np.interp(scores, ranks, -np.log(above))
    tail = max(2, round(_TAIL * n))
    scale = float(np.mean(ranks[-tail + 1 :] - ranks[-tail]))  # of those beyond it
    if scale > 0:
        found += np.maximum(scores - ranks[-1], 0.0) / scale
    return found


def sideband_weights(of_each: Array, mass: NDArray[np.floating]) -> Array:
    r"""Return weights that are the smaller, the more a score knows of the mass where no signal is looked for.

    With normal scores z of the ranks and their means in bins of the mass outside the signal region, a method counts
    as :math:`w \propto 1 / \max(B, 2 B_0)`, with the variance B of the means and
    :math:`B_0 = (n_\mathrm{bins} - 1) / n`, which independent scores have on average. No label and no event of the signal
    region is asked.

    Parameters
    ----------
    of_each : ndarray of shape (n_methods, n_events)
        What `surprise` returns, of events outside the signal region.
    mass : ndarray of shape (n_events,)
        Their masses, GeV.

    Returns
    -------
    ndarray of shape (n_methods,)
        They add up to one.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mass, one, other = rng.uniform(2000, 4000, 800), rng.exponential(size=800), np.zeros(800)
    >>> other[np.argsort(mass)] = np.sort(rng.exponential(size=800))  # follows the mass
    >>> sideband_weights(np.stack([one, other]), mass).round(2).tolist()
    [0.98, 0.02]
    """
    z = -ndtri_exp(-np.maximum(of_each, 1e-12))
    z -= z.mean(axis=1, keepdims=True)
    z /= np.maximum(z.std(axis=1, keepdims=True), 1e-12)
    parts = np.array_split(np.argsort(mass, kind="stable"), _BINS)
    between = np.mean([z[:, part].mean(axis=1) ** 2 for part in parts], axis=0)
    weight = 1 / np.maximum(between, _NOISE * (_BINS - 1) / mass.size)
    return weight / weight.sum()


def _made(named: Mapping[str, Any]) -> Method[Any]:
    """Make a method of its name and hyperparameters."""
    hyper = {key: value for key, value in named.items() if key != "name"}
    found = METHODS.find(named["name"])
    return found(replaced(found.Hyper(), hyper, of=f"method 'combination': {named['name']}"))


def _fitted(
    member: Method[Any], data: Sample, window: Window, simulation: Sample | None, seed: int
) -> Method[Any]:
    """Fit a method to what it may see of the events."""
    shown = member.shown(data)
    inside = (data.mass >= window.sideband_low) & (data.mass < window.sideband_high)
    member.inputs_of(shown.take(inside)).refuse_known_mass()
    known = None
    if "simulation" in member.needs and simulation is not None:
        known = member.shown(simulation)
    return member.fit(shown, window, simulation=known, seed=seed)
