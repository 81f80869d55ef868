"""Plain autoencoders on the features of each jet: what they cannot rebuild is anomalous."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core import ConfigError, InputError
from .bank import Bank, pick_device
from .jets import sort_jets
from .method import Method, Need, register
from .sample import Sample
from .windows import Window

__all__ = [
    "Autoencoder",
    "AutoencoderBank",
    "AutoencoderHyper",
    "jet_columns",
    "train_autoencoders",
]

Combination = Literal["mean", "cuts"]

_SCORE_ROWS = 1024  # of the widest layer, times the members: fits into the cache of a core


@dataclass(frozen=True)
class AutoencoderHyper:
    """Hyperparameters of the autoencoders; defaults of arXiv:2101.08320, section 4.2.1.

    Attributes
    ----------
    members : int
        Autoencoders a jet; their reconstruction errors are averaged.
    events : int
        Random events each of them learns from; all where there are fewer.
    epochs : int
        How often it sees them.
    batch : int
        Events in a batch.
    learning_rate : float
        Of Adam.
    nodes : tuple of int
        Hidden layers of the encoder; the decoder has them backwards.
    latent : int
        Nodes of the bottleneck.
    combine : {"mean", "cuts"}
        How the errors of the jets become one score: their mean, or the tightest simultaneous cut
        that an event passes.
    cuts : tuple of float
        For ``"cuts"``: a point on the line of simultaneous cuts, as the fraction of events that the
        cut on each jet keeps, in the order of the jets. Published: 2.5 % of the lighter jet and
        80 % of the heavier.
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.jets.sort_jets`), the lighter first.
    min_events : int
        The fewest events to learn from.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    """

    members: int = 20
    events: int = 50_000
    epochs: int = 1
    batch: int = 5120
    learning_rate: float = 1e-3
    nodes: tuple[int, ...] = (64, 32, 16)
    latent: int = 1
    combine: str = "mean"
    cuts: tuple[float, ...] = (0.025, 0.8)
    sort: bool = True
    min_events: int = 100
    device: str = "auto"

    def __post_init__(self) -> None:
        allowed = {
            "members": self.members >= 1,
            "events": self.events >= 1,
            "epochs": self.epochs >= 1,
            "batch": self.batch >= 1,
            "learning_rate": self.learning_rate > 0,
            "nodes": all(isinstance(n, int) and n >= 1 for n in self.nodes),
            "latent": self.latent >= 1,
            "combine": self.combine in get_args(Combination),
            "cuts": bool(self.cuts) and all(0 < cut < 1 for cut in self.cuts),
            "min_events": self.min_events >= 2,
        }
        for name, good in allowed.items():
            if not good:
                msg = f"method 'autoencoder': {name} = {getattr(self, name)!r} cannot be used"
                raise ConfigError(msg)


class AutoencoderBank(Bank):
    """Autoencoders of one shape side by side: ReLU, but linear bottleneck and output."""

    def forward(self, x: Tensor, keep: Sequence[Tensor] = ()) -> Tensor:
        """Return what becomes of the features on their way through the bottleneck.

        Parameters
        ----------
        x : Tensor, shape (n_nets, n_events, n_features)
            Standardised features.
        keep : sequence of Tensor
            Not used: there is no dropout.

        Returns
        -------
        Tensor, shape (n_nets, n_events, n_features)
        """
        del keep
        layers = len(self.weights)
        linear = (layers // 2 - 1, layers - 1)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i not in linear:
                x = torch.relu(x)
        return x

    @torch.no_grad()
    def errors(self, x: Tensor) -> Tensor:
        """Return the mean squared error of each event, averaged over the networks: (n_events,)."""
        parts = [self(part.expand(len(self), -1, -1)) - part for part in x.split(_SCORE_ROWS)]
        return torch.cat([part.square().mean(dim=(0, 2)) for part in parts])


def train_autoencoders(
    x: NDArray[np.float32],
    hyper: AutoencoderHyper,
    *,
    weight: NDArray[np.float64] | None = None,
    seed: int,
) -> AutoencoderBank:
    """Train an ensemble of autoencoders, each on random events of its own.

    Parameters
    ----------
    x : ndarray of float32, shape (n_events, n_features)
        Features, standardised.
    hyper : AutoencoderHyper
        Shape and training.
    weight : ndarray of float64, shape (n_events,), optional
        Event weights.
    seed : int
        Decides initial weights, events and batches.

    Returns
    -------
    AutoencoderBank
        On the CPU.
    """
    on = pick_device(hyper.device)
    seeds = np.random.SeedSequence(seed).generate_state(hyper.members).tolist()
    around = (x.shape[1], *hyper.nodes)
    bank = AutoencoderBank((*around, hyper.latent, *around[::-1]), seeds).to(on)
    optimizer = torch.optim.Adam(bank.parameters(), lr=hyper.learning_rate, eps=1e-7)
    generators = [np.random.default_rng([each, 1]) for each in seeds]
    n = min(hyper.events, len(x))
    mine = [rng.choice(len(x), n, replace=False) for rng in generators]
    features = torch.as_tensor(x, device=on)
    share = np.ones(len(x)) if weight is None else weight / weight.mean()
    shares = torch.as_tensor(share, dtype=torch.float32, device=on)
    for _ in range(hyper.epochs):
        order = np.stack([rng.permutation(i) for rng, i in zip(generators, mine, strict=True)])
        for index in np.array_split(order, math.ceil(n / hyper.batch), axis=1):
            rows = torch.as_tensor(index, device=on)
            batch = features[rows]
            errors = (bank(batch) - batch).square().mean(dim=2)
            loss = (shares[rows] * errors).mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()  # networks share no weight: each gets its own gradient
            optimizer.step()
    return bank.cpu()


def jet_columns(names: Sequence[str]) -> dict[str, list[int]]:
    """Return which columns each autoencoder sees.

    Columns named ``j<number>_*`` belong to a jet. Those of no jet, such as ``ht``, are given to the
    autoencoders of all jets; where no column belongs to a jet, one autoencoder sees the event.

    Examples
    --------
    >>> jet_columns(["j1_mass", "j2_mass", "j1_tau21", "j2_tau21"])
    {'j1': [0, 2], 'j2': [1, 3]}
    >>> jet_columns(["mJ1", "dmJ"])
    {'event': [0, 1]}
    """
    found = [re.match(r"j(\d+)_", name) for name in names]
    jets = sorted({int(match[1]) for match in found if match})
    if not jets:
        return {"event": list(range(len(names)))}
    return {
        f"j{jet}": [i for i, match in enumerate(found) if not match or int(match[1]) == jet]
        for jet in jets
    }


@register
class Autoencoder(Method[AutoencoderHyper]):
    """Reconstruction error of an ensemble of autoencoders for each jet; looks for outliers.

    It is trained on all events it is given, whatever their mass: a rare signal is too rare to be
    learnt, and the window does not matter.
    """

    name: ClassVar[str] = "autoencoder"
    needs: ClassVar[tuple[Need, ...]] = ("features",)
    source: ClassVar[str] = (
        "CWoLa and autoencoders, LHC Olympics 2020 (arXiv:2101.08320), section 4.2; "
        "arXiv:2104.02092"
    )
    Hyper: ClassVar[type[AutoencoderHyper]] = AutoencoderHyper
    _names: tuple[str, ...] = ()

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn to rebuild the features; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        inside = int(np.count_nonzero(window.signal(data.mass)))
        if len(data) < self.hyper.min_events or not inside:
            msg = (
                f"window {window}: {len(data)} events to learn from and {inside} of them in the "
                f"signal region, where {self.hyper.min_events} and 1 are needed; use more events, "
                "wider bins or a lower end of the scan"
            )
            raise InputError(msg)
        data.refuse_constant_features()
        columns = jet_columns(data.names)
        if self.hyper.combine == "cuts" and len(columns) > len(self.hyper.cuts):
            msg = (
                f"method 'autoencoder': combine: cuts needs a cut for each of "
                f"{', '.join(columns)}, found cuts = {self.hyper.cuts}"
            )
            raise ConfigError(msg)
        self._names = data.names
        x = self._sorted(data).features
        self._mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._std = x.std(axis=0, dtype=np.float64).astype(np.float32)
        x = (x - self._mean) / self._std
        seeds = np.random.SeedSequence(seed).generate_state(len(columns)).tolist()
        self._banks = {
            jet: train_autoencoders(x[:, mine], self.hyper, weight=data.weight, seed=each)
            for (jet, mine), each in zip(columns.items(), seeds, strict=True)
        }
        self._known = np.empty((0, len(columns)), np.float32)
        if self.hyper.combine == "cuts":
            self._known = np.sort(self.errors(data), axis=0)
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the error of the jets together; see :meth:`Method.score`.

        With ``combine="cuts"`` it is the least, over the jets, of ln(u) / ln(cut), where u is the
        fraction of the events learnt from that are rebuilt worse: 1 or more is what passes the
        simultaneous cuts.
        """
        errors = self.errors(data)
        if self.hyper.combine == "mean":
            return errors.mean(axis=1)
        n = len(self._known)
        worse = [
            n - np.searchsorted(known, error, side="right")
            for known, error in zip(self._known.T, errors.T, strict=True)
        ]
        cuts = np.log(self.hyper.cuts[: len(worse)])
        passed = np.log((1 + np.stack(worse, axis=1)) / (1 + n)) / cuts
        return passed.min(axis=1).astype(np.float32)

    def errors(self, data: Sample) -> NDArray[np.float32]:
        """Return the reconstruction error of each jet, shape (n_events, n_jets).

        The squared error of the standardised features, averaged over features and members; jets in
        the order of :func:`jet_columns`.

        Raises
        ------
        InputError
            If nothing was learnt, or from other features.
        """
        if not self._names:
            msg = f"method {self.name!r} has learnt nothing yet; call fit, or load a fitted one"
            raise InputError(msg)
        if data.names != self._names:
            msg = (
                f"method {self.name!r} was fitted on the features {', '.join(self._names)}, "
                f"and is to score {', '.join(data.names)}"
            )
            raise InputError(msg)
        on = pick_device(self.hyper.device)
        x = torch.as_tensor((self._sorted(data).features - self._mean) / self._std)
        columns = jet_columns(self._names)
        found = [
            bank.to(on).errors(x[:, columns[jet]].to(on)).cpu() for jet, bank in self._banks.items()
        ]
        return torch.stack(found, dim=1).numpy()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        learnt = {
            f"{jet}.{name}": array
            for jet, bank in self._banks.items()
            for name, array in bank.arrays().items()
        }
        own = {"mean": self._mean, "std": self._std, "known": self._known}
        return {"names": np.array(self._names)} | own | learnt

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._mean, self._std, self._known = (arrays[key] for key in ("mean", "std", "known"))
        self._banks = {}
        for jet in jet_columns(self._names):
            head = f"{jet}."
            mine = {name[len(head) :]: arrays[name] for name in arrays if name.startswith(head)}
            self._banks[jet] = AutoencoderBank.from_arrays(mine)

    def _sorted(self, data: Sample) -> Sample:
        return sort_jets(data) if self.hyper.sort else data
