"""The step that CATHODE, LaCATHODE and ANODE share: the density outside of the signal region."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError, nearest_names
from ....core.arrays import within
from ....core.windows import Window
from ...flows.conditional import ConditionalFlow, FlowHyper, fit_flow
from ...inputs.jet_columns import mass_difference, rescale_masses, sort_jets
from ...method import Method, Need
from ...sample import Sample
from ...thin_windows import refuse_thin_regions

__all__ = ["FEW_EPOCHS", "SIDEBANDS", "TRIANGULAR", "OuterDensity", "OuterHyper", "refuse_choice"]

# One autoregressive layer of splines: the first feature given the mass, the second given the first,
# and so on. What is compact in the features stays compact in the latent space, along its axes.
TRIANGULAR = FlowHyper(
    family="rqs_autoregressive",
    layers=1,
    width=128,
    bins=16,
    epochs=10,
    batch=512,
    average=3,
)
FEW_EPOCHS = {  # a flow for tests: quick on a few thousand events
    "family": "maf",
    "layers": 2,
    "width": 16,
    "depth": 1,
    "epochs": 6,
    "batch": 256,
    "learning_rate": 2e-2,
    "average": 1,
}
SIDEBANDS = ("all", "window")  # where a method learns what background looks like


@dataclass(frozen=True)
class OuterHyper:
    """What all methods with an outer density share.

    Attributes
    ----------
    sort : bool
        Order the two jets by mass, and take the difference of their masses in place of the second
        (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`, :func:`~overdensity.ml.inputs.jet_columns.mass_difference`): the
        published features.
    rescale : bool
        Divide jet masses by the resonant mass (:func:`~overdensity.ml.inputs.jet_columns.rescale_masses`).
        Published: not.
    sidebands : {"all", "window"}
        Where the outer density is learnt: on all events outside of the signal region, as published,
        or in the sidebands of the window alone.
    min_events : int
        The fewest events of the signal region, and of the sidebands below and above it.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    flow : FlowHyper
        The outer flow and its training.
    """

    sort: bool = True
    rescale: bool = False
    sidebands: str = "all"
    min_events: int = 50
    device: str = "auto"
    flow: FlowHyper = field(default_factory=lambda: TRIANGULAR)

    def __post_init__(self) -> None:
        refuse_choice("sidebands", self.sidebands, SIDEBANDS)
        if self.min_events < 2:
            msg = f"min_events must be at least 2, not {self.min_events}"
            raise ConfigError(msg)


def refuse_choice(key: str, choice: str, choices: Sequence[str]) -> None:
    """Raise a ConfigError that names the choices a key has, if this is none of them."""
    if choice not in choices:
        msg = f"{key}: no such choice; {nearest_names(choice, choices)}"
        raise ConfigError(msg)


OuterT = TypeVar("OuterT", bound=OuterHyper)


class OuterDensity(Method[OuterT], Generic[OuterT]):
    """A flow of the features given the mass, learnt outside of the signal region.

    Read off inside, it is the density that background alone would have there. Subclasses bring what
    is made of it: :meth:`fit_inside` and the score.
    """

    needs: tuple[Need, ...] = ("features",)
    _flow: ConditionalFlow

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn the outer density, then the signal region; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        return self.fit_inside(self.fit_outside(data, window, seed=seed), data, window, seed=seed)

    @property
    def fewest_events(self) -> int:
        """As the hyperparameters say; see :attr:`Method.fewest_events`."""
        return self.hyper.min_events

    def fit_outside(self, data: Sample, window: Window, *, seed: int) -> ConditionalFlow:
        """Return the density of the features given the mass, learnt outside of the signal region.

        Methods that agree on its hyperparameters can share it: it is most of the work.

        Parameters
        ----------
        data, window, seed
            As in :meth:`Method.fit`.

        Returns
        -------
        ConditionalFlow

        Raises
        ------
        InputError
            If the events are too few, a feature is constant or a weight negative.
        """
        self._refuse_unusable(data, window)
        learnt = ~window.signal(data.mass)
        if self.hyper.sidebands == "window":
            learnt &= (data.mass >= window.sideband_low) & (data.mass < window.sideband_high)
        outside = data.take(learnt)
        outside.refuse_constant_features()
        return fit_flow(
            self._inputs(outside),
            outside.mass,
            hyper=self.hyper.flow,
            seed=_seed_of(seed, "outside"),
            weight=outside.weight,
            device=self.hyper.device,
        )

    def fit_inside(self, flow: ConditionalFlow, data: Sample, window: Window, *, seed: int) -> Self:
        """Learn the signal region on top of an outer density; the second half of :meth:`fit`."""
        self._refuse_unusable(data, window)
        inside = data.take(window.signal(data.mass))
        inside.refuse_constant_features()
        self._flow, self._names = flow, data.names
        self._learn(
            self._inputs(inside), inside.mass, inside.weight, window, _seed_of(seed, "inside")
        )
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the logarithm of the learnt density ratio; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        return self._log_ratio(self._inputs(data), data.mass)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        outer = {f"outer.{key}": array for key, array in self._flow.arrays().items()}
        return {"names": np.array(self._names)} | outer | self._learnt()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._flow = ConditionalFlow.from_arrays(within(arrays, "outer."), device=self.hyper.device)
        self._take_over(arrays)

    @abstractmethod
    def _learn(
        self,
        x: NDArray[np.float32],
        mass: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        window: Window,
        seed: int,
    ) -> None:
        """Learn from the features, masses and weights of the events of the signal region."""

    @abstractmethod
    def _log_ratio(
        self, x: NDArray[np.float32], mass: NDArray[np.float64]
    ) -> NDArray[np.float32]: ...

    @abstractmethod
    def _learnt(self) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def _take_over(self, arrays: Mapping[str, NDArray[Any]]) -> None: ...

    def _inputs(self, data: Sample) -> NDArray[np.float32]:
        if self.hyper.sort:
            data = mass_difference(sort_jets(data))
        if self.hyper.rescale:
            data = rescale_masses(data)
        return data.features

    def _refuse_unusable(self, data: Sample, window: Window) -> None:
        refuse_thin_regions(window, data.mass, self.hyper.min_events)


def _seed_of(seed: int, part: str) -> int:
    key = [seed, ("outside", "inside").index(part)]
    return int(np.random.SeedSequence(key).generate_state(1, np.uint32)[0])
