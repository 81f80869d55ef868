"""UCluster: events embedded by the masses of their jets, clustered, and the cluster that peaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.stats import norm
from torch import Tensor

from ....core.arrays import within
from ....core.windows import Window
from ...blocks.constituents import Constituents, Padded
from ...hyper_checks import refuse_unusable
from ...method import Method, Need, register_method
from ...networks.clustering import ClusteringNetwork
from ...sample import Sample
from ...thin_windows import refuse_thin_regions
from ...training.engine import seeded, train
from ...training.in_rows import in_rows
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights

__all__ = ["UCluster", "UClusterHyper", "excesses"]

_ROWS = 4096
_VALIDATION = 10  # every so many-th event
_FOR_MEANS = 100_000  # events that decide where the centroids begin
_QUANTILES = 101
_NEAREST = 1e-6  # of an embedding whose spread is one


@dataclass(frozen=True)
class UClusterHyper:
    """Hyperparameters; defaults of the LHC Olympics (arXiv:2101.08320, section 3.9) but the network.

    Attributes
    ----------
    clusters, embedding, classes : int
        Clusters, dimensions of the embedding, and intervals of mass.
    heaviest : float
        Mass over pT at which the last interval begins.
    gamma, beta : float
        Exponent of the focal loss, and weight of the loss of clusters.
    phi, f : tuple of int
        Widths of the layers of a particle and of an event.
    particles : int
        Constituents of a jet that are read: the first of the column.
    pretraining, training : TrainingHyper
        With the classes of mass alone, and with the clusters.
    min_events : int
        The fewest events of each region of the window.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    clusters: int = 30
    embedding: int = 2
    classes: int = 20
    heaviest: float = 0.7
    gamma: float = 2.0
    beta: float = 10.0
    phi: tuple[int, ...] = (64, 128, 128)
    f: tuple[int, ...] = (256, 256)
    particles: int = 50
    pretraining: TrainingHyper = field(default_factory=lambda: TrainingHyper(epochs=10))
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=100, schedule="cosine", keep="last")
    )
    min_events: int = 100
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "ucluster",
            self,
            clusters=self.clusters >= 2,
            embedding=self.embedding >= 1,
            classes=self.classes >= 2,
            heaviest=self.heaviest > 0,
            gamma=self.gamma >= 0,
            beta=self.beta > 0,
            phi=bool(self.phi) and all(each >= 1 for each in self.phi),
            f=bool(self.f) and all(each >= 1 for each in self.f),
            particles=self.particles >= 1,
            min_events=self.min_events >= 1,
        )


@register_method("ucluster")
class UCluster(Method[UClusterHyper]):
    """Clusters of events, those that peak in the signal region before the others.

    A network embeds events such that the masses of their jets over pT can be told, and clusters
    them. Each cluster is then asked how many of its training events lie in the signal region beyond
    what its sidebands and the whole spectrum let expect (:func:`excesses`). An event's score is the
    rank of its cluster by this excess, and within a cluster how near it is to the centroid. Scored
    events were not among those that chose, so that the choice of a cluster needs no trials factor.
    """

    needs: tuple[Need, ...] = ("constituents",)
    source: ClassVar[str] = (
        "UCluster, LHC Olympics 2020 (arXiv:2101.08320), section 3.9; arXiv:2010.07106; the choice "
        "of the cluster is ours"
    )
    Hyper: ClassVar[type[UClusterHyper]] = UClusterHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "clusters": 6,
        "phi": (16, 16),
        "f": (16,),
        "particles": 8,
        "pretraining": {"epochs": 4, "batch": 128, "learning_rate": 2e-2},
        "training": {"epochs": 1, "batch": 256, "keep": "last"},
        "device": "cpu",
    }

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn clusters, and which of them peak; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        refuse_thin_regions(window, data.mass, self.hyper.min_events)
        regions = window.regions(data.mass)
        self._names, self._blocks = data.names, tuple(self._constituents(data))
        self._network = self._learn(self._jets(data), weight=data.weight, seed=seed)
        cluster, distance = self._nearest(data)
        signal, lower, upper = (
            np.bincount(
                cluster[inside],
                weights=None if data.weight is None else data.weight[inside],
                minlength=self.hyper.clusters,
            )
            for inside in regions.values()
        )
        self.excess = excesses(lower, signal, upper)
        quantiles = np.linspace(0, 1, _QUANTILES)
        self._distances = np.stack(
            [
                np.quantile(distance[cluster == each], quantiles)
                if (cluster == each).any()
                else np.zeros(_QUANTILES)
                for each in range(self.hyper.clusters)
            ]
        )
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the rank of the cluster, from 0, and 1 at its centroid to 0 at its edge beside."""
        self.refuse_unlike(data)
        cluster, distance = self._nearest(data)
        rank = np.argsort(np.argsort(self.excess, kind="stable"))
        farther = np.empty(len(data))
        for each in range(self.hyper.clusters):
            mine, edges = cluster == each, self._distances[each]
            farther[mine] = np.interp(distance[mine], edges, np.linspace(0, 1, _QUANTILES))
        return (rank[cluster] + (1 - farther) * (1 - 1e-4)).astype(np.float32)

    def cluster_of(self, data: Sample) -> NDArray[np.int64]:
        """Return the cluster of each event, shape (n_events,)."""
        self.refuse_unlike(data)
        return self._nearest(data)[0]

    @property
    def p_value(self) -> float:
        """The p-value of the largest excess among the training events, with its trials factor.

        One minus the probability that none of as many clusters has a larger one.
        """
        log_none = self.hyper.clusters * norm.logcdf(self.excess.max())
        return float(-np.expm1(log_none))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        names = {"names": np.array(self._names, np.str_), "blocks": np.array(self._blocks, np.str_)}
        own = {"excess": self.excess, "distances": self._distances}
        return names | own | weights_of(self._network, "network.")

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names, self._blocks = (tuple(map(str, arrays[key])) for key in ("names", "blocks"))
        self.excess, self._distances = arrays["excess"], arrays["distances"]
        self._network = with_weights(self._untrained(), within(arrays, "network."))

    def inputs_of(self, data: Sample) -> Sample:
        """Return the constituents alone; see :meth:`Method.inputs_of`."""
        nothing = np.empty((len(data), 0), np.float32)
        return replace(data, features=nothing, names=(), blocks=self._constituents(data))

    @property
    def fewest_events(self) -> int:
        """So many in each region; see :attr:`Method.fewest_events`."""
        return self.hyper.min_events

    def _constituents(self, data: Sample) -> dict[str, Constituents]:
        found = data.blocks_of("constituents", method=self.name)
        return {
            name: block.normalised()
            for name, block in found.items()
            if isinstance(block, Constituents)
        }

    def _jets(self, data: Sample) -> list[Padded]:
        found = self._constituents(data)
        return [found[name].padded(self.hyper.particles) for name in self._blocks]

    def _untrained(self) -> ClusteringNetwork:
        hyper = self.hyper
        return ClusteringNetwork(
            len(self._blocks),
            phi=hyper.phi,
            f=hyper.f,
            embedding=hyper.embedding,
            clusters=hyper.clusters,
            classes=hyper.classes,
            heaviest=hyper.heaviest,
            gamma=hyper.gamma,
            beta=hyper.beta,
        )

    def _learn(
        self, jets: list[Padded], *, weight: NDArray[np.float64] | None, seed: int
    ) -> ClusteringNetwork:
        first, second, of_means = np.random.SeedSequence(seed).generate_state(3).tolist()
        with seeded(seed):
            network = self._untrained()
        check = np.arange(len(jets[0])) % _VALIDATION == 0

        def learn(loss: Any, hyper: TrainingHyper, seed: int) -> None:
            train(
                network,
                loss,
                jets,
                train=~check,
                validation=check,
                hyper=hyper,
                seed=seed,
                device=self.hyper.device,
                weight=weight,
            )

        learn(_classes, self.hyper.pretraining, first)
        embedded = self._embedded(network, jets)
        rng = np.random.default_rng(of_means)
        some = embedded[:: -(-len(embedded) // _FOR_MEANS)]
        means, _ = kmeans2(some, self.hyper.clusters, minit="++", rng=rng)
        with torch.no_grad():
            network.centroids.copy_(torch.from_numpy(means))
            _, distance = network.nearest(torch.from_numpy(embedded))
            network.apart.copy_(distance.mean().clamp(min=_NEAREST))
        network.per_epoch.fill_(int(np.count_nonzero(~check)))
        learn(_classes_and_clusters, self.hyper.training, second)
        return network

    def _embedded(self, network: ClusteringNetwork, jets: list[Padded]) -> NDArray[np.float32]:
        shape, device = (self.hyper.embedding,), self.hyper.device
        return in_rows(network, network.embedded, *jets, device=device, rows=_ROWS, shape=shape)

    def _nearest(self, data: Sample) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        embedded = torch.from_numpy(self._embedded(self._network, self._jets(data)))
        with torch.no_grad():
            cluster, distance = self._network.nearest(embedded)
        return cluster.numpy(), distance.numpy()


def excesses(lower: NDArray[Any], signal: NDArray[Any], upper: NDArray[Any]) -> NDArray[np.float64]:
    r"""Return how many standard deviations each cluster has too many events in the signal region.

    Expected are :math:`\sqrt{L_k U_k}\; S / \sqrt{L U}`: the geometric mean of the sidebands of the
    cluster times what it takes for all events. A cluster whose spectrum falls faster or slower than
    that of all, as a power of the mass does, has no excess. The error is that of counting.

    Parameters
    ----------
    lower, signal, upper : ndarray, shape (n_clusters,)
        Events of each cluster in the lower sideband, the signal region and the upper sideband.

    Returns
    -------
    ndarray of float64, shape (n_clusters,)
        0 where a cluster is too small to say anything.

    Examples
    --------
    >>> excesses(np.array([400, 100]), np.array([200, 100]), np.array([100, 25])).round(1)
    array([-1.9,  3.9])
    """
    low, high = lower + 0.5, upper + 0.5
    expected = np.sqrt(low * high) * signal.sum() / np.sqrt(low.sum() * high.sum())
    variance = expected + expected**2 * (1 / low + 1 / high) / 4
    return np.asarray((signal - expected) / np.sqrt(variance), np.float64)


def _classes(network: ClusteringNetwork, *jets: Tensor) -> Tensor:
    return network.losses(*jets)


def _classes_and_clusters(network: ClusteringNetwork, *jets: Tensor) -> Tensor:
    return network.joint_losses(*jets)
