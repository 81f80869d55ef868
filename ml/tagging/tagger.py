"""A tagger: networks on the constituents of jets, trained by the truth, that score other jets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError, extra_for
from ..blocks.constituents import Constituents
from ..blocks.other_weights import refuse_weights
from ..classifiers.ensemble import balance_classes
from ..classifiers.kinds import CLASSIFIERS, Inputs
from ..classifiers.taggers.tagger_kind import TaggerKind
from ..evaluation.metrics import auc, rejection
from ..folds import fold_of
from ..hyperparameters import replaced
from ..sample import Sample

__all__ = ["Reached", "Tagger", "jets_of", "tagger_hyper", "train_tagger"]

_FOLDS = 10  # one stops the training, another tests what came out


@dataclass(frozen=True)
class Reached:
    """What a tagger reaches on jets that had no part in its training.

    Attributes
    ----------
    jets, background : int
        How many these are, and how many of them are background.
    accuracy : float
        Fraction whose score is on the right side of 1/2.
    auc : float
        Area under the ROC curve.
    rejection_50, rejection_30 : float
        One over the fraction of the background that passes where 50 % and 30 % of the signal do.
    """

    jets: int
    background: int
    accuracy: float
    auc: float
    rejection_50: float
    rejection_30: float

    @classmethod
    def of(cls, score: NDArray[np.float32], signal: NDArray[np.bool_]) -> Reached:
        """Return what scores reach.

        Examples
        --------
        >>> Reached.of(np.float32([0.9, 0.6, 0.7, 0.1]), np.array([True, True, False, False])).auc
        0.75
        """
        label = signal.astype(np.int8)
        return cls(
            len(score),
            int(np.count_nonzero(~signal)),
            float(np.mean((score > 0.5) == signal)),
            auc(score, label),
            rejection(score, label, 0.5),
            rejection(score, label, 0.3),
        )


@dataclass(frozen=True, eq=False)
class Tagger:
    """A trained tagger.

    Attributes
    ----------
    kind : str
        Of its networks, such as ``particlenet``.
    hyper : TaggerHyper
        Their hyperparameters.
    ensemble : TaggerEnsemble
        The networks.
    names : tuple of str
        Columns of numbers that they read.
    event : ndarray of uint64, shape (n_events,)
        Ids of its training events, in order, each once.
    """

    kind: str
    hyper: Any
    ensemble: Any
    names: tuple[str, ...]
    event: NDArray[np.uint64]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it reads."""
        return (*self.names, *self.ensemble.jets)

    def score(self, jets: Sample) -> NDArray[np.float32]:
        """Return the probability of the signal of each jet, shape (n_jets,).

        Raises
        ------
        InputError
            If the sample has other columns, or numbers for lists, or a jet without constituents.
        """
        missing = [name for name in self.columns if name not in jets.columns]
        if missing:
            msg = f"the tagger reads the column {missing[0]!r}, which these jets have not"
            raise InputError(msg)
        for reads, wanted, there in (
            ("numbers", self.names, jets.names),
            ("lists", self.ensemble.jets, jets.blocks),
        ):
            if others := [name for name in wanted if name not in there]:
                msg = (
                    f"the tagger reads {reads} in the column {others[0]!r}, which holds others here"
                )
                raise InputError(msg)
        columns = [jets.names.index(name) for name in self.names]
        return self.ensemble.score(_inputs(jets, self.ensemble.jets, columns))

    def renamed(self, columns: Sequence[str]) -> Tagger:
        """Return the tagger as it reads columns of other names.

        Parameters
        ----------
        columns : sequence of str
            As many as :attr:`columns`, in that order: numbers first, then constituents.

        Raises
        ------
        ConfigError
            If these are more or fewer.
        """
        if len(columns) != len(self.columns):
            msg = (
                f"the tagger reads {len(self.columns)} columns, {', '.join(self.columns)}, in place of "
                f"which {', '.join(columns)} cannot stand; give as many, in this order"
            )
            raise ConfigError(msg)
        numbers, jets = tuple(columns[: len(self.names)]), tuple(columns[len(self.names) :])
        return replace(self, names=numbers, ensemble=replace(self.ensemble, jets=jets))

    def knows(self, jets: Sample) -> int:
        """Return how many of these jets have the ids of its training events."""
        at = np.searchsorted(self.event, jets.event).clip(max=max(len(self.event) - 1, 0))
        return int(np.count_nonzero(self.event[at] == jets.event)) if len(self.event) else 0


def tagger_hyper(kind: str, settings: Mapping[str, Any], *, default: Any = None) -> Any:
    """Return the hyperparameters of a kind of tagger.

    Parameters
    ----------
    kind : str
        Its name.
    settings : mapping
        Those that are not the default, as the configuration has them.
    default : TaggerHyper, optional
        The others; by default the published ones.

    Raises
    ------
    ConfigError
        If there is no such tagger or hyperparameter.

    Examples
    --------
    >>> tagger_hyper("pfn", {"phi": [32]}).phi
    (32,)
    >>> tagger_hyper("trees", {})
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: 'trees' reads no constituents; the taggers are lorentznet, part, particlenet, pcnn, pfn
    """
    found = CLASSIFIERS.find(kind)
    if not issubclass(found, TaggerKind):
        names = [n for n in CLASSIFIERS.names() if issubclass(CLASSIFIERS.find(n), TaggerKind)]
        msg = f"{kind!r} reads no constituents; the taggers are {', '.join(names)}"
        raise ConfigError(msg)
    return replaced(found.Hyper() if default is None else default, settings, of=kind)


def jets_of(sample: Sample) -> tuple[str, ...]:
    """Return the names of the columns of constituents; an InputError where there is none."""
    names = tuple(n for n, block in sample.blocks.items() if isinstance(block, Constituents))
    if not names:
        msg = (
            f"a tagger needs constituents, and {', '.join(sample.columns) or 'no column'} holds "
            "none; name a column of lists of {pt, eta, phi}, such as 'constituents'"
        )
        raise InputError(msg)
    return names


def train_tagger(
    jets: Sample,
    kind: str,
    settings: Mapping[str, Any] | None = None,
    *,
    members: int = 1,
    seed: int = 1,
    start: Tagger | None = None,
) -> tuple[Tagger, Reached]:
    """Train a tagger by the truth: a tenth of the events stops it, another tests it.

    Parameters
    ----------
    jets : Sample
        Labelled jets (0 is background), one of each row. What else its columns hold of numbers is
        read beside the constituents.
    kind : str
        Kind of the networks.
    settings : mapping, optional
        Hyperparameters that are not the default; of ``start``, that are not its own.
    members : int
        Networks, whose probabilities are averaged.
    seed : int
        Decides tenths, initial weights and batches.
    start : Tagger, optional
        Fine-tuning: the networks begin with the weights of this one.

    Returns
    -------
    tagger : Tagger
    reached : Reached
        On the jets of that tenth from which ``start`` has not learnt either.

    Raises
    ------
    InputError
        If there is no label, one class is missing, a jet has no constituents, or ``start`` is of
        another network.
    ConfigError
        If a setting cannot be used.
    """
    hyper = tagger_hyper(kind, settings or {}, default=None if start is None else start.hyper)
    names = jets_of(jets)
    if start is not None:
        _refuse_another(start, kind, hyper, len(jets.names), len(names))
    signal = _truth(jets)
    fold = fold_of(jets.event, _FOLDS, seed=seed, salt="tagger")
    known = np.zeros(0, np.uint64) if start is None else start.event
    learn, test = fold != 1, (fold == 1) & ~np.isin(jets.event, known)
    for each, what in ((learn & (fold != 0), "learnt from"), (fold == 0, "validated"), (test, "tested, and not learnt before")):  # fmt: skip
        if not (signal & each).any() or not (~signal & each).any():
            msg = f"of {len(jets)} jets, none of one class is among those {what}; give more jets"
            raise InputError(msg)
    x = _inputs(jets, names, list(range(len(jets.names))))
    with extra_for(f"the tagger {kind!r}"):
        from ..classifiers.taggers.tagger_ensemble import fit_taggers  # noqa: PLC0415 - imports torch

        fitted = fit_taggers(
            x[learn],
            signal[learn],
            balance_classes(signal[learn], None if jets.weight is None else jets.weight[learn]),
            fold[learn],
            hyper=hyper,
            members=members,
            seed=seed,
            stopping=(0,),
            start=None if start is None else start.ensemble,
        )
    taught = np.unique(np.concatenate([jets.event[learn], known]))
    tagger = Tagger(kind, hyper, fitted[0], jets.names, taught)
    return tagger, Reached.of(tagger.ensemble.score(x[test]), signal[test])


def _inputs(jets: Sample, names: tuple[str, ...], columns: list[int]) -> Inputs:
    """Return what networks read, or say that a jet has nothing to read."""
    blocks = {name: jets.blocks[name] for name in names}
    for name, block in blocks.items():
        if not isinstance(block, Constituents):
            msg = f"the column {name!r} holds {block.kind} and no constituents"
            raise InputError(msg)
        empty = int(np.count_nonzero(block.counts == 0))
        if empty:
            msg = (
                f"column {name!r}: {empty} of {len(jets)} jets have no constituents; leave them out"
            )
            raise InputError(msg)
    return Inputs(jets.features[:, columns], blocks)


def _truth(jets: Sample) -> NDArray[np.bool_]:
    if jets.label is None:
        msg = "a tagger learns from the truth, and these jets have no column 'label'"
        raise InputError(msg)
    refuse_weights(jets.weight, "tagger")
    return jets.label != 0


def _refuse_another(start: Tagger, kind: str, hyper: Any, numbers: int, jets: int) -> None:
    """Say why a training cannot begin with the weights of this tagger, if so."""
    if kind != start.kind:
        msg = f"the tagger to begin with is of the kind {start.kind!r}, not {kind!r}"
        raise InputError(msg)
    if (numbers, jets) != (len(start.names), len(start.ensemble.jets)):
        msg = (
            f"the tagger to begin with reads {', '.join(start.columns)}: {len(start.ensemble.jets)} "
            f"columns of constituents and {len(start.names)} of numbers, not {jets} and {numbers}"
        )
        raise InputError(msg)
    with extra_for(f"the tagger {kind!r}"):
        new = hyper.network(numbers, jets).state_dict()
    old = start.ensemble.networks[0].state_dict()
    if {n: v.shape for n, v in new.items()} != {n: v.shape for n, v in old.items()}:
        msg = (
            f"the tagger to begin with is a {kind!r} of another shape; leave its widths as they are"
        )
        raise InputError(msg)
