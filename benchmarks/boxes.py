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
classifier that learnt from all other events of signal and background what is what, in the window of the
signal (CWoLa elsewhere) or as one score for all windows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
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
from overdensity.ml.sample import truth
from overdensity.processors import process
from overdensity.processors.sources.lhco import LhcoSource
from overdensity.simulation import DaughterFacts, ProcessFacts, ZprimeMasses, simulate
from overdensity.stats import hunt
from overdensity.stats.p_values.shares import counted
from overdensity.workflow import parse_config
from overdensity.workflow.challenge.answer_sheet import AnsweredBox
from overdensity.workflow.challenge.answering import write_answer
from overdensity.workflow.challenge.judging import QUANTITIES, judge
from overdensity.workflow.challenge.key import Key, Secret
from overdensity.workflow.config.search import SearchConfig
from overdensity.workflow.search_run import hunt_search, score_search
from overdensity.workflow.stages.run import Run, open_run
from overdensity.workflow.stages.scores import Scores, read_scores
from overdensity.workflow.stages.selecting import calibrated_scores, levels_of, sculpting_of

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT.parent / "shared" / "data" / "reference"
RUNS = ROOT / "runs" / "boxes"
RESULTS, OF_TOLD = "boxes.jsonl", "told.jsonl"
TOLD = {  # of the truth, beside the features
    "cwola": "nothing",
    "idealised": "the background",
    "supervised": "the signal",
    "supervised everywhere": "the signal, one score for all windows",
}
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
        known = {line["seed"] for line in read_lines(given.folder / OF_TOLD)}
        for seed in given.seeds:
            if seed not in known:
                add_line(given.folder / OF_TOLD, told(seed, given.folder, given.workers))
        table_of_told(read_lines(given.folder / OF_TOLD))
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
    """Write a box: random events of background and signal, in random order.

    If there is a folder for the rest, the other events go there, and all keep their labels.
    """
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
    names = [name for name in parts[0].column_names if rest is not None or name != "label"]
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
    """Search an R&D-like box by methods that are told more and more of the truth."""
    kind, started = KINDS["rnd"], time.process_time()
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        place, file = Path(temporary), Path(temporary, "box.parquet")
        draw(kind, seed, folder, file, rest=place)
        others = [str(place / f"{name}.parquet") for name in ("rnd_background", kind.signal)]
        for method, more in (("cwola", {}), ("idealised", {"simulation": others[0]})):
            how: dict[str, Any] = more | {"method": {"name": method}}
            config = config_of(file, place / method, seed, workers, **how)
            score_search(config, process=True)
            run = open_run(config)
            scores = read_scores(run)
            found[method] = in_window(run, scores, kind.masses[0])
            if method == "cwola":
                known = Sample.from_parquet(others, features=run.config.features)
                window = window_of(run, kind.masses[0])
                model = make_method("supervised").fit(known, window, seed=seed)
                by_truth = np.tile(model.score(scores.sample), (len(run.windows), 1))
                there = np.array([each == window for each in run.windows])[:, None]
                one = replace(scores, values=np.where(there, by_truth, scores.values))
                found["supervised"] = in_window(run, one, kind.masses[0])
                everywhere = replace(scores, values=by_truth)
                found["supervised everywhere"] = in_window(run, everywhere, kind.masses[0])
    return {"seed": seed, "found": found, "cpu": round(time.process_time() - started)}


def window_of(run: Run, mass: float) -> Window:
    """Return the window whose center is nearest to a mass, GeV."""
    return min(run.windows, key=lambda each: abs(each.center - mass))


def in_window(run: Run, scores: Scores, mass: float) -> dict[str, Any]:
    """Search by some scores; return what the window of a mass (GeV) says, with the truth."""
    cut_on = calibrated_scores(run, scores)
    levels, bent = levels_of(run, cut_on), sculpting_of(run, cut_on)
    found = hunt(
        scores.sample.mass,
        levels,
        edges=run.edges,
        windows=run.regions,
        efficiencies=run.config.selections,
        model=run.fit_model,
        bins_per_bin=run.config.fit.bins_per_bin,
        refused=bent.refused,
        pseudo_experiments=run.config.pseudo_experiments,
        seed=run.config.seed,
    )
    window = window_of(run, mass)
    index, inside = run.windows.index(window), window.signal(scores.sample.mass)
    passed = levels[inside, index]
    true = truth("this table", scores.sample)[inside] != 0
    rows = found.windows[index].rows
    return {
        "p": 1.0 if found.global_p is None else found.global_p.p_global,
        "z": [row.z_local for row in rows],
        "signal": [int((true & (passed >= k)).sum()) for k in range(len(rows))],
        "background": [int((~true & (passed >= k)).sum()) for k in range(len(rows))],
    }


def table_of_told(found: list[dict[str, Any]]) -> None:
    """Print what each method reads in the window of the signal."""
    kind = KINDS["rnd"]
    print(
        f"{len(found)} boxes of {kind.events} events, {kind.injected} of them signal: z (signal/background)\n"
    )
    head = ("box", "S/√B", "told", "all events", "10 %", "1 %", "0.2 %", "p global")
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for line in sorted(found, key=lambda each: each["seed"]):
        for method, what in TOLD.items():
            of = line["found"][method]
            cells = zip(of["z"], of["signal"], of["background"], strict=True)
            rows = [f"{'refused' if z is None else f'{z:.1f}'} ({s}/{b})" for z, s, b in cells]
            strength = of["signal"][0] / of["background"][0] ** 0.5
            row = (
                f"{line['seed']}",
                f"{strength:.2f}",
                what,
                *rows,
                f"{of['p']:.2g}",
            )
            print("| " + " | ".join(row) + " |")
    head = ("told", "p global below 0.05", "median p", "mean z (S/√B), 10 %", "1 %", "0.2 %")
    print("\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for method, what in TOLD.items():
        of = [line["found"][method] for line in found]
        p = np.array([each["p"] for each in of])
        z, signal, background = (
            np.array([each[key] for each in of], dtype=float)[:, 1:]
            for key in ("z", "signal", "background")
        )
        true = signal.mean(axis=0) / np.sqrt(background.mean(axis=0))
        quoted = [of_level[~np.isnan(of_level)] for of_level in z.T]
        means = [f"{each.mean():.1f}" if each.size else "refused" for each in quoted]
        cells = [f"{mean} ({of_truth:.1f})" for mean, of_truth in zip(means, true, strict=True)]
        row = (what, counted((p <= LEVEL).tolist()), f"{np.median(p):.2g}", *cells)
        print("| " + " | ".join(row) + " |")


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
