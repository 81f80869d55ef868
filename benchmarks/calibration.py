"""Is a small p-value as rare as it says? Pseudo-spectra through the statistical step; Markdown.

python -P benchmarks/calibration.py                          # all studies, about half an hour
python -P benchmarks/calibration.py background --figures docs/figures
python -P benchmarks/calibration.py strength sparse
python -P benchmarks/calibration.py background --pseudo-experiments 300   # a third of the time
python -P benchmarks/calibration.py resonance                # peaks of 3, 6 and 12 % width
python -P benchmarks/calibration.py searches --datasets 200  # all events and ten correlated selections

The slow tests of ``tests/stats/test_calibration.py`` ask the same studies for their verdict.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binom, kstest

from overdensity.core import progress
from overdensity.stats import (
    FitModel,
    fit,
    fit_resonance,
    hunt,
    local_p,
    log_edges,
    selection_levels,
    subdivide,
)
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import Constraint, seed_theta

EDGES = log_edges(2632.0, 6000.0, 16)
WINDOWS = np.array([(EDGES[i], EDGES[i + 3]) for i in range(2, 12)])
EFFICIENCIES = (0.1, 0.01, 0.002)


def throw_masses(rng: np.random.Generator, n: float, *, power: float = 3.0) -> np.ndarray:
    """Draw Poisson(n) masses in the scan range from (1-y)^4 / y^power, y = m / 13 TeV."""
    grid = np.linspace(EDGES[0], EDGES[-1], 20_001)
    y = (grid[1:] + grid[:-1]) / 2 / 13e3
    cdf = np.concatenate([[0], np.cumsum((1 - y) ** 4 / y**power)])
    return np.interp(rng.random(rng.poisson(n)) * cdf[-1], cdf, grid)


@dataclass(frozen=True)
class PValues:
    """p-values of many datasets without signal.

    Attributes
    ----------
    p_global : ndarray of shape (n_datasets,)
        1 where a dataset has no fit that may be quoted.
    p_local : ndarray of shape (n_datasets, n_windows, n_selections)
        Of every window, from loose to tight.
    """

    p_global: np.ndarray
    p_local: np.ndarray

    @property
    def ks(self) -> float:
        """Kolmogorov-Smirnov p-value of uniform global p-values."""
        return float(kstest(self.p_global, "uniform").pvalue)

    def rate(self, alpha: float) -> np.ndarray:
        """Return how often a local p-value is below alpha, for each selection."""
        return (self.p_local < alpha).mean(axis=(0, 1))


def _search(
    mass: np.ndarray,
    levels: np.ndarray,
    seed: int,
    *,
    efficiencies,
    function: str = "dijet5",
    toys: int = 1000,
) -> tuple[float, list]:
    """Return the global p-value, 1 where nothing may be quoted, and all local ones."""
    result = hunt(
        mass,
        levels,
        edges=EDGES,
        windows=WINDOWS,
        efficiencies=efficiencies,
        model=FitModel(function),
        pseudo_experiments=toys,
        seed=seed,
    )
    p_local = [  # of all fits, whether they may be quoted or not
        [float(local_p(row.observed, row.expected, row.total_error)) for row in window.rows]
        for window in result.windows
    ]
    return (1.0 if result.global_p is None else result.global_p.p_global), p_local


def background(
    datasets: int,
    *,
    events: float = 10_000,
    power: float = 3.0,
    function: str = "dijet5",
    toys: int = 1000,
) -> PValues:
    """Search pseudo-spectra: all events, and a tenth of them chosen at random."""
    p_global, p_local = [], []
    with progress("pseudo-spectra", datasets) as advance:
        for seed in range(datasets):
            rng = np.random.default_rng([1, seed])
            mass = throw_masses(rng, events, power=power)
            levels = (rng.random((mass.size, len(WINDOWS))) < 0.1).astype(np.int8)
            options = {"efficiencies": (1.0, 0.1), "function": function, "toys": toys}
            whole, local = _search(mass, levels, seed, **options)
            p_global.append(whole)
            p_local.append(local)
            advance(1)
    return PValues(np.array(p_global), np.array(p_local))


def sparse(datasets: int, *, toys: int = 1000) -> PValues:
    """Search steep spectra of 600 events, whose last bins are mostly empty."""
    return background(datasets, events=600, power=12.0, function="dijet3", toys=toys)


def searches(
    datasets: int,
    *,
    events: int = 30_000,
    sculpting: float = 0.0,
    correlation: float = 0.5,
    toys: int = 1000,
) -> PValues:
    """Search datasets with a score for each window, all events among the tests.

    Scores of windows share their variance.
    """
    p_global, p_local = [], []
    with progress("datasets", datasets) as advance:
        for seed in range(datasets):
            rng = np.random.default_rng([2, seed])
            mass = throw_masses(rng, events)
            shared, own = rng.normal(size=(mass.size, 1)), rng.normal(size=(mass.size, 10))
            scores = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
            scores += sculpting * np.log(mass / 3500.0)[:, None]
            folds = rng.integers(0, 5, mass.size)
            levels = [selection_levels(column, folds, EFFICIENCIES) for column in scores.T]
            options = {"efficiencies": (1.0, *EFFICIENCIES), "toys": toys}
            whole, local = _search(mass, np.stack(levels, axis=1), seed, **options)
            p_global.append(whole)
            p_local.append(local)
            advance(1)
    return PValues(np.array(p_global), np.array(p_local))


@dataclass(frozen=True)
class Strengths:
    """Fitted strengths of a known signal, each of shape (n_strengths, n_datasets).

    ``injected`` in events, shape (n_strengths,).
    """

    injected: np.ndarray
    fitted: np.ndarray
    error: np.ndarray

    @property
    def pulls(self) -> np.ndarray:
        """(fitted - injected) / error."""
        return (self.fitted - self.injected[:, None]) / self.error

    def coverage(self, level: float) -> np.ndarray:
        """Return how often the interval of a level holds the injected strength."""
        return (np.abs(self.pulls) < ndtri((1 + level) / 2)).mean(axis=1)


def strength(
    datasets: int,
    *,
    significances: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0),
    events: float = 20_000,
) -> Strengths:
    """Fit a peak of known place and width at 3.5 TeV, injected at several significances."""
    fine = subdivide(EDGES, 2)
    peak = np.diff(ndtr((fine / 3500.0 - 1) / 0.04))
    asimov = np.histogram(throw_masses(np.random.default_rng(0), 400 * events), fine)[0] / 400
    unit = fit(fine, np.round(asimov), signal=peak).strength_error
    injected = np.array(significances) * unit
    fitted = np.empty((injected.size, datasets))
    error = np.empty_like(fitted)
    with progress("fits", fitted.size) as advance:
        for row, n_signal in enumerate(injected):
            for k in range(datasets):
                rng = np.random.default_rng([3, row, k])
                counts = np.histogram(throw_masses(rng, events), fine)[0]
                counts = counts + rng.poisson(n_signal * peak)
                one = fit(fine, counts, signal=peak)
                fitted[row, k], error[row, k] = one.strength, one.strength_error
                advance(1)
    return Strengths(injected, fitted, error)


def resonance(datasets: int) -> None:
    """Print pulls of mass and number of events of narrow and broad peaks, 300 in 300 events."""
    fine = subdivide(EDGES, 2)
    function = basis("dijet5", fine)
    asimov = np.histogram(throw_masses(np.random.default_rng(0), 3e6), fine)[0] * 1e-4
    theta = seed_theta(function, asimov)
    known = Constraint(theta, 1 / np.array([10.0, 1.0, 0.5, 0.25, 0.125]) ** 2)
    print(
        "| width | median z | valid | mass: median pull | median size of it | beyond 3 | "
        "events: median pull | median size of it | beyond 3 |"
    )
    print("| --- " * 9 + "|")
    for width in (0.03, 0.06, 0.12):
        peak = np.diff(ndtr((fine / 3700.0 - 1) / width))
        pulls, z = [], []
        for k in range(datasets):
            rng = np.random.default_rng([4, int(1000 * width), k])
            counts = rng.poisson(function.expected(theta) + 300 * peak)
            one = fit_resonance(fine, counts, fine[10], fine[16], background=(function, known))
            z.append(one.z)
            if one.valid and one.mass_error and one.n_signal_error:
                mass, events = (one.mass - 3700) / one.mass_error, one.n_signal - 300
                pulls.append((mass, events / one.n_signal_error))
        table = np.array(pulls)
        cells = [
            f"{np.median(p):+.2f} | {np.median(np.abs(p)):.2f} | {(np.abs(p) > 3).mean():.3f}"
            for p in table.T
        ]
        print(
            f"| {100 * width:.0f} % | {np.median(z):.1f} | {len(table)} of {datasets} | "
            f"{cells[0]} | {cells[1]} |",
            flush=True,
        )
    print()


def binomial_band(n: int, p: float, level: float = 0.99) -> tuple[float, float]:
    """Return the fractions between which n trials of probability p lie, at a level."""
    low, high = binom.interval(level, n, p)
    return float(low) / n, float(high) / n


def show_background(found: PValues, selections: tuple[str, ...]) -> None:
    """Print one table of p-values."""
    n = len(found.p_global)
    print(f"KS p of p_global {found.ks:.2f}, mean {found.p_global.mean():.3f}\n")
    print(
        "| p below | global | 99 % band | "
        + " | ".join(f"local, {name}" for name in selections)
        + " |"
    )
    print("| --- " * (3 + len(selections)) + "|")
    for alpha in (0.3, 0.1, 0.05, 0.01):
        low, high = binomial_band(n, alpha)
        rates = " | ".join(f"{rate:.4f}" for rate in found.rate(alpha))
        whole = (found.p_global < alpha).mean()
        print(f"| {alpha:g} | {whole:.3f} | {low:.3f}-{high:.3f} | {rates} |")
    print(flush=True)


def show_strength(found: Strengths) -> None:
    """Print bias, pull width and coverage."""
    n = found.fitted.shape[1]
    print("| injected events | mean fitted | mean pull | width | within 68.3 % | within 95.4 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    pulls, one, two = found.pulls, found.coverage(ndtr(1) - ndtr(-1)), found.coverage(0.9545)
    for k, injected in enumerate(found.injected):
        mean, spread = found.fitted[k].mean(), found.fitted[k].std(ddof=1) / np.sqrt(n)
        print(
            f"| {injected:.0f} | {mean:.0f} ± {spread:.0f} | "
            f"{pulls[k].mean():+.2f} ± {pulls[k].std() / np.sqrt(n):.2f} | {pulls[k].std():.2f} | "
            f"{one[k]:.3f} | {two[k]:.3f} |"
        )
    bands = [binomial_band(n, p) for p in (0.6827, 0.9545)]
    print(f"\n99 % bands: {bands[0][0]:.3f}-{bands[0][1]:.3f}, {bands[1][0]:.3f}-{bands[1][1]:.3f}")
    print(flush=True)


def plot_p_values(found: dict[str, PValues], path: Path) -> None:
    """Draw the cumulative distributions of global and local p-values."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    for name, these in found.items():
        p = np.sort(these.p_global)
        left.step(p, np.arange(1, p.size + 1) / p.size, label=f"{name}, {p.size} datasets")
        for k in range(these.p_local.shape[2]):
            p = np.sort(these.p_local[:, :, k].ravel())
            label = f"{name}, {'all events' if k == 0 else f'selection {k}'}"
            right.step(p, np.arange(1, p.size + 1) / p.size, label=label)
    n = min(len(these.p_global) for these in found.values())
    grid = np.linspace(0, 1, 200)
    band = 1.36 / np.sqrt(n)
    left.fill_between(
        grid, grid - band, grid + band, alpha=0.15, color="grey", label="uniform, 95 % KS band"
    )
    left.set(xlabel="p global", ylabel="fraction of datasets below", xlim=(0, 1), ylim=(0, 1))
    left.legend()
    right.plot([1e-4, 1], [1e-4, 1], "k:", label="exact")
    right.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(1e-3, 1))
    right.set(xlabel="p local", ylabel="fraction of windows below")
    right.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_strength(found: Strengths, path: Path) -> None:
    """Draw fitted against injected strengths, and the coverage."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    n = found.fitted.shape[1]
    left.violinplot(found.fitted.T, positions=found.injected, widths=0.5 * found.injected[1])
    left.plot(found.injected, found.injected, "k:", label="unbiased")
    mean, spread = found.fitted.mean(axis=1), found.fitted.std(axis=1) / np.sqrt(n)
    left.errorbar(found.injected, mean, spread, fmt="o", color="C3", label="mean")
    left.set(xlabel="injected events", ylabel="fitted events")
    left.legend()
    for k, level in enumerate((0.6827, 0.9545)):
        low, high = binomial_band(n, level)
        right.axhspan(low, high, alpha=0.2, color=f"C{k}", label=f"{100 * level:.1f} %, 99 % band")
        right.plot(found.injected, found.coverage(level), "o-", color=f"C{k}")
    right.set(xlabel="injected events", ylabel="coverage of the interval", ylim=(0.5, 1.02))
    right.legend(loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


STUDIES = ("background", "strength", "sparse", "searches", "resonance")


def main() -> None:
    """Run the studies that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=", ".join(STUDIES))
    parser.add_argument(
        "--datasets", type=int, help="in place of 1000, or 200 for strength, searches"
    )
    parser.add_argument(
        "--pseudo-experiments", type=int, default=1000, dest="toys", help="for each p_global"
    )
    parser.add_argument("--figures", type=Path, help="folder for the pictures")
    arguments = parser.parse_args()
    chosen = arguments.studies or STUDIES
    if unknown := set(chosen) - set(STUDIES):
        parser.error(f"no study {', '.join(sorted(unknown))}; there are {', '.join(STUDIES)}")
    figures, toys = arguments.figures, arguments.toys
    if "background" in chosen:
        n = arguments.datasets or 1000
        found = {"10 000 events": background(n, toys=toys)}
        print(f"### {n} pseudo-spectra of 10 000 events without signal\n")
        show_background(found["10 000 events"], ("all", "a tenth"))
        if figures is not None:
            plot_p_values(found, figures / "calibration_background.png")
    if "sparse" in chosen:
        n = arguments.datasets or 1000
        found = {"600 events, steep": sparse(n, toys=toys)}
        print(f"### {n} steep pseudo-spectra of 600 events, to empty bins\n")
        show_background(found["600 events, steep"], ("all", "a tenth"))
        if figures is not None:
            plot_p_values(found, figures / "calibration_sparse.png")
    if "strength" in chosen:
        n = arguments.datasets or 200
        fitted = strength(n)
        print(f"### {n} fits of a known peak at each strength\n")
        show_strength(fitted)
        if figures is not None:
            plot_strength(fitted, figures / "calibration_strength.png")
    if "resonance" in chosen:
        resonance(arguments.datasets or 200)
    if "searches" in chosen:
        n = arguments.datasets or 200
        found = {
            "5 000 events": searches(n, events=5_000, toys=toys),
            "30 000 events": searches(n, toys=toys),
            "30 000 events, sculpted": searches(n, sculpting=1.0, toys=toys),
        }
        for name, these in found.items():
            print(f"### {n} searches of ten windows, {name}\n")
            show_background(these, ("all", "10 %", "1 %", "0.2 %"))
        if figures is not None:
            plot_p_values(found, figures / "statistics_calibration.png")


if __name__ == "__main__":
    main()
