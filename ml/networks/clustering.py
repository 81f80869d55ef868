"""Networks that embed events and cluster them where they are embedded."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .graphs import four_momenta
from .sets import SetNetwork

__all__ = ["ClusteringNetwork", "focal_losses", "jet_masses"]

_ROWS = 16_384  # events whose distances from all centroids are held at a time
_LARGEST = 1e6  # of alpha: every event belongs to one cluster long before


class ClusteringNetwork(nn.Module):
    r"""An embedding from which the masses of the jets can be told, and clusters in it.

    UCluster: V. Mikuni, F. Canelli, arXiv:2010.07106; LHC Olympics 2020, arXiv:2101.08320, section
    3.9. Jets are taken in order of their mass, the heaviest first; the classes are intervals of mass
    over pT, as constituents are fractions of pT.

    Parameters
    ----------
    jets : int
        How many jets an event has.
    phi, f : sequence of int
        Widths of the layers of a particle and of an event (:class:`SetNetwork`).
    embedding, clusters, classes : int
        Dimensions of the embedding, clusters, and intervals of mass.
    heaviest : float
        Mass over pT at which the last interval begins.
    gamma, beta : float
        Exponent of the focal loss, and weight of the loss of clusters.

    Examples
    --------
    >>> network = ClusteringNetwork(1, phi=(4,), f=(4,), embedding=2, clusters=3).eval()
    >>> jets = torch.tensor([[[0.7, 0.1, 0.0], [0.3, -0.2, 0.1]]])
    >>> network.embedded(jets).shape, network.losses(jets).shape
    (torch.Size([1, 2]), torch.Size([1]))
    """

    seen: Tensor
    per_epoch: Tensor
    apart: Tensor

    def __init__(
        self,
        jets: int,
        *,
        phi: Sequence[int],
        f: Sequence[int],
        embedding: int = 2,
        clusters: int = 30,
        classes: int = 20,
        heaviest: float = 0.7,
        gamma: float = 2.0,
        beta: float = 10.0,
    ) -> None:
        super().__init__()
        self.classes, self.heaviest = classes, heaviest
        self.gamma, self.beta = gamma, beta
        self.embed = SetNetwork(0, jets, phi=phi, f=f, outputs=embedding)
        self.scale = nn.BatchNorm1d(embedding, affine=False)
        self.head = nn.Sequential(
            nn.Linear(embedding, f[-1]), nn.ReLU(), nn.Linear(f[-1], jets * classes)
        )
        self.centroids = nn.Parameter(torch.zeros(clusters, embedding))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("per_epoch", torch.ones((), dtype=torch.int64))
        self.register_buffer("apart", torch.ones(()))

    def embedded(self, *jets: Tensor) -> Tensor:
        """Return where events lie, shape (n_events, n_dimensions).

        Parameters
        ----------
        *jets : Tensor, shape (n_events, longest, 3)
            Normalised constituents of each jet; zeros are padding.
        """
        return self._embedded(jets)[0]

    def losses(self, *jets: Tensor) -> Tensor:
        """Return the focal loss of the classes of mass, shape (n_events,) (equation 3.16)."""
        return self._classified(*self._embedded(jets))

    def joint_losses(self, *jets: Tensor) -> Tensor:
        r"""Return the loss of classes and clusters, shape (n_events,) (equations 3.17 to 3.19).

        In training each event is counted, and :math:`\alpha` is 1 in the first epoch and twice as
        large in each that follows, in units of ``apart``: how far events are from their centroids at
        the beginning.
        """
        embedded, masses = self._embedded(jets)
        distances = torch.cdist(embedded, self.centroids)
        alpha = torch.exp2((self.seen // self.per_epoch).to(distances.dtype)).clamp(max=_LARGEST)
        if self.training:
            self.seen += len(embedded)
        belongs = torch.softmax(-alpha * distances / self.apart, dim=1)
        clustered = (belongs * distances.square()).sum(dim=1)
        return self._classified(embedded, masses) + self.beta * clustered

    def nearest(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cluster of each event and the distance from its centroid."""
        parts = embedded.split(_ROWS)
        found = [torch.cdist(part, self.centroids).min(dim=1) for part in parts]
        distance, cluster = (torch.cat(each) for each in zip(*found, strict=True))
        return cluster, distance

    def _embedded(self, jets: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the embedding, and the masses of the jets in falling order."""
        masses = torch.stack([jet_masses(jet) for jet in jets], dim=1)
        sums = torch.stack([self.embed.summed(jet) for jet in jets], dim=1)
        masses, order = masses.sort(dim=1, descending=True, stable=True)
        ordered = sums.gather(1, order[..., None].expand_as(sums))
        return self.scale(self.embed.f(ordered.flatten(1))), masses

    def _classified(self, embedded: Tensor, masses: Tensor) -> Tensor:
        intervals = (masses / self.heaviest * (self.classes - 1)).long().clamp(max=self.classes - 1)
        logits = self.head(embedded).unflatten(1, (masses.shape[1], self.classes))
        return focal_losses(logits, intervals, gamma=self.gamma).mean(dim=1)


def focal_losses(logits: Tensor, classes: Tensor, *, gamma: float) -> Tensor:
    r"""Return :math:`-(1 - p)^\gamma \ln p` with p the probability of the right class.

    T.-Y. Lin et al., arXiv:1708.02002; LHC Olympics 2020, arXiv:2101.08320, equation 3.16.

    Parameters
    ----------
    logits : Tensor, shape (..., n_classes)
        Of each class.
    classes : Tensor of int, shape (...)
        The right ones.
    gamma : float
        With 0 this is the cross entropy.

    Examples
    --------
    >>> round(focal_losses(torch.zeros(1, 2), torch.tensor([1]), gamma=2.0).item(), 4)
    0.1733
    """
    log_p = functional.log_softmax(logits, dim=-1).gather(-1, classes[..., None]).squeeze(-1)
    return -((1 - log_p.exp()) ** gamma) * log_p


def jet_masses(jets: Tensor) -> Tensor:
    """Return the masses of jets in units of what their pT are in, shape (n_jets,).

    Examples
    --------
    >>> jet_masses(torch.tensor([[[0.5, 0.0, 0.1], [0.5, 0.0, -0.1], [0.0, 0.0, 0.0]]]))
    tensor([0.0998])
    """
    energy, *momentum = four_momenta(jets).sum(dim=1).unbind(dim=1)
    squares = energy.square() - sum(each.square() for each in momentum)
    return squares.clamp(min=0).sqrt()
