"""Speed of the statistical step, and what functions and folds do to it; prints Markdown.

python -P benchmarks/statistics.py                       # speed, about two minutes
python -P benchmarks/statistics.py --functions           # which function describes the QCD sample
python -P benchmarks/statistics.py --cross-fitting       # what folds do to the significance
python -P benchmarks/statistics.py --figures docs/figures --functions
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from iminuit import Minuit
from scipy.stats import chi2

from overdensity.stats import count_patterns, log_edges, selection_levels, subdivide, z_of_p
from overdensity.stats.p_values.local import local_p
from overdensity.stats.search.null import null_hypothesis
from overdensity.stats.search.pseudo_experiments import throw_toys
from overdensity.stats.search.scan_fits import fit_scan
from overdensity.stats.search.scanning import scan
from overdensity.stats.spectra.batch_fit import Problem, refit
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import Constraint, likelihood, seed_theta

EDGES = log_edges(2632.0, 6000.0, 16)
WINDOWS = np.array([(EDGES[i], EDGES[i + 3]) for i in range(2, 12)])
EFFICIENCIES = (0.1, 0.01, 0.002)
REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"


def make_box(seed: int, n: int, *, correlation: float = 0.5, sculpting: float = 0.0):
    """Draw masses from (1-y)^4 / y^3 and, for each window, scores with a common part."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(EDGES[0], EDGES[-1], 20_001)
    y = (grid[1:] + grid[:-1]) / 2 / 13e3
    cdf = np.concatenate([[0], np.cumsum((1 - y) ** 4 / y**3)])
    mass = np.interp(rng.random(rng.poisson(n)) * cdf[-1], cdf, grid)
    shared, own = rng.normal(size=(mass.size, 1)), rng.normal(size=(mass.size, len(WINDOWS)))
    scores = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    scores += sculpting * np.log(mass / 3500.0)[:, None]
    folds = rng.integers(0, 5, mass.size)
    levels = [selection_levels(column, folds, EFFICIENCIES) for column in scores.T]
    return mass, np.stack(levels, axis=1)


def timed(
    work: Callable[[], object], clock: Callable[[], float], repeats: int = 5
) -> tuple[float, float]:
    """Return median and half the spread of what a clock shows, in seconds."""
    times = []
    for _ in range(repeats):
        start = clock()
        work()
        times.append(clock() - start)
    return float(np.median(times)), (max(times) - min(times)) / 2


def one_by_one(problem: Problem, counts: np.ndarray) -> np.ndarray:
    """Fit each spectrum with Minuit, analytic gradient, good start: the straightforward loop."""
    model, yields = problem.basis, []
    for spectra in counts:
        for k, spectrum in enumerate(spectra):
            constraint = Constraint(problem.center[k], problem.precision[k])
            loss, gradient = likelihood(model, spectrum, problem.masked[k], constraint)
            minuit = Minuit(loss, problem.start[k], grad=gradient)
            minuit.errordef = Minuit.LIKELIHOOD
            minuit.migrad()
            slope = model.jacobian(np.array(minuit.values))[problem.masked[k]].sum(axis=0)
            total = model.expected(np.array(minuit.values))[problem.masked[k]].sum()
            yields.append((total, slope @ np.array(minuit.covariance) @ slope))
    return np.array(yields)


def in_numpy(problem: Problem, counts: np.ndarray, steps: int = 8) -> np.ndarray:
    """Do the Fisher scoring for all spectra at once in numpy, a fixed number of full steps."""
    design, weights = problem.basis.design, problem.basis.weights
    theta = np.broadcast_to(problem.start, (*counts.shape[:2], design.shape[2])).copy()
    used = ~problem.masked
    for _ in range(steps):
        density = weights * np.exp(np.einsum("bqp,ekp->ekbq", design, theta))
        mean = density.sum(axis=-1)
        slope = np.einsum("ekbq,bqp->ekbp", density, design)
        gradient = np.einsum("ekb,ekbp->ekp", used * (counts / mean - 1), slope)
        gradient -= problem.precision * (theta - problem.center)
        info = np.einsum("ekbp,ekbr->ekpr", slope * (used / mean)[..., None], slope)
        info += np.einsum("kp,pr->kpr", problem.precision, np.eye(design.shape[2]))
        theta += np.linalg.solve(info, gradient[..., None])[..., 0]
    return theta


def speed() -> None:
    """Print pseudo-experiments per second, spectra refitted in each."""
    cores = len(os.sched_getaffinity(0))
    print(f"10 windows × (3 selections + unselected) = 40 spectra of 32 bins, {cores} cores\n")
    print(
        "| refit of the 10 unselected spectra, one core | pseudo-experiments / s of CPU | relative |"
    )
    print("| --- | --- | --- |")
    mass, levels = make_box(1, 30_000)
    patterns = count_patterns(mass, levels, subdivide(EDGES, 2))
    fits = scan(patterns, WINDOWS, EFFICIENCIES)
    null = null_hypothesis(patterns, fits)
    counts = null.throw(250, np.random.default_rng(1))
    start = fits.problem.start
    windows = slice(None, None, fits.shape[1])
    problem = Problem(
        fits.problem.basis,
        fits.problem.masked[windows],
        fits.problem.tested[windows],
        start,
        start,
        np.zeros_like(start),
    )
    before = np.ascontiguousarray(counts[:, windows])
    refit(problem, before[:1])  # compile
    fit_scan(fits.problem, counts[:1])
    rates = {}
    for name, work, n in (
        ("Minuit, one by one", lambda: one_by_one(problem, before[:5]), 5),
        ("numpy, batched", lambda: in_numpy(problem, before), 250),
        ("compiled (`refit`)", lambda: refit(problem, before), 250),
        (
            "compiled, with all 30 selections (`fit_scan`)",
            lambda: fit_scan(fits.problem, counts),
            250,
        ),
    ):
        median, spread = timed(work, time.process_time)
        rates[name] = n / median
        relative = rates[name] / rates["Minuit, one by one"]
        print(f"| {name} | {n / median:.0f} ± {n * spread / median**2:.0f} | {relative:.0f}× |")

    print("\n| 10 000 pseudo-experiments, thrown, refitted and scanned | groups | wall s | CPU s |")
    print("| --- | --- | --- | --- |")
    for n in (30_000, 380_000):
        mass, levels = make_box(2, n)
        patterns = count_patterns(mass, levels, subdivide(EDGES, 2))
        fits = scan(patterns, WINDOWS, EFFICIENCIES)
        null = null_hypothesis(patterns, fits)

        def work(fits=fits, null=null) -> None:
            throw_toys(fits, null, n=10_000, seed=1)

        cpu = time.process_time()
        median, spread = timed(work, time.perf_counter, repeats=3)
        cpu = (time.process_time() - cpu) / 3
        print(f"| {n:,} events | {null.means.size:,} | {median:.1f} ± {spread:.1f} | {cpu:.1f} |")


def functions(figures: Path | None) -> None:
    """Print how the functions describe the QCD reference sample from 2632 GeV on."""
    import pyarrow.parquet as pq

    table = pq.read_table(REFERENCE / "rnd_background.parquet", columns=["mjj"])
    mass = table["mjj"].to_numpy().astype(float)
    fine = subdivide(EDGES, 2)
    masked = (fine[:-1] >= WINDOWS[:, :1] - 1) & (fine[1:] <= WINDOWS[:, 1:] + 1)
    none = np.zeros((1, fine.size - 1), dtype=bool)
    print(
        "\n| function | events | in scan | χ² / ndf, all bins | p | largest, smallest z | "
        "σ/b, first window | last |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    scans = {}
    for name in ("dijet3", "dijet4", "dijet5"):
        for n in (40_000, 250_000, 500_000):
            counts = np.histogram(mass[:n], fine)[0].astype(float)
            model = basis(name, fine)
            start = np.tile(seed_theta(model, counts), (11, 1))
            free, mask = np.zeros_like(start), np.concatenate([none, masked])
            fits = refit(
                Problem(model, mask, ~mask, start, free, free), np.tile(counts, (1, 11, 1))
            )
            ndf = counts.size - model.n_parameters
            z = z_of_p(local_p(masked @ counts, fits.expected[0, 1:], fits.error[0, 1:]))
            scans[name, n] = z
            relative = fits.error[0, 1:] / fits.expected[0, 1:]
            print(
                f"| {name} | {n:,} | {int(counts.sum()):,} | {fits.deviance[0, 0]:.0f} / {ndf} | "
                f"{chi2.sf(fits.deviance[0, 0], ndf):.2g} | {z.max():.1f}, {z.min():.1f} | "
                f"{relative[0]:.3f} | {relative[-1]:.3f} |"
            )
    if figures is not None:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
        for axis, name in zip(axes, ("dijet4", "dijet5"), strict=True):
            for n in (40_000, 250_000, 500_000):
                axis.plot(WINDOWS.mean(axis=1), scans[name, n], "o-", label=f"{n:,} events")
            axis.axhline(0, color="grey", lw=1)
            axis.set(title=name, xlabel="center of the window [GeV]")
        axes[0].set(ylabel="local z on QCD, no signal, no selection")
        axes[0].legend()
        figure.savefig(figures / "statistics_functions.png", dpi=110)


def cross_fitting(n: int = 40_000, events: int = 20_000, cells: int = 100) -> None:
    """Print how cross-fitting widens z without signal: features that know nothing of the mass.

    The classifier is the ratio of signal region to sideband in cells of one uniform feature. The
    yield is compared with the sideband times the known ratio: no fit, no scan, only the folds.
    "Nothing" selects cells at random: what z should be. With signal, 50 events are in one cell of
    the signal region.
    """
    from overdensity.ml import training_folds

    rng = np.random.default_rng(0)
    mean = np.array([0.7, 0.3])[:, None, None] * events / cells

    def excess(learns: list[tuple[int, ...]], efficiency: float, n: int, signal: int) -> np.ndarray:
        folds, found = len(learns), []
        for _ in range(n // 1000):
            counts = rng.poisson(mean / folds, (1000, 2, folds, cells)).astype(float)
            counts[:, 1, :, 7] += rng.multinomial(signal, np.full(folds, 1 / folds), 1000)
            learnt = np.stack([counts[:, :, list(f)].sum(axis=2) for f in learns], axis=2)
            score = (learnt[:, 1] + 1) / (learnt[:, 0] + 2) + 1e-9 * rng.random(
                (1000, folds, cells)
            )
            kept = int(efficiency * cells + 0.5)
            keep = np.argpartition(-score, kept - 1, axis=2)[:, None, :, :kept]
            side, region = np.take_along_axis(counts, keep, axis=3).sum(axis=(2, 3)).T
            found.append((region - side * 3 / 7) / np.sqrt(side * 3 / 7 * (1 + 3 / 7)))
        return np.concatenate(found)

    schemes: dict[str, list[tuple[int, ...]]] = {"5 | nothing": [()] * 5}
    for folds in (2, 5):
        schemes[f"{folds} | each other"] = [training_folds(f, folds, "all") for f in range(folds)]
    for folds in (3, 5, 7, 11):
        schemes[f"{folds} | tournament"] = [training_folds(f, folds) for f in range(folds)]
    schemes["7 | the next two"] = [((f + 1) % 7, (f + 2) % 7) for f in range(7)]
    print("\n| folds | learn from | efficiency | rms z | P(z > 2) | P(z > 3) | z with signal |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, learns in schemes.items():
        for efficiency in (0.1, 0.01):
            z = excess(learns, efficiency, n, 0)
            found = excess(learns, efficiency, 2000, 50).mean()
            print(
                f"| {name} | {efficiency:g} | {np.sqrt(np.mean(z**2)):.2f} | {(z > 2).mean():.4f} | "
                f"{(z > 3).mean():.4f} | {found:.1f} |",
                flush=True,
            )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", action="store_true", help="fit the QCD reference sample")
    parser.add_argument("--cross-fitting", action="store_true", help="what folds do to z")
    parser.add_argument("--figures", type=Path, help="folder for plots")
    arguments = parser.parse_args()
    if arguments.functions:
        functions(arguments.figures)
    if arguments.cross_fitting:
        cross_fitting()
    if not (arguments.functions or arguments.cross_fitting):
        speed()


if __name__ == "__main__":
    main()
