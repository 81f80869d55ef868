"""Two channels for one resonance, as in Black Box 3 of the LHC Olympics; prints Markdown.

python -P benchmarks/combination.py                      # powers and uniformity, half an hour of CPU
python -P benchmarks/combination.py --datasets 10        # a quick look
python -P benchmarks/combination.py --overlap            # what removing common events does, QCD sample
python -P benchmarks/combination.py --figures docs/figures

The resonance G (4.2 TeV) decays to g g or to g R, R (2.217 TeV) → g g, with inclusive yields in the
ratio 1200 : 2000 (arXiv:2101.08320, section 2.4). Partons are jets, isotropic in the rest frames and
smeared by 4 %; an event whose third jet has more than 200 GeV belongs to the trijet channel.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import chi2, kstest

from overdensity.stats import (
    FitModel,
    count_patterns,
    log_edges,
    selection_levels,
    subdivide,
    z_of_p,
)
from overdensity.stats.combination.joint import HuntChannel, combine_channels
from overdensity.stats.combination.statistic import joint_statistic
from overdensity.stats.p_values.local import p_of_z
from overdensity.stats.spectra.batch_fit import fit_free
from overdensity.stats.spectra.functions import basis

MASS, RADION = 4200.0, 2217.0
EDGES = log_edges(2700.0, 6400.0, 12)
WINDOWS = np.array([(EDGES[i], EDGES[i + 3]) for i in range(2, 8)])
EFFICIENCIES = (0.1, 0.01)
BACKGROUND = 10_000  # events in each channel
YIELDS = {"dijet": 66, "trijet": 110}  # 1200 : 2000
SHIFTS = {"dijet": 1.4, "trijet": 1.0}  # of the score of signal, in standard deviations
THIRD_JET = 200.0  # GeV
RESOLUTION = 0.04
TOYS = 1000
STATISTICS = {
    "sum of max(z, 0)²": joint_statistic,
    "Stouffer, sum of z": lambda z: z.sum(axis=-1),
    "Fisher, -2 sum of ln p": lambda z: -2 * np.log(p_of_z(z)).sum(axis=-1),
    "largest z": lambda z: z.max(axis=-1),
}
REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"


def directions(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw isotropic unit vectors, shape (n, 3)."""
    vectors = rng.normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def trijet_decays(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return four-momenta (E, p) of the partons of G → g R, R → g g, shape (n, 3, 4)."""
    momentum = (MASS**2 - RADION**2) / (2 * MASS)
    axis = directions(rng, n)
    gluon = np.c_[np.full(n, momentum), momentum * axis]
    gamma, beta = np.hypot(momentum, RADION) / RADION, momentum / np.hypot(momentum, RADION)
    spin = directions(rng, n)
    partons = [gluon]
    for sign in (1, -1):
        p = sign * RADION / 2 * spin
        along = -(p * axis).sum(axis=1)  # R flies against the gluon
        energy = gamma * (RADION / 2 + beta * along)
        boosted = p - ((gamma - 1) * along + gamma * beta * RADION / 2)[:, None] * axis
        partons.append(np.c_[energy, boosted])
    return np.stack(partons, axis=1)


def jets_of(partons: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (mjj, mjjj) and the third jet's pT, 0 where R is one jet (ΔR < 1)."""
    jets = partons * rng.normal(1, RESOLUTION, partons.shape[:2])[..., None]
    pt = np.hypot(jets[..., 1], jets[..., 2])
    eta, phi = np.arcsinh(jets[..., 3] / pt), np.arctan2(jets[..., 2], jets[..., 1])
    near = np.hypot(
        eta[:, 1] - eta[:, 2], np.remainder(phi[:, 1] - phi[:, 2] + np.pi, 2 * np.pi) - np.pi
    )
    merged = near < 1
    jets[merged, 1] += jets[merged, 2]
    jets[merged, 2] = 0
    pt = np.hypot(jets[..., 1], jets[..., 2])
    jets = np.take_along_axis(jets, np.argsort(-pt, axis=1)[..., None], axis=1)

    def mass(total: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1), 0))

    masses = np.stack([mass(jets[:, :2].sum(axis=1)), mass(jets.sum(axis=1))])
    return masses, np.sort(pt, axis=1)[:, 0]


def signal(rng: np.random.Generator, yields: dict[str, int]) -> dict[str, np.ndarray]:
    """Return the resonant masses of signal events by channel."""
    direct = MASS * rng.normal(1, RESOLUTION / np.sqrt(2), rng.poisson(yields["dijet"]))
    masses, third = jets_of(trijet_decays(rng, rng.poisson(yields["trijet"])), rng)
    three = third > THIRD_JET
    return {"dijet": np.concatenate([direct, masses[0, ~three]]), "trijet": masses[1, three]}


def channel(rng: np.random.Generator, masses: np.ndarray, shift: float) -> HuntChannel:
    """Put signal masses among background; scores of the windows share half their variance."""
    grid = np.linspace(EDGES[0], EDGES[-1], 20_001)
    y = (grid[1:] + grid[:-1]) / 2 / 13e3
    cdf = np.concatenate([[0], np.cumsum((1 - y) ** 4 / y**3)])
    background = np.interp(rng.random(rng.poisson(BACKGROUND)) * cdf[-1], cdf, grid)
    mass = np.concatenate([background, masses])
    scores = rng.normal(size=(mass.size, 1)) + rng.normal(size=(mass.size, len(WINDOWS)))
    scores /= np.sqrt(2)
    scores[background.size :] += shift
    inside = (mass >= EDGES[0]) & (mass < EDGES[-1])
    folds = rng.integers(0, 5, mass.size)
    levels = [selection_levels(column, folds, EFFICIENCIES, within=inside) for column in scores.T]
    patterns = count_patterns(mass, np.stack(levels, axis=1), subdivide(EDGES, 2))
    return HuntChannel(patterns, EFFICIENCIES, model=FitModel("dijet4"))


def global_ps(seed: int, yields: dict[str, int]) -> np.ndarray:
    """Return the global p-values of one dataset: both channels alone, then all statistics.

    The first of the statistics is ranked by its p-value, as `hunt_channels` does.
    """
    rng = np.random.default_rng(seed)
    masses = signal(rng, yields)
    channels = {name: channel(rng, masses[name], SHIFTS[name]) for name in YIELDS}
    found = combine_channels(channels, WINDOWS, pseudo_experiments=TOYS, seed=seed, mapper=map)

    def p_of(observed: float, toys: np.ndarray) -> float:
        return (1 + np.sum(toys >= observed - 1e-9)) / (1 + toys.size)

    ps = []
    for step, thrown in found.pairs:
        observed, toys = step.smallest(thrown)
        ps.append(p_of(-observed, -toys))
    observed, toys = found.smallest()
    ps.append(p_of(-np.log(observed), -np.log(toys)))
    ps += [
        p_of(statistic(found.z).max(), statistic(found.z_toys).max(axis=1))
        for statistic in list(STATISTICS.values())[1:]
    ]
    return np.array(ps)


def collect(n: int, first: int, yields: dict[str, int], workers: int) -> np.ndarray:
    """Return the global p-values of n datasets, shape (n, 2 + n_statistics)."""
    with ProcessPoolExecutor(workers) as pool:
        return np.array(list(pool.map(partial(global_ps, yields=yields), range(first, first + n))))


def describe_signal() -> None:
    """Print where the trijet decays end."""
    rng = np.random.default_rng(1)
    masses, third = jets_of(trijet_decays(rng, 100_000), rng)
    three = third > THIRD_JET
    for name, m in (
        ("mjjj of trijet decays, three jets", masses[1, three]),
        ("mjj of the same events", masses[0, three]),
        ("mjj of trijet decays, two jets", masses[0, ~three]),
    ):
        low, middle, high = np.quantile(m, [0.16, 0.5, 0.84])
        near = np.mean((m > 0.92 * MASS) & (m < 1.08 * MASS))
        print(f"- {name}: {middle:.0f} (+{high - middle:.0f} -{middle - low:.0f}) GeV, "
              f"{100 * near:.0f} % within 8 % of {MASS:.0f} GeV")  # fmt: skip
    print(f"- of the trijet decays, {100 * three.mean():.0f} % have a third jet\n")


def powers(n: int, workers: int) -> None:
    """Print how often each statistic is above 2σ, with and without signal."""
    names = ["dijet alone", "trijet alone", *STATISTICS]
    rows = {
        "split, 1200 : 2000": (YIELDS, 10_000),
        "dijet decays only": ({"dijet": 110, "trijet": 0}, 20_000),
        "trijet decays only": ({"dijet": 0, "trijet": 190}, 30_000),
    }
    print(f"| {n} datasets: above 2σ global (median z) | " + " | ".join(names) + " |")
    print("| --- |" + " --- |" * len(names))
    for label, (yields, first) in rows.items():
        show(label, collect(n, first, yields, workers))


def show(label: str, p: np.ndarray) -> None:
    """Print a row: how many are above 2σ, and the median."""
    z = z_of_p(p)
    cells = [f"{(z[:, k] > 2).sum()} ({np.median(z[:, k]):.1f})" for k in range(z.shape[1])]
    print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def uniformity(n: int, workers: int, figures: Path | None) -> None:
    """Print how uniform the global p-values are without signal."""
    p = collect(n, 40_000, {"dijet": 0, "trijet": 0}, workers)
    show(f"none, {n} datasets", p)
    names = ["dijet alone", "trijet alone", *STATISTICS]
    print(
        f"\n| {n} datasets without signal | KS p of p_global | mean | p_global < 0.05 | above 2σ |"
    )
    print("| --- | --- | --- | --- | --- |")
    for k, name in enumerate(names):
        print(
            f"| {name} | {kstest(p[:, k], 'uniform').pvalue:.2f} | {p[:, k].mean():.3f} | "
            f"{np.mean(p[:, k] < 0.05):.3f} | {np.sum(z_of_p(p[:, k]) > 2)} |"
        )
    if figures is not None:
        import matplotlib.pyplot as plt

        figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
        for k in range(3):
            axis.step(
                np.sort(p[:, k]), np.arange(1, n + 1) / n, label=["dijet", "trijet", "both"][k]
            )
        grid = np.linspace(0, 1, 100)
        band = 1.36 / np.sqrt(n)
        axis.fill_between(grid, grid - band, grid + band, alpha=0.15, color="grey")
        axis.set(xlabel="p global", ylabel="fraction of datasets below", xlim=(0, 1), ylim=(0, 1))
        axis.legend()
        figure.savefig(figures / "combination_uniform.png", dpi=110)


def overlap() -> None:
    """Print what spectra of QCD look like after events that two channels share were removed."""
    import pyarrow.parquet as pq

    table = pq.read_table(REFERENCE / "rnd_background.parquet")
    column = {name: table[name].to_numpy().astype(float) for name in table.column_names}
    momenta = []
    for jet in ("j1", "j2", "j3"):
        pt, eta, phi, m = (column[f"{jet}_{name}"] for name in ("pt", "eta", "phi", "mass"))
        p = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)
        momenta.append(np.c_[np.sqrt((p**2).sum(axis=1) + m**2), p])
    total = np.sum(momenta, axis=0)
    mjj = column["mjj"]
    mjjj = np.sqrt(np.maximum(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1), 0))
    three = column["j3_pt"] > THIRD_JET
    edges = log_edges(2632.0, 6000.0, 16)
    low, high = edges[[0, -1]]
    in_dijet, in_trijet = (mjj >= low) & (mjj < high), three & (mjjj >= low) & (mjjj < high)
    score = (mjj > 3300) & (mjj < 3700)  # a classifier that has learnt the mass of its window
    score = score + np.random.default_rng(1).normal(size=mjj.size)
    selected = in_dijet & (score > np.quantile(score[in_dijet], 0.9))
    rows = {
        "mjj, all events": (mjj, in_dijet, in_dijet),
        "mjj, events without a third jet (our rule)": (mjj, in_dijet, ~three),
        "mjj, without events in the range of mjjj": (mjj, in_dijet, ~in_trijet),
        "mjjj, events with a third jet (our rule)": (mjjj, in_trijet, in_trijet),
        "mjjj, without events selected as dijets": (mjjj, in_trijet, ~selected),
    }
    print("| spectrum of QCD | events | kept, in each fourth of the range | χ² / ndf | p |")
    print("| --- | --- | --- | --- | --- |")
    fine = subdivide(edges, 2)
    for name, (mass, inside, kept) in rows.items():
        counts = np.histogram(mass[inside & kept], fine)[0].astype(float)
        before = np.histogram(mass[inside], edges[::4])[0]
        after = np.histogram(mass[inside & kept], edges[::4])[0]
        model = basis("dijet5", fine)
        fits = fit_free(model, counts, np.zeros((1, counts.size), dtype=bool))
        ndf = counts.size - model.n_parameters
        shares = ", ".join(f"{share:.3f}" for share in after / before)
        chi = float(fits.deviance[0, 0])
        print(
            f"| {name} | {int(counts.sum()):,} | {shares} | {chi:.0f} / {ndf} "
            f"| {chi2.sf(chi, ndf):.2g} |"
        )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=50, help="with each signal")
    parser.add_argument("--without", type=int, default=200, help="datasets without signal")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--figures", type=Path, help="folder for plots")
    parser.add_argument("--overlap", action="store_true", help="common events of the QCD sample")
    arguments = parser.parse_args()
    if arguments.overlap:
        overlap()
        return
    describe_signal()
    if arguments.datasets:
        powers(arguments.datasets, arguments.workers)
    if arguments.without:
        uniformity(arguments.without, arguments.workers, arguments.figures)


if __name__ == "__main__":
    main()
