"""Last stage of a search: one HTML page that stands by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ...core import InputError
from ...core.files.yaml_values import yaml_text
from ...core.records import write_text_atomic
from ...stats import SelectionResult, SpectrumFit, WindowResult
from ...stats.sculpting.sculpting_result import SelectionSculpting, WindowSculpting
from ...stats.search.printed import error_of, probability, selection_name
from ...stats.signal.yields import NumberOfEvents
from ..calibrate.retrained import Retrained, retrained_figure
from ..drawing import as_svg_uri, plot_losses, plot_reliability
from ..expect.expected_figures import expected_figures
from ..expect.expected_result import expected_of
from ..limits.limits_figures import limits_figures
from ..limits.limits_result import LimitsResults
from ..stages.scores import read_trainings
from ..stages.search_figures import (
    feature_figure,
    pseudo_experiments_figure,
    scan_figure,
    spectrum_figures,
)
from ..stages.search_result import SearchResults, run_of_results
from .answer_section import answer_section
from .headline import corrections, headline, numbers
from .page import render_page
from .repeats_section import repeats_section
from .uncertainties_section import uncertainties_section
from .validation_section import validation_section

__all__ = ["write_report"]

_OF_BLOCKS = (
    " Of constituents and images: how many constituents or lit pixels there are, the share of the hardest or "
    "brightest one, sums over the shares of pT with ΔR (of images: pixels) from the axis, and the mass, if "
    "the jet had a pT of one; ln is the natural logarithm."
)
_TWO_PEAKS = 3.0  # an error of so many widths is no error of one peak


@dataclass(frozen=True)
class _Picture:
    uri: str
    alt: str
    caption: str


def write_report(out: Path) -> Path:
    """Write ``report.html`` from the results in a run's folder.

    Parameters
    ----------
    out : Path
        The run's folder.

    Returns
    -------
    Path
        The page; figures and styles are inside it.

    Raises
    ------
    InputError
        If there are no results.

    Examples
    --------
    >>> write_report(Path("runs/none"))
    Traceback (most recent call last):
    overdensity.core.errors.InputError: runs/none: no results.json there; run 'overdensity hunt' ...
    """
    path = out / "results.json"
    if not path.is_file():
        msg = f"{out}: no results.json there; run 'overdensity hunt' first, or 'overdensity run'"
        raise InputError(msg)
    results = SearchResults.from_json(path)
    page = render_page("report.html", **_content(results, out))
    return write_text_atomic(out / "report.html", page)


def _content(results: SearchResults, out: Path) -> dict[str, Any]:
    provenance = results.provenance
    return {
        "headline": headline(results) + results.of_all_windows,
        "title": out.resolve().name,
        "created": provenance.created.replace("T", " "),
        "about": f"method {provenance.configuration['method']['name']}",
        "seed": provenance.seed,
        "numbers": numbers(results),
        "flags": results.flags,
        "quiet": "every quoted fit describes its sidebands.",
        "trials": corrections(results),
        "repeats": repeats_section(results),
        "yields": _yields(results),
        "yield_notes": _yield_notes(results),
        "daughters": _daughters(results),
        "answer": answer_section(results, out),
        "validation": validation_section(results, out),
        "retrained": _retrained(out),
        "uncertainties": uncertainties_section(out),
        "limits": _limits(out),
        "expected": _expected(results, out),
        "independence": _independence(results),
        "function": results.function,
        "function_tests": [
            (
                f"{test.smaller} or {test.larger}",
                f"{test.p_toys:.2g}",
                f"{test.p_f:.2g}",
                test.reason,
            )
            for test in (() if results.function_choice is None else results.function_choice.tests)
        ],
        "scan_figures": _scan_pictures(results),
        "spectra": _spectrum_pictures(results),
        "features": _feature_pictures(out / "histograms.json"),
        "trainings": _training_pictures(results, out),
        "rows": [
            row
            for window, bent in zip(results.windows, results.sculpting.windows, strict=True)
            for row in _rows(window, bent, results)
        ],
        "truth": [
            (selection_name(row.efficiency), row.signal, row.background) for row in results.truth
        ],
        "cutflow": _cutflow(results.cutflow),
        "configuration": yaml_text(provenance.configuration),
        "inputs": provenance.inputs,
        "versions": provenance.versions,
        "platform": provenance.platform,
    }


def _daughters(results: SearchResults) -> list[tuple[str, str, str]]:
    """Return the jets whose mass peaks among the events above background: name, mass, width.

    Either jet may be either daughter, and of two peaks the error is half their distance.
    """
    found = []
    for one in results.daughters:
        if one.mass is None:
            continue
        error = f"± {error_of(one.mass_error)} GeV"
        two = one.mass_error is not None and one.mass_error > _TWO_PEAKS * (one.width or 0.0)
        mass = (
            f"{one.mass:.0f} GeV, or another peak ({error})" if two else f"{one.mass:.0f} {error}"
        )
        found.append((one.name, mass, f"{one.width:.0f} GeV"))
    return found


def _independence(results: SearchResults) -> list[tuple[str, str, str, str]]:
    """Return the tests of scores against the mass: window, information, expected, p-value."""
    return [
        (
            f"{window.low:.0f}-{window.high:.0f}",
            f"{test.information:.5f}",
            f"{test.expected:.5f} ± {test.expected_error:.5f}",
            f"{'≤ ' if test.is_limit else ''}{test.p_value:.2g}",
        )
        for window, test in zip(results.windows, results.independence, strict=True)
    ]


def _yields(results: SearchResults) -> list[tuple[str, str, str]]:
    """Return the numbers of signal events: the way, the number, and what belongs to it."""
    found = results.before_selection
    if found is None:
        return []
    rows = []
    if found.unselected is not None:
        rows.append(
            ("unselected spectrum", _with_error(found.unselected), _agreement(found.unselected))
        )
    for name, number in (
        ("passing and failing events", found.passing_failing),
        ("with simulated signal", found.simulated),
    ):
        if number is not None:
            rows.append((name, _with_error(number), _agreement(number)))
    chosen = zip(found.efficiencies, results.windows[0].selections, strict=False)
    rows += [
        (
            f"efficiency for the simulated signal, {selection_name(row.efficiency)}",
            f"{100 * each.value:.1f} ± {100 * each.error:.1f} %",
            f"{each.n_simulated} simulated events",
        )
        for each, row in chosen
    ]
    return rows


def _with_error(found: NumberOfEvents) -> str:
    return f"{found.value:.0f} ± {found.error:.0f}"


def _agreement(found: NumberOfEvents) -> str:
    return f"χ²/ndf of the fit {found.chi2:.0f}/{found.ndf}"


def _yield_notes(results: SearchResults) -> tuple[str, ...]:
    found = results.before_selection
    return () if found is None else (*found.assumptions, *found.problems)


def _retrained(out: Path) -> dict[str, Any] | None:
    """Return what the repeated training has shown, if it was repeated."""
    found = Retrained.found_at(out / "pseudodata.json")
    if found is None:
        return None
    whole = found.global_p
    caption = (
        "The largest local significance anywhere in the scan, of pseudo-datasets that the search "
        "was trained on anew, and of pseudo-experiments that take the scores as given."
    )
    return {
        "picture": _picture(retrained_figure(out), "search repeated on pseudo-datasets", caption),
        "sentence": (
            f"p global {'≤' if whole.is_limit else '='} {whole.p_global:.2g} ± "
            f"{whole.p_global_error:.1g} from {len(found.datasets)} pseudo-datasets, "
            f"{found.p_pseudo_experiments:.2g} from pseudo-experiments."
        ),
        "assumptions": found.assumptions,
    }


def _limits(out: Path) -> dict[str, Any] | None:
    """Return the figures and flags of the upper limits, if there are any."""
    found = LimitsResults.found_at(out / "limits.json")
    if found is None:
        return None
    return {
        "figures": [_picture(figure, name, text) for name, text, figure in limits_figures(out)],
        "flags": found.flags,
    }


def _expected(results: SearchResults, out: Path) -> dict[str, Any] | None:
    """Return the figures of the expected reach, and what they rest on, if it was asked for."""
    found = expected_of(results.provenance.configuration, out)
    if found is None:
        return None
    return {
        "figures": [_picture(figure, name, text) for name, text, figure in expected_figures(found)],
        "flags": found.flags,
        "assumptions": found.assumptions,
    }


def _scan_pictures(results: SearchResults) -> list[_Picture]:
    best = results.best
    searched = (
        "is one of the tests" if results.windows[0].unselected.searched else "is not searched"
    )
    pictures = [
        _picture(
            scan_figure(results),
            "local p-values of the scan",
            "Local p-value of each window and selection. Windows whose fit does not describe its "
            f"sidebands are left out. The black line, before any selection, {searched}.",
        )
    ]
    thrown = pseudo_experiments_figure(results)
    if thrown is not None and best is not None:
        caption = (
            f"The largest local significance anywhere in the scan, in {best.pseudo_experiments} "
            "background-only pseudo-experiments, each refitted in all windows and selections. The "
            "global p-value is the fraction as significant as the data."
        )
        pictures.append(_picture(thrown, "pseudo-experiments", caption))
    return pictures


def _spectrum_pictures(results: SearchResults) -> list[_Picture]:
    fits = [fit for fit in results.spectra if fit is not None]
    return [
        _picture(
            figure,
            f"mass spectrum, {selection_name(efficiency)}",
            f"{selection_name(efficiency)}: {fit.observed} events in the signal region, "
            f"{fit.total:.1f} ± {fit.total_error:.1f} expected from {_source_of(fit)}.",
        )
        for (efficiency, figure), fit in zip(spectrum_figures(results).items(), fits, strict=True)
    ]


def _source_of(fit: SpectrumFit) -> str:
    if fit.function == "abcd":
        return "events that pass one of both scores, or none"
    return f"the {fit.function} fit outside it"


def _feature_pictures(path: Path) -> list[_Picture]:
    figure = feature_figure(path)
    if figure is None:
        return []
    caption = "Features of the events in the best signal region, each distribution normalised."
    if any(": " in axes.get_xlabel() for axes in figure.axes):
        caption += _OF_BLOCKS
    return [_picture(figure, "features of selected events", caption)]


def _training_pictures(results: SearchResults, out: Path) -> list[_Picture]:
    """Return how the trainings of the best window went."""
    if results.best is None:
        return []
    seen, pictures = read_trainings(run_of_results(results, out), results.best.window), []
    losses = {fold: of_fold.losses for fold, of_fold in seen.items() if of_fold.losses}
    if losses:
        caption = (
            f"Losses of the {sum(map(len, losses.values()))} trainings in the best window, one "
            "line a fold. Where the validation loss rises while the other falls, networks are "
            "overtrained; the epochs kept are those before."
        )
        pictures.append(_picture(plot_losses(losses), "loss curves", caption))
    reliability = {fold: of.reliability for fold, of in seen.items() if of.reliability}
    if reliability:
        caption = (
            "Probabilities of a class by the classifiers of the best window, for events on which they "
            "were not trained, and the fraction of these that is of it: tenths of the events and "
            "their highest hundredth, one line a fold. On the diagonal the probabilities are right. "
            "Points below it on the right: the classifier has learnt fluctuations."
        )
        pictures.append(_picture(plot_reliability(reliability), "reliability diagrams", caption))
    return pictures


def _rows(
    window: WindowResult, bent: WindowSculpting, results: SearchResults
) -> list[dict[str, str]]:
    best = results.best
    is_best_window = best is not None and results.windows[best.window] is window
    return [
        {
            "style": "best"
            if best is not None and is_best_window and row.efficiency == best.efficiency
            else "flagged"
            if row.flagged
            else "",
            "window": f"{window.low:.0f}-{window.high:.0f}",
            **_row(row),
            **_bending(of_selection),
        }
        for row, of_selection in zip(window.rows, (None, *bent.selections), strict=True)
    ]


def _row(row: SelectionResult) -> dict[str, str]:
    return {
        "selection": selection_name(row.efficiency),
        "observed": f"{row.observed}",
        "expected": row.background,
        "spurious": f"{row.spurious:.1f}",
        "p_local": _unquoted(row) if row.p_local is None else probability(row.p_local),
        "z_local": "" if row.z_local is None else f"{row.z_local:.1f}σ",
        "chi2": f"{row.chi2:.1f}/{row.ndf}",
        "fit_p": f"{row.fit_p_value:.2g}",
    }


def _unquoted(row: SelectionResult) -> str:
    """Say why a row has no p-value: a spectrum that is its own background is not tested."""
    if row.refused:
        return "refused" if row.efficiency < 1 else "not tested"
    return "flagged"


def _bending(bent: SelectionSculpting | None) -> dict[str, str]:
    if bent is None:
        return {"fake": "", "bend": "", "distance": ""}
    return {
        "fake": f"{bent.fake:.1f} ± {bent.fake_error:.1f}",
        "bend": f"{bent.chi2:.0f}/{bent.ndf}",
        "distance": f"{bent.distance:.3f}",
    }


def _cutflow(cutflow: dict[str, int]) -> list[tuple[str, int, str]]:
    total = max(next(iter(cutflow.values()), 0), 1)
    return [(name, events, f"{100 * events / total:.1f} %") for name, events in cutflow.items()]


def _picture(figure: Figure, alt: str, caption: str) -> _Picture:
    return _Picture(as_svg_uri(figure), alt, caption)
