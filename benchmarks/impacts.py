"""What each systematic uncertainty does to a fitted signal and to its limits; Markdown.

    python -P benchmarks/impacts.py

A falling spectrum of 100 000 events, of which a selection keeps 1 %, with 80 selected events of a
peak at 3.5 TeV among them: pulls and impacts with all nuisances at once, and limits on data as expected with each alone.
Then the limits of a count, with a training that is what it is and with one that is repeated.
"""

from __future__ import annotations

import argparse

import numpy as np

from overdensity.stats import FitModel, SelectionResult, log_edges
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.signal_factors import SignalFactor
from overdensity.stats.limits.with_injections import injected_limit
from overdensity.stats.spectra.binning import gaussian_fractions
from overdensity.stats.uncertainties.impacts import impacts
from overdensity.stats.uncertainties.nuisances import SignalErrors, peak_shapes, signal_variations
from overdensity.stats.workspaces.categories import Categories, Variation, categories
from overdensity.workflow.limits.yield_limits import yield_limit

EDGES = log_edges(2632, 6000, 32)
MASS, WIDTH, SELECTED, SHARE = 3500.0, 140.0, 80.0, 0.5  # GeV, GeV, events, share that passes
EVENTS, EFFICIENCY = 100_000, 0.01
ERRORS = SignalErrors(luminosity=0.016, tagger=0.1, position=0.01, width=0.1)
FABRICATED = {"spurious_signal": 6.0, "background_function": 10.0, "function_bias": 4.0}  # events
OF_SIGNAL = ("luminosity", "tagger", "position", "width", "jes")


def spectra(seed: int | None, *, signal: float) -> tuple[np.ndarray, np.ndarray]:
    """Throw the events that pass and those that fail; without a seed they are as expected."""
    center = np.sqrt(EDGES[1:] * EDGES[:-1]) / 13e3
    mean = (1 - center) ** 10 / center**5 * np.diff(EDGES)
    mean *= EVENTS / mean.sum()
    peak = signal * gaussian_fractions(EDGES, MASS, WIDTH)
    passing = mean * EFFICIENCY + peak
    failing = mean * (1 - EFFICIENCY) + peak * (1 - SHARE) / SHARE
    if seed is None:
        return passing, failing
    rng = np.random.default_rng(seed)
    return rng.poisson(passing), rng.poisson(failing)


def variations() -> tuple[np.ndarray, dict[str, Variation]]:
    """Return the signal that passes and that fails, and all its nuisances."""
    size = SELECTED * np.array([[1.0], [(1 - SHARE) / SHARE]])
    shapes = {
        name: tuple(size * shape for shape in both)
        for name, both in peak_shapes(EDGES, MASS, WIDTH, ERRORS).items()
    }
    # An energy scale that moves the mass by 2 %, and what passes by 5 %.
    shapes["jes"] = tuple(
        size * np.array([[more], [1.0]]) * gaussian_fractions(EDGES, MASS * scale, WIDTH)
        for more, scale in ((1.05, 1.02), (0.95, 0.98))
    )
    nominal = size * gaussian_fractions(EDGES, MASS, WIDTH)
    return nominal, signal_variations(nominal, ERRORS, shapes)


def model(seed: int | None, *, signal: float, names: tuple[str, ...]) -> Categories:
    """Return the likelihood of all bins with the nuisances that are named."""
    nominal, known = variations()
    return categories(
        EDGES,
        *spectra(seed, signal=signal),
        signal=nominal,
        variations={name: known[name] for name in names if name in known},
        fabricated={name: FABRICATED[name] for name in names if name in FABRICATED},
        model=FitModel("dijet4"),
        odds_widths=(0.1,) * 4,
    )


def whole_range(seed: int) -> list[str]:
    """Return the table of the model of the whole range."""
    everything = (*OF_SIGNAL, *FABRICATED)
    found = impacts(model(seed, signal=SELECTED, names=everything))
    columns = (
        *("nuisance", "pull", "constraint", "impact of +1σ", "impact of -1σ"),
        *("limit with it alone, signal there", "none there"),
    )
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    there = (SELECTED, 0.0)
    exact = [_observed(model(None, signal=s, names=())) for s in there]
    for names in (*((name,) for name in everything), everything):
        loose = [_observed(model(None, signal=s, names=names)) for s in there]
        cells = ["all", "", "", "", ""]
        if len(names) == 1:
            one = found.of(names[0])
            cells = [one.name, f"{one.pull:+.2f}", f"{one.constraint:.2f}"]
            cells += [f"{one.up:+.3f}", f"{one.down:+.3f}"]
        cells += [_change(a / b) for a, b in zip(loose, exact, strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    title = (
        f"Strength {found.mu:.2f} ± {found.mu_error:.2f}, 1 being {SELECTED:.0f} selected events"
    )
    return [title, "", *lines]


def _observed(known: Categories) -> float:
    return asymptotic_limit(known).observed


def count() -> list[str]:
    """Return the table of the limits on a count of 52 events over 50 ± 5."""
    row = SelectionResult(
        *(0.01, 52, 50.0, 5.0, 0.0, 0.3, 0.5, 8.0, 9, 0.5), flagged=False, refused=False
    )
    wide = {"strengths": [0, 400], "efficiencies": [[0.1] * 5] * 2}
    grows = {"strengths": [0, 400], "efficiencies": [[0.0] * 5, [0.2] * 5]}
    factors = [
        SignalFactor("luminosity", 1.016, 1 / 1.016),
        SignalFactor("tagger", 1.1, 1 / 1.1, trained=False),
        SignalFactor("position", 0.9, 0.92),
        SignalFactor("width", 0.93, 1.06),
        SignalFactor("jes", 1.04, 0.95),
    ]
    columns = (
        *("nuisance", "share of the signal at +1σ, -1σ", "training of the run"),
        *("training repeated, efficiency 0.1", "training repeated, efficiency ∝ signal"),
    )
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]

    def limits(nuisances: list[SignalFactor]) -> list[float]:
        trained = [
            injected_limit(52, 50.0, 5.0, bands=(), nuisances=nuisances, **how).observed
            for how in (wide, grows)
        ]
        return [x or np.inf for x in (yield_limit(row, 0.95, nuisances).observed, *trained)]

    exact = limits([])
    for some in (*([each] for each in factors), factors):
        both = f"{some[0].high:.3f}, {some[0].low:.3f}" if len(some) == 1 else ""
        changes = [_change(a / b) for a, b in zip(limits(some), exact, strict=True)]
        name = some[0].name if len(some) == 1 else "all"
        lines.append(f"| {' | '.join([name, both, *changes])} |")
    return lines


def _change(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    print("\n".join(whole_range(given.seed)) + "\n")
    print("\n".join(["Limits on the signal of a count of 52 events over 50 ± 5\n", *count()]))


if __name__ == "__main__":
    main()
