"""The bias matrix: every background function generates, every one fits.

    python -P benchmarks/bias.py --toys 1000

The generating functions are fitted to the smooth spectrum of a falling power of the mass with an
edge, as of QCD dijets between 2.6 and 6 TeV: (1 - y)^10 / y^(5 + 0.3 ln y).
"""

from __future__ import annotations

import argparse

import numpy as np

from overdensity.stats import background_functions, log_edges
from overdensity.stats.uncertainties.bias import BiasCell, bias_matrix

EDGES = log_edges(2632, 6000, 32)
MASSES = (3000.0, 3500.0, 4000.0, 4700.0)


def spectrum() -> np.ndarray:
    """Return the shape that the functions are fitted to."""
    center = np.sqrt(EDGES[1:] * EDGES[:-1]) / 13e3
    return (1 - center) ** 10 / center ** (5 + 0.3 * np.log(center)) * np.diff(EDGES)


def table(cells: list[BiasCell], functions: list[str]) -> str:
    """Return the matrix of one number of events and one signal as Markdown."""
    lines = [
        "| generates | " + " | ".join(f"fits {name}" for name in functions) + " |",
        "| --- |" + " --- |" * len(functions),
    ]
    for name in functions:
        row = {cell.fits: cell for cell in cells if cell.generates == name}
        pulls = [f"{row[each].pull:+.2f} ± {row[each].pull_error:.2f}" for each in functions]
        lines.append(f"| {name} | " + " | ".join(pulls) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print a matrix for each number of events and each signal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--toys", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    functions = list(background_functions())
    cells = bias_matrix(
        EDGES, spectrum() / spectrum().sum() * 1e6, functions=functions, masses=MASSES,
        toys=given.toys, seed=given.seed,
    )  # fmt: skip
    for events in sorted({cell.events for cell in cells}):
        for injected in sorted({cell.injected for cell in cells}):
            here = [cell for cell in cells if (cell.events, cell.injected) == (events, injected)]
            print(f"{events:.0f} events, {injected:g}σ injected\n")
            print(table(here, functions) + "\n")


if __name__ == "__main__":
    main()
