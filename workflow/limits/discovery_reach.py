"""What injections say of a discovery: significances against the strength, and the reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...stats import z_of_p
from ...stats.limits.with_injections import QUANTILES, reach
from .injection_results import InjectedSelection, Injection
from .limits_result import InjectionPoint, PointSelection, Reach

__all__ = ["discovery_reach", "injection_points", "z_global_of"]


def injection_points(
    by_strength: Mapping[float, Sequence[Injection]], pseudo_z: Sequence[float]
) -> tuple[InjectionPoint, ...]:
    """Summarise the repeats at each strength as quantiles.

    Parameters
    ----------
    by_strength : mapping of float to sequence of Injection
        The repetitions at each strength, from 0 up.
    pseudo_z : sequence of float
        Largest local significance of each pseudo-experiment of the run.
    """
    return tuple(_point(strength, some, pseudo_z) for strength, some in by_strength.items())


def discovery_reach(
    by_strength: Mapping[float, Sequence[Injection]],
    efficiency: float,
    pseudo_z: Sequence[float],
) -> Reach:
    """Return the strengths from which on the median significance is larger than 3 and 5 σ.

    Parameters
    ----------
    by_strength : mapping of float to sequence of Injection
        The repetitions at each strength, from 0 up.
    efficiency : float
        The selection of the local significances; the global ones are those of the best.
    pseudo_z : sequence of float
        Largest local significance of each pseudo-experiment of the run.
    """
    strengths = list(by_strength)
    first = next(iter(by_strength.values()))[0]
    index = [each.selection.efficiency for each in first.selections].index(efficiency)
    z_local = [[each.selections[index].z_or_zero for each in some] for some in by_strength.values()]
    z_global = [
        [z_global_of(each.z_best, pseudo_z) for each in some] for some in by_strength.values()
    ]
    return Reach(
        local_3=reach(strengths, z_local, 3.0),
        local_5=reach(strengths, z_local, 5.0),
        global_3=reach(strengths, z_global, 3.0),
        global_5=reach(strengths, z_global, 5.0),
    )


def z_global_of(z_local: float, pseudo_z: Sequence[float]) -> float:
    """Return the global significance by pseudo-experiments, up to the largest they can show.

    Examples
    --------
    >>> round(z_global_of(9.0, [2.0] * 999), 2)
    3.09
    """
    as_large = np.count_nonzero(np.asarray(pseudo_z) >= z_local)
    return float(z_of_p((1 + as_large) / (1 + len(pseudo_z))))


def _point(strength: float, some: Sequence[Injection], pseudo_z: Sequence[float]) -> InjectionPoint:
    """Summarise the repeats at one strength."""
    rows = list(zip(*(each.selections for each in some), strict=True))
    return InjectionPoint(
        strength=strength,
        repeats=len(some),
        z_global=_quantiles([z_global_of(each.z_best, pseudo_z) for each in some]),
        selections=tuple(
            PointSelection(
                efficiency=these[0].selection.efficiency,
                z_local=_quantiles([row.z_or_zero for row in these]),
                eps_s=_quantiles([row.eps_s for row in these]),
                absorbed=_absorbed(these),
                selected_signal=float(np.mean([row.selected_signal for row in these])),
            )
            for these in rows
        ),
    )


def _absorbed(rows: Sequence[InjectedSelection]) -> float:
    """Return the fraction of the selected signal that the sideband fits take for background."""
    selected = sum(row.eps_s for row in rows)
    return 1 - sum(row.net_efficiency for row in rows) / selected if selected > 0 else 0.0


def _quantiles(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(np.quantile(np.asarray(values), QUANTILES).tolist())
