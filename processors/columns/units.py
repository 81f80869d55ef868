"""The units of columns, told from their names: masses, energies and momenta are in GeV."""

from __future__ import annotations

import re

__all__ = ["axis_label"]

_IN_GEV = re.compile(r"d?m(ass)?(jj+|J\d?|z\d|\d+l?|ll)?|pt|energy|[hl]t|met")
_WITHOUT_UNIT = {"over", "ln", "log", "n", "ratio", "fraction", "drop"}


def axis_label(column: str) -> str:
    """Return what stands at the axis of a column: its name, with GeV for masses and momenta.

    Examples
    --------
    >>> [axis_label(name) for name in ("j1_softdrop_mass", "mjj", "ht", "m_low")]
    ['j1_softdrop_mass [GeV]', 'mjj [GeV]', 'ht [GeV]', 'm_low [GeV]']
    >>> [axis_label(name) for name in ("j1_tau21", "j1_mass_over_pt", "ln_m12", "n_jets")]
    ['j1_tau21', 'j1_mass_over_pt', 'ln_m12', 'n_jets']
    """
    parts = column.split("_")
    in_gev = any(map(_IN_GEV.fullmatch, parts)) and not _WITHOUT_UNIT.intersection(parts)
    return f"{column} [GeV]" if in_gev else column
