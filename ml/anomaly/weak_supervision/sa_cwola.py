"""SA-CWoLa: signal region against sidebands, and what simulation shows of that unlearnt.

In two forms: a loss in which simulation counts against the data, as published, and weights with
which the sidebands of the data become background of the signal region.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError
from ....core.windows import Window
from ...classifiers.ensemble import (
    Classifier,
    ClassifierHyper,
    NetworkEnsemble,
    NetworkHyper,
    balance_classes,
    fit_classifier,
)
from ...method import Need, register
from ...sample import Sample
from ...training.bank import BankHyper, train_bank
from ..classifier_method import (
    ClassifierMethod,
    ClassifyingHyper,
    InputHyper,
    Task,
    refuse_few_events,
    simulated,
)
from .cwola import balanced_weights

__all__ = ["SaCwola", "SaCwolaHyper", "SaCwolaWeights", "SaCwolaWeightsHyper"]

_PARTS = 4  # as CWoLa: its demand on the number of events is the same


@dataclass(frozen=True)
class SaCwolaHyper(InputHyper):
    """Hyperparameters of SA-CWoLa; the defaults are the published ones.

    Attributes
    ----------
    strength : float
        The λ of the loss: how much a difference of signal region and sidebands that simulation
        shows as well is penalised. 0 is CWoLa.
    layers, width, epochs, batch, learning_rate
        The networks: ReLU, Adam, no validation.
    networks : int
        How many are trained and averaged. Published: not said.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    """

    rescale: bool = False
    strength: float = 0.5
    layers: int = 3
    width: int = 64
    epochs: int = 10
    batch: int = 200
    learning_rate: float = 1e-3
    networks: int = 8
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, good in {
            "strength": 0 <= self.strength < 1,
            "networks": self.networks >= 1,
            "batch": self.batch >= 1,
        }.items():
            if not good:
                msg = f"method 'sa_cwola': {name} = {getattr(self, name)} cannot be used"
                raise ConfigError(msg)
        self.bank  # noqa: B018 - refuses values that cannot be used

    @property
    def bank(self) -> BankHyper:
        """Shape and training of the networks."""
        return NetworkHyper(
            layers=self.layers,
            width=self.width,
            epochs=self.epochs,
            patience=self.epochs,
            learning_rate=self.learning_rate,
            judge="last",
            average=1,
        )


@register
class SaCwola(ClassifierMethod[SaCwolaHyper]):
    """CWoLa whose loss is lessened by that on simulation: what both can tell apart is no signal.

    For features that depend on the mass, which plain CWoLa would learn in place of a signal.
    """

    name: ClassVar[str] = "sa_cwola"
    needs: ClassVar[tuple[Need, ...]] = ("features", "simulation")
    source: ClassVar[str] = (
        "SA-CWoLa, LHC Olympics 2020 (arXiv:2101.08320), section 4.5; arXiv:2009.02205"
    )
    Hyper: ClassVar[type[SaCwolaHyper]] = SaCwolaHyper

    @property
    def _ensemble(self) -> ClassifierHyper:
        return ClassifierHyper(kind="networks", networks=NetworkHyper(device=self.hyper.device))

    def _task(self, data: Sample, window: Window, simulation: Sample | None, seed: int) -> Task:
        """Return data and simulation, the latter with negative weights."""
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
        return Task(self._inputs(both), window.signal(both.mass), weight, both.event)

    def _learn(self, task: Task, seed: int) -> NetworkEnsemble:
        hyper = self.hyper
        seeds = np.random.SeedSequence(seed).generate_state(hyper.networks + 1).tolist()
        mean = task.x.mean(axis=0, dtype=np.float64).astype(np.float32)
        std = task.x.std(axis=0, dtype=np.float64).astype(np.float32)
        bank, _ = train_bank(
            (task.x - mean) / std,
            task.y,
            task.weight,
            np.ones((hyper.networks, len(task.x)), np.bool_),
            seeds=seeds[1:],
            seed=seeds[0],
            steps=math.ceil(len(task.x) / hyper.batch),
            hyper=hyper.bank,
            device=hyper.device,
        )
        return NetworkEnsemble(bank, mean, std, hyper.device)


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


@register
class SaCwolaWeights(ClassifierMethod[SaCwolaWeightsHyper]):
    """CWoLa whose sidebands are weighted as simulation says, to look like the signal region.

    The weight p_SR(x) / p_SB(x) of simulation takes what background of the two regions differs by
    from the sidebands of the data. Both are data otherwise, and what the simulation gets wrong at all
    masses alike cancels in its ratio.
    """

    name: ClassVar[str] = "sa_cwola_weights"
    needs: ClassVar[tuple[Need, ...]] = ("features", "simulation")
    source: ClassVar[str] = (
        "after SA-CWoLa, LHC Olympics 2020 (arXiv:2101.08320), section 4.5, whose penalty is "
        "replaced by weights"
    )
    Hyper: ClassVar[type[SaCwolaWeightsHyper]] = SaCwolaWeightsHyper
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
            self._inputs(simulation),
            window.signal(simulation.mass),
            weight=balanced_weights(simulation, window),
            hyper=self.hyper.transfer,
            seed=of_transfer,
            event=simulation.event,
        )
        return super().fit(both.take(real), window, seed=of_regions)

    def _task(self, data: Sample, window: Window, simulation: Sample | None, seed: int) -> Task:
        del simulation  # it has given the weights
        x, signal = self._inputs(data), window.signal(data.mass)
        refuse_few_events(
            window.regions(data.mass),
            data.event,
            window,
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.classifier.inner_folds,
            seed=seed,
        )
        weight = balanced_weights(data, window)
        weight[~signal] *= np.exp(self._transfer.log_odds(x[~signal]).astype(float))
        return Task(x, signal, balance_classes(signal, weight), data.event)


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
