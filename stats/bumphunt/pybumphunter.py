"""The bump hunt of pyBumpHunter, with its global seed and its prints kept to itself."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spectra.functions import checked_edges
from ..spectra.spectrum import checked_counts
from .engine import BumpHuntResult, Direction, Grid, checked_reference, grid, outcome
from .two_masses import checked_plane

__all__ = ["bumphunter", "bumphunter_2d"]

Array = NDArray[np.float64]


def bumphunter(
    edges: ArrayLike,
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    widths: tuple[int, int] = (2, 7),
    looking_for: Direction = "excess",
    sidebands: int | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
) -> BumpHuntResult:
    """Hunt with ``pyBumpHunter.BumpHunter1D`` over a background that is given.

    The global p-value is (1 + k) / (1 + n) as everywhere here, where pyBumpHunter says k / n.

    Parameters
    ----------
    edges, counts, reference, widths, looking_for, sidebands, pseudo_experiments, seed
        As in `bump_hunt_given_reference`.

    Returns
    -------
    BumpHuntResult
    """
    from pyBumpHunter import BumpHunter1D  # noqa: PLC0415 - draws in pyplot, for plots unused here

    edges = checked_edges(edges)
    counts = checked_counts(counts, edges)
    reference = checked_reference(counts, reference)
    bins = grid((edges,), (widths,), sidebands)
    hunter: Any = BumpHunter1D(
        bins=edges,  # pyright: ignore[reportArgumentType] - documented, not annotated
        width_min=widths[0],
        width_max=widths[1],
        mode=looking_for,
        npe=pseudo_experiments,
        nworker=1,
        seed=seed,
        use_sideband=sidebands is not None,
        sideband_width=sidebands or None,
    )
    with _contained():
        hunter.bump_scan(counts, reference, is_hist=True)
    start, width = int(hunter.min_loc_ar[0]), int(hunter.min_width_ar[0])
    return _result(
        hunter, bins, (start, start + width, 0, 1), counts[:, None], reference[:, None], looking_for
    )


def bumphunter_2d(
    edges: tuple[ArrayLike, ArrayLike],
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    widths: tuple[tuple[int, int], tuple[int, int]] = ((2, 7), (2, 7)),
    looking_for: Direction = "excess",
    sidebands: int | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
) -> BumpHuntResult:
    """Hunt with ``pyBumpHunter.BumpHunter2D`` over a background that is given.

    Parameters
    ----------
    edges, counts, reference, widths, looking_for, sidebands, pseudo_experiments, seed
        As in `bump_hunt_2d_given_reference`.

    Returns
    -------
    BumpHuntResult
    """
    from pyBumpHunter import BumpHunter2D  # noqa: PLC0415 - as above

    axes, plane = checked_plane(edges, counts)
    background = checked_reference(plane, reference)
    bins = grid(axes, widths, sidebands)
    (narrow_x, wide_x), (narrow_y, wide_y) = widths
    hunter: Any = BumpHunter2D(
        bins=list(axes),
        width_min=[narrow_x, narrow_y],
        width_max=[wide_x, wide_y],
        mode=looking_for,
        npe=pseudo_experiments,
        nworker=1,
        seed=seed,
        use_sideband=sidebands is not None,
        sideband_width=sidebands or None,
    )
    with _contained():
        hunter.bump_scan(plane, background, is_hist=True)
    (x, y), (width_x, width_y) = hunter.min_loc_ar[0], hunter.min_width_ar[0]
    box = (x, x + width_x, y, y + width_y)
    return _result(hunter, bins, box, plane, background, looking_for)


def _result(  # noqa: PLR0917
    hunter: Any,
    bins: Grid,
    box: tuple[int, int, int, int],
    counts: Array,
    reference: Array,
    looking_for: Direction,
) -> BumpHuntResult:
    """Write down what pyBumpHunter found."""
    region = slice(box[0], box[1]), slice(box[2], box[3])
    scale = 1.0 if hunter.norm_scale is None else float(hunter.norm_scale)
    p_values = np.maximum(np.asarray(hunter.min_Pval_ar, dtype=float), 5e-324)
    best = np.flatnonzero((bins.boxes == np.array(box)).all(axis=1))
    return outcome(
        bins,
        looking_for=looking_for,
        best=int(best[0]) if best.size else 0,
        observed=float(counts[region].sum()),
        expected=float(scale * reference[region].sum()),
        error=0.0,
        log_p=float(np.log(p_values[0])),
        smallest=p_values[1:],
        background=reference,
    )


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    """Swallow prints, and put numpy's global state back afterwards."""
    state = np.random.get_state()  # noqa: NPY002 - what the library seeds
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
