"""CWoLa hunting: signal region against sidebands, with the nested scheme of the LHC Olympics."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError
from ....core.windows import Window
from ...classifiers.ensemble import ClassifierHyper
from ...classifiers.trees import BoostingHyper
from ...method import register
from ...sample import Sample
from ..classifier_method import ClassifierMethod, InputHyper, Task, refuse_few_events

__all__ = ["CwolaHunting", "CwolaTrees", "NestedHyper", "TreesHyper", "balanced_weights"]

SOURCE = "CWoLa hunting, LHC Olympics 2020 (arXiv:2101.08320), section 4.1; arXiv:1902.02634"


@dataclass(frozen=True)
class NestedHyper(InputHyper):
    """What all classifiers of the nested scheme share.

    Attributes
    ----------
    rescale : bool
        Divide jet masses by the resonant mass (:func:`~overdensity.ml.inputs.jet_columns.rescale_masses`).
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`). Published: not.
    min_events : int
        The fewest events of the signal region and of each sideband in each inner fold.
    inner_folds : int
        Inner folds; each is the validation set of one part of the ensemble. Published: 4.
    """

    sort: bool = False
    inner_folds: int = 4

    def __post_init__(self) -> None:
        if self.inner_folds < 2:
            msg = f"inner_folds must be at least 2, not {self.inner_folds}"
            raise ConfigError(msg)


NestedT = TypeVar("NestedT", bound=NestedHyper)


class CwolaHunting(ClassifierMethod[NestedT], Generic[NestedT]):
    """The nested scheme; subclasses bring the classifier."""

    def _task(self, data: Sample, window: Window, simulation: Sample | None, seed: int) -> Task:
        del simulation  # everything is learnt from data
        data = data.take((data.mass >= window.sideband_low) & (data.mass < window.sideband_high))
        refuse_few_events(
            window.regions(data.mass),
            data.event,
            window,
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.inner_folds,
            seed=seed,
        )
        data.refuse_constant_features()
        return Task(
            self._inputs(data),
            window.signal(data.mass),
            balanced_weights(data, window),
            data.event,
        )


@dataclass(frozen=True)
class TreesHyper(NestedHyper, BoostingHyper):
    """Hyperparameters of CWoLa hunting with boosted trees.

    Attributes
    ----------
    members : int
        Classifiers an inner fold; all of them are averaged.
    """

    sort: bool = True
    members: int = 2

    def __post_init__(self) -> None:
        NestedHyper.__post_init__(self)
        BoostingHyper.__post_init__(self)
        self.classifier  # noqa: B018 - refuses values that cannot be used

    @property
    def classifier(self) -> ClassifierHyper:
        """The ensemble."""
        return ClassifierHyper(
            inner_folds=self.inner_folds,
            members=self.members,
            trees=BoostingHyper(**{f.name: getattr(self, f.name) for f in fields(BoostingHyper)}),
        )


@register
class CwolaTrees(CwolaHunting[TreesHyper]):
    """CWoLa hunting with ensembles of gradient-boosted trees: sensitive, and fast on any CPU.

    The published scheme with another classifier: where the paper keeps the best of three networks
    an inner fold, the trees of an inner fold are averaged, since the best of a few is mostly the
    luckiest.
    """

    name: ClassVar[str] = "cwola"
    source: ClassVar[str] = f"{SOURCE}; boosted trees as in arXiv:2309.13111"
    Hyper: ClassVar[type[TreesHyper]] = TreesHyper


def balanced_weights(data: Sample, window: Window) -> NDArray[np.float64]:
    """Return weights under which both sidebands count the same, together as the signal region.

    Event weights of the sample are kept within each region. The mean weight is 1
    (arXiv:2101.08320, section 4.1.1).

    Parameters
    ----------
    data : Sample
        Events of the window only.
    window : Window
        Its regions.

    Returns
    -------
    ndarray of float64, shape (n_events,)
    """
    weight = np.ones(len(data)) if data.weight is None else data.weight.copy()
    shares = {window.signal: 0.5, window.lower: 0.25, window.upper: 0.25}
    for region, share in shares.items():
        inside = region(data.mass)
        weight[inside] *= share * len(data) / weight[inside].sum()
    return weight
