"""SA-CWoLa: signal region against sidebands, and what simulation shows of that unlearnt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core import ConfigError
from .bank import BankHyper, train_bank
from .classifiers import ClassifierHyper, NetworkEnsemble, NetworkHyper
from .classifying import ClassifierMethod, InputHyper, Task, refuse_few_events, simulated
from .cwola import balanced_weights
from .method import Need, register
from .sample import Sample
from .windows import Window

__all__ = ["SaCwola", "SaCwolaHyper"]

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
        both, real = data.beside(simulated(self.name, simulation))
        inside = (both.mass >= window.sideband_low) & (both.mass < window.sideband_high)
        both, real = both.take(inside), real[inside]
        regions = {
            "signal region": window.signal(both.mass),
            "lower sideband": window.lower(both.mass),
            "upper sideband": window.upper(both.mass),
        }
        refuse_few_events(
            {name: region & real for name, region in regions.items()}
            | {f"{name} of the simulation": region & ~real for name, region in regions.items()},
            both.event,
            window,
            min_events=self.hyper.min_events,
            inner_folds=_PARTS,
            seed=seed,
        )
        both.refuse_constant_features()
        weight = np.empty(len(both))
        for members, share in ((real, 1.0), (~real, -self.hyper.strength)):
            part = balanced_weights(both.take(members), window)
            weight[members] = share * part * np.count_nonzero(real) / len(part)
        return Task(self._inputs(both), regions["signal region"], weight, both.event)

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
