"""GIS: density at the event's own mass against the density at neighbouring masses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ....core import InputError
from ....core.windows import Window
from ...flows.gaussianisation import SlicedFlow
from ...flows.gaussianisation_fit import SlicingHyper, fit_sliced
from ...folds import fold_of
from ...hyper_checks import refuse_unusable
from ...inputs.jet_columns import sort_jets
from ...method import Method, Need, register_method
from ...sample import Sample

__all__ = ["Gis", "GisHyper"]

_COLLINEAR = 1e-9  # smallest eigenvalue of the correlation matrix


@dataclass(frozen=True)
class GisHyper:
    """Hyperparameters of GIS.

    Attributes
    ----------
    own_mass : bool
        Ask each event for its over-density at its own mass, as published, and learn from all
        events; otherwise at the center of the window, from events around it.
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`).
    sigma : float
        Width in GeV of the Gaussian that densities are convolved with. Published: 250 GeV.
    points : int
        Masses at which a density is sampled. Published: 10.
    span : float
        They reach from -span to +span, in units of sigma.
    members : int
        Flows, each with validation events of its own; their densities are averaged.
    validation_folds : int
        One in so many events validates.
    min_events : int
        The fewest events of the signal region and of each sideband.
    flow : SlicingHyper
        The Gaussianisation.
    """

    own_mass: bool = False
    sort: bool = True
    sigma: float = 250.0
    points: int = 10
    span: float = 2.0
    members: int = 1
    validation_folds: int = 10
    min_events: int = 100
    flow: SlicingHyper = field(default_factory=SlicingHyper)

    def __post_init__(self) -> None:
        refuse_unusable(
            "method 'gis'",
            self,
            sigma=self.sigma > 0,
            points=self.points >= 2,
            span=self.span > 0,
            members=1 <= self.members <= self.validation_folds,
            validation_folds=self.validation_folds >= 2,
            min_events=self.min_events >= 1,
        )


@register_method("gis")
class Gis(Method[GisHyper]):
    """Gaussianizing iterative slicing: local over-density at an event's mass, as in Black Box 1.

    A conditional density p(x | m) is learnt from all events around the window. An event is as
    anomalous as its density, averaged over masses near its own, exceeds the density averaged over
    masses further away: alpha = p_signal / p_background. The score is log(alpha).
    """

    needs: tuple[Need, ...] = ("features",)
    source: ClassVar[str] = (
        "Gaussianizing iterative slicing, LHC Olympics 2020 (arXiv:2101.08320), section 3.5; "
        "arXiv:2012.11638, arXiv:2007.00674"
    )
    Hyper: ClassVar[type[GisHyper]] = GisHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "flow": {
            "bin_events": 150,
            "layers": 25,
            "step": 0.1,
            "axis_events": 1000,
            "axis_steps": 5,
        }
    }

    _center: float

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn the density of all events within reach of the window; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        hyper = self.hyper
        reach = hyper.span * hyper.sigma
        low, high = window.sideband_low - reach, window.sideband_high + reach
        around = (data.mass >= low) & (data.mass < high)
        near = data if hyper.own_mass else data.take(around)
        self._refuse(near, window)
        x = self._inputs(near)
        fold = fold_of(near.event, hyper.validation_folds, seed=seed, salt="inner")
        seeds = np.random.SeedSequence(seed).generate_state(hyper.members)
        self._flows = [
            fit_sliced(
                x,
                near.mass,
                fold == i,
                hyper=hyper.flow,
                seed=int(member_seed),
                weight=near.weight,
            )
            for i, member_seed in enumerate(seeds)
        ]
        self._names, self._center = data.names, window.center
        return self

    @property
    def fewest_events(self) -> int:
        """So many that those which do not validate are enough; see :attr:`Method.fewest_events`."""
        folds = self.hyper.validation_folds
        return math.ceil(self.hyper.min_events * folds / (folds - 1))

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return log(alpha); see :meth:`Method.score`."""
        self.refuse_unlike(data)
        hyper = self.hyper
        x = self._inputs(data)
        mass = data.mass if hyper.own_mass else np.full(len(data), self._center)
        offset = np.linspace(-hyper.span, hyper.span, hyper.points)
        log_p = np.stack([self._log_density(x, mass + o * hyper.sigma) for o in offset])
        kernel = np.exp(-0.5 * offset**2)[:, None]
        rest = 1 - kernel
        signal = np.asarray(logsumexp(log_p, axis=0, b=kernel / kernel.sum()))
        background = np.asarray(logsumexp(log_p, axis=0, b=rest / rest.sum()))
        return (signal - background).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        flows = {
            f"flow.{i}.{key}": value
            for i, flow in enumerate(self._flows)
            for key, value in flow.arrays().items()
        }
        return {"names": np.array(self._names), "center": np.array(self._center)} | flows

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._center = float(arrays["center"])
        parts: list[dict[str, NDArray[Any]]] = [{} for _ in range(self.hyper.members)]
        for key, value in arrays.items():
            if key.startswith("flow."):
                _, member, name = key.split(".")
                parts[int(member)][name] = value
        self._flows = [SlicedFlow.from_arrays(part) for part in parts]

    def _inputs(self, data: Sample) -> NDArray[np.float32]:
        return sort_jets(data).features if self.hyper.sort else data.features

    def _log_density(self, x: NDArray[np.float32], m: NDArray[np.float64]) -> NDArray[np.float64]:
        members = [flow.log_density(x, m) for flow in self._flows]
        return logsumexp(members, axis=0) - np.log(len(members))

    def _refuse(self, near: Sample, window: Window) -> None:
        """Raise an InputError if a region is too empty or features repeat one another."""
        for region, inside in window.regions(near.mass).items():
            n = int(np.count_nonzero(inside))
            learnt = n - n // self.hyper.validation_folds
            if learnt < self.hyper.min_events:
                msg = (
                    f"window {window}: {n} events in the {region} leave {learnt} to learn from, "
                    f"and {self.hyper.min_events} are needed; use more events, wider bins or a "
                    "lower end of the scan"
                )
                raise InputError(msg)
        near.refuse_constant_features()
        if len(near.names) > 1:
            value, vector = np.linalg.eigh(np.corrcoef(near.features.astype(np.float64).T))
            if value[0] < _COLLINEAR:
                names = [n for n, v in zip(near.names, vector[:, 0], strict=True) if abs(v) > 0.1]
                msg = (
                    f"features {', '.join(map(repr, names))} determine one another linearly and "
                    "have no density of their own; leave one out"
                )
                raise InputError(msg)
