"""Double DisCo: two classifiers that are independent on background, for an ABCD estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ....core import InputError
from ....core.arrays import within
from ....core.windows import Window
from ...classifiers.ensemble import balance_classes
from ...hyper_checks import refuse_unusable, section
from ...losses.distance_correlation import squared_distance_correlation
from ...method import Method, Need, register_method
from ...networks.pairs import PairOfNetworks
from ...sample import Sample, simulated, truth
from ...training.engine import seeded, train
from ...training.in_rows import in_rows
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights

__all__ = ["DoubleDisco", "DoubleDiscoHyper"]

_ROWS = 16_384  # events that are scored at once


@dataclass(frozen=True)
class DoubleDiscoHyper:
    """Hyperparameters; defaults are those of arXiv:2007.14400 and its public code.

    Attributes
    ----------
    signals : tuple of str
        Parquet files or folders of simulated signals, with the features of the data. With them, both
        networks learn from these and from the simulated background, whatever their mass, and no event that is
        scored is learnt: what a search needs. Without, they learn from labelled events.
    nodes : tuple of int
        Hidden layers of each network.
    decorrelation : float
        What multiplies the squared distance correlation of both outputs on background; published
        are 50 to 800.
    decorrelation_above : float
        The same, of the U-statistic, among background above both medians: without it the estimate
        need not hold at high scores.
    training : TrainingHyper
        How both are trained, as one; the last epoch counts.
    min_events : int
        The fewest signal and background events to learn from.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    signals: tuple[str, ...] = ()
    nodes: tuple[int, ...] = (64, 64, 64)
    decorrelation: float = 200.0
    decorrelation_above: float = 200.0
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=200, batch=10_000, keep="last")
    )
    min_events: int = 50
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            section(self),
            self,
            nodes=bool(self.nodes) and all(n >= 1 for n in self.nodes),
            decorrelation=0 <= self.decorrelation < math.inf,
            decorrelation_above=0 <= self.decorrelation_above < math.inf,
            training=self.training.keep == "last" and not self.training.patience,
            min_events=self.min_events >= 2,
        )


@register_method("double_disco")
class DoubleDisco(Method[DoubleDiscoHyper]):
    r"""Two classifiers, independent on background, by the truth or simulated signals: for an ABCD estimate.

    .. math:: L = L(f) + L(g) + \lambda\,\mathrm{dCorr}^2(f, g)
              + \lambda'\,\mathrm{dCorr}^2(f, g\,|\,f > f_{1/2}, g > g_{1/2})

    with the cross entropy L, and the correlations of background alone. :meth:`both` returns the
    pair of scores that cuts of an ABCD estimate are made on; the one score is the smaller one, in
    units of -ln of the background efficiency, so that a cut on it is the same on both.
    """

    needs: tuple[Need, ...] = ("features", "labels")
    source: ClassVar[str] = "double DisCo: arXiv:2007.14400; distance correlation: arXiv:2001.05310"
    Hyper: ClassVar[type[DoubleDiscoHyper]] = DoubleDiscoHyper
    has_two_scores: ClassVar[bool] = True
    fast: ClassVar[Mapping[str, Any]] = {
        "nodes": (16,),
        "decorrelation": 1.0,
        "decorrelation_above": 0.0,
        "training": {"epochs": 10, "batch": 200, "learning_rate": 1e-2},
        "device": "cpu",
    }

    def __init__(self, hyper: DoubleDiscoHyper | None = None) -> None:
        super().__init__(hyper)
        if self.hyper.signals:
            self.needs, self.windowed = ("features", "simulation"), False
            self.trained_on = "simulation"

    @property
    def learnt_files(self) -> tuple[str, ...]:
        """The simulated signals; see :attr:`Method.learnt_files`."""
        return self.hyper.signals

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn to tell signal from background, labelled ones in the signal region; see :meth:`Method.fit`."""
        if self.hyper.signals:
            data, signal = self._simulated(data, simulation)
            self._refuse_few(signal, "the simulation")
        else:
            data = data.take(window.signal(data.mass))
            signal = truth(self.name, data) != 0
            self._refuse_few(signal, f"the signal region of window {window}")
        data.refuse_constant_features()
        x = data.features
        self._mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._std = x.std(axis=0, dtype=np.float64).astype(np.float32)
        weight = balance_classes(signal, data.weight)
        with seeded(seed):
            self._pair = PairOfNetworks(x.shape[1], nodes=self.hyper.nodes)
        train(
            self._pair,
            self._losses,
            ((x - self._mean) / self._std, signal.astype(np.float32), np.where(signal, 0, weight)),
            train=np.arange(len(x)),
            validation=np.arange(0),
            hyper=self.hyper.training,
            seed=seed,
            device=self.hyper.device,
            weight=weight,
        )
        self._names = data.names
        self._background = np.sort(self._log_odds(data.take(~signal)), axis=0)
        return self

    def both(self, data: Sample) -> NDArray[np.float32]:
        """Return both scores, shape (n_events, 2): -ln of the background efficiency of a cut there.

        Raises
        ------
        InputError
            If nothing was learnt, or from other features.
        """
        self.refuse_unlike(data)
        log_odds, n = self._log_odds(data), len(self._background)
        columns = []
        for known, found in zip(self._background.T, log_odds.T, strict=True):
            kept = (1 + n - np.searchsorted(known, found)) / (1 + n)
            beyond = np.maximum(found - known[-1], 0)  # orders what is beyond all background
            columns.append(beyond - np.log(kept))
        return np.stack(columns, axis=1).astype(np.float32)

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the smaller of both scores; see :meth:`Method.score`."""
        return self.both(data).min(axis=1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return {
            "names": np.array(self._names),
            "mean": self._mean,
            "std": self._std,
            "background": self._background,
        } | weights_of(self._pair, "pair.")

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._mean, self._std = arrays["mean"], arrays["std"]
        self._background = arrays["background"]
        untrained = PairOfNetworks(len(self._names), nodes=self.hyper.nodes)
        self._pair = with_weights(untrained, within(arrays, "pair."))

    def _simulated(
        self, data: Sample, simulation: Sample | None
    ) -> tuple[Sample, NDArray[np.bool_]]:
        """Return simulated background and signals as one sample, and which events are signal."""
        background = simulated(self.name, simulation).without_label()
        samples = [background, *self.learnt_signals(data.names)]
        signal = np.repeat([False, *[True] * len(self.hyper.signals)], [len(x) for x in samples])
        return Sample.concatenated(*samples), signal

    def _refuse_few(self, signal: NDArray[np.bool_], where: str) -> None:
        for kind, members in (("signal", signal), ("background", ~signal)):
            n = int(np.count_nonzero(members))
            if n < self.hyper.min_events:
                msg = (
                    f"method {self.name!r}: {n} events in {where} are {kind}, where "
                    f"{self.hyper.min_events} are needed; give more of them, or a wider window"
                )
                raise InputError(msg)

    def _log_odds(self, data: Sample) -> NDArray[np.float32]:
        x = ((data.features - self._mean) / self._std).astype(np.float32)
        return in_rows(self._pair, self._pair, x, device=self.hyper.device, rows=_ROWS, shape=(2,))

    def _losses(self, pair: PairOfNetworks, x: Tensor, signal: Tensor, share: Tensor) -> Tensor:
        log_odds = pair(x)
        losses = functional.binary_cross_entropy_with_logits(
            log_odds, signal[:, None].expand(-1, 2), reduction="none"
        ).sum(dim=1)
        f, g = torch.sigmoid(log_odds.float()).unbind(dim=1)
        if self.hyper.decorrelation:
            term = squared_distance_correlation(f, g, weight=share)
            losses = losses + self.hyper.decorrelation * term
        if self.hyper.decorrelation_above:
            above = share * _is_above(f, share) * _is_above(g, share)
            term = squared_distance_correlation(f, g, weight=above, unbiased=True)
            losses = losses + self.hyper.decorrelation_above * term
        return losses


def _is_above(score: Tensor, share: Tensor) -> Tensor:
    """Return which events have more than the median of background."""
    background = score.detach()[share > 0]
    return score > (background.median() if len(background) else score.new_zeros(()))
