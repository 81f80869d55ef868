"""Boxes like those of the LHC Olympics, searched, answered and scored.

    python -P benchmarks/boxes.py rnd|rnd3|bb1|none [--seeds 1 2 ...] [--injected N] [--events N]
    python -P benchmarks/boxes.py table
    python -P benchmarks/boxes.py told [--seeds 1 2 ...]

Each box is drawn from the reference sample (500 000 background events, Pythia's defaults and Delphes), so that two
boxes share events; the table says how many. Signals are those of the reference, or, of `bb1`, simulated with Pythia's
defaults. Each is searched as `overdensity run` does by default, with one partition (``repeats: 1``), and
answered as `overdensity challenge answer` does.

A search adds a line to ``boxes.jsonl``, and what is there is not searched again.

The last part asks whether any search could find the signal of the boxes of `rnd`: the same search is made with
CWoLa, with the idealised detector, which compares with all other background events of the sample, and with a
classifier that learnt from all other events of signal and background what is what.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest

from overdensity.core.json_lines import add_line, read_lines
from overdensity.core.records import atomic_path
from overdensity.ml import Sample, Window, make_method
from overdensity.processors import process
from overdensity.processors.sources.lhco import LhcoSource
from overdensity.simulation import DaughterFacts, ProcessFacts, ZprimeMasses, simulate
from overdensity.stats import HuntResult, hunt
from overdensity.stats.p_values.shares import counted
from overdensity.workflow import parse_config
from overdensity.workflow.challenge.answer_sheet import AnsweredBox
from overdensity.workflow.challenge.answering import write_answer
from overdensity.workflow.challenge.judging import QUANTITIES, judge
from overdensity.workflow.challenge.key import Key, Secret
from overdensity.workflow.config.search import SearchConfig
from overdensity.workflow.search_run import hunt_search, score_search
from overdensity.workflow.stages.run import Run, open_run
from overdensity.workflow.stages.scores import read_scores
from overdensity.workflow.stages.selecting import calibrated_scores, levels_of, sculpting_of

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT.parent / "shared" / "data" / "reference"
RUNS = ROOT / "runs" / "boxes"
RESULTS, TOLD = "boxes.jsonl", "told.jsonl"
TOLD_METHODS = {"cwola": "nothing", "idealised": "background", "supervised": "both"}
POOL = 500_000
LEVEL, LARGE = 0.05, 2.0  # p_global up to which a signal is found; a pull that is too large


@dataclass(frozen=True)
class Kind:
    """How many events of what a box has; 116 signal events are 0.6 % of the background from 3.3 to 3.7 TeV."""

    events: int
    injected: int
    signal: str | None = None
    masses: tuple[float, float, float] = (3500.0, 500.0, 100.0)
    prongs: int = 2


KINDS = {
    "rnd": Kind(100_000, 116, "rnd_signal"),
    "rnd3": Kind(100_000, 114, "rnd_signal_3prong", prongs=3),
    "bb1": Kind(250_000, 417, "bb1", (3823.0, 732.0, 378.0)),
    "none": Kind(100_000, 0),
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=[*KINDS, "table", "told"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--events", type=int, help="in a box")
    parser.add_argument("--injected", type=int, help="of them signal")
    parser.add_argument("--folder", type=Path, default=RUNS, help="where results are")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    if given.part == "told":
        given.folder.mkdir(parents=True, exist_ok=True)
        known = {line["seed"] for line in read_lines(given.folder / TOLD)}
        for seed in given.seeds:
            if seed not in known:
                add_line(given.folder / TOLD, told(seed, given.folder, given.workers))
        table_of_told(read_lines(given.folder / TOLD))
        return
    if given.part != "table":
        kind = KINDS[given.part]
        changed = {"events": given.events, "injected": given.injected}
        kind = replace(kind, **{key: n for key, n in changed.items() if n is not None})
        given.folder.mkdir(parents=True, exist_ok=True)
        for seed in given.seeds:
            box = {"kind": given.part, "n": kind.events, "injected": kind.injected, "seed": seed}
            done = [
                line for line in read_lines(given.folder / RESULTS) if box.items() <= line.items()
            ]
            if not done:
                line = box | searched(kind, seed, given.folder, given.workers)
                add_line(given.folder / RESULTS, line)
    table(read_lines(given.folder / RESULTS))


def searched(kind: Kind, seed: int, folder: Path, workers: int) -> dict[str, Any]:
    """Draw a box, search and answer it; return what the answer says beside the truth."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as temporary:
        run, file = Path(temporary, "run"), Path(temporary, "box.parquet")
        draw(kind, seed, folder, file)
        config = config_of(file, run, seed, workers)
        score_search(config, process=True)
        hunt_search(config)
        key = key_of_box(kind, f"box {seed}")
        sheet = replace(write_answer(run, level=LEVEL), box=AnsweredBox(key.box, key.commitment))
        (scored,) = judge([(run, sheet)], [(run, key)]).answers
    numbers = {
        name: [each.value, each.pull] for name, each in scored.quantities.items() if scored.claimed
    }
    return {
        "p_global": scored.p_value,
        "found": bool(scored.claimed),
        "numbers": numbers,
        "prongs": list(scored.prongs),
        "true_prongs": list(scored.true_prongs),
        "log_score": scored.log_score,
        "notes": list(sheet.notes),
        "cpu": round(time.process_time() - started),
    }


def config_of(file: Path, run: Path, seed: int, workers: int, **more: Any) -> SearchConfig:
    """Return the search of a box, as `overdensity run` makes it by default, in one partition."""
    values = {"events": {"files": str(file)}, "seed": seed, "repeats": 1, "out": str(run)}
    return parse_config(values | {"cluster": {"kind": "threads", "workers": workers}} | more)


def draw(kind: Kind, seed: int, folder: Path, file: Path, rest: Path | None = None) -> None:
    """Write a box: random events of background and signal, in random order; the others go to another folder."""
    rng = np.random.default_rng([13, seed])
    parts = []
    for name, number in (
        ("rnd_background", kind.events - kind.injected),
        (kind.signal, kind.injected),
    ):
        if name is not None and number:
            path = simulated(folder, kind) if name == "bb1" else REFERENCE / f"{name}.parquet"
            events = pq.read_table(path)
            rows = rng.choice(len(events), number, replace=False)
            parts.append(events.take(rows))
            if rest is not None:
                others = np.setdiff1d(np.arange(len(events)), rows)
                pq.write_table(events.take(others), rest / f"{name}.parquet")
    names = [name for name in parts[0].column_names if name != "label"]
    box = pa.concat_tables(
        [part.select(names).cast(parts[0].select(names).schema) for part in parts]
    )
    pq.write_table(box.take(rng.permutation(len(box))), file)


def simulated(folder: Path, kind: Kind, events: int = 4000) -> Path:
    """Return the file with the columns of a signal, which is simulated once."""
    path = folder / f"{kind.signal}-{events}.parquet"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary, "signal.h5")
            how = {"seed": 1, "masses": ZprimeMasses(*kind.masses), "prongs": kind.prongs}
            simulate(file, background=0, signal=events, workers=1, **how)
            process(file, temporary, source=LhcoSource())
            with atomic_path(path) as whole:
                pq.write_table(pq.read_table(Path(temporary, "columns")), whole)
    return path


def key_of_box(kind: Kind, box: str) -> Key:
    """Return what the answer is held against; nothing of it is secret."""
    resonance, *masses = kind.masses
    daughters = tuple(
        DaughterFacts(name, mass, kind.prongs) for name, mass in zip("XY", masses, strict=True)
    )
    qcd = ProcessFacts("qcd", signal=False, events=kind.events - kind.injected)
    signal = ProcessFacts(
        "signal", kind.injected > 0, kind.injected, resonance, daughters, "Z' → X Y"
    )
    return Key(box, Secret(0, "00"), {}, (qcd, signal), kind.events, (), "", {})


def told(seed: int, folder: Path, workers: int) -> dict[str, Any]:
    """Search an R&D-like box by methods that are told nothing, the background, and the signal as well."""
    kind, started = KINDS["rnd"], time.process_time()
    with tempfile.TemporaryDirectory() as temporary:
        place, file = Path(temporary), Path(temporary, "box.parquet")
        draw(kind, seed, folder, file, rest=place)
        others = [place / f"{name}.parquet" for name in ("rnd_background", kind.signal)]
        found: dict[str, tuple[Sequence[Any], float | None]] = {}
        for method, more in (("cwola", {}), ("idealised", {"simulation": str(others[0])})):
            how = more | {"method": {"name": method}}
            config = config_of(file, place / method, seed, workers, **how)
            score_search(config, process=True)
            results = hunt_search(config)
            found[method] = results.windows, results.best and results.best.p_global
        run = open_run(config_of(file, place / "cwola", seed, workers))
        truth = Sample.from_parquet(list(map(str, others)), features=run.config.features)
        known = hunt_by_truth(run, truth, kind.masses[0])
        found["supervised"] = known.windows, known.global_p and known.global_p.p_global
        index = run.windows.index(window_of(run, kind.masses[0]))
        low, high = run.regions[index]
        in_box = [
            inside(REFERENCE / each.name, low, high) - inside(each, low, high) for each in others
        ]
    return {
        "seed": seed,
        "window": [low, high],
        "events": in_box,
        "p": {name: p for name, (_, p) in found.items()},
        "z": {
            name: [row.z_local for row in (windows[index].unselected, *windows[index].selections)]
            for name, (windows, _) in found.items()
        },
        "cpu": round(time.process_time() - started),
    }


def inside(file: Path, low: float, high: float) -> int:
    """Return how many events of a file lie in a range of the mass, GeV."""
    mass = pq.read_table(file, columns=["mjj"])["mjj"].to_numpy()
    return int(np.count_nonzero((mass >= low) & (mass < high)))


def window_of(run: Run, mass: float) -> Window:
    """Return the window whose center is nearest to a mass, GeV."""
    return min(run.windows, key=lambda each: abs(each.center - mass))


def hunt_by_truth(run: Run, truth: Sample, mass: float) -> HuntResult:
    """Search all windows of a run by what one classifier learnt from labelled events around a mass, GeV."""
    model = make_method("supervised").fit(truth, window_of(run, mass), seed=run.config.seed)
    scores = read_scores(run)
    values = np.tile(model.score(scores.sample), (len(run.windows), 1))
    cut_on = calibrated_scores(run, replace(scores, values=values))
    return hunt(
        scores.sample.mass,
        levels_of(run, cut_on),
        edges=run.edges,
        windows=run.regions,
        efficiencies=run.config.selections,
        model=run.fit_model,
        bins_per_bin=run.config.fit.bins_per_bin,
        refused=sculpting_of(run, cut_on).refused,
        pseudo_experiments=run.config.pseudo_experiments,
        seed=run.config.seed,
    )


def table_of_told(found: list[dict[str, Any]]) -> None:
    """Print what each method reads in the window of the signal."""
    print(
        f"{len(found)} boxes of {KINDS['rnd'].events} events, {KINDS['rnd'].injected} of them signal\n"
    )
    head = ("box", "S, B in the window", "S/√B", "z, all events", "told", "z, 10 %", "1 %", "0.2 %")
    head = (*head, "p global")
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for line in sorted(found, key=lambda each: each["seed"]):
        background, signal = line["events"]
        for method, what in TOLD_METHODS.items():
            z = ["refused" if each is None else f"{each:.1f}" for each in line["z"][method]]
            p = line["p"][method]
            row = (
                f"{line['seed']}",
                f"{signal}, {background}",
                f"{signal / background**0.5:.2f}",
                z[0],
            )
            row = (*row, f"{method}: {what}", *z[1:], "-" if p is None else f"{p:.2g}")
            print("| " + " | ".join(row) + " |")
    print("\n| told | p global below 0.05 | mean z, 10 % | 1 % | 0.2 % |\n|" + " --- |" * 5)
    for method, what in TOLD_METHODS.items():
        z = np.array([line["z"][method][1:] for line in found], dtype=float)
        few = [(line["p"][method] or 1.0) <= LEVEL for line in found]
        error = (
            np.nanstd(z, axis=0, ddof=1) / np.sqrt(len(z)) if len(z) > 1 else np.zeros(z.shape[1])
        )
        means = [f"{m:.1f} ± {e:.1f}" for m, e in zip(np.nanmean(z, axis=0), error, strict=True)]
        print("| " + " | ".join((f"{method}: {what}", counted(few), *means)) + " |")


def table(found: list[dict[str, Any]]) -> None:
    """Print box by box what was answered, and how often it was right."""
    order = list(KINDS)
    found = sorted(
        found,
        key=lambda line: (order.index(line["kind"]), line["injected"], line["n"], line["seed"]),
    )
    head = ("box", "events", "signal", "seed", "p global", "found", *QUANTITIES.values(), "prongs")
    print(f"{len(found)} boxes; (pull)\n")
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for line in found:
        numbers = [line["numbers"].get(name) for name in QUANTITIES]
        row = (
            line["kind"],
            f"{line['n']}",
            f"{line['injected']}",
            f"{line['seed']}",
            "no result" if line["p_global"] is None else f"{line['p_global']:.2g}",
            "yes" if line["found"] else "no",
            *(said(each) for each in numbers),
            "/".join("-" if n is None else f"{n}" for n in line["prongs"]) or "-",
        )
        print("| " + " | ".join(row) + " |")
    head = (
        "box",
        "signal",
        "shared",
        "found",
        "and all pulls of masses below 2",
        "and both prongs",
    )
    print("\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for kind, n, injected in dict.fromkeys((x["kind"], x["n"], x["injected"]) for x in found):
        same = [x for x in found if (x["kind"], x["n"], x["injected"]) == (kind, n, injected)]
        masses = [x["found"] and masses_right(x["numbers"]) for x in same]
        prongs = [m and x["prongs"] == x["true_prongs"] for m, x in zip(masses, same, strict=True)]
        row = (
            f"{kind}, {n}",
            f"{injected}",
            f"{100 * n / POOL:.0f} %",
            counted([x["found"] for x in same]),
            *(counted(each) if injected else "-" for each in (masses, prongs)),
        )
        print("| " + " | ".join(row) + " |")
    empty = [x["found"] for x in found if not x["injected"]]
    if empty:
        p = binomtest(sum(empty), len(empty), LEVEL, alternative="greater").pvalue
        print("\n| boxes without signal | claimed | p of 5 % |\n| --- | --- | --- |")
        print(f"| {len(empty)} | {counted(empty)} | {p:.2g} |")


def masses_right(numbers: dict[str, list[float | None]]) -> bool:
    """Whether all masses are answered, with pulls below 2."""
    pulls = [numbers.get(name, [None, None])[1] for name in QUANTITIES if name.endswith("mass")]
    return all(pull is not None and abs(pull) < LARGE for pull in pulls)


def said(number: list[float | None] | None) -> str:
    """Return a number and its pull."""
    if number is None or number[0] is None:
        return "-"
    pull = "" if number[1] is None else f" ({number[1]:+.1f})"
    return f"{number[0]:.0f}{pull}"


if __name__ == "__main__":
    main()
