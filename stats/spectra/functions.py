"""The smooth background functions, integrated over bins, with their parameters made orthogonal.

A background function is one entry of a table (`register_function`); whatever is fitted is looked up
here by its name. All are log-linear in their parameters. Therefore the likelihood of a spectrum is
concave, an entry needs no starting values of its own (`overdensity.stats.spectra.poisson.seed_theta`), and
one compiled loop fits them all (`overdensity.stats.spectra.batch_fit`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from ...core.registry import Registry
from .binning import checked_edges

__all__ = [
    "FUNCTIONS",
    "SQRT_S",
    "BackgroundFunction",
    "Basis",
    "background_function",
    "background_functions",
    "basis",
    "n_parameters",
    "orthonormal",
    "quadrature",
    "register_function",
    "unregister_function",
]

SQRT_S = 13_000.0
"""Collision energy in GeV, the scale of y = m / √s."""

MAX_LOG = 100.0
"""Where the logarithm of a density is cut."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BackgroundFunction:
    r"""A smooth function of the mass, :math:`\ln f(m) = \sum_k p_k\, x_k(m)`.

    Attributes
    ----------
    name : str
        By which it is chosen, here and as ``fit: {function: …}`` of a search.
    columns : callable
        Takes masses of any shape in GeV, returns :math:`x_k(m)` along a new last axis. The first
        column is 1 everywhere: the normalisation.
    n_parameters : int
        Number of columns.
    low, high : float
        Masses between which it is defined, GeV, both excluded.

    Examples
    --------
    >>> import numpy as np
    >>> power_law = BackgroundFunction(
    ...     "power_law", lambda mass: np.stack([np.ones_like(mass), -np.log(mass)], axis=-1), 2
    ... )
    >>> power_law.columns(np.array([1000.0, 2000.0])).round(3).tolist()
    [[1.0, -6.908], [1.0, -7.601]]
    """

    name: str
    columns: Callable[[Array], Array]
    n_parameters: int
    low: float = 0.0
    high: float = np.inf


FUNCTIONS: Registry[BackgroundFunction] = Registry(
    "background function", group="overdensity.functions"
)
"""The background functions by name: ours, and those of installed packages (entry points)."""


def register_function(function: BackgroundFunction) -> BackgroundFunction:
    """Make a background function known by its name.

    Only this process knows it then. A package that others install, or whose functions workers have
    to know, names it as an entry point of the group ``overdensity.functions``, which every process
    loads when it meets the name:

    .. code-block:: toml

        [project.entry-points."overdensity.functions"]
        power_law = "my_package:power_law"

    Pseudo-experiments need neither: they are handed the columns on their bins (`Basis`).

    Raises
    ------
    ConfigError
        If another function has this name already.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import fit, log_edges
    >>> def columns(mass):
    ...     return np.stack([np.ones_like(mass), -np.log(mass)], axis=-1)
    >>> _ = register_function(BackgroundFunction("power_law", columns, 2))
    >>> edges = log_edges(1000, 2000, 8)
    >>> counts = np.round(1e12 * np.diff(edges) * edges[:-1] ** -3.0)
    >>> fit(edges, counts, function="power_law").ndf
    6
    >>> unregister_function("power_law")
    """
    FUNCTIONS.add(function.name, function)
    return function


def unregister_function(name: str) -> None:
    """Forget a background function that was registered in this process.

    Raises
    ------
    ConfigError
        If there is none so named.

    Examples
    --------
    >>> import numpy as np
    >>> _ = register_function(BackgroundFunction("flat", lambda mass: np.ones((*mass.shape, 1)), 1))
    >>> unregister_function("flat")
    >>> "flat" in background_functions()
    False
    """
    FUNCTIONS.remove(name)


def background_functions() -> dict[str, BackgroundFunction]:
    """Return all background functions by name, ours and those of installed packages.

    Examples
    --------
    >>> {name: function.n_parameters for name, function in background_functions().items()}
    {'dijet3': 3, 'dijet4': 4, 'dijet5': 5, 'ua2': 4}
    """
    return dict(FUNCTIONS)


def background_function(name: str) -> BackgroundFunction:
    """Return a background function by its name.

    Raises
    ------
    ConfigError
        If there is none so named.

    Examples
    --------
    >>> background_function("dijet4").high
    13000.0
    """
    return FUNCTIONS.find(name)


@dataclass(frozen=True, eq=False)
class Basis:
    r"""A background function on given bins, ready to be fitted.

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

    Examples
    --------
    >>> import numpy as np
    >>> model = basis("dijet3", [1000, 1100, 1250, 1500])
    >>> theta = np.array([2.0, -1.0, 0.3])
    >>> model.expected(theta).shape, model.jacobian(theta).shape
    ((3,), (3, 3))
    >>> density = np.exp(model.log_density(theta, 1050))
    >>> bool(np.isclose(model.expected(theta)[0], 100 * density, rtol=0.02))
    True
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
        columns = background_function(self.name).columns(np.asarray(mass, dtype=float))
        return columns @ self.transform @ theta

    def expected(self, theta: Array) -> Array:
        """Return the expected number of events in each bin, shape (n_bins,)."""
        return self._nodes(theta).sum(axis=1)

    def jacobian(self, theta: Array) -> Array:
        """Return the derivatives of the bin contents, shape (n_bins, n_parameters)."""
        return np.einsum("bq,bqp->bp", self._nodes(theta), self.design)

    def covariance(self, theta: Array, used: NDArray[np.bool_]) -> Array:
        """Return the inverse Fisher information of a Poisson spectrum in the bins that are used."""
        slopes, mean = self.jacobian(theta)[used], np.maximum(self.expected(theta)[used], 1e-300)
        return np.linalg.inv((slopes / mean[:, None]).T @ slopes).astype(np.float64)

    def physical(self, theta: Array) -> Array:
        """Return (ln p0, p1, p2, …) of the published form, shape (n_parameters,)."""
        return self.transform @ theta

    def _nodes(self, theta: Array) -> Array:
        """Return events at each node; exponents are cut where a minimiser strays too far."""
        return self.weights * np.exp(np.clip(self.design @ theta, -MAX_LOG, MAX_LOG))


def basis(name: str, edges: ArrayLike, *, n_nodes: int = 3) -> Basis:
    r"""Prepare a background function on given bins.

    Ours are those of LHCO §4.1, eq. (4.3) (arXiv:2101.08320), and its usual extension,

    .. math:: \frac{dN}{dm} = p_0 \frac{(1-y)^{p_1}}{y^{p_2 + p_3 \ln y + p_4 \ln^2 y}},
              \qquad y = m / 13\,\mathrm{TeV},

    with :math:`p_3 = p_4 = 0` in ``dijet3`` and :math:`p_4 = 0` in ``dijet4``; and that known
    as UA2's (Z. Phys. C 49 (1991) 17), :math:`p_0\, y^{-p_1} e^{-p_2 y - p_3 y^2}`, of another family.

    Parameters
    ----------
    name : str
        ``"dijet3"``, ``"dijet4"``, ``"dijet5"`` or ``"ua2"``, or one that was registered.
    edges : array_like of shape (n_bins + 1,)
        Increasing bin edges, GeV, where the function is defined: within (0, 13 000) for ours.
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

    Examples
    --------
    >>> basis("dijet4", [1000, 1200, 1450, 1750, 2100]).design.shape
    (4, 3, 4)
    """
    function, edges = background_function(name), checked_edges(edges)
    n_par = function.n_parameters
    if edges[0] <= function.low or edges[-1] >= function.high:
        msg = (
            f"bin edges span {edges[0]:g}-{edges[-1]:g} GeV; {name} needs masses between "
            f"{function.low:g} and {function.high:g} GeV: narrow the range"
        )
        raise InputError(msg)
    if edges.size - 1 < n_par:
        msg = f"{edges.size - 1} bins cannot fix the {n_par} parameters of {name}: use more bins"
        raise InputError(msg)
    nodes, weights = quadrature(edges, n_nodes)
    columns = function.columns(nodes)
    _check_columns(function, columns, nodes)
    design, transform = orthonormal(columns)
    return Basis(name, edges, design, weights, transform)


def n_parameters(name: str) -> int:
    """Return the number of parameters of a function; ConfigError where there is none so named.

    Examples
    --------
    >>> n_parameters("dijet4")
    4
    """
    return background_function(name).n_parameters


def quadrature(edges: Array, n_nodes: int) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights of each bin, both of shape (n_bins, n_nodes).

    Examples
    --------
    >>> import numpy as np
    >>> nodes, weights = quadrature(np.array([0.0, 2.0, 6.0]), 2)
    >>> float((weights * nodes**3).sum().round(9))  # ∫ m³ dm from 0 to 6
    324.0
    """
    unit_nodes, unit_weights = np.polynomial.legendre.leggauss(n_nodes)
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (1 + unit_nodes), half * unit_weights


def orthonormal(columns: Array) -> tuple[Array, Array]:
    """Return columns made orthonormal over all their nodes, and the matrix that makes them so.

    Parameters
    ----------
    columns : ndarray of shape (…, n_parameters)
        Columns at nodes of equal weight.

    Returns
    -------
    design : ndarray of shape (…, n_parameters)
        ``columns @ transform``; the mean product of two of them over the nodes is 0 or 1.
    transform : ndarray of shape (n_parameters, n_parameters)

    Examples
    --------
    >>> import numpy as np
    >>> design, transform = orthonormal(np.array([[1.0, 1.0], [1.0, 3.0]]))
    >>> (design.T @ design / 2).round(9).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    flat = columns.reshape(-1, columns.shape[-1])
    _, upper = np.linalg.qr(flat / np.sqrt(len(flat)))
    transform = np.linalg.inv(upper) * np.sign(np.diag(upper))
    return columns @ transform, transform


def _check_columns(function: BackgroundFunction, columns: Array, nodes: Array) -> None:
    """Refuse columns that do not make the function that their entry promises."""
    expected = (*nodes.shape, function.n_parameters)
    if columns.shape != expected:
        msg = (
            f"the columns of {function.name} have shape {columns.shape} at masses of shape "
            f"{nodes.shape}; n_parameters = {function.n_parameters} needs {expected}"
        )
        raise InputError(msg)
    if not np.isfinite(columns).all() or not np.all(columns[..., 0] == 1):
        msg = (
            f"the columns of {function.name} must be finite from {nodes.min():g} to "
            f"{nodes.max():g} GeV, and the first one 1 everywhere"
        )
        raise InputError(msg)
    if np.linalg.matrix_rank(columns.reshape(-1, function.n_parameters)) < function.n_parameters:
        msg = f"the columns of {function.name} are not independent: leave out the superfluous ones"
        raise InputError(msg)


def _dijet_columns(mass: Array, n: int) -> Array:
    """Return the published columns: ln f = ln p0 + p1 ln(1-y) - p2 ln y - p3 ln² y - p4 ln³ y."""
    y = mass / SQRT_S
    log_y = np.log(y)
    columns = [np.ones_like(y), np.log1p(-y), -log_y, -(log_y**2), -(log_y**3)]
    return np.stack(columns[:n], axis=-1)


def _ua2_columns(mass: Array) -> Array:
    """Return ln f = ln p0 - p1 ln y - p2 y - p3 y² (known as UA2's, Z. Phys. C 49 (1991) 17)."""
    y = mass / SQRT_S
    return np.stack([np.ones_like(y), -np.log(y), -y, -(y**2)], axis=-1)


for _n in (3, 4, 5):
    register_function(
        BackgroundFunction(f"dijet{_n}", partial(_dijet_columns, n=_n), _n, high=SQRT_S)
    )
register_function(BackgroundFunction("ua2", _ua2_columns, 4, high=SQRT_S))
