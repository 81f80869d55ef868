"""Are searches with outlier scores quiet without signal, and do they find one? Markdown.

    python -P benchmarks/tails.py search pca mahalanobis --boxes 40    # 1.5 CPU-seconds a box and method
    python -P benchmarks/tails.py search pca mahalanobis --boxes 4 --signal 1000
    python -P benchmarks/tails.py search pca --boxes 100 --repeats 1   # in one partition into folds
    python -P benchmarks/tails.py search pca --boxes 1 --events 480000 --repeats 1   # the whole sample
    python -P benchmarks/tails.py table                                # of all that are there
    python -P benchmarks/tails.py bends                                # what passes in each window
    python -P benchmarks/tails.py shared --toys 100                    # windows that share events

An outlier score knows no window, and its tail may change with the mass where its bulk does not. Boxes are
those of a suite of the challenge (`benchmarks/challenge.py suite`): random events of the reference
sample, each energy smeared by 2 %, with the threshold of the simulation; and signal of two prongs at
3.5 TeV. They are scored, calibrated and selected as `overdensity run` does by default, in three
partitions into folds or in ``--repeats``. What passes is kept in ``--out``, and what a search finds in it is a line of the
file ``--found`` there: so models of the background are compared on the same events, another code with
another file. Boxes share the events of the sample, any two about 4 %.

The last part is of toys: scores of eight windows that have a part of their variance in common, from none
to all, so that they select different events, the same, or share some; either calibrated, or
with a tail above the selection of 10 % that grows with the mass in all windows, as that of PCA.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest, kstest, norm

from overdensity.core.json_lines import add_line, read_lines
from overdensity.stats import FitModel, count_patterns, hunt, log_edges, subdivide
from overdensity.stats.p_values.local import local_log_p, z_of_log_p
from overdensity.stats.search.scanning import scan
from overdensity.stats.selection.patterns import Patterns
from overdensity.workflow import parse_config
from overdensity.workflow.stages.run import open_run
from overdensity.workflow.stages.scoring import make_scores_here
from overdensity.workflow.stages.selecting import selected_events

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
ENERGIES = ("mjj", "j1_pt", "j1_mass", "j2_mass")
COLUMNS = (*ENERGIES, "j1_tau21", "j2_tau21")
THRESHOLD, SMEARING = 1200.0, 0.02  # of the leading jet in GeV, of all energies of an event
SCAN = {"low": 2632.0, "high": 5500.0, "bins": 14}
EVENTS, REPEATS = 20_000, 3
PSEUDO_EXPERIMENTS, LEVEL, LEAST = 1000, 0.05, -3.0
EFFICIENCIES = (0.1, 0.01, 0.002)
IN_COMMON = (0.0, 0.6, 0.8, 0.9, 0.96, 1.0)  # of the variance of scores of different windows
TAIL = {"calibrated": 0.0, "a tail that bends": 0.12}
EDGES = log_edges(SCAN["low"], SCAN["high"], int(SCAN["bins"]))
WINDOWS = np.stack([EDGES[2:-5], EDGES[5:-2]], axis=1)
KIND = ("signal", "method", "events", "repeats")  # what boxes of a row have in common
OF_SIGNAL = 2  # the window whose center is nearest to 3.5 TeV


@dataclass(frozen=True)
class Box:
    """Which events, and who scores them."""

    method: str
    signal: int
    index: int
    events: int = EVENTS
    repeats: int = REPEATS

    @property
    def name(self) -> str:
        """Name of the file of what it selects."""
        of_one = "" if self.repeats == REPEATS else f"-{self.repeats}"
        return f"{self.method}-{self.events}-{self.signal}-{self.index}{of_one}"


def drawn(name: str, number: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw so many events of a file, smeared, above the threshold."""
    read = pq.read_table(REFERENCE / f"{name}.parquet", columns=list(COLUMNS))
    order = rng.permutation(len(read))
    factor = np.exp(SMEARING * rng.standard_normal(len(read)))
    events = {column: read[column].to_numpy()[order] for column in COLUMNS}
    events |= {column: events[column] * factor for column in ENERGIES}
    rows = np.flatnonzero(events["j1_pt"] > THRESHOLD)[:number]
    return {column: values[rows] for column, values in events.items()}


def events_of(box: Box) -> pa.Table:
    """Return the events of a box; those of another method are the same."""
    rng = np.random.default_rng([77, box.index])
    parts = [drawn("rnd_background", box.events - box.signal, rng)]
    if box.signal:
        parts.append(drawn("rnd_signal", box.signal, rng))
    return pa.table({name: np.concatenate([part[name] for part in parts]) for name in COLUMNS})


def score(box: Box, folder: Path) -> None:
    """Train and select in a box, and keep what the statistical step needs."""
    path = folder / f"{box.name}.npz"
    if path.is_file():
        return
    with tempfile.TemporaryDirectory() as place:
        pq.write_table(events_of(box), f"{place}/box.parquet")
        values = {"events": {"files": [f"{place}/box.parquet"], "format": "columns"}}
        values |= {"method": {"name": box.method}, "scan": SCAN, "out": f"{place}/run"}
        values |= {"seed": box.index + 1, "cluster": "threads", "repeats": box.repeats}
        run = open_run(parse_config(values))
        make_scores_here(run)
        selected = [selected_events(part) for part in run.partitions]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        mass=selected[0].scores.sample.mass,
        levels=np.stack([each.levels for each in selected]),
        refused=np.stack([each.bent.refused for each in selected]),
        edges=run.edges,
        windows=np.array(run.regions),
        selections=np.array(run.config.selections),
    )


def hunted(box: Box, folder: Path) -> dict[str, Any]:
    """Search a box that was scored; z is -3 at least, and None where it may not be quoted."""
    with np.load(folder / f"{box.name}.npz") as kept:
        found = hunt(
            *(kept["mass"], kept["levels"]),
            edges=kept["edges"],
            windows=kept["windows"],
            efficiencies=kept["selections"].tolist(),
            refused=kept["refused"],
            pseudo_experiments=PSEUDO_EXPERIMENTS,
            seed=box.index + 1,
        )
    rows = [
        [
            None if x.flagged or x.refused or x.z_local is None else max(x.z_local, LEAST)
            for x in each
        ]
        for each in (window.selections for window in found.windows)
    ]
    p = 1.0 if found.global_p is None else found.global_p.p_global
    return asdict(box) | {"p": p, "z": rows}


def search(boxes: Sequence[Box], folder: Path, found: Path) -> None:
    """Search the boxes that have no line yet."""
    done = read_lines(found)
    for box in boxes:
        if not any(asdict(box).items() <= each.items() for each in done):
            score(box, folder)
            add_line(found, hunted(box, folder))


def table(found: Sequence[dict[str, Any]]) -> None:
    """Print how often boxes are claimed, and the significances in their selections."""
    kinds = sorted({tuple(each[key] for key in KIND) for each in found})
    print("boxes without signal\n")
    print(
        "| method | events | partitions | boxes | p global ≤ 0.05 | p of 5 % | ≤ 0.01 | KS p | mean z, 10 % | 1 % | 0.2 % | above 2 "
        "| above 3 |\n" + "| --- " * 13 + "|"
    )
    for kind in kinds:
        signal, method, events, repeats = kind
        if not signal:
            p, z = of_kind(found, kind)
            claims = int((p <= LEVEL).sum())
            chance = binomtest(claims, p.size, LEVEL, alternative="greater").pvalue
            means = " | ".join(f"{mean:+.2f}" for mean in np.nanmean(z, axis=(0, 1)))
            known = z[~np.isnan(z)]
            print(
                f"| {method} | {events} | {repeats} | {p.size} | {claims} | {chance:.2g} | {(p <= LEVEL / 5).sum()} | "
                f"{kstest(p, 'uniform').pvalue:.2g} | {means} | {100 * (known > 2).mean():.1f} % | {100 * (known > 3).mean():.1f} % |"
            )
    if not any(signal for signal, *_ in kinds):
        return
    print(
        "\n| method | signal events | p global of each box | z in its window, 10 % | 1 % | 0.2 % |"
    )
    print("| --- " * 6 + "|")
    for kind in kinds:
        signal, method, _, _ = kind
        if signal:
            p, z = of_kind(found, kind)
            known = [of_level[~np.isnan(of_level)] for of_level in z[:, OF_SIGNAL].T]
            means = " | ".join(f"{each.mean():.2f}" if each.size else "refused" for each in known)
            print(f"| {method} | {signal} | {', '.join(f'{x:.2g}' for x in p)} | {means} |")


def bends(folder: Path) -> None:
    """Print how many events pass inside the signal regions of boxes without signal, over those asked for."""
    print("| method, selection | passing over asked, window 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |")
    print("| --- " * 9 + "|")
    for method in sorted({path.stem.split("-")[0] for path in folder.glob("*.npz")}):
        files = sorted(folder.glob(f"{method}-{EVENTS}-0-*.npz"))
        parts = [passing(path) for path in files if path.stem.count("-") == 3]  # of REPEATS
        for level, name in enumerate(("10 %", "1 %", "0.2 %")):
            mean = np.mean(parts, axis=0)[:, level]
            print(f"| {method}, {name} | " + " | ".join(f"{x:.2f}" for x in mean) + " |")


def passing(path: Path) -> np.ndarray:
    """Return the fraction that passes in each signal region over that asked for, (n_windows, 3)."""
    with np.load(path) as kept:
        mass, levels, asked = kept["mass"], kept["levels"], kept["selections"][1:]
        inside = [(mass >= low) & (mass < high) for low, high in kept["windows"]]
    steps = range(1, len(asked) + 1)
    share = [
        [(levels[:, these, window] >= k).mean() for k in steps]
        for window, these in enumerate(inside)
    ]
    return np.array(share) / asked


def toy(common: float, tail: float, number: int) -> Patterns:
    """Throw events of background whose scores have a part of their variance in common."""
    rng = np.random.default_rng([78, round(100 * common), round(100 * tail), number])
    low, high = EDGES[[0, -1]] ** -5.0
    mass = (low + rng.random(rng.poisson(EVENTS)) * (high - low)) ** -0.2  # dN/dm ~ m^-6
    own = rng.standard_normal((mass.size, len(WINDOWS)))
    score = np.sqrt(common) * rng.standard_normal((mass.size, 1)) + np.sqrt(1 - common) * own
    at = 2 * np.log(mass / EDGES[0]) / np.log(EDGES[-1] / EDGES[0]) - 1  # from -1 to 1
    cut = norm.isf(EFFICIENCIES[0])
    wider = 1 + (tail * (at + at**2 / 2))[:, None]
    score = np.where(score > cut, cut + (score - cut) * wider, score)
    levels = sum(
        (score > np.quantile(score, 1 - each, axis=0)).astype(int) for each in EFFICIENCIES
    )
    return count_patterns(mass, levels, subdivide(EDGES, 2))


def shared(toys: int) -> None:
    """Print significances without signal where windows share no, some or all events."""
    print(
        "| scores | in common | events of 1 % shared | mean z, 10 % | 1 % | 0.2 % | rms | above 2, 10 % | 1 % "
        "| 0.2 % | above 3, 10 % | 1 % | 0.2 % |\n" + "| --- " * 13 + "|"
    )
    for name, tail in TAIL.items():
        for common in IN_COMMON:
            z, overlap = [], []
            for number in range(toys):
                events = toy(common, tail, number)
                fits = scan(events, WINDOWS, EFFICIENCIES, model=FitModel())
                log_p = local_log_p(fits.observed, fits.fits.expected[0], fits.fits.error[0])
                z.append(np.maximum(z_of_log_p(log_p), LEAST).reshape(fits.shape)[:, 1:])
                both = events.overlaps(3, np.ones(events.edges.size - 1, bool))[1::3, 1::3]
                overlap.append((both.sum() - len(both)) / (both.size - len(both)))
            found = np.array(z)
            rows = [f"{100 * x:.0f} %" for x in (common, abs(np.mean(overlap)))]
            rows += [f"{mean:+.2f}" for mean in found.mean(axis=(0, 1))] + [f"{found.std():.2f}"]
            rows += [f"{100 * x:.1f} %" for x in (found > 2).mean(axis=(0, 1))]
            rows += [f"{100 * x:.2f} %" for x in (found > 3).mean(axis=(0, 1))]
            print(f"| {name} | {' | '.join(rows)} |", flush=True)


def of_kind(
    found: Sequence[dict[str, Any]], kind: tuple[Any, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return global p-values and significances of the boxes of a kind, by number."""
    these = [each for each in found if tuple(each[key] for key in KIND) == kind]
    these.sort(key=lambda each: each["index"])
    return np.array([x["p"] for x in these]), np.array([x["z"] for x in these], dtype=float)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=["search", "table", "bends", "shared"])
    parser.add_argument("methods", nargs="*", default=["pca"])
    parser.add_argument("--boxes", type=int, default=40)
    parser.add_argument("--signal", type=int, default=0)
    parser.add_argument("--events", type=int, default=EVENTS, help="in a box")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="partitions into folds")
    parser.add_argument("--toys", type=int, default=100, help="of each kind of scores")
    parser.add_argument("--out", type=Path, default=Path("runs/tails"))
    parser.add_argument("--found", default="found.jsonl")
    given = parser.parse_args()
    if given.part == "table":
        table(read_lines(given.out / given.found))
        return
    if given.part == "bends":
        bends(given.out)
        return
    if given.part == "shared":
        shared(given.toys)
        return
    boxes = [
        Box(name, given.signal, k, given.events, given.repeats)
        for k in range(given.boxes)
        for name in given.methods
    ]
    search(boxes, given.out, given.out / given.found)


if __name__ == "__main__":
    main()
