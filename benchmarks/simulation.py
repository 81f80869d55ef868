"""How fast the simulation is, and how well it agrees with Pythia 8 + Delphes 3.4.1.

Each part prints a Markdown table, as it stands in ``docs/simulation.md``::

    python -P benchmarks/simulation.py stages      # CPU time of each step, one core
    python -P benchmarks/simulation.py speed       # selected events per second, 1 core and all
    python -P benchmarks/simulation.py validate    # means and KS distances; figures to docs/figures
    python -P benchmarks/simulation.py signal      # which widths and angles the official signal has
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import fastjet
import h5py
import hdf5plugin  # noqa: F401 - registers blosc
import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from overdensity.simulation import simulate
from overdensity.simulation.chunks import ChunkResult, ChunkTask
from overdensity.simulation.detector import detect
from overdensity.simulation.generator import generate, open_pythia
from overdensity.simulation.lhco_file import frame_writer, padded_rows
from overdensity.simulation.parts import Parts
from overdensity.simulation.processes.qcd import Qcd
from overdensity.simulation.root_file import tree_writer
from overdensity.simulation.selection import Events, select
from overdensity.simulation.settings import DetectorSettings, GeneratorSettings, Selection

mpl.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT.parent / "shared" / "data" / "reference"
FIGURES = ROOT / "docs" / "figures"

Columns = dict[str, NDArray[np.floating]]

# Observable: label of the axis, range of the histogram, bins
OBSERVABLES: dict[str, tuple[str, float, float, int]] = {
    "multiplicity": ("objects in the event", 0, 450, 45),
    "mjj": (r"$m_{jj}$ [GeV]", 2000, 6500, 45),
    "j1_pt": (r"leading jet $p_T$ [GeV]", 1200, 2400, 40),
    "j1_mass": ("leading jet mass [GeV]", 0, 800, 40),
    "j2_mass": ("second jet mass [GeV]", 0, 800, 40),
    "j1_tau21": (r"leading jet $\tau_{21}$", 0, 1, 40),
    "j2_tau21": (r"second jet $\tau_{21}$", 0, 1, 40),
    "j1_n": ("constituents of the leading jet", 0, 180, 36),
}


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=("stages", "speed", "validate", "signal"))
    parser.add_argument("--events", type=int, help="events per measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.part == "stages":
        stages(arguments.events or 1000, arguments.repeats)
    elif arguments.part == "speed":
        speed(arguments.events or 4000, arguments.repeats, arguments.seed)
    elif arguments.part == "validate":
        validate(arguments.events or 12_000, arguments.seed)
    else:
        signal_hypotheses(arguments.events or 2500, arguments.seed)


def stages(events: int, repeats: int) -> None:
    """Print the CPU time of each step per generated background event."""
    generator, detector, selection = GeneratorSettings(), DetectorSettings(), Selection()
    times: dict[str, list[float]] = {}

    def timed(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        start = time.process_time()
        result = function(*arguments)
        times.setdefault(name, []).append((time.process_time() - start) / events * 1e3)
        return result

    def bare(seed: int) -> None:
        pythia, owned = open_pythia(Qcd(), seed, generator)
        for _ in range(events):
            pythia.next()
        del owned

    def keep(chosen: Events) -> None:
        task = ChunkTask("qcd", Qcd(), (), 0, events, 1, generator, detector, selection)
        with tempfile.TemporaryDirectory() as folder:
            Parts(Path(folder, "parts")).keep(task, ChunkResult(chosen, events, 1.0, float(events)))

    def write(chosen: Events) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            frame_writer(Path(folder) / "events.h5", len(chosen), 2101) as frame,
        ):
            frame.append(padded_rows(chosen, np.zeros(len(chosen), np.int8)))

    def write_root(chosen: Events) -> None:
        with tempfile.TemporaryDirectory() as folder, tree_writer(Path(folder, "a.root")) as tree:
            tree.append(chosen, np.zeros(len(chosen), np.int16), np.zeros(len(chosen), np.int8))

    names = {
        "bare": "Pythia alone: its start, and `next` an event",
        "batch": "generator, with its start and the conversion to arrays",
        "detector": "detector",
        "selection": "hardest objects, jets, their truth, selection",
        "parts": "the part that a stopped simulation goes on from",
        "write": "padding, compression, writing (HDF5)",
        "root": "writing (ROOT), in place of HDF5",
    }
    for seed in range(1, repeats + 1):
        rng = np.random.default_rng(seed)
        timed("bare", bare, seed)
        batch = timed("batch", generate, Qcd(), events, seed, generator)
        objects = timed("detector", detect, batch.particles, rng, detector)
        chosen = timed("selection", select, objects, events, selection, batch.partons)
        timed("parts", keep, chosen)
        timed("write", write, chosen)
        timed("root", write_root, chosen)

    print(f"| step ({events} events, {repeats} repeats) | CPU time, ms / generated event |")
    print("| --- | --- |")
    for name, words in names.items():
        values = times[name]
        print(f"| {words} | {np.median(values):.3f} ({min(values):.3f}–{max(values):.3f}) |")
    for name, steps in {
        "detector and writing": ("detector", "parts", "write"),
        "detector, selection and writing": ("detector", "selection", "parts", "write"),
    }.items():
        shares = [sum(times[step][k] for step in steps) / times["bare"][k] for k in range(repeats)]
        print(
            f"| {name}, of Pythia alone | {np.median(shares):.0%} "
            f"({min(shares):.0%}–{max(shares):.0%}) |"
        )


def speed(events: int, repeats: int, seed: int) -> None:
    """Print selected background events per second, and the CPU time that does not see neighbours."""
    cores = len(os.sched_getaffinity(0))
    print(
        f"| workers | selected events / s, median of {repeats} × {events} (range) "
        "| CPU time, ms / selected event |"
    )
    print("| --- | --- | --- |")
    for workers in sorted({1, cores}):
        rates, costs = [], []
        for repeat in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                before = sum(os.times()[:4])  # of this process and of finished workers
                out = Path(folder) / "events.h5"
                report = simulate(out, background=events, seed=seed + repeat, workers=workers)
                rates.append(report.events_per_second)
                costs.append((sum(os.times()[:4]) - before) / events * 1e3)
        print(
            f"| {workers} | {np.median(rates):.0f} ({min(rates):.0f}–{max(rates):.0f}) "
            f"| {np.median(costs):.2f} ({min(costs):.2f}–{max(costs):.2f}) |",
            flush=True,
        )


# The signal of the reference sample made with Delphes decays isotropically, the official one not.
ISOTROPIC = GeneratorSettings(xy_polarised=False)


def validate(events: int, seed: int) -> None:
    """Compare with the sample made with Delphes and with the official one: tables and figures."""
    samples = {
        "background": {"background": events},
        "signal": {"signal": events // 3, "generator": ISOTROPIC},
        "signal_3prong": {"signal": events // 6, "prongs": 3},
        "signal, official": {"signal": events // 3},
    }
    for name, arguments in samples.items():
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "events.h5"
            report = simulate(out, **{"background": 0, "seed": seed, **arguments})
            simulated, _ = read_events(out)
        process = report.processes["background" if name == "background" else "signal"]
        norm = f", {process.cross_section:.3f} pb" if process.cross_section else ""
        print(
            f"\n**{name}**: {process.generated} events generated{norm}, "
            f"{process.efficiency:.1%} selected\n"
        )
        mine = columns_of(simulated)
        if name != "signal, official":
            print_comparison("Delphes", read_reference(name), mine)
        if name in {"background", "signal"}:
            draw(read_reference(name), mine, name, FIGURES / f"simulation_{name}.png")
        if name in {"background", "signal, official"}:
            print("\nIn the signal region, against the official files:\n")
            official = read_official(name.removesuffix(", official"))
            print_comparison("official", official, in_signal_region(mine))


def signal_hypotheses(events: int, seed: int) -> None:
    """Print KS distances to the official signal for what is not published of it."""
    official = read_official("signal")
    print(f"| X, Y → q q | width of Z' | width of X, Y | {' | '.join(official)} |")
    print("| --- " * (3 + len(official)) + "|")
    for polarised, zprime_width, xy_width in (
        (False, 0.001, 0.001),
        (False, 0.001, 0.026),
        (True, 0.001, 0.001),
        (True, 0.001, 0.026),
        (True, 0.026, 0.026),
    ):
        generator = GeneratorSettings(
            zprime_width=zprime_width, xy_width=xy_width, xy_polarised=polarised
        )
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "events.h5"
            simulate(out, background=0, signal=events, seed=seed, generator=generator)
            mine = in_signal_region(columns_of(read_events(out)[0]))
        distances = [ks_2samp(official[name], mine[name]).statistic for name in official]
        print(
            f"| {'longitudinal' if polarised else 'isotropic'} | {zprime_width:.1%} "
            f"| {xy_width:.1%} | {' | '.join(f'{distance:.3f}' for distance in distances)} |",
            flush=True,
        )


def in_signal_region(columns: Columns) -> Columns:
    """Return the features of the official files: jets by mass, 3.3 < mjj < 3.7 TeV."""
    inside = (columns["mjj"] > 3300) & (columns["mjj"] < 3700)
    masses = np.stack([columns["j1_mass"], columns["j2_mass"]])[:, inside]
    tau21 = np.stack([columns["j1_tau21"], columns["j2_tau21"]])[:, inside]
    lighter, heavier = np.argsort(masses, axis=0)
    every = np.arange(masses.shape[1])
    return {
        "mjj": columns["mjj"][inside],
        "mJ1": masses[lighter, every],
        "dmJ": masses[heavier, every] - masses[lighter, every],
        "tau21_1": tau21[lighter, every],
        "tau21_2": tau21[heavier, every],
    }


def read_official(name: str) -> Columns:
    """Return the features of the official events in the signal region."""
    table = pq.read_table(REFERENCE.parent / "lhco" / f"lhco_sr_{name}.parquet")
    columns = ("mjj", "mJ1", "dmJ", "tau21_1", "tau21_2")
    return {column: table[column].to_numpy() for column in columns}


def read_events(path: Path) -> tuple[ak.Array, NDArray[np.int64]]:
    """Return objects (pt, eta, phi) of each event as a jagged array, and the labels."""
    with h5py.File(path) as file:
        rows = file["df/block0_values"][:]  # pyright: ignore[reportIndexIssue]
    padded = np.asarray(rows)[:, :2100].reshape(-1, 700, 3)
    used = padded[..., 0] > 0
    objects = padded[used].astype(np.float64)
    flat = ak.zip({"pt": objects[:, 0], "eta": objects[:, 1], "phi": objects[:, 2]})
    return ak.unflatten(flat, used.sum(axis=1)), np.asarray(rows)[:, 2100].astype(np.int64)


def columns_of(events: ak.Array) -> Columns:
    """Return the observables of events, by plain FastJet calls.

    Two leading anti-kT jets of R = 1; N-subjettiness (arXiv:1011.2268) of their constituents with
    beta = 1, R0 = 1 and one-pass winner-take-all kT axes.
    """
    momenta = ak.zip(
        {
            "px": events.pt * np.cos(events.phi),
            "py": events.pt * np.sin(events.phi),
            "pz": events.pt * np.sinh(events.eta),
            "E": events.pt * np.cosh(events.eta),
        },
        with_name="Momentum4D",
    )
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0)
    sequence = fastjet.ClusterSequence(momenta, definition)
    jets: Any = sequence.inclusive_jets(min_pt=20)
    hardest = ak.argsort(np.hypot(jets.px, jets.py), axis=1, ascending=False)[:, :2]
    constituents = sequence.constituents(min_pt=20)[hardest]
    jets = jets[hardest]

    each_jet = ak.flatten(constituents, axis=1)
    taus = fastjet.ClusterSequence(each_jet, definition).njettiness(
        measure_definition="NormalizedMeasure",
        axes_definition="OnePass_WTA_KT_Axes",
        njets=[1, 2],
        beta=1.0,
        R0=1.0,
    )
    tau1, tau2 = np.asarray(taus).T
    tau21 = np.divide(tau2, tau1, out=np.zeros_like(tau1), where=tau1 > 0).reshape(-1, 2)

    def mass(vector: Any) -> NDArray[np.floating]:
        square = vector.E**2 - vector.px**2 - vector.py**2 - vector.pz**2
        return np.sqrt(np.maximum(np.asarray(square), 0.0))

    dijet = {name: ak.sum(jets[name], axis=1) for name in ("px", "py", "pz", "E")}
    return {
        "multiplicity": np.asarray(ak.num(events)).astype(float),
        "mjj": mass(ak.zip(dijet)),
        "j1_pt": np.asarray(np.hypot(jets.px, jets.py))[:, 0],
        "j1_mass": mass(jets[:, 0]),
        "j2_mass": mass(jets[:, 1]),
        "j1_tau21": tau21[:, 0],
        "j2_tau21": tau21[:, 1],
        "j1_n": np.asarray(ak.num(constituents, axis=2))[:, 0].astype(float),
    }


def read_reference(name: str) -> Columns:
    """Return the observables of the sample made with Delphes."""
    columns = [observable for observable in OBSERVABLES if observable != "multiplicity"]
    table = pq.read_table(REFERENCE / f"rnd_{name}.parquet", columns=columns)
    reference = {column: table[column].to_numpy() for column in columns}
    if name in {"background", "signal"}:  # of which a part is stored as objects
        events, label = read_events(REFERENCE / "rnd_events_13k.h5")
        multiplicity = np.asarray(ak.num(events)).astype(float)
        reference["multiplicity"] = multiplicity[label == (name == "signal")]
    return reference


def print_comparison(title: str, reference: Columns, mine: Columns) -> None:
    """Print means, and Kolmogorov-Smirnov distances with the one that chance gives at 5 %."""
    print(f"| | {title}: mean | here: mean | difference | KS distance | by chance (5 %) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, a in reference.items():
        b = mine[name]
        errors = [values.std() / np.sqrt(len(values)) for values in (a, b)]
        chance = 1.358 * np.sqrt(1 / len(a) + 1 / len(b))
        print(
            f"| {name} | {a.mean():.4g} ± {errors[0]:.2g} | {b.mean():.4g} ± {errors[1]:.2g} "
            f"| {b.mean() / a.mean() - 1:+.1%} | {ks_2samp(a, b).statistic:.4f} | {chance:.4f} |"
        )


def draw(reference: Columns, mine: Columns, name: str, path: Path) -> None:
    """Overlay all spectra, with their ratios below."""
    figure, axes = plt.subplots(
        4, 4, figsize=(16, 9), height_ratios=[3, 1, 3, 1], layout="constrained"
    )
    for index, (observable, (label, low, high, bins)) in enumerate(OBSERVABLES.items()):
        row, column = 2 * (index // 4), index % 4
        upper, lower = axes[row, column], axes[row + 1, column]
        edges = np.linspace(low, high, bins + 1)
        centers = 0.5 * (edges[1:] + edges[:-1])
        expected, observed = (
            np.histogram(columns[observable], edges)[0] for columns in (reference, mine)
        )
        total, norm = len(reference[observable]), len(mine[observable])
        expected_density, density = expected / total, observed / norm
        upper.stairs(
            expected_density, edges, fill=True, color="0.8", label="Pythia 8 + Delphes 3.4.1"
        )
        upper.errorbar(
            centers,
            density,
            np.sqrt(observed) / norm,
            fmt=".",
            color="tab:blue",
            label="Overdensity",
        )
        distance = ks_2samp(reference[observable], mine[observable]).statistic
        upper.set_title(f"KS distance {distance:.3f}", fontsize=10, loc="right")
        upper.set_ylabel("fraction of events")
        upper.tick_params(labelbottom=False)

        filled = (expected > 0) & (observed > 0)
        ratio = density[filled] / expected_density[filled]
        error = ratio * np.sqrt(1 / observed[filled] + 1 / expected[filled])
        lower.axhspan(0.95, 1.05, color="0.9")
        lower.axhline(1.0, color="0.5", linewidth=0.8)
        lower.errorbar(centers[filled], ratio, error, fmt=".", color="tab:blue")
        lower.set(xlim=(low, high), ylim=(0.5, 1.5), xlabel=label)
        upper.set_xlim(low, high)
    axes[0, 0].legend(fontsize=9)
    figure.suptitle(f"{name.capitalize()}: ratios below are to the reference, band ± 5 %")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    main()
