"""How often calls cross between the files of the package in one small search.

    python -P benchmarks/calls.py [--beside CHECKOUT] [--out calls.json]

A box of 6000 events with a signal is searched as in the tests (three windows, two selections, 500
pseudo-experiments), in three partitions into folds, under `sys.setprofile`. Counted are calls from one file of `overdensity` into
another, also through a library, by direction, and the pairs of files that call each other both
ways: a pair that does is one subject in two files, or two that know too much of each other. The
package of another checkout, say of an earlier commit, is counted by its own Python.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parents[1]
ROOMS = ("overdensity", "core", "processors", "ml", "stats", "simulation", "workflow")


def main() -> None:
    """Count in this checkout and another, print a table, and write all crossings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, help="another checkout, with its own .venv")
    parser.add_argument("--out", type=Path, help="JSON file of all crossings")
    arguments = parser.parse_args()
    roots = [root.resolve() for root in (arguments.beside, HERE) if root is not None]
    counted = [counted_in(root) for root in roots]
    print("| commit | calls between files | directions | pairs that call each other |")
    print("| --- | --- | --- | --- |")
    for each in counted:
        print(
            f"| {each['commit']} | {each['calls']} | {each['directions']} | {len(each['both'])} |"
        )
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(counted, indent=1) + "\n", encoding="utf-8")


def counted_in(root: Path) -> dict[str, object]:
    """Return what is counted with the package of a checkout, in a process of its own Python."""
    code = f"import sys; sys.path[:0] = [{str(HERE / 'benchmarks')!r}, {str(root / 'tests')!r}]"
    code += f"; import calls; calls.count({str(root)!r}, sys.argv[1])"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "calls.json"
        python = sys.executable if root == HERE else root / ".venv/bin/python"
        command = [python, "-P", "-c", code, out]
        subprocess.run(command, check=True, cwd=root, capture_output=True)
        return json.loads(out.read_text(encoding="utf-8"))


def count(root: str, out: str) -> None:
    """Search a small box with the package in `root`, and write what was counted."""
    from conftest import make_box, write_search

    from overdensity.workflow import load_config, run_search

    with tempfile.TemporaryDirectory() as folder:
        box = make_box(Path(folder) / "box.parquet", background=6000, signal=120, seed=1)
        config = load_config(write_search(Path(folder), box), ["repeats=3"])
        crossings: Counter[tuple[str, str]] = Counter()
        watch = _watcher(root, crossings)
        threading.setprofile(watch)
        sys.setprofile(watch)
        try:
            run_search(config)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
    commit = subprocess.run(
        ["git", "-C", root, "rev-parse", "--short", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    result = {
        "commit": commit,
        "calls": sum(crossings.values()),
        "directions": len(crossings),
        "both": sorted({tuple(sorted(pair)) for pair in crossings if pair[::-1] in crossings}),
        "crossings": [[here, there, n] for (here, there), n in crossings.most_common()],
    }
    Path(out).write_text(json.dumps(result), encoding="utf-8")


def _watcher(
    root: str, crossings: Counter[tuple[str, str]]
) -> Callable[[FrameType, str, object], None]:
    """Return a profiler that counts calls from one file of the house into another."""
    inside: dict[str, str | None] = {}

    def file_of(frame: FrameType) -> str | None:
        name = frame.f_code.co_filename
        if name not in inside:
            path = Path(name)
            known = path.is_relative_to(root) and path.relative_to(root).parts[0] in ROOMS
            inside[name] = path.relative_to(root).as_posix() if known else None
        return inside[name]

    def watch(frame: FrameType, event: str, _: object) -> None:
        # The body of a module is run by an import, which is no call of what it holds.
        if event != "call" or frame.f_code.co_name == "<module>" or file_of(frame) is None:
            return
        caller = frame.f_back
        while caller is not None and file_of(caller) is None:  # through a library, as a callback is
            caller = caller.f_back
        if caller is not None and file_of(caller) != file_of(frame):
            crossings[str(file_of(caller)), str(file_of(frame))] += 1

    return watch


if __name__ == "__main__":
    main()
