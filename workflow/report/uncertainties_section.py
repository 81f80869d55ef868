"""What the report shows of systematic uncertainties: pulls, impacts, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..drawing import as_svg_uri
from ..uncertainties.uncertainties_result import Uncertainties
from ..uncertainties.uncertainty_figures import plot_impacts, plot_strength

__all__ = ["uncertainties_section", "uncertainties_sentence"]

_IMPACTS = (
    "Nuisance parameters by the size of their impact. Left: fitted value and error in units of the "
    "constraint, 0 ± 1 where the data say nothing of it; parameters of the background function have "
    "no constraint. Right: change of the fitted strength with the parameter fixed one error above "
    "and below its fitted value."
)
_STRENGTH = (
    "The likelihood along the strength of the signal, with all nuisances fitted and with the "
    "constrained ones held at their fitted values."
)


def uncertainties_section(out: Path) -> dict[str, Any] | None:
    """Return the sentence and the figures; None where the run has no uncertainties.

    Parameters
    ----------
    out : Path
        The run's folder, in which ``uncertainties.json`` may be.
    """
    found = Uncertainties.found_at(out / "uncertainties.json")
    if found is None:
        return None
    return {
        "sentence": uncertainties_sentence(found),
        "figures": [
            (as_svg_uri(plot_impacts(found.impacts)), "pulls and impacts", _IMPACTS),
            (as_svg_uri(plot_strength(found)), "likelihood along the strength", _STRENGTH),
        ],
    }


def uncertainties_sentence(found: Uncertainties) -> str:
    """Return what the uncertainties cost, and which of them costs most, in words."""
    limit, without = (each.observed * found.events for each in (found.limit, found.limit_without))
    said = (
        f"In the model of the whole range, for a signal of the mass and width of the "
        f"{'simulated one' if found.simulated else 'peak that was fitted'}, the local significance is "
        f"{found.z:.2f}σ with all uncertainties and {found.z_without:.2f}σ without; the upper limit at "
        f"{100 * found.limit.level:g} % is {limit:.3g} selected signal events, {without:.3g} without."
    )
    named = [each for each in found.impacts.impacts if each.constraint is not None]
    if not named:
        return said
    first = named[0]
    changes = " and ".join(f"{each * found.events:+.2g}" for each in (first.up, first.down))
    return f"{said} The largest impact of a constrained nuisance is that of {first.name}, {changes} events."
