"""The figures of the README, and what each partition says, from the run that `make demo` has left.

python -P benchmarks/quickstart.py runs/quickstart --figures docs/figures
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from overdensity.workflow import SearchResults
from overdensity.workflow.stages.search_figures import scan_figure, spectrum_figures


def main() -> None:
    """Draw the scan and the spectra of the best window as PNG files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--figures", type=Path, required=True)
    arguments = parser.parse_args()
    results = SearchResults.from_json(arguments.run / "results.json")
    scan_figure(results).savefig(arguments.figures / "quickstart_scan.png", dpi=110)
    for efficiency, figure in spectrum_figures(results).items():
        name = "all" if efficiency == 1 else f"{efficiency:g}"
        figure.savefig(arguments.figures / f"quickstart_spectrum_{name}.png", dpi=110)
    show(results)


def show(results: SearchResults) -> None:
    """Print the significances of the best window, of each partition into folds and of all."""
    best, repeats = results.best, results.repeats
    if best is None or repeats is None:
        return
    window = results.windows[best.window]
    names = [
        "all events" if row.efficiency == 1 else f"{100 * row.efficiency:g} %"
        for row in window.rows
    ]
    print(f"| {window.low:.0f}-{window.high:.0f} GeV | {' | '.join(names)} |")
    print("| --- " * (1 + len(names)) + "|")
    of_all = [row.z_local for row in window.rows]
    for k, part in enumerate(repeats.z_local):
        shown = ", whose counts are shown" if k == repeats.representative else ""
        print(f"| partition {k + 1}{shown} | {cells(part[best.window])} |")
    print(f"| combined | {cells(of_all)} |")


def cells(z: Sequence[float | None]) -> str:
    """Return significances, or that they may not be quoted."""
    return " | ".join("flagged" if each is None else f"{each:.1f}σ" for each in z)


if __name__ == "__main__":
    main()
