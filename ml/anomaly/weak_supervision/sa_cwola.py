"""SA-CWoLa: signal region against sidebands, less the differences that simulation shows.

In two forms: a loss in which simulation counts against the data, as published, and weights with
which the sidebands of the data become background of the signal region.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError
from ....core.windows import Window
from ...classifiers.ensemble import ClassifierHyper, balance_classes, fit_classifier
from ...classifiers.kinds import Classifier
from ...classifiers.network_kind import NetworkHyper
from ...hyper_checks import refuse_unusable
from ...method import Method, Need, register_method
from ...sample import Sample, simulated
from ..classifier_method import (
    FEW_TREES,
    ClassifierMethod,
    ClassifyingHyper,
    InputHyper,
    refuse_few_events,
)
from .cwola import balanced_weights

__all__ = ["SaCwola", "SaCwolaHyper", "SaCwolaWeights", "SaCwolaWeightsHyper"]

_PARTS = 4  # as CWoLa: its demand on the number of events is the same


def _published() -> NetworkHyper:
    """Return three layers of 64 nodes, ten epochs in batches of 200; ReLU, Adam, no validation."""
    return NetworkHyper(epochs=10, patience=10, batch=200, judge="last", average=1)


@dataclass(frozen=True)
class SaCwolaHyper(InputHyper):
    """Hyperparameters of SA-CWoLa; the defaults are the published ones.

    Attributes
    ----------
    strength : float
        The λ of the loss: how much a difference of signal region and sidebands that simulation
        shows as well is penalised. 0 is CWoLa.
    members : int
        Networks that are trained and averaged. Published: not said.
    networks : NetworkHyper
        Their shape and training: there are no validation events, so the last epoch is taken
        (``judge: last``), and ``restarts`` changes nothing.
    """

    rescale: bool = False
    strength: float = 0.5
    members: int = 8
    networks: NetworkHyper = field(default_factory=_published)

    def __post_init__(self) -> None:
        refuse_unusable(
            "method 'sa_cwola'", self, strength=0 <= self.strength < 1, members=self.members >= 1
        )
        if self.networks.judge != "last":
            msg = (
                f"method 'sa_cwola' has no validation events, and networks.judge = "
                f"{self.networks.judge!r} needs some; use judge: last"
            )
            raise ConfigError(msg)


@register_method("sa_cwola")
class SaCwola(Method[SaCwolaHyper]):
    """CWoLa with the loss on simulation subtracted: what both can tell apart is no signal.

    For features that depend on the mass, which plain CWoLa would learn in place of a signal.
    """

    needs: tuple[Need, ...] = ("features", "simulation")
    source: ClassVar[str] = (
        "SA-CWoLa, LHC Olympics 2020 (arXiv:2101.08320), section 4.5; arXiv:2009.02205"
    )
    Hyper: ClassVar[type[SaCwolaHyper]] = SaCwolaHyper
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    fast: ClassVar[Mapping[str, Any]] = {
        "members": 1,
        "networks": {"epochs": 6, "batch": 200, "width": 32, "device": "cpu"},
    }

    _classifier: Classifier

    @property
    def fewest_events(self) -> int:
        """See :attr:`Method.fewest_events`."""
        return self.hyper.min_events * _PARTS

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Train the networks on data and simulation, the latter with negative weights."""
        both, real = _around(
            window,
            data,
            simulated(self.name, simulation),
            min_events=self.hyper.min_events,
            inner_folds=_PARTS,
            seed=seed,
        )
        weight = np.empty(len(both))
        for members, share in ((real, 1.0), (~real, -self.hyper.strength)):
            part = balanced_weights(both.take(members), window)
            weight[members] = share * part * np.count_nonzero(real) / len(part)
        signal = window.signal(both.mass)
        self._classifier = self._trained(self.hyper.inputs(both), signal, weight, seed)
        self._names = data.names
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the mean probability of the networks; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        return self._classifier.score(self.hyper.inputs(data))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return {"names": np.array(self._names)} | self._classifier.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        from ...classifiers.network_ensemble import NetworkEnsemble  # noqa: PLC0415 - imports torch

        self._names = tuple(map(str, arrays["names"]))
        device = self.hyper.networks.device
        self._classifier = NetworkEnsemble.from_arrays(arrays, device=device)

    def inputs_of(self, data: Sample) -> Sample:
        """Return the events as the networks see them; see :meth:`Method.inputs_of`."""
        return self.hyper.prepared(data)

    def _trained(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        seed: int,
    ) -> Classifier:
        from ...classifiers.network_ensemble import NetworkEnsemble  # noqa: PLC0415 - as above
        from ...training.bank import train_bank  # noqa: PLC0415 - imports torch, which the weights do not need

        members, networks = self.hyper.members, self.hyper.networks
        seeds = np.random.SeedSequence(seed).generate_state(members + 1).tolist()
        mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        std = x.std(axis=0, dtype=np.float64).astype(np.float32)
        bank, _ = train_bank(
            (x - mean) / std,
            y,
            weight,
            np.ones((members, len(x)), np.bool_),
            seeds=seeds[1:],
            seed=seeds[0],
            steps=math.ceil(len(x) / networks.batch),
            hyper=networks,
            device=networks.device,
        )
        return NetworkEnsemble(bank, mean, std, networks.device)


@dataclass(frozen=True)
class SaCwolaWeightsHyper(ClassifyingHyper):
    """Hyperparameters of SA-CWoLa with weights.

    Attributes
    ----------
    transfer : ClassifierHyper
        The classifier of signal region and sidebands of the simulation.
    """

    rescale: bool = False
    transfer: ClassifierHyper = field(default_factory=ClassifierHyper)


@register_method("sa_cwola_weights")
class SaCwolaWeights(ClassifierMethod[SaCwolaWeightsHyper]):
    """CWoLa whose sidebands are weighted as simulation says, to look like the signal region.

    With the weight p_SR(x) / p_SB(x) of simulation, background of the sidebands has the features of
    background of the signal region. Both are data otherwise, and what the simulation gets wrong at
    all masses alike cancels in its ratio.
    """

    needs: tuple[Need, ...] = ("features", "simulation")
    source: ClassVar[str] = (
        "after SA-CWoLa, LHC Olympics 2020 (arXiv:2101.08320), section 4.5, whose penalty is "
        "replaced by weights"
    )
    Hyper: ClassVar[type[SaCwolaWeightsHyper]] = SaCwolaWeightsHyper
    fast: ClassVar[Mapping[str, Any]] = {"classifier": FEW_TREES, "transfer": FEW_TREES}
    _transfer: Classifier

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn the weights from simulation, then tell the regions apart; see :meth:`Method.fit`."""
        of_transfer, of_regions = np.random.SeedSequence([seed, 6]).generate_state(2).tolist()
        both, real = _around(
            window,
            data,
            simulated(self.name, simulation),
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.transfer.inner_folds,
            seed=of_transfer,
        )
        simulation = both.take(~real)
        self._transfer = fit_classifier(
            self._inputs(simulation, self.hyper.transfer),
            window.signal(simulation.mass),
            weight=balanced_weights(simulation, window),
            hyper=self.hyper.transfer,
            seed=of_transfer,
            event=simulation.event,
        )
        data = both.take(real)
        signal = window.signal(data.mass)
        refuse_few_events(
            window.regions(data.mass),
            data.event,
            window,
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.classifier.inner_folds,
            seed=of_regions,
        )
        weight = balanced_weights(data, window)
        beside = self._inputs(data.take(~signal), self.hyper.transfer)
        weight[~signal] *= np.exp(self._transfer.log_odds(beside).astype(float))
        weight = balance_classes(signal, weight)
        return self._tell_apart(data, signal, weight, seed=of_regions)


def _around(
    window: Window,
    data: Sample,
    simulation: Sample,
    *,
    min_events: int,
    inner_folds: int,
    seed: int,
) -> tuple[Sample, NDArray[np.bool_]]:
    """Return data and simulation of the window as one, and which are data; refuse too few."""
    both, real = data.beside(simulation)
    inside = (both.mass >= window.sideband_low) & (both.mass < window.sideband_high)
    both, real = both.take(inside), real[inside]
    regions = window.regions(both.mass)
    refuse_few_events(
        {name: region & real for name, region in regions.items()}
        | {f"{name} of the simulation": region & ~real for name, region in regions.items()},
        both.event,
        window,
        min_events=min_events,
        inner_folds=inner_folds,
        seed=seed,
    )
    both.refuse_constant_features()
    return both, real
