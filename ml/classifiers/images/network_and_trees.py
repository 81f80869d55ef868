"""Boosted trees with a column of what residual networks say of images, out of fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from ...blocks.images import Images
from ...losses.mixup import mixed_cross_entropy
from ...networks.images.convolutions import IMAGES_AT_A_TIME
from ...networks.images.residual import ResidualNetwork
from ...training.in_rows import in_rows
from ..kinds import Ensemble, EnsembleHyper, Inputs
from ..module_ensemble import fit_modules, restored_modules, weights_of_modules
from ..trees import BoostedTrees, TreeEnsemble
from .image_ensemble import images_of, normalised_images

__all__ = ["NetworkAndTrees", "fit_network_and_trees"]

_SURE = 1e-7  # probabilities of trees stay this far from 0 and 1


@dataclass(frozen=True, eq=False)
class NetworkAndTrees:
    """Trees that read columns and the log-odds of a network, averaged over the networks.

    Attributes
    ----------
    networks : tuple of ResidualNetwork
        One an inner fold, on the CPU.
    trees : TreeEnsemble
        Their last column is what a network says.
    images : tuple of str
        Columns of images that the networks read.
    hyper : DeepEnsembleHyper
        Shape of the networks.
    """

    networks: tuple[ResidualNetwork, ...]
    trees: TreeEnsemble
    images: tuple[str, ...]
    hyper: Any

    def score(self, x: Inputs) -> NDArray[np.float32]:
        """Return the mean probability of the first class, shape (n_events,)."""
        return self._probability(x).astype(np.float32)

    def log_odds(self, x: Inputs) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability, shape (n_events,)."""
        return logit(self._probability(x).clip(_SURE, 1 - _SURE)).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; :meth:`from_arrays` takes it back."""
        own = {"images": np.array(self.images)} | weights_of_modules(self.networks)
        return own | self.trees.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, hyper: Any) -> Self:
        """Take over what :meth:`arrays` returned; the shapes are those of the hyperparameters."""
        images = tuple(map(str, arrays["images"]))
        networks = restored_modules(arrays, lambda: hyper.network(len(images)))
        return cls(networks, TreeEnsemble.from_arrays(arrays), images, hyper)

    def _probability(self, x: Inputs) -> NDArray[np.float64]:
        # The trees learnt what one network says, and the mean of several is surer than each.
        columns = normalised_images(x, self.images)
        said = (_said(network, columns, self.hyper.device) for network in self.networks)
        seen = (np.column_stack([x.features, each]) for each in said)
        return np.mean([self.trees.score(each).astype(np.float64) for each in seen], axis=0)


def fit_network_and_trees(
    x: Inputs,
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    *,
    hyper: EnsembleHyper,
    seed: int,
) -> NetworkAndTrees:
    """Train a network for each inner fold on the others, and trees that are told what it says.

    Parameters
    ----------
    x : Inputs
        Features, and images of one size, each made to add up to one.
    y, weight, inner, hyper, seed
        As in :meth:`~overdensity.ml.classifiers.kinds.ClassifierKind.fit`.

    Raises
    ------
    InputError
        If images differ in size.
    """
    settings = hyper.settings
    names = images_of(x, "deep_ensemble")
    columns = normalised_images(x, names)
    fitted = fit_modules(
        lambda: settings.network(len(names)),
        [weight.astype(np.float32), *columns],
        y,
        None,  # the loss weighs events, of which it mixes two
        inner,
        hyper=settings,
        members=1,
        seed=seed,
        loss=partial(mixed_cross_entropy, mixup=settings.mixup, smoothing=settings.smoothing),
    )
    said = np.empty(len(y), np.float32)
    for fold, (network,) in fitted.items():
        mine = inner == fold
        said[mine] = _said(network, [each.take(mine) for each in columns], settings.device)
    trees = BoostedTrees().fit(
        np.column_stack([x.features, said]),
        y,
        weight,
        inner,
        hyper=Ensemble(hyper.inner_folds, hyper.members, hyper.feature_fraction, settings.trees),
        seed=seed,
    )
    networks = tuple(network for (network,) in fitted.values())
    return NetworkAndTrees(networks, trees, names, settings)


def _said(network: ResidualNetwork, columns: list[Images], device: str) -> NDArray[np.float32]:
    return in_rows(network, network, *columns, device=device, rows=IMAGES_AT_A_TIME)
