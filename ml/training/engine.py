"""The training engine: any torch module, fitted by mini-batches that are the same on every run.

What a method brings is a module, a loss per event and its columns. Shuffling, validation, early
stopping, the epochs that are kept, checkpoints and the device are left to :func:`train`.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core import ConfigError, FitError, InputError
from .batches import Batches, parts_of
from .checkpoints import Progress, Rows, State, fingerprint, load_checkpoint, save_checkpoint
from .device import pick_device
from .training_hyper import TrainingHyper
from .watching import Watch, watcher

__all__ = ["Training", "make_optimizer", "make_step", "one_thread", "seeded", "train"]

logger = logging.getLogger(__name__)

_VALIDATED = 4096  # rows at a time where nothing is learnt
_CHECKPOINT_SECONDS = 20.0  # between two writes, so that short epochs are not slowed down
_RISING, _START = 0.25, 1 / 25  # one cycle: how long the rate rises, and from which part of it

Loss = Callable[..., Tensor]


@dataclass(frozen=True, eq=False)
class Training:
    """What a training ended with.

    Attributes
    ----------
    states : list of dict of Tensor
        State dicts of the kept epochs, on the CPU; the best, or the latest, comes first.
    epochs : list of int
        Which epochs these were, from 0.
    train_loss : ndarray of float64, shape (n_epochs,)
        Weighted mean over the training events during the epoch.
    validation_loss : ndarray of float64, shape (n_epochs,)
        Weighted mean over the validation events after each epoch; NaN without any.
    """

    states: list[State]
    epochs: list[int]
    train_loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]


def train(
    module: torch.nn.Module,
    loss: Loss,
    columns: Sequence[Rows],
    *,
    train: NDArray[Any],
    validation: NDArray[Any],
    hyper: TrainingHyper,
    seed: int,
    device: str = "auto",
    weight: NDArray[Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    part: int | None = None,
) -> Training:
    """Fit a module to events.

    The same seed, data and initial weights give the same result, also where a training was
    interrupted and goes on from its checkpoint. It uses one CPU thread, since parallel trainings
    fill a machine better than one training does; the global random state is left alone.

    Parameters
    ----------
    module : torch.nn.Module
        With its initial weights (see :func:`seeded`). It is left on the CPU, in evaluation mode,
        with the first of the kept states.
    loss : callable
        ``loss(module, *batch)`` with a batch of each column returns a tensor of shape (n_rows,).
    columns : sequence of ndarray, shape (n_events, ...)
        Arrays, memory maps, or what gives rows by index as these do (padded constituents, images);
        read where they are: no more than some rows are copied at a time.
        Floating-point columns reach the loss as float32.
    train, validation : ndarray of int64 or bool
        Rows, or a mask of rows, to learn from and to validate with.
    hyper : TrainingHyper
        How to train.
    seed : int
        Decides the batches, and what the module draws (dropout).
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    weight : ndarray, shape (n_events,), optional
        Event weights; their scale does not matter.
    checkpoint : path, optional
        Written from time to time and at the end. A training that finds it there goes on from it,
        and one that was finished returns at once. By default the file that a
        :func:`~overdensity.ml.training.watching.watch` around the training gives it, if there is one.
    part : int, optional
        So many rows of a batch at a time are sent through the module on a CPU, and their gradients
        added up: what a step keeps then stays in the caches of the processor, where the system need
        not give it anew for each step. For modules whose rows do not see each other, as they do
        in batch normalization; only sums change their order.

    Returns
    -------
    Training

    Raises
    ------
    ConfigError
        If the device cannot be used, or validation events are needed and there are none.
    InputError
        If columns differ in length, there is nothing to learn from, or the checkpoint belongs to
        another training.
    FitError
        If the loss becomes NaN or infinite.
    """
    learn, check = _rows(train), _rows(validation)
    _refuse(columns, learn, check, weight, hyper)
    on = pick_device(device)
    scale = 1.0 if weight is None else float(np.mean(weight[learn], dtype=np.float64))
    batches = Batches(columns, weight, scale, on, part=part)
    module.to(on)
    optimizer = make_optimizer(module, hyper)
    where = Progress()
    values = [learn, check, *columns, *([] if weight is None else [weight])]
    key = fingerprint(module, values, hyper, seed)
    seen = watcher()
    given, checkpoint = checkpoint, checkpoint or seen.checkpoint(key)
    if checkpoint is not None and Path(checkpoint).exists():
        try:
            where = load_checkpoint(checkpoint, key, module, optimizer)
        except InputError as error:
            if given is not None:
                raise
            logger.warning("%s", str(error).replace("remove it to start anew", "it starts anew"))
    written = time.monotonic()
    seen.passed(len(where.train_loss))

    def forward(batch: tuple[Tensor, ...]) -> Tensor:
        with torch.autocast(on.type, torch.bfloat16, enabled=hyper.mixed and on.type == "cuda"):
            return loss(module, *batch)

    with one_thread():
        for epoch in range(len(where.train_loss), hyper.epochs):
            if where.is_stuck(hyper.patience):
                break
            module.train()
            with seeded(seed, epoch):
                order = np.random.default_rng([seed, epoch]).permutation(learn)
                total = _epoch(optimizer, forward, batches, order, epoch, hyper=hyper)
            where.train_loss.append(total / len(learn))
            module.eval()
            where.validation_loss.append(_mean_loss(forward, batches, check, hyper.batch))
            _refuse_divergence(where, hyper, validated=len(check) > 0)
            _keep(where, module, hyper)
            seen.passed(1)
            now = time.monotonic()
            if checkpoint is not None and now - written > _CHECKPOINT_SECONDS:
                save_checkpoint(checkpoint, key, module, optimizer, where)
                written = now
    if checkpoint is not None:
        save_checkpoint(checkpoint, key, module, optimizer, where)
    return _finished(module, where, seen)


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Give torch's global generators a state made of these numbers, and the old one back after.

    torch draws initial weights and dropout from them and takes no other.
    """
    with torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1))
        yield


def make_optimizer(module: torch.nn.Module, hyper: TrainingHyper) -> torch.optim.Optimizer:
    """Return the optimizer of a module."""
    parameters, decay = module.parameters(), hyper.weight_decay
    if hyper.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, lr=hyper.learning_rate, weight_decay=decay)
    return torch.optim.Adam(parameters, lr=hyper.learning_rate, weight_decay=decay, fused=True)


def _epoch(
    optimizer: torch.optim.Optimizer,
    forward: Callable[[tuple[Tensor, ...]], Tensor],
    batches: Batches,
    order: NDArray[np.int64],
    epoch: int,
    *,
    hyper: TrainingHyper,
) -> float:
    """Learn from all rows once, in this order; returns the sum of the weighted losses."""
    total = torch.zeros((), device=batches.device)
    steps = math.ceil(len(order) / hyper.batch)
    for step, (batch, w) in enumerate(batches.shuffled(order, steps)):
        rate = _rate(hyper, epoch + step / steps)
        losses = ((forward(some), weight) for some, weight in parts_of(batch, w, batches.part))
        n = len(batch[0])
        total += make_step(optimizer, losses, n, rate=rate, clip=hyper.clip)
    return float(total)


def _finished(module: torch.nn.Module, where: Progress, seen: Watch) -> Training:
    """Leave the module with the first of the kept states, and say what the training ended with."""
    module.cpu().eval()
    states = [state for _, _, state in where.kept]
    module.load_state_dict(states[0])
    epochs = [epoch for _, epoch, _ in where.kept]
    seen.add(where.train_loss, where.validation_loss, epochs)
    return Training(states, epochs, np.array(where.train_loss), np.array(where.validation_loss))


def make_step(
    optimizer: torch.optim.Optimizer,
    losses: Iterable[tuple[Tensor, Tensor | None]],
    n: int,
    *,
    rate: float,
    clip: float,
) -> Tensor:
    """Make one step of the optimizer; returns the sum of the weighted losses.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        That of :func:`make_optimizer`.
    losses : iterable of (Tensor, Tensor or None), shape (n_rows,)
        Losses of events, and their weights of mean 1, or None for no weights: part by part, each
        of which is forgotten before the next is made.
    n : int
        Events of all parts.
    rate : float
        Learning rate.
    clip : float
        Largest norm of the gradient; 0 leaves it as it is.
    """
    optimizer.zero_grad()
    sums = []
    for some, weight in losses:
        total = some.float().sum() if weight is None else (some.float() * weight).sum()
        (total / n).backward()
        sums.append(total.detach())
    group = optimizer.param_groups[0]
    if clip:
        torch.nn.utils.clip_grad_norm_(group["params"], clip)
    group["lr"] = rate
    optimizer.step()
    return torch.stack(sums).sum()


def _rate(hyper: TrainingHyper, epoch: float) -> float:
    if hyper.schedule == "constant":
        return hyper.learning_rate
    done = epoch / hyper.epochs
    if hyper.schedule == "one_cycle":
        if done < _RISING:
            risen = 0.5 * (1 - math.cos(math.pi * done / _RISING))
            return hyper.learning_rate * (_START + (1 - _START) * risen)
        done = (done - _RISING) / (1 - _RISING)
    return hyper.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


@torch.no_grad()
def _mean_loss(
    forward: Callable[[tuple[Tensor, ...]], Tensor],
    batches: Batches,
    rows: NDArray[np.int64],
    batch: int,
) -> float:
    """Return the weighted mean of the loss over rows, NaN if there are none."""
    if not len(rows):
        return math.nan
    total = norm = torch.zeros((), dtype=torch.float64)  # on the CPU: Metal has no double precision
    most = batches.part or max(batch, _VALIDATED)
    for some, w in batches.shuffled(rows, math.ceil(len(rows) / most)):
        losses = forward(some).cpu().double()
        total = total + (losses.sum() if w is None else (losses * w.cpu()).sum())
        norm = norm + (len(losses) if w is None else w.cpu().double().sum())
    return float(total / norm)


def _keep(where: Progress, module: torch.nn.Module, hyper: TrainingHyper) -> None:
    """Put the last epoch among the kept ones if it belongs there; best or latest first."""
    epoch = len(where.train_loss) - 1
    rank = where.validation_loss[-1] if hyper.keep == "best" else -float(epoch)
    if len(where.kept) == hyper.average and rank >= where.kept[-1][0]:
        return
    state = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
    where.kept.append((rank, epoch, state))
    where.kept.sort(key=lambda item: item[:2])
    del where.kept[hyper.average :]


def _rows(which: NDArray[Any]) -> NDArray[np.int64]:
    which = np.asarray(which)
    return np.flatnonzero(which) if which.dtype == np.bool_ else which.astype(np.int64)


def _refuse(
    columns: Sequence[Rows],
    learn: NDArray[np.int64],
    check: NDArray[np.int64],
    weight: NDArray[Any] | None,
    hyper: TrainingHyper,
) -> None:
    lengths = [len(column) for column in (*columns, *([] if weight is None else [weight]))]
    if len(set(lengths)) != 1:
        msg = f"training: columns and weights must have one length, found {lengths}"
        raise InputError(msg)
    if not len(learn):
        msg = "training: there is no event to learn from"
        raise InputError(msg)
    if not len(check) and (hyper.keep == "best" or hyper.patience):
        msg = (
            f"training: keep = {hyper.keep!r} and patience = {hyper.patience} need validation "
            "events, and there are none; give some, or use keep = 'last' and patience = 0"
        )
        raise ConfigError(msg)


def _refuse_divergence(where: Progress, hyper: TrainingHyper, *, validated: bool) -> None:
    losses = {"training": where.train_loss[-1]}
    if validated:
        losses["validation"] = where.validation_loss[-1]
    for name, value in losses.items():
        if not math.isfinite(value):
            msg = (
                f"training: the {name} loss became {value} in epoch {len(where.train_loss)}; use a "
                f"smaller learning_rate than {hyper.learning_rate:g}, or clip gradients"
            )
            raise FitError(msg)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, and as many as before after: parallel tasks share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
