"""Third stage of a search: masses and scores → p-values, workspace, and what was selected."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.records import write_text_atomic
from ...ml.thin_windows import not_searched
from ...stats import (
    HuntResult,
    SpuriousSignal,
    hunt,
)
from ...stats.abcd.abcd_hunt import hunt_abcd
from ...stats.search.printed import selection_name
from ...stats.uncertainties.bias import bias_flags
from ..models.result_models import HISTOGRAMS, without_models, write_models
from ..models.written_files import are_as_written
from .background_function import all_counts, fabricated_fraction, function_choice, spurious_of
from .before_selection import before_selection, daughters_of
from .feature_histograms import feature_histograms
from .inputs.event_files import event_files, processing_report
from .provenance import Provenance
from .run import Run
from .samples import weight_flags
from .scores import Scores
from .search_result import HIDES_SIGNAL, BestResult, FitQuality, SearchResults, TruthSummary
from .selecting import Selected, about_start, independence_of, selected_events, with_start

__all__ = [
    "hunt_scores",
    "make_results",
]


_NO_PEAK = (
    "the fit of a peak to the selected spectrum did not converge: mass and number of signal events "
    "have no errors and are not to be quoted"
)
_MUTUAL_FOLDS = (
    "cross_fitting: all lets folds learn from each other, which widens the yields beyond Poisson: "
    "the p-values are too small; use cross_fitting: tournament"
)


def make_results(run: Run) -> SearchResults:
    """Take the scores of a run to its results, and write them.

    Writes ``results.json``, ``histograms.json`` and, where there is a result to model, the files
    of `write_models` into the run's folder; an unchanged result is not made again.

    Parameters
    ----------
    run : Run
        The search, with its scores.

    Raises
    ------
    InputError
        If scores are missing.
    FitError
        If there are too few events to fit.
    """
    out, key = run.folder, run.key("results")
    found = SearchResults.earlier(out / "results.json")
    same = found is not None and found.key == key
    if found is not None and same and (out / HISTOGRAMS).is_file() and are_as_written(out):
        return found
    run, start = with_start(run)
    selected = [selected_events(part) for part in run.partitions]
    counts = all_counts(run, selected[0].scores)
    spurious = spurious_of(run, counts)
    result = _hunted(run, selected, spurious)
    chosen = 0 if result.repeats is None else result.repeats.representative
    run, (scores, cut_on, levels, bent, _) = run.partition(chosen), selected[chosen]
    choice = function_choice(run, counts)
    about = about_start(run, result, start, selected[chosen])
    if choice is not None:
        of_search = {
            "function": run.config.fit.function,
            "counted": run.config.uncertainties.functions,
        }
        about += bias_flags(run.fit_edges, counts, run.regions, wanted=choice.function, **of_search)
    del selected
    checks = {
        "fit_start": start,
        "spurious": spurious,
        "sculpting": bent,
        "independence": independence_of(run, cut_on),
        "function_choice": choice,
        "before_selection": before_selection(run, scores=scores, levels=levels, result=result)
        if run.config.fit.fits_function
        else None,
        "daughters": daughters_of(run, scores, levels, result),
    }
    results = _results(run, scores, levels, result, about=about, checks=checks, key=key)
    write_text_atomic(out / HISTOGRAMS, json.dumps(_feature_hists(run, scores, levels, result)))
    if run.config.fit.fits_function:
        unmodelled = write_models(run.folder, result, run.fit_model)
        results = replace(results, flags=(*results.flags, *unmodelled))
    else:
        without_models(run.folder)
    stale_files = ("report.html", "uncertainties.json")
    if not same:  # of an earlier result
        stale_files += ("limits.json", "pseudodata.json", "answer.json")
    for stale in stale_files:
        (out / stale).unlink(missing_ok=True)
    results.to_json(out / "results.json")
    return results


def _hunted(run: Run, selected: list[Selected], spurious: SpuriousSignal | None) -> HuntResult:
    """Run the statistical step, on one score in each window or on two for all (``fit.background: abcd``)."""
    config, (first, *_) = run.config, selected
    if first.both is not None:
        return hunt_abcd(
            first.scores.sample.mass,
            *first.both,
            edges=run.edges,
            windows=run.regions,
            efficiencies=config.selections,
            bins_per_bin=config.fit.bins_per_bin,
            gof_threshold=config.fit.gof_threshold,
            pseudo_experiments=config.pseudo_experiments,
            seed=config.seed,
        )
    return hunt_scores(
        run,
        first.scores,
        np.stack([each.levels for each in selected]),
        spurious=spurious,
        refused=np.stack([each.bent.refused for each in selected]),
    )


def hunt_scores(
    run: Run,
    scores: Scores,
    levels: NDArray[np.int8],
    *,
    spurious: SpuriousSignal | None,
    refused: NDArray[np.bool_],
) -> HuntResult:
    """Run the statistical step of a search, on the selections of one or of several partitions.

    Selections that fabricate an excess are refused.
    """
    config = run.config
    return hunt(
        scores.sample.mass,
        levels,
        edges=run.edges,
        windows=run.regions,
        spurious=fabricated_fraction(run, all_counts(run, scores), spurious),
        efficiencies=config.selections,
        model=run.fit_model,
        bins_per_bin=config.fit.bins_per_bin,
        pseudo_experiments=config.pseudo_experiments,
        seed=config.seed,
        refused=refused,
    )


def _results(
    run: Run,
    scores: Scores,
    levels: NDArray[np.int8],
    result: HuntResult,
    *,
    about: tuple[str, ...],
    checks: dict[str, Any],
    key: str,
) -> SearchResults:
    """Return the results of the search: the statistical step, and what it was made from."""
    config, processing = run.config, processing_report(run.config, run.folder)
    bad_files = {} if processing is None else processing.bad_files
    no_peak = result.best is not None and not result.best.resonance.valid
    unsure = (_NO_PEAK,) if no_peak else ()
    hiding = (HIDES_SIGNAL,) if config.fit.spurious == "data" else ()
    mutual = (_MUTUAL_FOLDS,) if config.cross_fitting == "all" else ()
    skipped = tuple(f"skipped {name}: {error}" for name, error in bad_files.items())
    noticed = () if processing is None else processing.flags
    return SearchResults(
        windows=result.windows,
        best=_best(result),
        trials=result.trials,
        **checks,
        fit=_fit_quality(result),
        flags=(
            *hiding,
            *result.flags,
            *about,
            *unsure,
            *mutual,
            *not_searched(run.left_out),
            *skipped,
            *noticed,
            *weight_flags(run),
        ),
        left_out=run.left_out,
        repeats=result.repeats,
        n_events=len(scores.sample),
        function=result.function,
        spectra=() if result.best is None else result.best.spectra,
        pseudo_z=() if result.global_p is None else result.global_p.largest_z,
        truth=_truth(run, scores, levels, result),
        cutflow={} if processing is None else processing.cutflow,
        bad_files=bad_files,
        key=key,
        odds_widths=result.odds_widths,
        provenance=Provenance.of(
            config.model_dump(mode="json"),
            config.seed,
            [name for name in event_files(config.events) if name not in bad_files],
        ),
    )


def _best(result: HuntResult) -> BestResult | None:
    if result.best is None or result.global_p is None:
        return None
    best, whole, peak = result.best, result.global_p, result.best.resonance
    window = result.windows[best.window]
    return BestResult(
        mass=peak.mass,
        mass_error=peak.mass_error,
        window=best.window,
        low=window.low,
        high=window.high,
        efficiency=best.efficiency,
        p_local=best.p_local,
        z_local=best.z_local,
        p_global=whole.p_global,
        z_global=whole.z_global,
        p_global_error=whole.p_global_error,
        p_global_is_limit=whole.is_limit,
        p_global_extrapolated=whole.extrapolated,
        pseudo_experiments=whole.pseudo_experiments,
        n_signal=peak.n_signal,
        n_signal_error=peak.n_signal_error,
        width=peak.width,
        odds_widths=best.odds_widths,
    )


def _fit_quality(result: HuntResult) -> tuple[FitQuality, ...]:
    window = result.windows[0 if result.best is None else result.best.window]
    return tuple(map(FitQuality.of, window.rows))


def _truth(
    run: Run, scores: Scores, levels: NDArray[np.int8], result: HuntResult
) -> tuple[TruthSummary, ...]:
    """Count true signal and background among the selected, for evaluation alone."""
    label = scores.sample.label
    if label is None or result.best is None:
        return ()
    inside, passed = _signal_region(scores, levels, result)
    return tuple(
        TruthSummary(
            efficiency=efficiency,
            signal=int(np.count_nonzero(inside & (passed >= level) & (label != 0))),
            background=int(np.count_nonzero(inside & (passed >= level) & (label == 0))),
        )
        for level, efficiency in enumerate(run.config.spectra)
    )


def _feature_hists(
    run: Run, scores: Scores, levels: NDArray[np.int8], result: HuntResult
) -> dict[str, dict]:
    """Histogram the features of all and of the selected events of the best signal region.

    Where the best spectrum is the unselected one, events beside the region are shown in place of
    selected ones.
    """
    if result.best is None:
        return {}
    inside, passed = _signal_region(scores, levels, result)
    level = run.config.spectra.index(result.best.efficiency)
    groups = {"all in the signal region": inside}
    if level:
        selected = selection_name(result.best.efficiency)
        groups[f"selected, {selected}"] = inside & (passed >= level)
    else:
        groups["all beside it"] = ~inside
    return feature_histograms(run, scores.sample, groups)


def _signal_region(
    scores: Scores, levels: NDArray[np.int8], result: HuntResult
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Return which events lie in the best signal region, and the selections all pass there."""
    best = result.best
    if best is None:
        msg = "a result without a best window has no signal region"
        raise ValueError(msg)
    window, mass = result.windows[best.window], scores.sample.mass
    return (mass >= window.low) & (mass < window.high), levels[:, best.window]
