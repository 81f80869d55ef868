"""What the model of the selected background costs and what it risks: z without signal and with; Markdown.

    python -P benchmarks/efficiency.py score --boxes 20 --events 25000    # train, keep the scores
    python -P benchmarks/efficiency.py score --boxes 5 --events 100000 --signal 240 --masses dijet
    python -P benchmarks/efficiency.py table                              # fit all boxes that are kept

Boxes are disjoint pieces of the QCD reference sample, searched in the mass of two or of three jets.
Each is scored as `overdensity run` does by default, in four windows of which no two share a bin.
Scores are kept in ``--out``, and a box that is there is not scored again: several models of the
background are compared on the same selected events.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from overdensity.core import InputError
from overdensity.core.identity import splitmix64
from overdensity.ml import Folding, Sample, cross_fit, make_method, scan_edges, scan_windows
from overdensity.stats import FitModel, conformal_p, count_patterns, selection_levels, subdivide
from overdensity.stats.p_values.local import local_log_p, z_of_log_p
from overdensity.stats.search.scanning import scan
from overdensity.stats.selection.patterns import Patterns

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
FEATURES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
EFFICIENCIES = (0.1, 0.01, 0.002)
FOLDS, LEAST = 7, -3.0
MODELS = {
    "quadratic, free": FitModel(efficiency_order=2, efficiency_prior=1.0),
    "cubic, measured prior": FitModel(efficiency_order=3),
    "quartic, measured prior": FitModel(),
}
SCANS = {"dijet": (2632.0, 6000.0), "trijet": (2900.0, 6000.0)}
TESTED = (0, 3, 6, 9)  # windows that share no bin of a signal region
WITH_SIGNAL = (2, 5, 8)  # likewise, with the signal in the middle of the first


@dataclass(frozen=True)
class Box:
    """Which events, and how they are searched."""

    masses: str
    index: int
    events: int
    signal: int

    @property
    def name(self) -> str:
        """Name of the file of its scores."""
        return f"{self.masses}-{self.events}-{self.signal}-{self.index}"

    @property
    def edges(self) -> np.ndarray:
        """Edges of the bins of the scan, GeV."""
        return scan_edges(*SCANS[self.masses], 16)

    @property
    def windows(self) -> list:
        """The windows that are tested."""
        windows = scan_windows(*SCANS[self.masses], 16)
        return [windows[k] for k in (WITH_SIGNAL if self.signal else TESTED)]


def trijet_mass(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return the invariant mass of the three hardest jets, GeV."""
    total = np.zeros((4, columns["mjj"].size))
    for jet in ("j1", "j2", "j3"):
        pt, eta, phi, mass = (columns[f"{jet}_{each}"] for each in ("pt", "eta", "phi", "mass"))
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        total += np.stack([np.sqrt(px**2 + py**2 + pz**2 + mass**2), px, py, pz])
    return np.sqrt(total[0] ** 2 - (total[1:] ** 2).sum(axis=0))


def sample_of(box: Box) -> Sample:
    """Read the events of a box that lie in the range of its scan."""
    parts = [("rnd_background.parquet", box.events), ("rnd_signal.parquet", box.signal)]
    masses, features = [], []
    for name, n in parts:
        table = pq.read_table(REFERENCE / name).slice(n * box.index, n)
        columns = {each: table[each].to_numpy().astype(float) for each in table.column_names}
        masses.append(columns["mjj"] if box.masses == "dijet" else trijet_mass(columns))
        features.append(np.stack([columns[each] for each in FEATURES], axis=1))
    mass, rows = np.concatenate(masses), np.concatenate(features)
    inside = (mass >= box.edges[0]) & (mass < box.edges[-1])
    ids = splitmix64(np.arange(mass.size, dtype=np.uint64) + np.uint64(10**9 * (box.index + 1)))
    return Sample.from_arrays(mass[inside], rows[inside], FEATURES, event=ids[inside])


def score(box: Box, folder: Path) -> None:
    """Train and calibrate in the windows of a box, and keep what is cut on."""
    path = folder / f"{box.name}.npz"
    if path.is_file():
        return
    sample, folding = sample_of(box), Folding(seed=box.index + 1, folds=FOLDS)
    fold, method, ids = folding.of(sample.event), make_method("cwola"), splitmix64(sample.event)
    cut_on = []
    for window in box.windows:
        scores = cross_fit(method, sample, window, folding)
        region = window.low, window.high
        cut_on.append(-conformal_p(scores, sample.mass, fold, window=region, events=ids))
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(path, mass=sample.mass, fold=fold, ids=ids, cut_on=np.stack(cut_on))


def patterns_of(box: Box, folder: Path) -> Patterns:
    """Count the events of a box that was scored, by bin and selection."""
    with np.load(folder / f"{box.name}.npz") as kept:
        levels = [
            selection_levels(row, kept["fold"], EFFICIENCIES, events=kept["ids"])
            for row in kept["cut_on"]
        ]
        return count_patterns(kept["mass"], np.stack(levels, axis=1), subdivide(box.edges, 2))


def significances(box: Box, folder: Path, model: FitModel) -> np.ndarray:
    """Return z of each window and selection, the unselected spectrum first; -3 at least."""
    regions = [(window.low, window.high) for window in box.windows]
    fits = scan(patterns_of(box, folder), regions, EFFICIENCIES, model=model)
    log_p = local_log_p(fits.observed, fits.fits.expected[0], fits.fits.error[0])
    return np.maximum(z_of_log_p(log_p), LEAST).reshape(fits.shape)


def kept_boxes(folder: Path) -> list[Box]:
    """Return the boxes that have been scored."""
    names = [path.stem.split("-") for path in folder.glob("*.npz")]
    return sorted(
        (Box(masses, int(index), int(n), int(s)) for masses, n, s, index in names),
        key=lambda box: (box.masses, box.events, box.signal, box.index),
    )


def without_signal(folder: Path, boxes: list[Box]) -> None:
    """Print the means of z without signal by selection, and rms and tails of all selections."""
    names = " | ".join(f"mean z, {100 * efficiency:g} %" for efficiency in EFFICIENCIES)
    print(
        f"| mass, events of a box | boxes | background model | {names} | rms | above 2 | above 3 |"
    )
    print("| --- " * 9 + "|")
    for masses, events in sorted({(box.masses, box.events) for box in boxes}):
        these = [box for box in boxes if (box.masses, box.events) == (masses, events)]
        for name, model in MODELS.items():
            z = np.stack([significances(box, folder, model)[:, 1:] for box in these])
            of_selection = z.reshape(-1, len(EFFICIENCIES))
            means = " | ".join(
                f"{mean:+.2f} ± {error:.2f}"
                for mean, error in zip(
                    of_selection.mean(axis=0),
                    of_selection.std(axis=0, ddof=1) / np.sqrt(len(of_selection)),
                    strict=True,
                )
            )
            print(
                f"| {masses}, {events:,} | {len(these)} | {name} | {means} | {z.std(ddof=1):.2f} | "
                f"{100 * (z > 2).mean():.1f} % | {100 * (z > 3).mean():.1f} % |",
                flush=True,
            )


def with_signal(folder: Path, boxes: list[Box]) -> None:
    """Print z in the window of the signal, box by box, and the mean."""
    print("\n| signal at 3.5 TeV | efficiency | background model | z of each box | mean |")
    print("| --- " * 5 + "|")
    for events, signal in sorted({(box.events, box.signal) for box in boxes}):
        these = [box for box in boxes if (box.events, box.signal) == (events, signal)]
        found = {
            name: np.stack([significances(box, folder, model)[0] for box in these])
            for name, model in MODELS.items()
        }
        for level, efficiency in enumerate(EFFICIENCIES, start=1):
            for name, significance in found.items():
                z = significance[:, level]
                print(
                    f"| {signal} of {events:,} | {efficiency:g} | {name} | "
                    f"{', '.join(f'{each:.1f}' for each in z)} | "
                    f"{z.mean():.2f} ± {z.std(ddof=1) / np.sqrt(z.size):.2f} |",
                    flush=True,
                )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=["score", "table"])
    parser.add_argument("--masses", nargs="+", default=list(SCANS), choices=list(SCANS))
    parser.add_argument("--boxes", type=int, default=10)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--signal", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/efficiency"))
    arguments = parser.parse_args()
    if arguments.part == "table":
        boxes = kept_boxes(arguments.out)
        without_signal(arguments.out, [box for box in boxes if not box.signal])
        with_signal(arguments.out, [box for box in boxes if box.signal])
        return
    for index in range(arguments.boxes):
        for masses in arguments.masses:
            box = Box(masses, index, arguments.events, arguments.signal)
            try:
                score(box, arguments.out)
            except InputError as error:  # a thin window: the box is left out
                print(f"{box.name}: {error}", flush=True)


if __name__ == "__main__":
    main()
