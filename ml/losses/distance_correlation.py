r"""Distance correlation: zero if and only if two quantities are independent; exact, with gradients.

With weights :math:`w_i` that add up to one, distances :math:`a_{ij} = |x_i - x_j|` and
:math:`b_{ij} = |y_i - y_j|`, and their mean over one event, :math:`a_i = \sum_j w_j a_{ij}`, and over
both, :math:`a`, the squared distance covariance is

.. math:: \mathrm{dCov}^2 = \sum_{ij} w_i w_j a_{ij} b_{ij} - 2 \sum_i w_i a_i b_i + a\,b,

and the squared correlation is :math:`\mathrm{dCov}^2(x, y)` over the root of
:math:`\mathrm{dCov}^2(x, x)\,\mathrm{dCov}^2(y, y)` (G. J. Székely, M. L. Rizzo, N. K. Bakirov,
arXiv:0803.4101, definitions 4 and 5). This sample value is positive also for independent
quantities, by 1 / n; the U-statistic (``unbiased``) has each sum run over events that differ (G. J.
Székely, M. L. Rizzo, arXiv:1310.2926, equation 2.5) and is zero in the mean, so it may be negative.

For numbers the sum over pairs takes O(n log n): where the orders of x and of y agree,
:math:`a_{ij} b_{ij} = (x_i - x_j)(y_i - y_j)`, else it is the negative of that, and sums over the
events that are lower in both orders are those of a merge sort (X. Huo, G. J. Székely, arXiv:1410.1503).
For vectors all pairs are made, O(n²).

**dCorr or its square.** What G. Kasieczka, D. Shih, arXiv:2001.05310, add to the loss is the
square, :func:`squared_distance_correlation`; so does their public code with ``power=1``. Its root
:func:`distance_correlation` is what they quote, and has no finite gradient at independence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...core import InputError

__all__ = [
    "distance_correlation",
    "squared_distance_correlation",
    "squared_distance_covariance",
]

_FEWEST = 4  # events that differ, in the last sum of the U-statistic


def distance_correlation(x: Tensor, y: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Return the distance correlation dCorr, from 0 (independent) to 1 (linear).

    See :func:`squared_distance_correlation`, of whose biased value it is the root.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 101)
    >>> f"{distance_correlation(x, 3 - 2 * x):.3f} {distance_correlation(x, x**2):.3f}"
    '1.000 0.492'
    """
    return squared_distance_correlation(x, y, weight=weight).clamp(min=0).sqrt()


def squared_distance_correlation(
    x: Tensor, y: Tensor, *, weight: Tensor | None = None, unbiased: bool = False
) -> Tensor:
    """Return the squared distance correlation dCorr²: what is added to a loss.

    Parameters
    ----------
    x, y : Tensor, shape (n_events,) or (n_events, n_dimensions)
        Numbers or vectors of each event; numbers take O(n log n), if both are.
    weight : Tensor, shape (n_events,), optional
        Event weights; of weight zero is what is not to count. Their scale does not matter.
    unbiased : bool
        The U-statistic: zero in the mean for independent quantities, and then half of the time
        negative.

    Returns
    -------
    Tensor, shape ()
        Of the type of ``x``; computed in double precision. Zero where x or y is constant.

    Raises
    ------
    InputError
        If the shapes do not fit together, or for fewer than 4 events (of which fewer than 4 may
        have a weight: then it is zero).

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> score, mass = torch.rand(10_000, requires_grad=True), torch.rand(10_000)
    >>> dependent = squared_distance_correlation(score + mass, mass)
    >>> independent = squared_distance_correlation(score, mass, unbiased=True)
    >>> f"{dependent:.2f} {abs(independent):.2f}"
    '0.45 0.00'
    >>> dependent.backward()
    >>> score.grad.shape
    torch.Size([10000])
    """
    pairs = _Pairs.of(x, y, weight)
    norm = pairs.with_itself(0, unbiased=unbiased) * pairs.with_itself(1, unbiased=unbiased)
    positive = norm > 0
    root = torch.where(positive, norm, 1.0).sqrt()
    covariance = pairs.covariance(unbiased=unbiased)
    return torch.where(positive, covariance / root, 0.0 * covariance).to(x.dtype)


def squared_distance_covariance(
    x: Tensor, y: Tensor, *, weight: Tensor | None = None, unbiased: bool = False
) -> Tensor:
    """Return the squared distance covariance dCov², in units of x times those of y.

    See :func:`squared_distance_correlation` for what it takes.

    Examples
    --------
    >>> x = torch.tensor([0.0, 1.0, 3.0, 6.0])
    >>> f"{squared_distance_covariance(x, x):.3f}"
    '3.500'
    """
    return _Pairs.of(x, y, weight).covariance(unbiased=unbiased).to(x.dtype)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Two quantities of each event, in double precision, with weights that add up to one."""

    x: Tensor
    y: Tensor
    weight: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor, weight: Tensor | None) -> _Pairs:
        n = len(x)
        if len(y) != n or x.ndim not in (1, 2) or y.ndim not in (1, 2) or n < _FEWEST:
            msg = (
                "distance correlation: needs two tensors of shape (n_events,) or (n_events, "
                f"n_dimensions) with one length of at least {_FEWEST}, found {tuple(x.shape)} and "
                f"{tuple(y.shape)}"
            )
            raise InputError(msg)
        if weight is not None and weight.shape != (n,):
            msg = f"distance correlation: {n} events and weights of shape {tuple(weight.shape)}"
            raise InputError(msg)
        w = x.new_ones(n, dtype=torch.float64) if weight is None else weight.double()
        w = torch.where(torch.count_nonzero(w) >= _FEWEST, w, 0.0)  # too few to say anything: zero
        total = w.sum()
        x, y = (v.double().squeeze(1) if v.shape[1:] == (1,) else v.double() for v in (x, y))
        return cls(x, y, w / torch.where(total > 0, total, 1.0))

    def covariance(self, *, unbiased: bool) -> Tensor:
        """Return dCov² of both."""
        w = self.weight
        if self.x.ndim == self.y.ndim == 1:
            x, y = _centered(self.x), _centered(self.y)
            signs = _Concordance.of(x, y)
            a, b = _row_sums(x, w), _row_sums(y, w)
            rows = signs.products(x, y, w)
            squares = signs.products(x, y, w * w) if unbiased else rows
        else:
            distances = _distances(self.x), _distances(self.y)
            a, b = (each @ w for each in distances)
            both = distances[0] * distances[1]
            rows = both @ w
            squares = both @ (w * w) if unbiased else rows
        return (_u_statistic if unbiased else _v_statistic)(w, a, b, rows, squares)

    def with_itself(self, which: int, *, unbiased: bool) -> Tensor:
        """Return dCov² of one of them with itself: for numbers without sorting by both."""
        w, x = self.weight, (self.x, self.y)[which]
        if x.ndim == 1:
            x = _centered(x)
            a = _row_sums(x, w)
            rows, squares = _squared_rows(x, w), _squared_rows(x, w * w)
        else:
            distances = _distances(x)
            a, rows, squares = distances @ w, distances**2 @ w, distances**2 @ (w * w)
        return (_u_statistic if unbiased else _v_statistic)(w, a, a, rows, squares)


def _v_statistic(w: Tensor, a: Tensor, b: Tensor, rows: Tensor, squares: Tensor) -> Tensor:
    """Return dCov² of row sums: of a_ij, of b_ij and of their products, with weights w."""
    del squares
    return w @ rows - 2 * w @ (a * b) + (w @ a) * (w @ b)


def _u_statistic(w: Tensor, a: Tensor, b: Tensor, rows: Tensor, squares: Tensor) -> Tensor:
    """Return the same with sums over two, three and four events that differ.

    What two indices have in common is taken out of the products of row sums; for equal weights this
    is arXiv:1310.2926, equation 2.5. ``squares`` are the row sums of products with weights w².
    """
    w2 = w * w
    two, three, four = ((w**power).sum() for power in (2, 3, 4))
    pairs = w @ rows / (1 - two)
    triples = (w @ (a * b) - w @ squares) / (1 - 3 * two + 2 * three)
    fours = (w @ a) * (w @ b) - 4 * w2 @ (a * b) + 2 * w2 @ squares
    return pairs - 2 * triples + fours / (1 - 6 * two + 3 * two**2 + 8 * three - 6 * four)


def _centered(x: Tensor) -> Tensor:
    """Return numbers from their median, so that little is lost in differences of their products."""
    return x - x.detach().median()


def _distances(x: Tensor) -> Tensor:
    """Return Euclidean distances of all pairs, shape (n, n); their gradient is zero at zero."""
    x = x[:, None] if x.ndim == 1 else x
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")


def _row_sums(x: Tensor, w: Tensor) -> Tensor:
    """Return the sum of w_j |x_i - x_j| over j, from running sums of the sorted numbers."""
    order = torch.argsort(x)
    xs, ws = x[order], w[order]
    below, moment = ws.cumsum(0), (ws * xs).cumsum(0)
    sums = xs * (2 * below - below[-1]) - 2 * moment + moment[-1]
    return torch.empty_like(sums).index_copy(0, order, sums)


def _squared_rows(x: Tensor, w: Tensor) -> Tensor:
    """Return the sum of w_j (x_i - x_j)² over j."""
    return x * x * w.sum() - 2 * x * (w @ x) + w @ (x * x)


@dataclass(frozen=True, eq=False)
class _Concordance:
    """The matrix that is 1 where x and y order two events alike, and -1 where they do not."""

    by_y: Tensor
    rank_x: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> _Concordance:
        by_y = torch.argsort(y.detach(), stable=True)
        rank = torch.empty_like(by_y)
        rank[torch.argsort(x.detach(), stable=True)] = torch.arange(len(x), device=x.device)
        return cls(by_y, rank[by_y])

    def products(self, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        """Return the sum of w_j |x_i - x_j| |y_i - y_j| over j."""
        sums: Any = _SignedSums.apply(torch.stack([w, w * y, w * x, w * x * y], dim=1), self)
        one, of_y, of_x, of_both = sums.unbind(dim=1)
        return x * y * one - x * of_y - y * of_x + of_both

    def times(self, values: Tensor) -> Tensor:
        """Return the matrix, zero on its diagonal, times columns of values: shape (n, k)."""
        v = values[self.by_y]
        total, lower_y = v.sum(dim=0), v.cumsum(dim=0) - v
        by_x = torch.empty_like(v).index_copy(0, self.rank_x, v)
        lower_x = (by_x.cumsum(dim=0) - by_x)[self.rank_x]
        sums = 4 * self._lower_in_both(v) - 2 * (lower_x + lower_y) + total - v
        return torch.empty_like(sums).index_copy(0, self.by_y, sums)

    def _lower_in_both(self, v: Tensor) -> Tensor:
        """Return, in the order of y, the sums over events that are lower in x and in y.

        A merge sort run backwards: blocks of neighbouring ranks in x, in the order of y, fall into
        a lower and an upper half, and what is upper gets the sum of the lower before it.
        """
        n, k = v.shape
        levels = max(1, math.ceil(math.log2(n)))
        size = 2**levels
        rank = torch.arange(size, device=v.device)
        rank[:n] = self.rank_x
        place = torch.arange(size, device=v.device)  # of the events, in the order of y
        moved = torch.cat([v, v.new_zeros(size - n, k)])
        found = torch.zeros_like(moved)
        for level in range(levels - 1, -1, -1):
            lower = (rank >> level & 1) == 0
            running = (moved * lower[:, None]).reshape(-1, 2 ** (level + 1), k).cumsum(dim=1)
            upper = ~lower
            found[place[upper]] += running.reshape(size, k)[upper]
            halves = [lower.nonzero()[:, 0], upper.nonzero()[:, 0]]
            order = torch.cat([half.reshape(-1, 2**level) for half in halves], dim=1).flatten()
            rank, place, moved = rank[order], place[order], moved[order]
        return found[:n]


class _SignedSums(torch.autograd.Function):
    """:meth:`_Concordance.times`, a symmetric matrix, and therefore its own gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, signs: _Concordance) -> Tensor:
        ctx.signs = signs
        return signs.times(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _SignedSums.apply(gradients[0], ctx.signs), None  # type: ignore[return-value]
