"""Regularised likelihood: distance from a learnt manifold over the density on it (M-flow)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ....core import ConfigError, InputError
from ....core.arrays import within
from ....core.windows import Window
from ...flows.conditional import FlowHyper
from ...flows.transforms import build_transform
from ...inputs.jet_columns import sort_jets
from ...method import Method, Need, register_method
from ...sample import Sample
from ...training.device import pick_device
from ...training.engine import one_thread, seeded, train
from ...training.weights import weights_of, with_weights
from ..densities.outer_density import FEW_EPOCHS
from .reconstruction import refuse_few_to_learn

__all__ = ["ManifoldFlow", "ManifoldFlowHyper", "manifold_dimension", "mass_density"]

_ROWS = 16_384  # events that are evaluated at once
_GRID = 2048  # points of the density of the mass
_FLOW = FlowHyper(
    family="maf", layers=5, width=64, depth=2, epochs=20, learning_rate=1e-3, keep="last"
)


@dataclass(frozen=True)
class ManifoldFlowHyper:
    """Hyperparameters of the regularised likelihood.

    Attributes
    ----------
    dimension : int
        Of the manifold, for at least 12 features; for fewer see :func:`manifold_dimension`.
    decorrelate : bool
        Divide the density on the manifold by that of the resonant mass (equation 3.15), without
        which the score prefers large masses (equation 3.14).
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`). Published: not.
    min_events : int
        The fewest events to learn from.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    flow : FlowHyper
        Of both flows, and their training; published: masked autoregressive flows, sizes not said.
    """

    dimension: int = 8
    decorrelate: bool = True
    sort: bool = False
    min_events: int = 100
    device: str = "auto"
    flow: FlowHyper = _FLOW

    def __post_init__(self) -> None:
        for name, least in (("dimension", 1), ("min_events", 2)):
            if getattr(self, name) < least:
                msg = f"method 'mflow': {name} must be at least {least}, not {getattr(self, name)}"
                raise ConfigError(msg)
        if self.flow.keep != "last" or self.flow.average != 1 or self.flow.patience:
            msg = (
                "method 'mflow' ends with the last epoch and has no validation events; use "
                "keep: last, average: 1 and patience: 0 in its flow"
            )
            raise ConfigError(msg)


@register_method("mflow")
class ManifoldFlow(Method[ManifoldFlowHyper]):
    """Regularised likelihood (M-flow): distance from a manifold that a flow learns, over density.

    One flow learns a surface near which the events lie, a second one their density on it. The score
    is the logarithm of

        |x - g(u)|^2 / (1 + p_u(u) / p(mjj)),  u = g^-1(x)

    with all features and the mass in units of their standard deviations.
    """

    needs: tuple[Need, ...] = ("features",)
    source: ClassVar[str] = (
        "Regularised likelihoods, LHC Olympics 2020 (arXiv:2101.08320), section 3.8; "
        "M-flow: arXiv:2003.13913"
    )
    windowed: bool = False
    Hyper: ClassVar[type[ManifoldFlowHyper]] = ManifoldFlowHyper
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "outliers"
    fast: ClassVar[Mapping[str, Any]] = {
        "flow": FEW_EPOCHS | {"epochs": 4, "batch": 512, "keep": "last"},
        "device": "cpu",
    }

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn from all events, whatever their mass; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        refuse_few_to_learn(data, window, self.hyper.min_events)
        data.refuse_constant_features()
        n = len(data.names)
        if n < 2:
            msg = f"method 'mflow' needs two features or more, found {', '.join(data.names)}"
            raise InputError(msg)
        x = self._inputs(data)
        self._mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._std = x.std(axis=0, dtype=np.float64).astype(np.float32)
        self._mass, self._mass_density = mass_density(data.mass, data.weight)
        with seeded(seed):
            module = _Manifold(n, self.hyper)
        train(
            module,
            lambda flow, batch: _loss(*flow(batch)),
            ((x - self._mean) / self._std,),
            train=np.arange(len(x)),
            validation=np.arange(0),
            hyper=self.hyper.flow,
            seed=seed,
            device=self.hyper.device,
            weight=data.weight,
        )
        self._module, self._names = module, data.names
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the logarithm of the regularised likelihood; see :meth:`Method.score`."""
        distance, log_density = self.parts(data)
        if self.hyper.decorrelate:
            density = np.interp(data.mass, self._mass, self._mass_density, left=0.0, right=0.0)
            log_density = log_density - np.log(np.maximum(density, np.finfo(float).tiny))
        tiny = np.finfo(np.float32).tiny
        return (np.log(distance + tiny) - np.logaddexp(0, log_density)).astype(np.float32)

    def parts(self, data: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the score is made of, each of shape (n_events,).

        Returns
        -------
        distance : ndarray of float64
            Squared distance from the manifold, features in units of their standard deviations.
        log_density : ndarray of float64
            Logarithm of the density on the manifold.

        Raises
        ------
        InputError
            If nothing was learnt, or from other features.
        """
        self.refuse_unlike(data)
        x = (self._inputs(data) - self._mean) / self._std
        found = np.empty((2, len(x)))
        on = pick_device(self.hyper.device)
        module = self._module.to(on).eval()
        with one_thread(), torch.no_grad():
            for start in range(0, len(x), _ROWS):
                rows = slice(start, start + _ROWS)
                for i, part in enumerate(module(torch.as_tensor(x[rows], device=on))):
                    found[i, rows] = part.cpu().double().numpy()
        return found[0], found[1]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return {
            "names": np.array(self._names),
            "mean": self._mean,
            "std": self._std,
            "mass": self._mass,
            "mass_density": self._mass_density,
        } | weights_of(self._module, "flow.")

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._mean, self._std = arrays["mean"], arrays["std"]
        self._mass, self._mass_density = arrays["mass"], arrays["mass_density"]
        untrained = _Manifold(len(self._names), self.hyper)
        self._module = with_weights(untrained, within(arrays, "flow."))

    def _inputs(self, data: Sample) -> NDArray[np.float32]:
        return (sort_jets(data) if self.hyper.sort else data).features


class _Manifold(torch.nn.Module):
    """The flow f between features and (u, v), and the flow h that is the density of u."""

    def __init__(self, features: int, hyper: ManifoldFlowHyper) -> None:
        super().__init__()
        self.dimension = manifold_dimension(features, hyper.dimension)
        flow = hyper.flow
        shape = {key: getattr(flow, key) for key in ("layers", "width", "depth", "bins", "tail")}
        family = flow.family if self.dimension > 1 else "maf"  # couplings need two dimensions
        self.f = build_transform(flow.family, features, context=0, **shape)
        self.h = build_transform(family, self.dimension, context=0, **shape)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared distance from the manifold and the log-density on it."""
        nothing = x.new_empty(len(x), 0)
        latent = self.f(x, nothing)[0]
        u, v = latent[:, : self.dimension], latent[:, self.dimension :]
        nearest = self.f.inverse(torch.cat([u, torch.zeros_like(v)], dim=1), nothing)[0]
        # each flow has its own loss: the density does not shape the manifold (equations 3.12, 3.13)
        z, log_jacobian = self.h(u.detach(), nothing)
        log_density = log_jacobian - 0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)
        return (x - nearest).square().sum(dim=1), log_density


def manifold_dimension(features: int, published: int = 8) -> int:
    """Return the dimension of the manifold: two thirds of the features, 8 of 12 as published.

    Never more than ``published``, and at least 1.

    Examples
    --------
    >>> [manifold_dimension(n) for n in (2, 4, 12, 56)]
    [1, 3, 8, 8]
    """
    return max(1, min(published, round(2 * features / 3)))


def mass_density(
    mass: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate the density of the mass with Gaussian kernels, by Scott's rule, on a grid.

    Parameters
    ----------
    mass : ndarray, shape (n_events,)
        In GeV.
    weight : ndarray, shape (n_events,), optional
        Event weights.

    Returns
    -------
    grid : ndarray, shape (2048,)
        Masses in GeV.
    density : ndarray, shape (2048,)
        For the mass in units of its standard deviation.
    """
    weight = np.ones(len(mass)) if weight is None else weight
    mean = np.average(mass, weights=weight)
    std = float(np.sqrt(np.average((mass - mean) ** 2, weights=weight)))
    effective = weight.sum() ** 2 / np.square(weight).sum()
    bandwidth = max(std * effective**-0.2, 1e-9 * abs(mean))
    edges = np.linspace(mass.min() - 4 * bandwidth, mass.max() + 4 * bandwidth, _GRID + 1)
    step = edges[1] - edges[0]
    counts = np.histogram(mass, edges, weights=weight)[0] / weight.sum()
    density = gaussian_filter1d(counts, bandwidth / step, mode="constant") * std / step
    return 0.5 * (edges[1:] + edges[:-1]), density


def _loss(distance: Tensor, log_density: Tensor) -> Tensor:
    return distance - log_density
