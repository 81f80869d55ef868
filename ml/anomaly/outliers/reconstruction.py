"""Outliers: what a model of the features, squeezed and rebuilt, fails to rebuild."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError, InputError
from ....core.windows import Window
from ...hyper_checks import refuse_unusable, section
from ...inputs.jet_columns import sort_jets
from ...method import Method, Need
from ...sample import Sample

__all__ = [
    "JetOutliers",
    "Reconstruction",
    "ReconstructionHyper",
    "jet_columns",
    "refuse_few_to_learn",
]

Combination = Literal["mean", "max", "cuts"]


@dataclass(frozen=True)
class ReconstructionHyper:
    """How the errors of the jets become one score (arXiv:2101.08320, section 4.2).

    Attributes
    ----------
    combine : {"mean", "max", "cuts"}
        The mean of the errors, the largest, or the tightest simultaneous cut that an event passes.
    cuts : tuple of float
        For ``"cuts"``: a point on the line of simultaneous cuts, as the fraction of events that the
        cut on each jet keeps, in the order of the jets. Published: 2.5 % of the lighter jet and
        80 % of the heavier.
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`), the lighter first.
    min_events : int
        The fewest events to learn from.
    """

    combine: str = "mean"
    cuts: tuple[float, ...] = (0.025, 0.8)
    sort: bool = True
    min_events: int = 100

    def __post_init__(self) -> None:
        self._refuse(
            combine=self.combine in get_args(Combination),
            cuts=bool(self.cuts) and all(0 < cut < 1 for cut in self.cuts),
            min_events=self.min_events >= 2,
        )

    def combined(
        self, errors: NDArray[np.float32], known: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return one score an event.

        Parameters
        ----------
        errors : ndarray of float32, shape (n_events, n_jets)
            How anomalous each jet is.
        known : ndarray of float32, shape (n_known, n_jets)
            For ``"cuts"``: those of other events, each column in rising order.

        Returns
        -------
        ndarray of float32, shape (n_events,)
        """
        if self.combine == "mean":
            return errors.mean(axis=1)
        if self.combine == "max":
            return errors.max(axis=1)
        n = len(known)
        worse = [
            n - np.searchsorted(column, error, side="right")
            for column, error in zip(known.T, errors.T, strict=True)
        ]
        cuts = np.log(self.cuts[: len(worse)])
        passed = np.log((1 + np.stack(worse, axis=1)) / (1 + n)) / cuts
        return passed.min(axis=1).astype(np.float32)

    def _refuse(self, **allowed: bool) -> None:
        refuse_unusable(section(self), self, **allowed)


def refuse_few_to_learn(data: Sample, window: Window, min_events: int) -> None:
    """Raise an InputError if there are too few events, or none in the signal region.

    Parameters
    ----------
    data : Sample
        All events, whatever their mass.
    window : Window
        The window.
    min_events : int
        So many are needed.
    """
    inside = int(np.count_nonzero(window.signal(data.mass)))
    if len(data) < min_events or not inside:
        msg = (
            f"window {window}: {inside} events in the signal region and {len(data)} to learn "
            f"from, where 1 and {min_events} are needed; use more events, wider "
            "bins or a lower end of the scan"
        )
        raise InputError(msg)


HyperT = TypeVar("HyperT", bound=ReconstructionHyper)
InputT = TypeVar("InputT")
ModelT = TypeVar("ModelT")


class JetOutliers(Method[HyperT], Generic[HyperT, InputT, ModelT]):
    """One model for each jet, learnt from all events whatever their mass; subclasses bring it.

    The window does not matter: a rare signal is too rare to be learnt.

    Attributes
    ----------
    shared : bool
        Whether one model learns from all jets, and is that of each.
    """

    shared: ClassVar[bool] = False
    windowed: bool = False
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "outliers"

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn to rebuild the jets; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        refuse_few_to_learn(data, window, self.hyper.min_events)
        self._prepare(data)
        jets = self._jets(data)
        if self.hyper.combine == "cuts" and len(jets) > len(self.hyper.cuts):
            msg = (
                f"method {self.name!r}: combine: cuts needs a cut for each of "
                f"{', '.join(jets)}, found cuts = {self.hyper.cuts}"
            )
            raise ConfigError(msg)
        self._models = self._models_of(jets, weight=data.weight, seed=seed)
        self._known = np.empty((0, len(jets)), np.float32)
        if self.hyper.combine == "cuts":
            self._known = np.sort(self.errors(data), axis=0)
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the error of the jets together; see :meth:`Method.score`.

        With ``combine="cuts"`` it is the least, over the jets, of ln(u) / ln(cut), where u is the
        fraction of the training events that are rebuilt worse: 1 or more is what passes the
        simultaneous cuts.
        """
        return self.hyper.combined(self.errors(data), self._known)

    def errors(self, data: Sample) -> NDArray[np.float32]:
        """Return the reconstruction error of each jet, shape (n_events, n_jets).

        Raises
        ------
        InputError
            If nothing was learnt, or from other features.
        """
        self.refuse_unlike(data)
        jets = self._jets(data)
        found = [self._errors(model, jets[jet]) for jet, model in self._models.items()]
        return np.stack(found, axis=1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        learnt = {
            f"{jet}.{name}": array
            for jet, model in self._models.items()
            for name, array in self._model_arrays(model).items()
        }
        names = {"names": np.array(self._names, np.str_), "blocks": np.array(self._blocks, np.str_)}
        return names | {"jets": np.array(list(self._models)), "known": self._known} | learnt

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names, self._blocks = (tuple(map(str, arrays[key])) for key in ("names", "blocks"))
        self._known = arrays["known"]
        self._models = {}
        for jet in map(str, arrays["jets"]):
            head = f"{jet}."
            mine = {name[len(head) :]: arrays[name] for name in arrays if name.startswith(head)}
            self._models[jet] = self._model_of(mine)

    def _models_of(
        self, jets: Mapping[str, InputT], *, weight: NDArray[np.float64] | None, seed: int
    ) -> dict[str, ModelT]:
        """Return the model of each jet."""
        if self.shared:
            weights = None if weight is None else np.tile(weight, len(jets))
            model = self._learn(self._together(list(jets.values())), weight=weights, seed=seed)
            return dict.fromkeys(jets, model)
        seeds = np.random.SeedSequence(seed).generate_state(len(jets)).tolist()
        return {
            jet: self._learn(x, weight=weight, seed=each)
            for (jet, x), each in zip(jets.items(), seeds, strict=True)
        }

    def _together(self, jets: Sequence[InputT]) -> InputT:
        """Return what a shared model learns from: the first jets of all events, then the second."""
        raise NotImplementedError

    def _sorted(self, data: Sample) -> Sample:
        return sort_jets(data) if self.hyper.sort else data

    @abstractmethod
    def _prepare(self, data: Sample) -> None:
        """Note the names of the columns, and what all jets have in common."""

    @abstractmethod
    def _jets(self, data: Sample) -> dict[str, InputT]:
        """Return what the model of each jet sees of the events."""

    @abstractmethod
    def _learn(self, x: InputT, *, weight: NDArray[np.float64] | None, seed: int) -> ModelT: ...

    @abstractmethod
    def _errors(self, model: ModelT, x: InputT) -> NDArray[np.float32]: ...

    @abstractmethod
    def _model_arrays(self, model: ModelT) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> ModelT: ...


class Reconstruction(JetOutliers[HyperT, NDArray[np.float32], ModelT], Generic[HyperT, ModelT]):
    """A model of the feature columns of each jet (:func:`jet_columns`), standardised.

    The error of a jet is that of its standardised features, squared and averaged over them.
    """

    needs: tuple[Need, ...] = ("features",)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return super().arrays() | {"mean": self._mean, "std": self._std}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        super().restore(arrays)
        self._mean, self._std = arrays["mean"], arrays["std"]

    def _prepare(self, data: Sample) -> None:
        data.refuse_constant_features()
        self._names = data.names
        x = self._sorted(data).features
        self._mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._std = x.std(axis=0, dtype=np.float64).astype(np.float32)

    def _jets(self, data: Sample) -> dict[str, NDArray[np.float32]]:
        x = self._standardised(data)
        return {jet: x[:, mine] for jet, mine in jet_columns(self._names).items()}

    def _standardised(self, data: Sample) -> NDArray[np.float32]:
        """Return all features in units of their standard deviations."""
        x = (self._sorted(data).features - self._mean) / self._std
        return x.astype(np.float32, copy=False)


def jet_columns(names: Sequence[str]) -> dict[str, list[int]]:
    """Return which columns belong to each jet.

    Columns named ``j<number>_*`` belong to that jet. Those of no jet, such as ``ht``, are counted
    to all jets; where no column belongs to a jet, all are those of one ``event``.

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
