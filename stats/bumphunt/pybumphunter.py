"""The bump hunt of pyBumpHunter, without its prints and its global seed."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from types import ModuleType
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import require
from .engine import BumpHuntResult, Direction, outcome
from .one_mass import checked_line
from .regions import Grid, checked_reference, grid
from .two_masses import checked_plane

__all__ = ["LibraryOptions", "bumphunter", "bumphunter_2d"]

Array = NDArray[np.float64]


class LibraryOptions(TypedDict, total=False):
    """What pyBumpHunter can be told by keyword, as in `HuntOptions`.

    Examples
    --------
    >>> options: LibraryOptions = {"pseudo_experiments": 500, "seed": 3}
    """

    looking_for: Direction
    pseudo_experiments: int
    seed: int


def bumphunter(
    edges: ArrayLike,
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    widths: tuple[int, int] = (2, 7),
    sidebands: int | None = None,
    **options: Unpack[LibraryOptions],
) -> BumpHuntResult:
    """Hunt with ``pyBumpHunter.BumpHunter1D`` over a background that is given.

    The global p-value is (1 + k) / (1 + n) as everywhere here, where pyBumpHunter says k / n.

    Parameters
    ----------
    edges, counts, reference, widths, sidebands
        As in `bump_hunt_given_reference`.
    **options : LibraryOptions
        What is looked for, pseudo-experiments and seed.

    Returns
    -------
    BumpHuntResult

    Raises
    ------
    MissingExtraError
        If pyBumpHunter is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> edges, reference = np.linspace(1000, 2000, 11), np.full(10, 20.0)
    >>> counts = [20, 18, 22, 19, 45, 50, 20, 21, 17, 20]
    >>> bumphunter(edges, counts, reference, widths=(1, 3), pseudo_experiments=100).interval
    ((1400.0, 1600.0),)
    """
    axes, column = checked_line(edges, counts)
    known = checked_reference(column[:, 0], reference)[:, None]
    bins = grid(axes, (widths,), sidebands)
    given = {"bins": axes[0], "width_min": widths[0], "width_max": widths[1]}
    return _hunt("BumpHunter1D", given, bins, column, known, sidebands=sidebands, **options)


def bumphunter_2d(
    edges: tuple[ArrayLike, ArrayLike],
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    widths: tuple[tuple[int, int], tuple[int, int]] = ((2, 7), (2, 7)),
    sidebands: int | None = None,
    **options: Unpack[LibraryOptions],
) -> BumpHuntResult:
    """Hunt with ``pyBumpHunter.BumpHunter2D`` over a background that is given.

    Parameters
    ----------
    edges, counts, reference, widths, sidebands
        As in `bump_hunt_2d_given_reference`.
    **options : LibraryOptions
        As in `bumphunter`.

    Returns
    -------
    BumpHuntResult

    Raises
    ------
    MissingExtraError
        If pyBumpHunter is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.linspace(1000, 2000, 6), np.linspace(100, 500, 5)
    >>> counts = np.full((5, 4), 20)
    >>> counts[2, 1] = 60
    >>> found = bumphunter_2d(
    ...     edges, counts, np.full((5, 4), 20.0), widths=((1, 2), (1, 2)), pseudo_experiments=50
    ... )
    >>> found.interval
    ((1400.0, 1600.0), (200.0, 300.0))
    """
    axes, plane = checked_plane(edges, counts)
    known = checked_reference(plane, reference)
    bins = grid(axes, widths, sidebands)
    narrow, wide = ([width[end] for width in widths] for end in (0, 1))
    given = {"bins": list(axes), "width_min": narrow, "width_max": wide}
    return _hunt("BumpHunter2D", given, bins, plane, known, sidebands=sidebands, **options)


def _hunt(
    kind: str,
    given: dict[str, Any],
    bins: Grid,
    counts: Array,
    reference: Array,
    *,
    sidebands: int | None,
    looking_for: Direction = "excess",
    pseudo_experiments: int = 10_000,
    seed: int = 0,
) -> BumpHuntResult:
    """Run a class of pyBumpHunter on its bins and widths, and write down what it finds."""
    hunter: Any = getattr(_library(), kind)(
        **given,
        mode=looking_for,
        npe=pseudo_experiments,
        nworker=1,
        seed=seed,
        use_sideband=sidebands is not None,
        sideband_width=sidebands or None,
    )
    shape = [edges.size - 1 for edges in bins.edges]
    with _contained():
        hunter.bump_scan(counts.reshape(shape), reference.reshape(shape), is_hist=True)
    starts, lengths = (
        np.atleast_1d(found[0]).astype(int) for found in (hunter.min_loc_ar, hunter.min_width_ar)
    )
    box = np.stack([starts, starts + lengths], axis=1).ravel()
    box = np.append(box, [0, 1])[:4]  # a spectrum of one mass has one bin on the second axis
    region = slice(box[0], box[1]), slice(box[2], box[3])
    scale = 1.0 if hunter.norm_scale is None else float(hunter.norm_scale)
    p_values = np.maximum(np.asarray(hunter.min_Pval_ar, dtype=float), 5e-324)
    best = np.flatnonzero((bins.boxes == box).all(axis=1))
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


def _library() -> ModuleType:
    """Return the module ``pyBumpHunter``, which draws in pyplot and therefore is imported late."""
    return require("pyBumpHunter", by="this bump hunt")


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    """Suppress prints, and restore numpy's global random state afterwards."""
    state = np.random.get_state()  # noqa: NPY002 - what the library seeds
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
