"""The kinds of files that are known, by name: one entry each, which others may add to.

A layout of one's own in the configuration is read by `described_layout.layout_from`.
"""

from __future__ import annotations

from ...core.registry import Registry
from .branches import Extra, Quantity
from .layout import Layout

__all__ = ["LAYOUTS", "TAUS", "charges", "register_layout"]

TAUS = ("tau1", "tau2", "tau3", "tau4")
"""What N-subjettiness of stored jets is called."""

LAYOUTS: Registry[Layout] = Registry(
    "layout", package="overdensity.processors", group="overdensity.layouts"
)
"""The layouts by name: ours, and those of installed packages (entry points)."""


def register_layout(layout: Layout) -> Layout:
    """Make a layout known by its name.

    Raises
    ------
    ConfigError
        If another layout has this name already.

    Examples
    --------
    >>> sorted(LAYOUTS)
    ['delphes', 'flat', 'nano', 'physlite', 'scouting', 'treemaker']
    >>> LAYOUTS["delphes"].trees
    ('Delphes',)
    """
    LAYOUTS.add(layout.name, layout)
    return layout


def charges(branch: str, pdg_id: int) -> dict[str, Extra]:
    """Return the charge of leptons, and the PDG code that follows from it and that of the particle."""
    return {"charge": Quantity(branch), "pdg_id": Quantity(branch, scale=-pdg_id)}
