"""Latent Dirichlet allocation: the splittings of a jet are words, drawn from a few themes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack, vstack

from ....core import InputError
from ....core.windows import Window
from ...blocks.block import Block
from ...blocks.images import Images
from ...hyper_checks import refuse_unusable
from ...inputs.jet_columns import sort_jets
from ...method import Method, Need, register_method
from ...sample import Sample
from .variational import Steps, beginning, learn_themes, perplexity

__all__ = ["LatentDirichlet", "LatentDirichletHyper"]

Region = Literal["signal", "window", "all"]

_ROWS = 8192  # events whose planes are dense at a time
_TRIED = 3000  # events that all beginnings are tried on


@dataclass(frozen=True)
class LatentDirichletHyper:
    """Hyperparameters of latent Dirichlet allocation (arXiv:2101.08320, section 3.6, and its code).

    Attributes
    ----------
    alphas : tuple of tuples of float
        Concentrations of the themes, one number a theme; two themes as published, and the public
        code's numbers. Of several, those of the lowest perplexity are kept, as the paper says.
    eta : float
        Concentration of the words in a theme: so many of each word are seen beforehand.
    restarts : int
        Beginnings, each tried on a few events. Published: one.
    continued : int
        How many of them, those of the lowest perplexity, go on with all events; of these again the
        best is kept.
    passes : int
        How often all events are learnt.
    batch : int
        Events a step.
    decay, offset : float
        A step counts as (offset + number of the step) ** -decay.
    region : {"signal", "window", "all"}
        Which events are learnt: those of the signal region, with the sidebands, or all. Published: of
        overlapping bins of the mass, each for itself.
    scale : float
        So many words is a 1 in the planes: 1 for counts.
    sort : bool
        Order the two jets by mass, the lighter first, where the features have their masses. The word of
        one jet is another than that of the other.
    min_events : int
        The fewest events to learn from.
    """

    alphas: tuple[tuple[float, ...], ...] = ((0.9, 0.1),)
    eta: float = 0.5
    restarts: int = 60
    continued: int = 20
    passes: int = 5
    batch: int = 2000
    decay: float = 0.5
    offset: float = 1.0
    region: str = "signal"
    scale: float = 1.0
    sort: bool = True
    min_events: int = 100

    def __post_init__(self) -> None:
        themes = {len(alpha) for alpha in self.alphas}
        refuse_unusable(
            "lda",
            self,
            alphas=len(themes) == 1
            and min(themes) >= 2
            and all(each > 0 for alpha in self.alphas for each in alpha),
            eta=self.eta > 0,
            restarts=self.restarts >= 1,
            continued=self.continued >= 1,
            passes=self.passes >= 1,
            batch=self.batch >= 1,
            decay=0 < self.decay <= 1,
            offset=self.offset >= 1,
            region=self.region in get_args(Region),
            scale=self.scale > 0,
            min_events=self.min_events >= 1,
        )


@register_method("lda")
class LatentDirichlet(Method[LatentDirichletHyper]):
    """The splittings of both jets as words of two themes; the rarer theme is the signal's.

    Its words are the cells of planes of splittings (features ``mass_plane`` or ``lund_plane`` of
    processing), those of one jet others than those of the other. The score is the logarithm of
    the ratio of the likelihoods of both themes, summed over the splittings of an event.
    """

    needs: tuple[Need, ...] = ("images",)
    source: ClassVar[str] = (
        "Latent Dirichlet allocation, LHC Olympics 2020 (arXiv:2101.08320), section 3.6; "
        "arXiv:1904.04200, arXiv:2005.12319; stochastic variational inference: M. Hoffman, D. Blei, "
        "F. Bach, NIPS 2010"
    )
    Hyper: ClassVar[type[LatentDirichletHyper]] = LatentDirichletHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "restarts": 1,
        "passes": 2,
        "scale": 12.0,
        "batch": 500,
    }

    @property
    def fewest_events(self) -> int:
        """As the hyperparameters say; see :attr:`Method.fewest_events`."""
        return max(self.hyper.min_events, self._themes)

    def shown(self, sample: Sample) -> Sample:
        """Return the sample with its planes as they are: counts; see :meth:`Method.shown`."""
        return replace(sample.without_label(), blocks=self._planes(sample))

    def inputs_of(self, data: Sample) -> Sample:
        """Return the planes alone; see :meth:`Method.inputs_of`."""
        nothing = np.empty((len(data), 0), np.float32)
        return replace(data, features=nothing, names=(), blocks=self._planes(data))

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn the themes; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        self._names = data.names
        self._blocks = tuple(self._planes(data))
        data = data.take(self._learnt(data, window))
        if len(data) < self.fewest_events:
            msg = (
                f"window {window}: {len(data)} events in the {self.hyper.region} region, where "
                f"{self.fewest_events} are needed for {self._themes} themes; use more events, wider "
                "bins or fewer themes"
            )
            raise InputError(msg)
        words = self._words(data)
        if words.nnz == 0:
            msg = f"window {window}: no jet has a splitting in {', '.join(self._blocks)}"
            raise InputError(msg)
        weight = np.ones(len(data)) if data.weight is None else data.weight / data.weight.mean()
        found = [self._learn(words, np.array(alpha), weight, seed) for alpha in self.hyper.alphas]
        self.perplexities = tuple(lost for lost, _ in found)
        best = int(np.argmin(self.perplexities))
        self.alpha = tuple(map(float, self.hyper.alphas[best]))
        self._take_over(found[best][1], words, weight)
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the log-likelihood of the signal's theme above that of others; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        return (self._words(data) @ self._log_ratio).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return {
            "names": np.array(self._names, np.str_),
            "blocks": np.array(self._blocks, np.str_),
            "alpha": np.array(self.alpha),
            "themes": self.themes,
            "shares": self.shares,
            "log_ratio": self._log_ratio,
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names, self._blocks = (tuple(map(str, arrays[key])) for key in ("names", "blocks"))
        self.alpha = tuple(map(float, arrays["alpha"]))
        self.themes, self.shares = arrays["themes"], arrays["shares"]
        self._log_ratio = arrays["log_ratio"]

    def _planes(self, data: Sample) -> dict[str, Block[Any]]:
        return data.blocks_of("images", method=self.name, say="j1_mass_plane, j1_lund_plane")

    def _learn(
        self, words: csr_matrix, alpha: NDArray[np.float64], weight: NDArray[np.float64], seed: int
    ) -> tuple[float, NDArray[np.float64]]:
        """Return perplexity and themes of the best of several beginnings.

        Each makes two passes over a few events, and the best of them make all passes over all.
        """
        hyper = self.hyper
        steps = Steps(hyper.eta, hyper.passes, hyper.batch, hyper.decay, hyper.offset)
        rng = np.random.default_rng(seed)
        few = rng.permutation(len(weight))[:_TRIED]
        tried, some = [], words[few]
        for _ in range(hyper.restarts):
            begin = beginning(some, alpha, hyper.eta, rng)
            short = steps._replace(passes=2)
            lam = learn_themes(some, alpha, begin, short, weight=weight[few], seed=seed)
            tried.append((perplexity(some, alpha, lam), lam * len(weight) / len(few)))
        tried.sort(key=lambda each: each[0])
        learnt = [
            learn_themes(words, alpha, lam, steps, weight=weight, seed=seed)
            for _, lam in tried[: hyper.continued]
        ]
        lost = [perplexity(words, alpha, lam) for lam in learnt]
        best = int(np.argmin(lost))
        return lost[best], learnt[best]

    @property
    def _themes(self) -> int:
        return len(self.hyper.alphas[0])

    def _take_over(
        self, themes: NDArray[np.float64], words: csr_matrix, weight: NDArray[np.float64]
    ) -> None:
        """Keep the themes as probabilities of words, and tell the signal's by its weight."""
        self.themes = themes / themes.sum(axis=1, keepdims=True)
        counts = np.asarray(words.multiply(weight[:, None]).sum(axis=0)).ravel()
        # share of a theme in all words, each divided among the themes by their likelihoods
        shares = np.array(self.alpha) / sum(self.alpha)
        for _ in range(100):
            mixed = shares[:, None] * self.themes
            shares = (mixed / mixed.sum(axis=0) * counts).sum(axis=1) / counts.sum()
        self.shares = shares
        signal = int(shares.argmin())
        others = np.delete(shares, signal) @ np.delete(self.themes, signal, axis=0)
        self._log_ratio = np.log(self.themes[signal] / (others / np.delete(shares, signal).sum()))

    def _learnt(self, data: Sample, window: Window) -> NDArray[np.bool_]:
        if self.hyper.region == "signal":
            return window.signal(data.mass)
        if self.hyper.region == "window":
            return (data.mass >= window.sideband_low) & (data.mass < window.sideband_high)
        return np.ones(len(data), np.bool_)

    def _words(self, data: Sample) -> csr_matrix:
        """Return how often each word is in each event, shape (n_events, n_words)."""
        if self.hyper.sort:
            data = sort_jets(data)
        planes = [data.blocks[name] for name in self._blocks]
        parts = [
            hstack([_flat(plane, slice(start, start + _ROWS)) for plane in planes])
            for start in range(0, len(data), _ROWS)
        ]
        n = sum(int(np.prod(plane.shape[1:])) for plane in planes if isinstance(plane, Images))
        return csr_matrix(vstack(parts) if parts else (0, n)) * self.hyper.scale


def _flat(plane: Any, rows: slice) -> csr_matrix:
    images = plane[rows].astype(np.float64)
    return csr_matrix(images.reshape(len(images), -1))
