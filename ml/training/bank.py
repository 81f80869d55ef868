"""A bank of networks: many small networks of one shape, trained together as one batched model.

All weights of a layer are one tensor (n_nets, in, out) and a step of all networks is one batched
matrix product. Each network has its own events, batches, initial weights, early stopping and best
checkpoint, so it ends where it would have ended alone: only the order of float32 sums differs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .bank_hyper import BankHyper
from .device import pick_device

__all__ = ["Bank", "train_bank"]

_SCORE_ROWS = 16_384  # rows of all networks held at once while scoring


class Bank(torch.nn.Module):
    """Networks of one shape side by side.

    Parameters
    ----------
    shapes : sequence of int
        Nodes of the layers, features first, 1 last.
    seeds : sequence of int
        One a network: its initial weights (Glorot uniform, as Keras) come from it alone.
    activation : {'leaky_elu', 'relu'}
        As :class:`BankHyper` has it.
    """

    def __init__(
        self, shapes: Sequence[int], seeds: Sequence[int], activation: str = "leaky_elu"
    ) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.activation = activation
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.weights = torch.nn.ParameterList()
        self.biases = torch.nn.ParameterList()
        for n_in, n_out in pairwise(shapes):
            limit = math.sqrt(6 / (n_in + n_out))
            drawn = [torch.rand(n_in, n_out, generator=generator) for generator in generators]
            self.weights.append(limit * (2 * torch.stack(drawn) - 1))
            self.biases.append(torch.zeros(len(seeds), 1, n_out))

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.biases[0])

    def forward(self, x: Tensor, keep: Sequence[Tensor] = ()) -> Tensor:
        """Return the log-odds.

        Parameters
        ----------
        x : Tensor, shape (n_nets, n_events, n_features)
            Standardised features, other ones for each network.
        keep : sequence of Tensor, shape (n_events, width)
            Dropout masks between hidden layers, already divided by the probability to keep;
            none when scoring.

        Returns
        -------
        Tensor, shape (n_nets, n_events)
        """
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i == last:
                break
            if self.activation == "relu":
                x = functional.relu(x)
            else:
                x = functional.leaky_relu(x, 0.1) if i == 0 else functional.elu(x)
            if keep and i < last - 1:
                x = x * keep[i]
        return x.squeeze(-1)

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return the log-odds of all networks for the same events: (n_nets, n_events)."""
        rows = x.split(max(1, _SCORE_ROWS // len(self)))
        return torch.cat([self(part.expand(len(self), -1, -1)) for part in rows], dim=1)

    @torch.no_grad()
    def take(self, which: Sequence[int]) -> Self:
        """Return a bank of some of the networks."""
        taken = type(self)(self.shapes, [0] * len(which), self.activation)
        for mine, other in zip(self.parameters(), taken.parameters(), strict=True):
            other.data = mine[list(which)].clone()
        return taken

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights as plain arrays."""
        weights = {name: value.cpu().numpy() for name, value in self.state_dict().items()}
        return weights | {"activation": np.array(self.activation)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what :meth:`arrays` returned."""
        weights = {name: arrays[name] for name in arrays if name.startswith(("weights", "biases"))}
        layers = [weights[f"weights.{i}"] for i in range(len(weights) // 2)]
        shapes = [layers[0].shape[1], *(layer.shape[2] for layer in layers)]
        bank = cls(shapes, [0] * len(layers[0]), str(arrays["activation"]))
        bank.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        return bank


def train_bank(
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    train: NDArray[np.bool_],
    *,
    seeds: Sequence[int],
    seed: int,
    steps: int,
    hyper: BankHyper,
    features: NDArray[np.bool_] | None = None,
    device: str = "auto",
) -> tuple[Bank, NDArray[np.float64]]:
    """Train all networks of a bank, each on its own events, to its own best epoch.

    Parameters
    ----------
    x : ndarray of float32, shape (n_events, n_features)
        Features, standardised.
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,)
        Event weights; where they are negative, a network is driven away from the class.
    train : ndarray of bool, shape (n_nets, n_events)
        Which events a network learns from; the others validate it.
    seeds : sequence of int
        One a network: its initial weights and batches.
    seed : int
        Decides the dropout masks, which the networks share: their weights and batches differ.
    steps : int
        Batches an epoch: a network's events are shuffled and divided into so many.
    hyper : BankHyper
        Shape and training.
    features : ndarray of bool, shape (n_nets, n_features), optional
        Which features a network sees, where these are not all.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Returns
    -------
    bank : Bank
        Every network at its best epochs, on the CPU: ``hyper.average`` banks in one, network i of
        the first followed by network i + 1 of the first.
    best : ndarray of float64, shape (n_nets,)
        The best validation of each network, as ``hyper.judge`` has it; larger is better.
    """
    on = pick_device(device)
    tx = torch.as_tensor(x, device=on)
    ty = torch.as_tensor(y, dtype=torch.float32, device=on)
    tw = torch.as_tensor(weight, dtype=torch.float32, device=on)
    rows = math.ceil(len(x) / steps)  # of a dropout mask: whatever the bank, the same numbers
    bank = Bank((x.shape[1], *[hyper.width] * hyper.layers, 1), seeds, hyper.activation).to(on)
    seen = None if features is None else torch.as_tensor(features, device=on)[:, :, None].float()
    if seen is not None:
        bank.weights[0].data *= seen
    best = _Best(bank, hyper.average)
    optimizer = torch.optim.Adam(
        bank.parameters(), lr=hyper.learning_rate, betas=(hyper.beta1, hyper.beta2), eps=1e-7
    )
    shuffle = [np.random.default_rng([seed, 1]) for seed in seeds]
    dropout = torch.Generator(on).manual_seed(seed)
    learn = [np.flatnonzero(mask) for mask in train]
    check = [np.flatnonzero(~mask) for mask in train]
    active = list(range(len(seeds)))

    for epoch in range(hyper.epochs):
        order = [np.array_split(shuffle[net].permutation(learn[net]), steps) for net in active]
        for i in range(steps):
            index, real = _padded([batches[i] for batches in order])
            index, real = torch.as_tensor(index, device=on), torch.as_tensor(real, device=on)
            keep = _keep(rows, hyper, dropout, on, index.shape[1])
            logits = bank(tx[index], keep)
            loss = functional.softplus(logits) - ty[index] * logits  # binary cross-entropy
            loss = (loss * tw[index] * real).sum(dim=1) / real.sum(dim=1)
            rate = hyper.learning_rate / (1 + hyper.decay * (epoch * steps + i))
            _step(bank, optimizer, loss, rate, None if seen is None else seen[active])

        value = np.full(len(active), float(epoch))
        if hyper.judge != "last":
            value = _validate(bank, tx, y, weight, [check[net] for net in active], hyper=hyper)
        best.take_over(bank, active, value, epoch)
        going = [i for i, net in enumerate(active) if epoch - best.epoch[net] < hyper.patience]
        if not going:
            break
        if len(going) < len(active):
            bank, optimizer = _shrink(bank, optimizer, going)
            active = [active[i] for i in going]
    return best.bank.cpu(), best.value.max(axis=0)


class _Best:
    """The best epochs of each network so far: their validations, weights, and the latest of them."""

    def __init__(self, bank: Bank, average: int) -> None:
        device = bank.biases[0].device
        self.bank = bank.take([*range(len(bank))] * average).to(device)
        self.value = np.full((average, len(bank)), -np.inf)
        self.epoch = np.zeros(len(bank), np.int64)

    def take_over(
        self, bank: Bank, active: list[int], value: NDArray[np.float64], epoch: int
    ) -> None:
        """Put the networks that are better than the worst that is kept of theirs in its place."""
        better = [i for i, net in enumerate(active) if value[i] > self.value[:, net].min()]
        nets = [active[i] for i in better]
        best = [active[i] for i in better if value[i] > self.value[:, active[i]].max()]
        self.epoch[best] = epoch
        worst = self.value[:, nets].argmin(axis=0)
        self.value[worst, nets] = value[better]
        _copy(bank, better, self.bank, (worst * self.value.shape[1] + nets).tolist())


def _step(
    bank: Bank,
    optimizer: torch.optim.Adam,
    loss: Tensor,
    rate: float,
    seen: Tensor | None,
) -> None:
    """Make one step of all networks; features that a network does not see stay without weight."""
    optimizer.param_groups[0]["lr"] = rate
    optimizer.zero_grad()
    loss.sum().backward()  # networks share no weight: each gets its own gradient
    gradient = bank.weights[0].grad
    if seen is not None and gradient is not None:
        gradient *= seen
    optimizer.step()


def _keep(
    rows: int, hyper: BankHyper, generator: torch.Generator, device: torch.device, n: int
) -> list[Tensor]:
    """Return a dropout mask for each pair of hidden layers."""
    if hyper.dropout == 0:
        return []
    drawn = torch.rand(hyper.layers - 1, rows, hyper.width, generator=generator, device=device)
    return list((drawn[:, :n] >= hyper.dropout).float() / (1 - hyper.dropout))


def _padded(index: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return indices of several lengths as one array, and which of them are real."""
    longest = max(map(len, index))
    out = np.zeros((len(index), longest), np.int64)
    real = np.zeros((len(index), longest), np.float32)
    for i, each in enumerate(index):
        out[i, : len(each)] = each
        real[i, : len(each)] = 1
    return out, real


def _validate(
    bank: Bank,
    x: Tensor,
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    check: list[NDArray[np.int64]],
    *,
    hyper: BankHyper,
) -> NDArray[np.float64]:
    """Return how good each network is on its validation events."""
    index, _ = _padded(check)
    columns = torch.as_tensor(index, device=x.device).split(max(1, _SCORE_ROWS // len(bank)), dim=1)
    with torch.no_grad():
        logits = torch.cat([bank(x[part]) for part in columns], dim=1).cpu().numpy()
    value = np.empty(len(check))
    for i, rows in enumerate(check):
        score, signal, w = logits[i, : len(rows)], y[rows], weight[rows]
        if hyper.judge == "loss":
            value[i] = -np.average(np.logaddexp(0, score) - signal * score, weights=w)
            continue
        order = np.argsort(-score[~signal])
        above = np.cumsum(w[~signal][order]) / w[~signal].sum()
        threshold = score[~signal][order][np.searchsorted(above, hyper.cut)]
        value[i] = w[signal & (score > threshold)].sum() / w[signal].sum()
    return value


@torch.no_grad()
def _copy(source: Bank, which: list[int], target: Bank, to: list[int]) -> None:
    for mine, other in zip(source.parameters(), target.parameters(), strict=True):
        other[to] = mine[which]


def _shrink(
    bank: Bank, optimizer: torch.optim.Adam, going: list[int]
) -> tuple[Bank, torch.optim.Adam]:
    """Return the networks that go on, with their moments in the optimizer."""
    smaller = bank.take(going).to(bank.biases[0].device)
    successor = torch.optim.Adam(smaller.parameters(), **optimizer.defaults)
    for old, new in zip(bank.parameters(), smaller.parameters(), strict=True):
        state = optimizer.state[old]
        moments = {key: state[key][going].clone() for key in ("exp_avg", "exp_avg_sq")}
        successor.state[new] = {"step": state["step"], **moments}
    return smaller, successor
