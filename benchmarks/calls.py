"""How often calls cross between the files of the package in one small search.

    python -P benchmarks/calls.py OUT.json [--root CHECKOUT]

A box of 6000 events with a signal is searched as in the tests (three windows, two selections, 500
pseudo-experiments), under `sys.setprofile`. Counted are calls from one file of `overdensity` into
another, also through a library, by direction, and the pairs of files that call each other both ways: a pair that does is
one subject in two files, or two that know too much of each other. With ``--root`` the package of
another checkout is counted, by its own Python (say, one of an earlier commit).
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
    """Count, print the summary, and write all crossings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--root", type=Path, default=HERE, help="the checkout whose code is run")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    if root != HERE:
        python = root / ".venv/bin/python"
        code = f"import sys; sys.path.insert(0, {str(HERE / 'benchmarks')!r}); import calls; calls"
        command = [python, "-P", "-c", f"{code}.count({str(root)!r}, {str(arguments.out)!r})"]
        subprocess.run(command, check=True, cwd=root)
        return
    count(str(root), str(arguments.out))


def count(root: str, out: str) -> None:
    """Search a small box with the package in `root`, and write what was counted."""
    sys.path.insert(0, f"{root}/tests")
    from conftest import make_box, write_search

    from overdensity.workflow import load_config, run_search

    with tempfile.TemporaryDirectory() as folder:
        box = make_box(Path(folder) / "box.parquet", background=6000, signal=120, seed=1)
        config = load_config(write_search(Path(folder), box))
        crossings: Counter[tuple[str, str]] = Counter()
        watch = _watcher(root, crossings)
        threading.setprofile(watch)
        sys.setprofile(watch)
        try:
            run_search(config)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
    both = sorted({tuple(sorted(pair)) for pair in crossings if pair[::-1] in crossings})
    revision = subprocess.run(
        ["git", "-C", root, "rev-parse", "--short", "HEAD"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    figures = {
        "commit": revision,
        "calls": sum(crossings.values()),
        "directions": len(crossings),
        "pairs_both_ways": len(both),
    }
    rows = [[here, there, n] for (here, there), n in crossings.most_common()]
    result = {**figures, "both_ways": both, "crossings": rows}
    Path(out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))


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
