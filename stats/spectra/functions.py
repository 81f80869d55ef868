"""The smooth dijet functions, integrated over bins, with their parameters made orthogonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import ConfigError, InputError, nearest_names
from .binning import checked_edges, log_edges

__all__ = ["FUNCTIONS", "SQRT_S", "Basis", "basis", "checked_edges", "log_edges"]

SQRT_S = 13_000.0
"""Collision energy in GeV, the scale of y = m / √s."""

FUNCTIONS = {"dijet3": 3, "dijet4": 4, "dijet5": 5}
"""Names of the functions and their number of parameters."""

MAX_LOG = 100.0
"""Where the logarithm of a density is cut."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Basis:
    r"""A dijet function on given bins, ready to be fitted.

    All functions are log-linear, :math:`\ln f(m) = \sum_k \theta_k\, x_k(m)`, so that the content
    of a bin, its gradient and the Fisher information are sums over the same quadrature nodes. The
    columns :math:`x_k` are orthonormal combinations of the published ones, equally weighted over
    the bins: :math:`x_0 = 1`, and :math:`\theta_k = 1` changes :math:`\ln f` by one (rms).

    Attributes
    ----------
    name : str
        Which function.
    edges : ndarray of shape (n_bins + 1,)
        Bin edges, GeV.
    design : ndarray of shape (n_bins, n_nodes, n_parameters)
        The columns at the Gauss-Legendre nodes of each bin.
    weights : ndarray of shape (n_bins, n_nodes)
        Quadrature weights, GeV.
    transform : ndarray of shape (n_parameters, n_parameters)
        Published columns times ``transform`` are the orthonormal ones.
    """

    name: str
    edges: Array
    design: Array
    weights: Array
    transform: Array

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return self.design.shape[-1]

    def log_density(self, theta: Array, mass: ArrayLike) -> Array:
        """Return ln dN/dm (events per GeV) at the given masses in GeV."""
        return _columns(np.asarray(mass, dtype=float), self.n_parameters) @ self.transform @ theta

    def expected(self, theta: Array) -> Array:
        """Return the expected number of events in each bin, shape (n_bins,)."""
        return self._nodes(theta).sum(axis=1)

    def jacobian(self, theta: Array) -> Array:
        """Return the derivatives of the bin contents, shape (n_bins, n_parameters)."""
        return np.einsum("bq,bqp->bp", self._nodes(theta), self.design)

    def physical(self, theta: Array) -> Array:
        """Return (ln p0, p1, p2, …) of the published form, shape (n_parameters,)."""
        return self.transform @ theta

    def _nodes(self, theta: Array) -> Array:
        """Return events at each node; exponents are cut where a minimiser strays too far."""
        return self.weights * np.exp(np.clip(self.design @ theta, -MAX_LOG, MAX_LOG))


def basis(name: str, edges: ArrayLike, *, n_nodes: int = 3) -> Basis:
    r"""Prepare a dijet function on given bins.

    The functions are those of LHCO §4.1, eq. (4.3) (arXiv:2101.08320), and its usual extension,

    .. math:: \frac{dN}{dm} = p_0 \frac{(1-y)^{p_1}}{y^{p_2 + p_3 \ln y + p_4 \ln^2 y}},
              \qquad y = m / 13\,\mathrm{TeV},

    with :math:`p_3 = p_4 = 0` in ``dijet3`` and :math:`p_4 = 0` in ``dijet4``.

    Parameters
    ----------
    name : str
        ``"dijet3"``, ``"dijet4"`` or ``"dijet5"``.
    edges : array_like of shape (n_bins + 1,)
        Increasing bin edges, GeV, within (0, 13 000).
    n_nodes : int
        Gauss-Legendre nodes in each bin; three integrate bins of 5 % to better than 1e-8.

    Returns
    -------
    Basis

    Raises
    ------
    ConfigError
        If the function is unknown.
    InputError
        If the edges cannot be used.
    """
    n_par = n_parameters(name)
    edges = checked_edges(edges)
    if edges[0] <= 0 or edges[-1] >= SQRT_S:
        msg = f"bin edges span {edges[0]:g}-{edges[-1]:g} GeV; the dijet function needs (0, 13000)"
        raise InputError(msg)
    if edges.size - 1 < n_par:
        msg = f"{edges.size - 1} bins cannot fix the {n_par} parameters of {name}: use more bins"
        raise InputError(msg)
    unit_nodes, unit_weights = np.polynomial.legendre.leggauss(n_nodes)
    half = np.diff(edges)[:, None] / 2
    nodes = edges[:-1, None] + half * (1 + unit_nodes)
    columns = _columns(nodes, n_par)
    _, upper = np.linalg.qr(columns.reshape(-1, n_par) / np.sqrt(nodes.size))
    transform = np.linalg.inv(upper) * np.sign(np.diag(upper))
    return Basis(name, edges, columns @ transform, half * unit_weights, transform)


def n_parameters(name: str) -> int:
    """Return the number of parameters of a function; ConfigError where there is none so named."""
    if name not in FUNCTIONS:
        msg = f"no background function {name!r}: {nearest_names(name, FUNCTIONS)}"
        raise ConfigError(msg)
    return FUNCTIONS[name]


def _columns(mass: Array, n: int) -> Array:
    """Return the published columns: ln f = ln p0 + p1 ln(1-y) - p2 ln y - p3 ln² y - p4 ln³ y."""
    y = mass / SQRT_S
    log_y = np.log(y)
    columns = [np.ones_like(y), np.log1p(-y), -log_y, -(log_y**2), -(log_y**3)]
    return np.stack(columns[:n], axis=-1)
