"""From a finished search to what its uncertainties do: models, impacts, scans."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from ...core import FitError
from ...stats.limits.cls import asymptotic_limit
from ...stats.limits.discoveries import discovery
from ...stats.uncertainties.envelope import function_profile
from ...stats.uncertainties.impacts import impacts, strength_scan
from ...stats.uncertainties.of_functions import background_fractions
from ...stats.workspaces.categories import Categories
from ...stats.workspaces.shape import peak_events, spectra_categories
from ..config.uncertainties import UncertaintiesConfig
from ..drawing import save_figure
from ..models.result_models import write_whole_range
from ..stages.background_function import all_counts, functions_of
from ..stages.run import Run
from ..stages.scores import Scores, read_scores
from ..stages.search_result import BestResult, SearchResults
from .signal_templates import SignalTemplates, peak_templates, simulated_templates
from .uncertainties_result import Uncertainties
from .uncertainty_figures import plot_impacts, plot_strength

__all__ = ["make_uncertainties"]

_FILE = "uncertainties.json"
_OWN = "uncertainties: "  # what the flags of this stage begin with


def make_uncertainties(run: Run, results: SearchResults) -> SearchResults:
    """Write what the uncertainties of the configuration do to the result of a search.

    Writes ``uncertainties.json``, figures in ``uncertainties/``, and `categories_workspace` and
    datacard with all nuisances in place of those of the search. A fit that fails leaves none of them,
    and a flag in ``results.json``.

    Parameters
    ----------
    run : Run
        The search.
    results : SearchResults
        Its result.

    Returns
    -------
    SearchResults
        With that flag, or without the one of an earlier attempt.

    Raises
    ------
    InputError
        If scores of the simulated signal are missing.
    """
    best, path = results.best, run.folder / _FILE
    if run.config.uncertainties == UncertaintiesConfig() or best is None:
        return _flagged(run, results, *_take_back(run, results))
    key = run.key("uncertainties", results.key)
    found = Uncertainties.earlier(path)
    if found is not None and found.key == key:
        return results
    run = run.partition(results.partition)
    scores = read_scores(run)
    signal = (
        simulated_templates(run, best, scores) if run.config.signal else peak_templates(run, best)
    )
    try:
        made, model = _uncertainties(run, results, best, scores, signal, key=key)
    except FitError as error:
        return _flagged(run, results, f"no {_FILE}: {error}", *_take_back(run, results))
    unmodelled = write_whole_range(run.folder, lambda: model)
    save_figure(plot_impacts(made.impacts), run.folder / "uncertainties" / "impacts.svg")
    save_figure(plot_strength(made), run.folder / "uncertainties" / "strength.svg")
    made.to_json(path)
    return _flagged(run, results, *unmodelled)


def _flagged(run: Run, results: SearchResults, *flags: str) -> SearchResults:
    """Return and store results with flags of this stage in place of those of an earlier attempt."""
    others = (each for each in results.flags if not each.startswith(_OWN))
    flagged = replace(results, flags=(*others, *(f"{_OWN}{each}" for each in flags)))
    if flagged != results:
        flagged.to_json(run.folder / "results.json")
    return flagged


def _take_back(run: Run, results: SearchResults) -> tuple[str, ...]:
    """Put the model of the search, which has no nuisances of the signal, back in its place.

    Returns its flag where it could not be made.
    """
    path, best = run.folder / _FILE, results.best
    if not path.is_file():
        return ()
    path.unlink()
    for name in ("impacts", "strength"):
        (run.folder / "uncertainties" / f"{name}.svg").unlink(missing_ok=True)
    if best is None:
        return ()
    window = results.windows[best.window]
    place = window.place_of(best.efficiency)
    of_search = partial(
        spectra_categories,
        results.spectra[0],
        None if place == 0 else results.spectra[place],
        signal=peak_events(run.fit_edges, best.mass, best.width, best.n_signal),
        fabricated={"spurious_signal": window.rows[place].spurious},
        model=run.fit_model,
        odds_widths=best.odds_widths or None,
    )
    return write_whole_range(run.folder, of_search)


def _uncertainties(
    run: Run,
    results: SearchResults,
    best: BestResult,
    scores: Scores,
    signal: SignalTemplates,
    *,
    key: str,
) -> tuple[Uncertainties, Categories]:
    """Return the record, and the likelihood with all nuisances."""
    window = results.windows[best.window]
    place = window.place_of(best.efficiency)
    functions = functions_of(run, all_counts(run, scores))
    expected = window.rows[place].expected
    fabricated = {
        name: float(fraction[best.window]) * expected
        for name, fraction in background_fractions(results.spurious, functions).items()
    }

    def model(function: str | None = None, *, all_of_them: bool = True) -> Categories:
        how = run.fit_model if function is None else replace(run.fit_model, function=function)
        return spectra_categories(
            results.spectra[0],
            None if place == 0 else results.spectra[place],
            signal=signal.events,
            variations=signal.variations if all_of_them else None,
            fabricated=fabricated if all_of_them else None,
            model=how,
            odds_widths=best.odds_widths or None,
        )

    exact, whole = model(all_of_them=False), model()
    found = impacts(whole)
    profile = None
    if functions is not None:
        models = {name: model(name, all_of_them=False) for name in functions.envelope.functions}
        profile = function_profile(
            models, np.linspace(0.0, max(found.mu, 0.0) + 3 * found.mu_error, 41)
        )
    made = Uncertainties(
        events=float(signal.events[0].sum()),
        simulated=bool(run.config.signal),
        z_without=discovery(exact).z,
        z=found.z,
        limit_without=asymptotic_limit(exact),
        limit=asymptotic_limit(whole),
        impacts=found,
        scan=strength_scan(whole),
        envelope=None if functions is None else functions.envelope,
        profile=profile,
        key=key,
    )
    return made, whole
