"""What stands at the top of the report, and how the trials were corrected for."""

from __future__ import annotations

from ...stats import z_of_p
from ...stats.p_values.local import LEAST_P
from ...stats.search.printed import error_of, probability, selection_name
from ..stages.search_result import SearchResults

__all__ = ["corrections", "headline", "numbers"]


def headline(results: SearchResults) -> str:
    """Return what the search has found, in one line."""
    best = results.best
    if best is None:
        return "No result: no fit describes its sidebands"
    if not results.quotable:
        return "Not to be quoted: the spurious signal was measured on the searched data"
    relation = "≥" if best.p_global_is_limit else "="
    if best.p_global > 0.05:
        return f"No excess: global p = {best.p_global:.2g}"
    how = ", extrapolated beyond the pseudo-experiments" if best.p_global_extrapolated else ""
    significance = f"{relation} {best.z_global:.1f}σ{how}"
    return f"Excess at {best.mass / 1000:.2f} TeV, global significance {significance}"


def numbers(results: SearchResults) -> list[tuple[str, str]]:
    """Return the numbers below the headline, with their names; none without a result."""
    best = results.best
    if best is None:
        return []
    relation = "≤ " if best.p_global_is_limit else ""
    error = "" if best.p_global_is_limit else f" ± {best.p_global_error:.1g}"
    how = f"{error}, extrapolated" if best.p_global_extrapolated else ""
    before = results.windows[best.window].unselected.z_local
    return [
        ("mass", f"{best.mass:.0f} ± {error_of(best.mass_error)} GeV"),
        ("local significance", f"{best.z_local:.1f}σ"),
        ("global significance", f"{'≥ ' if relation else ''}{best.z_global:.1f}σ"),
        ("global p-value", f"{relation}{best.p_global:.2g}{how}"),
        ("signal events selected", f"{best.n_signal:.0f} ± {error_of(best.n_signal_error)}"),
        ("selection", selection_name(best.efficiency)),
        ("all events, this window", "flagged" if before is None else f"{before:.1f}σ"),
    ]


def corrections(results: SearchResults) -> list[dict[str, str]]:
    """Return the rows of the table that goes from the local to the global p-value."""
    best, trials = results.best, results.trials
    if best is None or trials is None:
        return []
    beyond = best.p_global_extrapolated
    bound = "≤ " if best.p_global_is_limit or beyond else ""
    quoted = "; what is quoted"
    below = "; smaller than the local p, which is conservative where few events are selected"
    rows = (
        (
            "pseudo-experiments",
            trials.pseudo_experiments,
            f"{bound}{trials.pseudo_experiments:.2g} ± {trials.pseudo_experiments_error:.1g}",
            f"{best.pseudo_experiments} refitted in all {trials.n_tests} tests"
            + ("; none came up to the data" if beyond else quoted)
            + (below if not beyond and best.p_global < best.p_local else ""),
        ),
        (
            "up-crossings (Gross and Vitells)",
            trials.gross_vitells,
            probability(trials.gross_vitells)
            + (f" ± {trials.gross_vitells_error:.1g}" if trials.gross_vitells >= LEAST_P else ""),
            f"{trials.upcrossings:.2f} crossings of {trials.threshold:g}σ, extrapolated; asymptotic"
            + (quoted if beyond else ""),
        ),
        (
            "independent tests (Šidák)",
            trials.sidak,
            probability(trials.sidak),
            f"as if the {trials.n_tests} tests shared no events: an upper bound",
        ),
    )
    return [
        {
            "name": name,
            "p": shown,
            "z": f"{'≥ ' if shown.startswith(('≤', '<')) else ''}{float(z_of_p(max(p, LEAST_P))):.1f}σ",
            "what": what,
        }
        for name, p, shown, what in rows
    ]
