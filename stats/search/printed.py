"""Numbers of a result in words, as tables, figures and reports show them."""

from __future__ import annotations

from ..p_values.local import LEAST_P

__all__ = ["error_of", "probability", "selection_name", "significances"]


def selection_name(efficiency: float) -> str:
    """Return a selection in words.

    Examples
    --------
    >>> selection_name(0.01), selection_name(1)
    ('1 %', 'all events')
    """
    return "all events" if efficiency == 1 else f"{100 * efficiency:.3g} %"


def error_of(value: float | None, form: str = ".0f") -> str:
    """Return an error as text, ``"?"`` where the fit has none.

    Examples
    --------
    >>> error_of(12.34, ".1f"), error_of(None)
    ('12.3', '?')
    """
    return "?" if value is None else format(value, form)


def probability(p: float | None) -> str:
    """Return a p-value as text, ``"?"`` where there is none, and a bound where it is too small.

    Examples
    --------
    >>> probability(0.03456), probability(0.0)
    ('0.035', '< 1e-300')
    """
    if p is None:
        return "?"
    return f"{p:.2g}" if p >= LEAST_P else f"< {LEAST_P:g}"


def significances(
    z_local: float, z_global: float, *, is_limit: bool, extrapolated: bool = False
) -> str:
    """Return local and global significance in words, and whether the global one is a bound.

    Examples
    --------
    >>> significances(4.5, 3.09, is_limit=True)
    'local significance 4.5σ, global significance ≥ 3.1σ'
    """
    bound = "≥ " if is_limit else ""
    how = " (extrapolated)" if extrapolated else ""
    return f"local significance {z_local:.1f}σ, global significance {bound}{z_global:.1f}σ{how}"
