"""Conditional normalising flows: the density p(x | m) of features at a resonant mass."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from nflows.transforms import Transform
from numpy.typing import NDArray
from torch import Tensor

from ...core import ConfigError, InputError
from ...core.arrays import within
from ..training.checkpoints import State
from ..training.device import pick_device
from ..training.engine import Training, one_thread, seeded, train
from ..training.training_hyper import TrainingHyper
from .flow_shape import FlowShape
from .preprocessing import Preprocessing
from .transforms import build_transform

__all__ = ["ConditionalFlow", "FlowHyper", "fit_flow", "log_prob"]

_ROWS = 16_384  # events that are evaluated at once


@dataclass(frozen=True)
class FlowHyper(FlowShape, TrainingHyper):
    """Shape and training of a flow; its attributes are those of :class:`FlowShape` and :class:`TrainingHyper`.

    The defaults are chosen for densities of a few features on a CPU; ``benchmarks/flows.py density``
    fits each family for the same time.
    """

    epochs: int = 15
    batch: int = 1024
    learning_rate: float = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    clip: float = 5.0
    mixed: bool = False

    def __post_init__(self) -> None:
        TrainingHyper.__post_init__(self)
        FlowShape.__post_init__(self)


class ConditionalFlow:
    """A fitted density p(x | m), which can be evaluated and sampled.

    Where several epochs were kept, the density is the mean of theirs.

    Attributes
    ----------
    hyper : FlowHyper
        Its shape.
    preprocessing : Preprocessing
        From features to what the flow sees.
    mass_mean, mass_std : float
        With which the resonant mass is standardised, in GeV.
    training : Training or None
        Loss curves, where the flow was fitted rather than read back.
    """

    def __init__(
        self,
        hyper: FlowHyper,
        preprocessing: Preprocessing,
        mass_mean: float,
        mass_std: float,
        states: Sequence[State],
        *,
        training: Training | None = None,
        device: str = "auto",
    ) -> None:
        self.hyper, self.preprocessing, self.training = hyper, preprocessing, training
        self.mass_mean, self.mass_std = mass_mean, mass_std
        self._device = device
        self._transforms = [_transform(hyper, len(preprocessing.low)) for _ in states]
        for transform, state in zip(self._transforms, states, strict=True):
            transform.load_state_dict(state)
            transform.eval()

    def log_density(self, x: NDArray[Any], m: NDArray[Any]) -> NDArray[np.float64]:
        """Return log p(x | m), shape (n_events,), in units of the features themselves.

        Parameters
        ----------
        x : ndarray, shape (n_events, n_features)
            Features; where one lies outside the range of the training events, the density is 0
            and its logarithm -inf.
        m : ndarray, shape (n_events,)
            Resonant mass in GeV.
        """
        z, log_jacobian = self.preprocess(x)
        log_density = log_jacobian - math.log(len(self._transforms))
        at = 0
        with one_thread(), torch.no_grad():
            for inputs, context in self._batches(z, m):
                logs = [log_prob(transform, inputs, context) for transform in self._on_device()]
                total = torch.logsumexp(torch.stack(logs).cpu().double(), dim=0).numpy()
                log_density[at : at + len(total)] += total
                at += len(total)
        return log_density

    def sample(self, m: NDArray[Any], *, seed: int) -> NDArray[np.float32]:
        """Draw one event at each mass.

        Parameters
        ----------
        m : ndarray, shape (n_events,)
            Resonant masses in GeV.
        seed : int
            Same seed, same events.

        Returns
        -------
        ndarray of float32, shape (n_events, n_features)
        """
        m = np.asarray(m, np.float64)
        rng = np.random.default_rng(seed)
        x = np.empty((len(m), len(self.preprocessing.low)), np.float32)
        noise = rng.standard_normal(x.shape)
        drawn_from = rng.integers(len(self._transforms), size=len(m))
        with one_thread(), torch.no_grad():
            for i, transform in enumerate(self._on_device()):
                rows = np.flatnonzero(drawn_from == i)
                at = 0
                for inputs, context in self._batches(noise[rows], m[rows]):
                    z = transform.inverse(inputs, context)[0].cpu().numpy()
                    x[rows[at : at + len(z)]] = self.preprocessing.inverse(z)
                    at += len(z)
        return x

    def latent(self, x: NDArray[Any], m: NDArray[Any]) -> NDArray[np.float32]:
        """Return where events lie in the latent space, which for p(x | m) is a standard normal.

        Of several kept epochs the first, the best or latest, is taken; features outside the range
        of the training events count as on its edge.

        Parameters
        ----------
        x : ndarray, shape (n_events, n_features)
            Features.
        m : ndarray, shape (n_events,)
            Resonant masses in GeV.

        Returns
        -------
        ndarray of float32, shape (n_events, n_features)
        """
        z, _ = self.preprocess(x)
        out = np.empty(z.shape, np.float32)
        at = 0
        with one_thread(), torch.no_grad():
            transform = self._on_device()[0]
            for inputs, context in self._batches(z, m):
                out[at : at + len(inputs)] = transform(inputs, context)[0].cpu().numpy()
                at += len(inputs)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""
        arrays: dict[str, NDArray[Any]] = {
            "hyper": np.array(json.dumps(asdict(self.hyper))),
            "mass": np.array([self.mass_mean, self.mass_std]),
            "epochs": np.array(len(self._transforms)),
        }
        for name, value in self.preprocessing.arrays().items():
            arrays[f"preprocessing.{name}"] = value
        for i, transform in enumerate(self._transforms):
            for name, value in transform.state_dict().items():
                arrays[f"{i}.{name}"] = value.cpu().numpy()
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, device: str = "auto") -> Self:
        """Take over what :meth:`arrays` returned."""
        mean, std = arrays["mass"].tolist()
        states = [
            {name: torch.from_numpy(value) for name, value in within(arrays, f"{i}.").items()}
            for i in range(int(arrays["epochs"]))
        ]
        hyper = FlowHyper(**json.loads(str(arrays["hyper"])))
        preprocessing = Preprocessing.from_arrays(within(arrays, "preprocessing."))
        return cls(hyper, preprocessing, mean, std, states, device=device)

    def copy_transform(self) -> Transform:
        """Return the transform of the first kept epoch, the best or latest, to be trained on."""
        copy = _transform(self.hyper, len(self.preprocessing.low))
        copy.load_state_dict(self._transforms[0].state_dict())
        return copy

    def _on_device(self) -> list[Transform]:
        on = pick_device(self._device)
        return [transform.to(on) for transform in self._transforms]

    def preprocess(self, x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the flow sees of features, and its log-Jacobian; see :class:`Preprocessing`.

        Raises
        ------
        InputError
            If these are not so many features as it was fitted on.
        """
        if np.ndim(x) != 2 or np.shape(x)[1] != len(self.preprocessing.low):
            msg = (
                f"flow: fitted on {len(self.preprocessing.low)} features, found events of shape "
                f"{np.shape(x)}"
            )
            raise InputError(msg)
        return self.preprocessing.forward(x)

    def _batches(self, z: NDArray[np.float64], m: NDArray[Any]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what the flow sees of events, on the device."""
        if np.shape(m) != (len(z),):
            msg = f"flow: {len(z)} events need as many masses, found an array of {np.shape(m)}"
            raise InputError(msg)
        on = pick_device(self._device)
        context = (np.asarray(m, np.float64) - self.mass_mean) / self.mass_std
        for start in range(0, len(z), _ROWS):
            rows = slice(start, start + _ROWS)
            yield (
                torch.as_tensor(z[rows], dtype=torch.float32, device=on),
                torch.as_tensor(context[rows, None], dtype=torch.float32, device=on),
            )


def fit_flow(
    x: NDArray[Any],
    m: NDArray[Any],
    *,
    hyper: FlowHyper | None = None,
    seed: int,
    weight: NDArray[Any] | None = None,
    device: str = "auto",
    validation_fraction: float = 0.1,
    identity: Sequence[int] = (),
    start: ConditionalFlow | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> ConditionalFlow:
    """Fit p(x | m) by maximum likelihood.

    Parameters
    ----------
    x : ndarray, shape (n_events, n_features)
        Features.
    m : ndarray, shape (n_events,)
        Resonant mass in GeV; where all are equal, the density does not depend on it.
    hyper : FlowHyper, optional
        Shape and training; the defaults if None.
    seed : int
        Decides the initial weights, the validation events and the batches.
    weight : ndarray, shape (n_events,), optional
        Event weights.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``; also of the evaluation.
    validation_fraction : float
        The fraction of the events that only validate; may be 0 for ``keep = "last"``.
    identity : sequence of int
        Columns that are not preprocessed (see :class:`Preprocessing`); those of `start` if there is
        one.
    start : ConditionalFlow, optional
        Begin with the density of this flow in place of random weights, and keep its preprocessing:
        events beyond the range of its features are left out of the training.
    checkpoint : path, optional
        As in :func:`overdensity.ml.training.engine.train`.

    Raises
    ------
    InputError
        If a feature is constant or not finite, there are too few events, shapes do not match, or
        all events lie beyond the range of `start`.
    ConfigError
        If the family cannot be used for so many features, or `start` has another shape.
    FitError
        If the loss becomes NaN or infinite.
    """
    hyper = FlowHyper() if hyper is None else hyper
    if not 0 <= validation_fraction < 1:
        msg = f"flow: validation_fraction = {validation_fraction!r} must be at least 0 and below 1"
        raise ConfigError(msg)
    if np.shape(m) != np.shape(x)[:1]:
        msg = f"flow: {len(x)} events need as many masses, found an array of {np.shape(m)}"
        raise InputError(msg)
    masses = np.asarray(m, np.float64)
    if start is None:
        preprocessing = Preprocessing.fit(x, identity=identity)
        mean, std = float(masses.mean()), float(masses.std()) or 1.0
        with seeded(seed, 2):
            transform = _transform(hyper, len(preprocessing.low))
        z, log_jacobian = preprocessing.forward(x)
    else:
        if hyper.shape() != start.hyper.shape():
            msg = f"flow: of shape {hyper.shape()}, but begins with one of {start.hyper.shape()}"
            raise ConfigError(msg)
        if not np.isfinite(x).all():
            msg = "flow: features hold values that are not finite; leave these events out"
            raise InputError(msg)
        preprocessing, mean, std = start.preprocessing, start.mass_mean, start.mass_std
        transform = start.copy_transform()
        z, log_jacobian = start.preprocess(x)
    z, known = z.astype(np.float32), np.flatnonzero(np.isfinite(log_jacobian))
    if not len(known):
        msg = f"flow: all {len(z)} events lie beyond the range of the features that it begins with"
        raise InputError(msg)
    context = ((masses - mean) / std).astype(np.float32)[:, None]
    order = np.random.default_rng([seed, 1]).permutation(known)
    n_validation = round(validation_fraction * len(order))
    found = train(
        transform,
        lambda module, inputs, condition: -log_prob(module, inputs, condition),
        (z, context),
        train=order[n_validation:],
        validation=order[:n_validation],
        hyper=hyper,
        seed=seed,
        device=device,
        weight=weight,
        checkpoint=checkpoint,
    )
    return ConditionalFlow(
        hyper, preprocessing, mean, std, found.states, training=found, device=device
    )


def _transform(hyper: FlowHyper, features: int) -> Transform:
    return build_transform(features=features, **hyper.shape())


def log_prob(transform: Transform, inputs: Tensor, context: Tensor) -> Tensor:
    """Return the log-density, shape (n_events,), of what the flow sees: a normal and the Jacobian."""
    u, log_jacobian = transform(inputs, context)
    return log_jacobian - 0.5 * (u.square().sum(dim=1) + u.shape[1] * math.log(2 * math.pi))
