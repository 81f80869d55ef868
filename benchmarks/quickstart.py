"""The figures of the README, from the run that `make demo` has left.

python -P benchmarks/quickstart.py runs/quickstart --figures docs/figures
"""

from __future__ import annotations

import argparse
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


if __name__ == "__main__":
    main()
