"""Searches for decays to two and three gluons in boxes like Black Box 3, and in boxes without signal.

    python -P benchmarks/black_box_3.py pool [--pool preset]        # 5 ms of CPU time an event
    python -P benchmarks/black_box_3.py boxes [--pool preset] [--seeds 1 2 ... 20] [--with signal none]
    python -P benchmarks/black_box_3.py table [--pool preset]

A box has 250 000 background events, and 1600 of signal or none: KK gravitons to two gluons and color
octets to R and a gluon, R to two gluons, of 4.2 TeV, as 5 to 8. It is drawn from a pool, so that boxes
share events; the table says how many. Of the pool `preset`, all is simulated by the preset `bb3`; that of
`reference` is the background of the reference sample (500 000 events, Pythia's defaults and Delphes), and
signal simulated with Pythia's defaults. Each box is searched as `examples/black_box_3/search.yaml` says, in three
partitions into folds, the default, about a minute of CPU time; what each of them says alone is shown, too. With
``--delta-eta 1.3`` only events below it are searched, with the default function from 3 TeV on: a recipe that was tried.

Every part goes on where it stopped; `boxes` adds a line to ``black_box_3.jsonl`` in the folder for each search.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from overdensity.core.json_lines import add_line, read_lines
from overdensity.core.records import atomic_path
from overdensity.processors import LhcoSource, MultijetProcessor, process
from overdensity.simulation import read_recipe, simulate_recipe
from overdensity.stats.p_values.local import z_of_p
from overdensity.stats.p_values.shares import counted
from overdensity.workflow import parse_config
from overdensity.workflow.search_run import hunt_search, score_search

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT.parent / "shared" / "data" / "reference"
CONFIG = ROOT / "examples" / "black_box_3" / "search.yaml"
SIGNALS = ROOT / "examples" / "recipes" / "gluon_decays.yaml"
RUNS = ROOT / "runs" / "black_box_3"
BACKGROUND, SIGNAL = 250_000, 1600  # events in a box
MASS, WITHIN = 4200.0, 0.03  # GeV; a mass that is found is this near to it
DISCOVERY = 3.0  # global significance
BOXES = ("signal", "none")
PIECES = {  # events simulated at once, and the first seed
    "qcd": ({"qcd": 20_000}, 2000),
    "signal": ({"dijets": 5000, "trijets": 8000}, 100),
}
LOW = 2900.0  # GeV; events of a smaller mass are outside the scan
FEATURES = ("j1_n", "j2_n", "j1_mass_over_pt", "j2_mass_over_pt", "j3_pt_over_m")

RESULTS = "black_box_3.jsonl"
COORDINATES = ("pt", "eta", "phi", "mass")
Columns = dict[str, NDArray[Any]]


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=("pool", "boxes", "table"))
    parser.add_argument("--pool", choices=("preset", "reference"), default="preset")
    parser.add_argument("--background", type=int, default=600_000, help="events of the pool")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 21)))
    parser.add_argument("--with", dest="boxes", choices=BOXES, nargs="+", default=list(BOXES))
    parser.add_argument("--kind", default="quadratic", help="of classifier")
    parser.add_argument("--delta-eta", type=float, help="a cut on it, with fits from 3 TeV on")
    parser.add_argument("--folder", type=Path, default=RUNS, help="where results are")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    how = {"pool": given.pool, "kind": given.kind, "delta_eta": given.delta_eta}
    if given.part == "pool":
        make_pool(given.pool, given.background, given.workers)
    elif given.part == "boxes":
        pool = read_pool(given.pool)
        done = {(line["seed"], line["signal"]) for line in lines(given.folder, how)}
        for signal in (box == "signal" for box in given.boxes):
            for seed in given.seeds:
                if (seed, signal) not in done:
                    found = search(pool, seed, how, signal=signal, workers=given.workers)
                    add_line(given.folder / RESULTS, found)
    if given.part != "pool":
        table(given.folder, how)


def make_pool(pool: str, background: int, workers: int) -> None:
    """Simulate what is missing of a pool, piece by piece, and keep its columns."""
    wanted = {"signal": 1}
    if pool == "preset":
        wanted["qcd"] = -(-background // PIECES["qcd"][0]["qcd"])
    for name, number in wanted.items():
        for piece in range(number):
            path = RUNS / pool / f"{name}-{piece:03d}.parquet"
            if path.is_file():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            started = time.process_time()
            composition, seed = PIECES[name]
            recipe = read_recipe("bb3" if pool == "preset" else SIGNALS, beside=("out",))
            none = {process.name: 0 for process in recipe.processes}
            seed += piece + (2 if pool == "preset" else 1)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "events.h5"
                simulate_recipe(
                    recipe.with_events(none | composition), file, seed=seed, workers=workers
                )
                processor = MultijetProcessor(min_jets=2, features=("n",), event_features=())
                process(str(file), folder, source=LhcoSource(), processor=processor)
                columns = pq.read_table(Path(folder) / "columns")
            with atomic_path(path) as temporary:
                pq.write_table(columns, temporary)
            print(f"{path}: {time.process_time() - started:.0f} s of CPU time here", flush=True)


def read_pool(pool: str) -> dict[str, Columns]:
    """Return the columns of the background and of the signal of a pool."""
    found = {}
    for name in ("qcd", "signal"):
        files = sorted((RUNS / pool).glob(f"{name}-*.parquet"))
        if pool == "reference" and name == "qcd":
            found[name] = of_reference(pq.read_table(REFERENCE / "rnd_background.parquet"))
            continue
        if not files:
            msg = f"{RUNS / pool}: no {name}; run 'black_box_3.py pool --pool {pool}'"
            raise SystemExit(msg)
        table = pa.concat_tables([pq.read_table(file) for file in files])
        found[name] = {key: table[key].to_numpy() for key in ("m_jets", *FEATURES)}
        found[name]["delta_eta"] = delta_eta(table)
    return found


def delta_eta(table: pa.Table) -> NDArray[np.float64]:
    """Return the difference in η of the leading jets."""
    first, second = (table[f"j{k}_eta"].to_numpy().astype(float) for k in (1, 2))
    return np.abs(first - second)


def of_reference(table: pa.Table) -> Columns:
    """Return the columns that the multijet processor makes, of those of the dijet processor."""
    jets = [[table[f"j{k}_{x}"].to_numpy().astype(float) for x in COORDINATES] for k in (1, 2, 3)]
    third = jets[2][0] > 50  # GeV: what counts as a jet
    jets[2][0] = np.where(third, jets[2][0], 0.0)
    jets[2][3] = np.where(third, jets[2][3], 0.0)
    px, py, pz, energy = np.sum([four_momentum(*jet) for jet in jets], axis=0)
    mass = np.sqrt(energy**2 - px**2 - py**2 - pz**2)
    return {
        "m_jets": mass,
        "j1_n": table["j1_n"].to_numpy(),
        "j2_n": table["j2_n"].to_numpy(),
        "j1_mass_over_pt": jets[0][3] / jets[0][0],
        "j2_mass_over_pt": jets[1][3] / jets[1][0],
        "j3_pt_over_m": jets[2][0] / mass,
        "delta_eta": delta_eta(table),
    }


def four_momentum(
    pt: NDArray[Any], eta: NDArray[Any], phi: NDArray[Any], mass: NDArray[Any]
) -> NDArray[np.float64]:
    """Return px, py, pz and E in GeV, shape (4, n_events)."""
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.stack([px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + mass**2)])


def search(
    pool: dict[str, Columns], seed: int, how: dict[str, Any], *, signal: bool, workers: int
) -> dict[str, Any]:
    """Draw a box and search it; return a line of the results."""
    started = time.process_time()
    rng = np.random.default_rng([13, seed, signal])
    numbers = {"qcd": BACKGROUND, "signal": SIGNAL if signal else 0}
    rows = {
        name: rng.choice(len(pool[name]["m_jets"]), number, replace=False)
        for name, number in numbers.items()
    }
    box = {
        key: np.concatenate([pool[name][key][rows[name]] for name in rows]) for key in pool["qcd"]
    }
    central = box.pop("delta_eta") < (how["delta_eta"] or np.inf)
    kept = rng.permutation(np.flatnonzero(central & (box["m_jets"] > LOW)))
    values = yaml.safe_load(CONFIG.read_text())
    values.pop("processor")
    values["method"]["classifier"] = values["method"]["classifier"] | {"kind": how["kind"]}
    if how["delta_eta"]:
        values["fit"] = {"efficiency": values["fit"]["efficiency"]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "box.parquet"
        pq.write_table(pa.table({key: x[kept].astype(np.float32) for key, x in box.items()}), file)
        values |= {"events": {"format": "columns", "files": [str(file)]}, "seed": seed}
        values |= {"out": folder, "cluster": {"kind": "threads", "workers": workers}}
        config = parse_config(values)
        score_search(config, process=True)
        results = hunt_search(config)
    best = results.best
    return how | {
        "seed": seed,
        "signal": signal,
        "z_global": None if best is None else best.z_global,
        "p_global": None if best is None else best.p_global,
        "z_local": None if best is None else best.z_local,
        "mass": None if best is None else best.mass,
        "efficiency": None if best is None else best.efficiency,
        "low": None if best is None else best.low,
        "alone": [] if results.repeats is None else list(results.repeats.p_global),
        "flags": list(results.flags),
        "of": len(pool["qcd"]["m_jets"]),
        "cpu": round(time.process_time() - started),
    }


def lines(folder: Path, how: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was found in the boxes that were searched in this way."""
    found = read_lines(folder / RESULTS)
    return [line for line in found if all(line.get(key) == value for key, value in how.items())]


def table(folder: Path, how: dict[str, Any]) -> None:
    """Print what was found, box by box, and how often."""
    found = sorted(lines(folder, how), key=lambda line: (not line["signal"], line["seed"]))
    size = max((line["of"] for line in found), default=BACKGROUND)
    cut = f", |Δη| < {how['delta_eta']:g}" if how["delta_eta"] else ""
    print(
        f"{len(found)} boxes{cut}, classifier `{how['kind']}`, pool `{how['pool']}` of {size} background events: any "
        f"two boxes share {100 * BACKGROUND / size:.0f} % of theirs on average\n"
    )
    head = ("box", "seed", "z global", "each partition alone", "p global", "mass, GeV", "selection")
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for line in found:
        name = BOXES[not line["signal"]]
        alone = ", ".join("-" if p is None else f"{z_of_p(p):.1f}" for p in line["alone"])
        if line["z_global"] is None:
            print(f"| {name} | {line['seed']} | no result | {alone} | - | - | - |")
            continue
        print(
            f"| {name} | {line['seed']} | {line['z_global']:.1f} | {alone} | {line['p_global']:.2g} | "
            f"{line['mass']:.0f} | {line['efficiency']:g} |"
        )
    print("\n| boxes | what | how often |\n| --- | --- | --- |")
    with_signal = [line for line in found if line["signal"]]
    without = [line for line in found if not line["signal"]]
    at_mass = [abs((line["mass"] or 0) / MASS - 1) < WITHIN for line in with_signal]
    z = [-9.0 if line["z_global"] is None else line["z_global"] for line in with_signal]
    above = [a > DISCOVERY for a in z]
    both = [a and b for a, b in zip(above, at_mass, strict=True)]
    quiet = [(line["p_global"] or 0) > 0.05 for line in without]
    print(f"| signal | above {DISCOVERY:g}σ global | {counted(above)} |")
    print(f"| signal | and the mass within {100 * WITHIN:g} % | {counted(both)} |")
    if z:
        print(f"| signal | z global | {np.mean(z):.1f} ± {np.std(z) / len(z) ** 0.5:.1f} |")
    print(f"| none | quiet, p global > 0.05 | {counted(quiet)} |")


if __name__ == "__main__":
    main()
