r"""Autoencoders as energies: negative samples by Langevin chains, in the latent space and beyond.

The reconstruction error :math:`E(x)` is the energy of a density :math:`p(x) \propto e^{-E(x) / T}`,
whose likelihood has the gradient of :math:`E(x_{data}) - E(x_{model})` (S. Yoon, Y.-K. Noh, F. Park,
arXiv:2105.05735; B. M. Dillon, L. Favaro, T. Plehn, P. Sorrenson, M. Krämer, arXiv:2206.14225,
equation 9). Samples of the model begin on the manifold that the decoder makes of the latent sphere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..hyper_checks import refuse_unusable

__all__ = [
    "ChainHyper",
    "Energy",
    "NormalisedNumbers",
    "WithNegatives",
]


@dataclass(frozen=True)
class ChainHyper:
    """Langevin chains: x moves by -step × dE/dx + noise × a normal number, in standard deviations.

    Attributes
    ----------
    latent_steps, steps : int
        Steps on the latent sphere, then in the space of the data.
    latent_step, latent_noise, step, noise : float
        Sizes of both; noise² / (2 step) is the temperature, of the mean squared error.
    buffer : int
        Latent places that chains have come to, from which later ones begin.
    replay : float
        How many begin there, and not anywhere on the sphere.
    metropolis : bool
        Take a step on the sphere with the probability of Metropolis and Hastings.
    bounds : float
        The second term of the loss, E², of what the chains end in.
    """

    latent_steps: int = 30
    steps: int = 30
    latent_step: float = 0.1
    latent_noise: float = 0.05
    step: float = 0.3
    noise: float = 0.15
    buffer: int = 10_000
    replay: float = 0.95
    metropolis: bool = True
    bounds: float = 1.0

    def __post_init__(self) -> None:
        refuse_unusable(
            "chains",
            self,
            latent_steps=self.latent_steps >= 0,
            steps=self.steps >= 0,
            latent_step=self.latent_step > 0,
            latent_noise=self.latent_noise > 0,
            step=self.step > 0,
            noise=self.noise > 0,
            buffer=self.buffer >= 1,
            replay=0 <= self.replay <= 1,
            bounds=self.bounds >= 0,
        )


class Energy(Protocol):
    """An autoencoder whose latent space is a sphere."""

    latent: int

    def decode(self, z: Tensor) -> Tensor:
        """Return what lies at places of the sphere."""
        ...

    def errors(self, x: Tensor) -> Tensor:
        """Return the mean squared error of each event: its energy."""
        ...

    def inside(self, x: Tensor) -> Tensor:
        """Return the events, moved into the space in which they can lie."""
        ...


class NormalisedNumbers(nn.Module):
    """An autoencoder of standardised numbers whose latent space is a sphere; PReLU.

    Parameters
    ----------
    features : int
        How many numbers.
    nodes : sequence of int
        Hidden layers of the encoder; the decoder has them backwards.
    latent : int
        Dimensions in which the sphere lies.
    reach : float
        Negative samples stay within so many standard deviations.

    Examples
    --------
    >>> network = NormalisedNumbers(4, nodes=(8,), latent=3)
    >>> network.errors(torch.rand(5, 4)).shape
    torch.Size([5])
    """

    def __init__(
        self, features: int, *, nodes: Sequence[int], latent: int, reach: float = 6.0
    ) -> None:
        super().__init__()
        self.latent, self.reach = latent, reach
        self.encoder = _dense((features, *nodes, latent))
        self.decoder = _dense((latent, *nodes[::-1], features))

    def decode(self, z: Tensor) -> Tensor:
        """Return the numbers at places of the sphere."""
        return self.decoder(z)

    def errors(self, x: Tensor) -> Tensor:
        """Return the mean squared error of each event, shape (n_events,)."""
        rebuilt = self.decode(functional.normalize(self.encoder(x), dim=1))
        return (rebuilt - x).square().mean(dim=1)

    def inside(self, x: Tensor) -> Tensor:
        """Return the numbers within the reach."""
        return x.clamp(-self.reach, self.reach)


class WithNegatives(nn.Module):
    """An autoencoder that learns to give its own samples larger errors than events.

    Parameters
    ----------
    energy : Module
        The autoencoder, as :class:`Energy` says.
    hyper : ChainHyper
        How samples are made.
    """

    places: Tensor

    def __init__(self, energy: Any, hyper: ChainHyper) -> None:
        super().__init__()
        self.energy: Any = energy  # both a module and an Energy, which types cannot say
        self.hyper = hyper
        self.register_buffer("places", _on_sphere(hyper.buffer, energy.latent, torch.empty(0)))

    def losses(self, x: Tensor) -> Tensor:
        """Return E(x) - E(x') + E(x')² for each event and a sample x' of the model each."""
        negative = self.negatives(x)
        found, made = self.energy.errors(x), self.energy.errors(negative)
        return found - made + self.hyper.bounds * made.square()

    def negatives(self, like: Tensor) -> Tensor:
        """Return as many samples of the model as there are events; the weights stay as they are."""
        hyper, learning = self.hyper, self.energy.training
        self.energy.eval()
        n = len(like)
        rows = torch.randint(len(self.places), (n,), device=like.device)
        again = torch.rand(n, 1, device=like.device) < hyper.replay
        z = torch.where(again, self.places[rows], _on_sphere(n, self.energy.latent, like))
        with torch.enable_grad():
            z = self._on_the_manifold(z)
            x = self.energy.decode(z).detach()
            for _ in range(hyper.steps):
                slope = _slope(self.energy.errors, x)[1]
                moved = x - hyper.step * slope + hyper.noise * torch.randn_like(x)
                x = self.energy.inside(moved)
        self.places[rows] = z
        self.energy.train(learning)
        return x

    def _on_the_manifold(self, z: Tensor) -> Tensor:
        """Return where chains on the sphere end, with the energy of what the decoder makes of them."""
        hyper = self.hyper

        def energy(z: Tensor) -> Tensor:
            return self.energy.errors(self.energy.decode(z))

        found, slope = _slope(energy, z)
        temperature = hyper.latent_noise**2 / (2 * hyper.latent_step)
        for _ in range(hyper.latent_steps):
            drift = hyper.latent_noise * torch.randn_like(z) - hyper.latent_step * slope
            moved = functional.normalize(z + drift, dim=1)
            other, other_slope = _slope(energy, moved)
            back = (z - moved + hyper.latent_step * other_slope).square().sum(dim=1)
            forth = (moved - z + hyper.latent_step * slope).square().sum(dim=1)
            odds = (found - other) / temperature + (forth - back) / (2 * hyper.latent_noise**2)
            taken = torch.rand_like(other).log() < odds
            if not hyper.metropolis:
                taken = torch.ones_like(taken)
            z, slope = (
                torch.where(taken[:, None], new, old)
                for new, old in ((moved, z), (other_slope, slope))
            )
            found = torch.where(taken, other, found)
        return z


def _slope(energy: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Tensor]:
    """Return the energies of events and their gradients with respect to these."""
    at = at.detach().requires_grad_()
    found = energy(at)
    return found.detach(), torch.autograd.grad(found.sum(), at)[0]


def _on_sphere(n: int, dimensions: int, like: Tensor) -> Tensor:
    return functional.normalize(torch.randn(n, dimensions, device=like.device), dim=1)


def _dense(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.PReLU()]
    return nn.Sequential(*layers[:-1])
