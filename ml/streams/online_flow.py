"""OnlineFlow: a flow that is trained while events pass by once (arXiv:2202.09375)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ...core import FitError, InputError
from ...core.arrays import within
from ..flows.conditional import ConditionalFlow, FlowHyper, log_prob
from ..flows.preprocessing import Preprocessing
from ..flows.transforms import build_transform
from ..sample import Sample
from ..training.device import pick_device
from ..training.engine import make_optimizer, make_step, one_thread, seeded
from .mass_counts import MassCounts
from .online_hyper import OnlineHyper
from .recent_average import RecentAverage
from .stream_summary import StreamSummary

__all__ = ["OnlineFlow"]


class OnlineFlow:
    """The density p(x | m) of a stream, learned while its events pass by once.

    A ring buffer holds the latest batches. Each new batch takes the place of the oldest, then some
    updates are made with events drawn from the buffer, and the weights go into an average over
    the last part of the stream. Before it is learned from, the flow is tested on each batch, which
    gives a loss on events that it has not seen. The mass is counted in fine bins. Memory does not
    grow with the stream, and the result does not depend on how the stream is cut into samples.

    Parameters
    ----------
    names : sequence of str
        Feature columns.
    mass : str
        Name of the resonant mass.
    hyper : OnlineHyper, optional
        Shape and training; the published ones if None.
    seed : int
        Decides the initial weights and which events of the buffer an update takes.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.

    Attributes
    ----------
    events : int
        Events that came.
    beyond : int
        Of these, events that were counted and not learned from: a feature lies beyond the range of
        the first full buffer.
    batches : int
        Batches that came.

    Examples
    --------
    >>> from overdensity.ml.toy_events import TOY_FEATURES, toy_events
    >>> hyper = OnlineHyper(batch=50, buffer=4, layers=1, width=8)
    >>> online = OnlineFlow(TOY_FEATURES, hyper=hyper, seed=1)
    >>> for seed in range(3):
    ...     online.learn(toy_events(100, 0, seed=seed))
    >>> online.events, online.batches, len(online.summary().sample(10, seed=1))
    (300, 6, 10)
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        mass: str = "mjj",
        hyper: OnlineHyper | None = None,
        seed: int,
        device: str = "auto",
    ) -> None:
        self.names, self.mass, self.seed = tuple(names), mass, seed
        self.hyper = OnlineHyper() if hyper is None else hyper
        training = ("batch", "learning_rate", "clip")
        self._flow = FlowHyper(
            **self.hyper.shape(),
            **{name: getattr(self.hyper, name) for name in training},
            epochs=1,
            schedule="constant",
        )
        self._on = pick_device(device)
        with seeded(seed, 2):
            self._transform = build_transform(features=len(self.names), **self._flow.shape())
        self._transform.to(self._on)
        self._optimizer = make_optimizer(self._transform, self._flow)
        weights = parameters_to_vector(self._transform.parameters())
        self._average = RecentAverage(len(weights))
        self._masses = MassCounts()
        kept = self.hyper.batch * self.hyper.buffer
        self._buffer = np.zeros((kept, 1 + len(self.names)), np.float64)  # mass and features
        self._log_jacobian = np.zeros(kept)
        self._waiting = np.empty((0, 1 + len(self.names)))
        self._preprocessing: Preprocessing | None = None
        self._mass_mean, self._mass_std = 0.0, 1.0
        self.batches = self.beyond = self._steps = 0

    @property
    def events(self) -> int:
        """Events that came."""
        return len(self._masses)

    @property
    def key(self) -> str:
        """What identifies it: names, hyperparameters and seed."""
        return json.dumps([self.names, self.mass, asdict(self.hyper), self.seed])

    def learn(self, sample: Sample) -> None:
        """Take the next events of the stream.

        Raises
        ------
        InputError
            If they have weights or other features, or masses are not between 1 and 10⁶ GeV. Nothing of
            them was taken then.
        FitError
            If a feature is constant in the first full buffer, all events of a batch lie beyond its
            range, or the loss becomes NaN or infinite. The flow cannot go on then.
        """
        if sample.names != self.names:
            msg = (
                f"stream: of the features {', '.join(self.names)}, found {', '.join(sample.names)}"
            )
            raise InputError(msg)
        if sample.weight is not None:
            msg = "stream: events with weights; a stream is of data, without a column 'weight'"
            raise InputError(msg)
        self._masses.add(sample.mass)
        new = np.column_stack([sample.mass, sample.features.astype(np.float64)])
        rows, batch = np.concatenate([self._waiting, new]), self.hyper.batch
        whole = len(rows) - len(rows) % batch
        self._waiting = rows[whole:].copy()
        with one_thread():
            for start in range(0, whole, batch):
                self._take(rows[start : start + batch])

    def losses(self) -> list[tuple[int, float]]:
        """Return the mean of -log p(x | m) of parts of the stream, each before it was learned from.

        Returns
        -------
        list of (int, float)
            Up to which event, and the loss.
        """
        before = self.hyper.buffer - 1  # the first buffer is one member of the series
        return [((n + before) * self.hyper.batch, loss) for n, loss in self._average.losses()]

    def summary(self) -> StreamSummary:
        """Return what the stream is now: the averaged density and the counted masses.

        Raises
        ------
        InputError
            If the buffer was not full yet.
        """
        if self._preprocessing is None:
            msg = (
                f"stream: {self.events} events have come, and the flow begins with "
                f"{len(self._buffer)}; go on, or take a smaller batch or buffer"
            )
            raise InputError(msg)
        state = self._transform.state_dict()
        averaged = build_transform(features=len(self.names), **self._flow.shape())
        averaged.load_state_dict({name: value.cpu() for name, value in state.items()})
        mean = torch.from_numpy(self._average.mean(self.hyper.average)).float()
        vector_to_parameters(mean, averaged.parameters())
        flow = ConditionalFlow(
            self._flow,
            self._preprocessing,
            self._mass_mean,
            self._mass_std,
            [averaged.state_dict()],
            device=str(self._on),
        )
        return StreamSummary(self.names, self.mass, flow, self._masses)

    def state(self) -> dict[str, Any]:
        """Return all that goes on with the stream, as tensors and plain values."""
        arrays = {f"average.{name}": value for name, value in self._average.arrays().items()}
        arrays |= {"counts": self._masses.filled(), "buffer": self._buffer}
        arrays |= {"log_jacobian": self._log_jacobian, "waiting": self._waiting}
        if self._preprocessing is not None:
            learnt = self._preprocessing.arrays()
            arrays |= {f"preprocessing.{name}": value for name, value in learnt.items()}
        return {
            "module": self._transform.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "arrays": {name: torch.from_numpy(value) for name, value in arrays.items()},
            "mass": [self._mass_mean, self._mass_std],
            "numbers": [self.batches, self.beyond, self._steps],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned, of a flow with the same :attr:`key`."""
        self._transform.load_state_dict(state["module"])
        self._optimizer.load_state_dict(state["optimizer"])
        arrays = {name: value.numpy() for name, value in state["arrays"].items()}
        self._average.restore(within(arrays, "average."))
        self._masses = MassCounts.from_filled(arrays["counts"])
        self._buffer, self._waiting = arrays["buffer"], arrays["waiting"]
        self._log_jacobian = arrays["log_jacobian"]
        learnt = within(arrays, "preprocessing.")
        self._preprocessing = Preprocessing.from_arrays(learnt) if learnt else None
        self._mass_mean, self._mass_std = state["mass"]
        self.batches, self.beyond, self._steps = state["numbers"]

    def _take(self, rows: NDArray[np.float64]) -> None:
        """Put a batch in the place of the oldest, and learn once the buffer is full."""
        batch, buffer = self.hyper.batch, self.hyper.buffer
        at = self.batches % buffer * batch
        self.batches += 1
        if self._preprocessing is None:
            self._buffer[at : at + batch] = rows
            if self.batches == buffer:
                self._begin()
            return
        seen, log_jacobian = self._seen(rows)
        loss = self._loss(seen, log_jacobian)
        self._buffer[at : at + batch], self._log_jacobian[at : at + batch] = seen, log_jacobian
        self.beyond += int(np.count_nonzero(~np.isfinite(log_jacobian)))
        self._update(self.hyper.updates, loss)

    def _begin(self) -> None:
        """Fix the ranges by the first full buffer, and make the updates of all its batches."""
        first = self._buffer
        constant = np.ptp(first, axis=0) == 0
        if constant[1:].any():
            named = ", ".join(np.array(self.names)[constant[1:]])
            msg = f"stream: {named}: the same in the first {len(first)} events; leave it out"
            raise FitError(msg)
        self._preprocessing = Preprocessing.fit(first[:, 1:], margin=self.hyper.margin)
        self._mass_mean, self._mass_std = float(first[:, 0].mean()), float(first[:, 0].std()) or 1.0
        self._buffer, self._log_jacobian = self._seen(first)
        loss = self._loss(self._buffer, self._log_jacobian)
        self._update(self.hyper.updates * self.hyper.buffer, loss)

    def _seen(self, rows: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return condition and features as the flow sees them, and the log-Jacobian."""
        assert self._preprocessing is not None
        z, log_jacobian = self._preprocessing.forward(rows[:, 1:])
        condition = (rows[:, :1] - self._mass_mean) / self._mass_std
        return np.hstack([condition, z]), log_jacobian

    def _log_prob(self, seen: NDArray[Any]) -> torch.Tensor:
        both = torch.as_tensor(seen, dtype=torch.float32, device=self._on)
        return log_prob(self._transform, both[:, 1:], both[:, :1])

    @torch.no_grad()
    def _loss(self, seen: NDArray[Any], log_jacobian: NDArray[np.float64]) -> float:
        """Return the mean of -log p(x | m) in units of the features."""
        inside = np.isfinite(log_jacobian)
        if not inside.any():
            msg = (
                f"stream: all {len(seen)} events of a batch lie beyond the range of the first "
                f"{len(self._buffer)}; are the units the same?"
            )
            raise FitError(msg)
        return -float(self._log_prob(seen[inside]).mean()) - float(log_jacobian[inside].mean())

    def _update(self, updates: int, loss: float) -> None:
        """Make steps with events of the buffer; note the weights, and the loss before them."""
        inside = np.flatnonzero(np.isfinite(self._log_jacobian))
        total = torch.zeros(())
        for _ in range(updates):
            rng = np.random.default_rng([self.seed, self._steps])
            rows = rng.choice(inside, min(self.hyper.batch, len(inside)), replace=False)
            losses = [(-self._log_prob(self._buffer[rows]), None)]
            rate, clip = self.hyper.learning_rate, self.hyper.clip
            total = make_step(self._optimizer, losses, len(rows), rate=rate, clip=clip)
            self._steps += 1
        if not (math.isfinite(loss) and math.isfinite(float(total))):
            msg = (
                f"stream: the loss is not finite after {self.batches} batches; use a smaller "
                f"learning_rate than {self.hyper.learning_rate:g}"
            )
            raise FitError(msg)
        weights = parameters_to_vector(self._transform.parameters()).detach().cpu().numpy()
        self._average.add(weights, loss)
