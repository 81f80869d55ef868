"""What all bump hunts share: regions, pseudo-experiments in threads, and the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypedDict, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import ConfigError, FitError, Record, nearest_names, progress
from ..p_values.local import z_of_log_p
from ..search.pseudo_experiments import (
    BATCH,
    GlobalP,
    Mapper,
    global_p,
    is_enough,
    rounds_of,
    run_batches,
)
from ..spectra.batch_fit import Problem, refit
from ..spectra.functions import Basis
from ..spectra.poisson import Constraint
from .kernels import scan_reference, scan_refitted
from .regions import Grid

__all__ = [
    "BumpHuntResult",
    "Direction",
    "HuntOptions",
    "hunt_reference",
    "hunt_refitted",
    "outcome",
]

Array = NDArray[np.float64]
Direction = Literal["excess", "deficit"]

_FAILED = 5e-324  # p-value of a pseudo-experiment without a fit: it counts as more extreme
_MAX_STEPS = 100


class HuntOptions(TypedDict, total=False):
    """What every bump hunt can be told by keyword.

    Attributes
    ----------
    looking_for : str
        ``"excess"`` (the default) or ``"deficit"``.
    pseudo_experiments : int
        How many at most (10 000), rounded up to batches of 250; fewer where the global p-value is
        soon known to 5 %.
    seed : int
        Seed (0); the result does not depend on the number of threads.
    mapper : callable, optional
        Runs the batches; without, threads on all cores.

    Examples
    --------
    >>> options: HuntOptions = {"looking_for": "deficit", "seed": 3}
    """

    looking_for: Direction
    pseudo_experiments: int
    seed: int
    mapper: Mapper | None


@dataclass(frozen=True)
class BumpHuntResult(Record):
    """The most significant region of a spectrum, and how often background makes one like it.

    Attributes
    ----------
    looking_for : str
        ``"excess"`` or ``"deficit"``.
    interval : tuple of tuple of float
        Low and high edge of the region, GeV, for each mass axis.
    bins : tuple of tuple of int
        First bin, and the one after the last, for each axis.
    observed : int
        Events in the region.
    expected, expected_error : float
        Background there; the error is that of the fit, 0 for a given reference, and not finite
        where no region could be fitted.
    excess : float
        Observed less expected.
    p_local, z_local : float
        Local p-value; 1 where no region has an excess (or deficit).
    global_p : GlobalP
        Global p-value, with its error, from pseudo-experiments.
    failed : int
        Pseudo-experiments whose fit failed; they count as more extreme than the data.
    regions : int
        How many regions were compared.
    background : tuple of float
        Expectation of each bin, from which pseudo-experiments were thrown; the second axis runs
        fastest.

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.linspace(1000, 3000, 11)
    >>> counts = [90, 75, 60, 50, 70, 65, 30, 24, 20, 16]
    >>> from overdensity.stats.bumphunt.one_mass import bump_hunt
    >>> found = bump_hunt(
    ...     edges, counts, function="dijet3", widths=(1, 3), pseudo_experiments=250
    ... )
    >>> found.observed, found.regions
    (135, 27)
    """

    looking_for: str
    interval: tuple[tuple[float, float], ...]
    bins: tuple[tuple[int, int], ...]
    observed: int
    expected: float
    expected_error: float | None
    excess: float
    p_local: float
    z_local: float
    global_p: GlobalP
    failed: int
    regions: int
    background: tuple[float, ...]


def hunt_reference(
    bins: Grid,
    counts: Array,
    reference: Array,
    *,
    sidebands: int | None = None,
    looking_for: Direction = "excess",
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> BumpHuntResult:
    """Hunt in counts of shape (n_x, n_y) with a background that is given.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.bumphunt.regions import grid
    >>> bins = grid((np.linspace(1000, 1400, 5),), ((1, 2),), None)
    >>> counts = np.array([[10.0], [25.0], [24.0], [9.0]])
    >>> hunt_reference(bins, counts, np.full((4, 1), 10.0), pseudo_experiments=250).interval
    ((1100.0, 1300.0),)
    """
    sign = _sign(looking_for)
    normalised = sidebands is not None
    log_p, best = scan_reference(counts[None], reference, bins.boxes, sign, normalised)
    inside = bins.inside(int(best[0])).reshape(bins.shape)
    scale = counts[~inside].sum() / reference[~inside].sum() if normalised else 1.0
    task = partial(
        _throw_reference, reference=reference, boxes=bins.boxes, sign=sign, normalised=normalised,
        seed=seed,
    )  # fmt: skip
    return outcome(
        bins,
        looking_for=looking_for,
        best=int(best[0]),
        observed=float(counts[inside].sum()),
        expected=float(scale * reference[inside].sum()),
        error=0.0,
        log_p=float(log_p[0]),
        smallest=_throw(task, float(log_p[0]), pseudo_experiments, mapper),
        background=reference,
    )


def hunt_refitted(
    bins: Grid,
    counts: Array,
    model: Basis,
    *,
    constraint: Constraint | None = None,
    looking_for: Direction = "excess",
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> BumpHuntResult:
    """Hunt in counts of shape (n_x, n_y) with a background fitted outside of every region.

    Pseudo-experiments are thrown from the fit outside the best region, and fitted in all regions.

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.linspace(1000, 3000, 11)
    >>> counts = [90, 75, 60, 50, 70, 65, 30, 24, 20, 16]
    >>> from overdensity.stats.bumphunt.regions import grid
    >>> from overdensity.stats.spectra.functions import basis
    >>> bins, column = grid((edges,), ((1, 3),), None), np.array(counts, dtype=float)[:, None]
    >>> hunt_refitted(bins, column, basis("dijet3", edges), pseudo_experiments=250).bins
    ((4, 6),)
    """
    sign = _sign(looking_for)
    filled = int((counts > 0).sum())
    if constraint is None and filled <= model.n_parameters:
        msg = (
            f"only {filled} of {counts.size} bins have events; {model.name} needs more than "
            f"{model.n_parameters}: use fewer parameters or a constraint"
        )
        raise FitError(msg)
    free = Constraint(np.zeros(model.n_parameters), np.zeros(model.n_parameters))
    fit = _Refit(model, bins.boxes, bins.shape[1], sign, constraint or free)
    flat = counts.reshape(1, -1)
    theta, converged = fit.everywhere(flat, _start(model, flat[0]), None)
    if not converged[0]:
        msg = (
            f"the {model.name} fit of {int(counts.sum())} events in {counts.size} bins does not "
            "converge; use fewer parameters or a narrower range"
        )
        raise FitError(msg)
    log_p, best, observed, expected, variance = fit.scan(flat, theta)
    null, converged = fit.everywhere(flat, theta[0], bins.inside(int(best[0])))
    if not converged[0]:
        msg = f"the {model.name} fit outside the most significant region does not converge"
        raise FitError(msg)
    task = partial(_throw_refitted, fit=fit, theta=null[0], seed=seed)
    return outcome(
        bins,
        looking_for=looking_for,
        best=int(best[0]),
        observed=float(observed[0]),
        expected=float(expected[0]),
        error=float(np.sqrt(variance[0])),
        log_p=float(log_p[0]),
        smallest=_throw(task, float(log_p[0]), pseudo_experiments, mapper),
        background=model.expected(null[0]),
    )


def outcome(
    bins: Grid,
    *,
    looking_for: Direction,
    best: int,
    observed: float,
    expected: float,
    error: float,
    log_p: float,
    smallest: Array,
    background: Array,
) -> BumpHuntResult:
    """Return the result: the best box, and smallest p-values of pseudo-experiments, shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.bumphunt.regions import grid
    >>> bins = grid((np.linspace(1000, 1400, 5),), ((1, 2),), None)
    >>> found = outcome(
    ...     bins,
    ...     looking_for="excess",
    ...     best=1,
    ...     observed=25.0,
    ...     expected=10.0,
    ...     error=0.0,
    ...     log_p=-9.0,
    ...     smallest=np.array([0.1, 0.01]),
    ...     background=np.full(4, 10.0),
    ... )
    >>> found.interval, found.excess
    (((1100.0, 1200.0),), 15.0)
    """
    box = bins.boxes[best]
    spans = [(int(box[2 * k]), int(box[2 * k + 1])) for k in range(len(bins.edges))]
    return BumpHuntResult(
        looking_for=looking_for,
        interval=tuple(
            (float(edges[start]), float(edges[stop]))
            for edges, (start, stop) in zip(bins.edges, spans, strict=True)
        ),
        bins=tuple(spans),
        observed=int(observed),
        expected=expected,
        expected_error=error,
        excess=observed - expected,
        p_local=float(np.exp(log_p)),
        z_local=float(z_of_log_p(log_p)),
        global_p=global_p(float(_as_p(log_p)), smallest),
        failed=int((smallest == _FAILED).sum()),
        regions=len(bins.boxes),
        background=tuple(np.ravel(background).tolist()),
    )


@dataclass(frozen=True, eq=False)
class _Refit:
    """The fit of all bins, and that outside of each box, of many spectra."""

    model: Basis
    boxes: NDArray[np.int64]
    n_y: int
    sign: int
    constraint: Constraint

    def everywhere(
        self, counts: Array, start: Array, masked: NDArray[np.bool_] | None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Fit spectra of shape (n, n_bins); returns parameters and whether they converged."""
        mask = np.zeros((1, counts.shape[1]), dtype=bool) if masked is None else masked[None]
        problem = Problem(
            self.model,
            mask,
            ~mask,
            start[None],
            self.constraint.center[None],
            self.constraint.precision[None],
        )
        fits = refit(problem, counts[:, None])
        return fits.theta[:, 0], fits.converged[:, 0]

    def scan(self, counts: Array, theta: Array) -> tuple[NDArray, ...]:
        """Return ln p, box, observed, expected and variance of the best box, each (n,)."""
        model = self.model
        arrays = model.design, model.weights, self.constraint.center, self.constraint.precision
        return scan_refitted(counts, theta, arrays, self.boxes, self.n_y, self.sign, _MAX_STEPS)


def _throw_refitted(index: int, *, fit: _Refit, theta: Array, seed: int) -> Array:
    """Return the smallest p-values of one batch, all fits repeated."""
    rng = _generator(seed, index)
    mean = fit.model.expected(theta)
    counts = rng.poisson(mean, (BATCH, mean.size)).astype(float)
    fitted, converged = fit.everywhere(counts, theta, None)
    return np.where(converged, _as_p(fit.scan(counts, fitted)[0]), _FAILED)


def _throw_reference(
    index: int,
    *,
    reference: Array,
    boxes: NDArray[np.int64],
    sign: int,
    normalised: bool,
    seed: int,
) -> Array:
    """Return the smallest p-values of one batch about a given reference."""
    counts = _generator(seed, index).poisson(reference, (BATCH, *reference.shape)).astype(float)
    return _as_p(scan_reference(counts, reference, boxes, sign, normalised)[0])


def _throw(task: Callable[[int], Array], log_p: float, n: int, mapper: Mapper | None) -> Array:
    """Run batches, in rounds, until there are n or the global p-value is known well enough."""
    goals = [-(-goal // BATCH) for goal in rounds_of(n)]
    done: list[Array] = []
    with progress("pseudo-experiments", goals[-1] * BATCH) as advance:
        for goal in goals:
            for batch in run_batches(task, range(len(done), goal), mapper):
                done.append(batch)
                advance(BATCH)
            if is_enough(float(_as_p(log_p)), np.concatenate(done)):
                break
    return np.concatenate(done)


def _as_p(log_p: ArrayLike) -> Array:
    """Return p-values that are never zero, so that ties far in the tail count as such."""
    return np.maximum(np.exp(log_p), _FAILED)


def _generator(seed: int, index: int) -> np.random.Generator:
    """Return the source of randomness of one batch, the same wherever it runs."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(index,))))


def _sign(looking_for: str) -> int:
    """Return 1 for excesses and -1 for deficits."""
    names = get_args(Direction)
    if looking_for not in names:
        msg = f"a bump hunt cannot look for {looking_for!r}: {nearest_names(looking_for, names)}"
        raise ConfigError(msg)
    return 1 if looking_for == "excess" else -1


def _start(model: Basis, counts: Array) -> Array:
    """Return a first guess of the parameters: least squares to the logarithm of the spectrum."""
    weight = np.sqrt(counts + 0.5)
    center = model.design[:, model.design.shape[1] // 2]
    log_density = np.log((counts + 0.5) / model.weights.sum(axis=1))
    theta, *_ = np.linalg.lstsq(center * weight[:, None], log_density * weight, rcond=None)
    return theta.astype(np.float64)
