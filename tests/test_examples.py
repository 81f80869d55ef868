"""The examples in the docstrings run, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "processors", "ml", "stats", "simulation", "workflow")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# Public names whose docstring has no example yet. The list only gets shorter: write the example,
# then take the name out.
WITHOUT_EXAMPLE: dict[str, set[str]] = {
    "core": {
        "ConfigError",
        "FitError",
        "InputError",
        "MissingExtraError",
        "OverdensityError",
        "Record",
        "progress",
    },
    "processors": {
        "Chunk",
        "ColumnProcessor",
        "ColumnSet",
        "Dataset",
        "DijetProcessor",
        "FileSet",
        "FileSummary",
        "JetProcessor",
        "JetVariations",
        "LAYOUTS",
        "Layout",
        "LeptonProcessor",
        "LhcoSource",
        "Monitor",
        "MultijetProcessor",
        "PROCESSORS",
        "ParquetSource",
        "ProcessingReport",
        "RootSource",
        "Source",
        "Status",
        "datasets",
        "from_uhi",
        "process",
        "read_events",
        "to_uhi",
    },
    "ml": {
        "Anode",
        "Autoencoder",
        "Cathode",
        "Closure",
        "CwolaNetworks",
        "CwolaTrees",
        "Gis",
        "Idealised",
        "LaCathode",
        "LossCurve",
        "ManifoldFlow",
        "MassSculpting",
        "Method",
        "MethodInfo",
        "Parametrised",
        "Pca",
        "Performance",
        "Reliability",
        "SaCwola",
        "SaCwolaWeights",
        "Salad",
        "Sample",
        "SmallestSignificance",
        "Supervised",
        "Watch",
        "Window",
        "closure",
        "cross_fit",
        "fold_of",
        "load_method",
        "mass_sculpting",
        "methods",
        "performance",
        "predict_background",
        "scan_edges",
        "scan_windows",
        "score_fold",
        "smallest_significance",
        "train_fold",
        "training_folds",
    },
    "stats": {
        "Best",
        "FUNCTIONS",
        "FunctionChoice",
        "HuntResult",
        "Independence",
        "Patterns",
        "Resonance",
        "Sculpting",
        "SelectionResult",
        "Spectrum",
        "SpectrumFit",
        "SpuriousSignal",
        "Trials",
        "WindowResult",
        "best_workspace",
        "choose_function",
        "conformal_p",
        "contradicted",
        "count_patterns",
        "counting_workspace",
        "dijet_edges",
        "fit",
        "fit_resonance",
        "hunt",
        "hunt_patterns",
        "independence_test",
        "local_p",
        "log_edges",
        "merge_patterns",
        "sculpting",
        "selection_levels",
        "shape_workspace",
        "spectrum_of",
        "spectrum_of_histogram",
        "spurious_signal",
        "subdivide",
        "z_of_p",
    },
    "simulation": {
        "DetectorSettings",
        "GeneratorSettings",
        "ProcessReport",
        "Selection",
        "SimulationReport",
        "ZprimeMasses",
        "simulate",
    },
    "workflow": {
        "SearchConfig",
        "SearchResults",
        "connect",
        "load_config",
        "parse_config",
        "run_search",
        "write_report",
    },
}


def module_name(path: Path) -> str:
    """Dotted name under which a file of a room is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("overdensity", *(parts[:-1] if parts[-1] == "__init__" else parts)))


MODULES = [module_name(path) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


@cache
def examples_of(module: str) -> tuple[doctest.DocTest, ...]:
    """Docstrings of a module that hold at least one example."""
    found = doctest.DocTestFinder().find(importlib.import_module(module), module)
    return tuple(test for test in found if test.examples)


def failures(module: str) -> str:
    """Run the examples of a module; returns what went wrong."""
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    report: list[str] = []
    for test in examples_of(module):
        runner.run(test, out=report.append, clear_globs=False)
    return "".join(report)


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_give_what_they_show(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # examples may write files
    report = failures(module)
    assert not report, report


def test_an_example_that_shows_another_value_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "with_example.py").write_text('"""One and one.\n\n>>> 1 + 1\n3\n"""\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert "Expected:\n    3\nGot:\n    2" in failures("with_example")


def has_example(room: str, name: str) -> bool:
    """Whether an example runs for a public name.

    It stands in the docstring of the class or function, or of a method of the class. A constant
    has no docstring: the one of its module, or of the front door, uses it in an example.
    """
    door = importlib.import_module(f"overdensity.{room}")
    value = getattr(door, name)
    home = getattr(value, "__module__", None)
    if isinstance(home, str) and home.startswith("overdensity.") and hasattr(value, "__qualname__"):
        start = f"{home}.{value.__qualname__}"
        return any(
            test.name == start or test.name.startswith(f"{start}.") for test in examples_of(home)
        )
    word = re.compile(rf"\b{re.escape(name)}\b")
    return any(
        word.search(example.source)
        for module in MODULES
        if module == door.__name__ or module.startswith(f"{door.__name__}.")
        for test in examples_of(module)
        if test.name == module
        for example in test.examples
    )


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_an_example(room: str) -> None:
    names = importlib.import_module(f"overdensity.{room}").__all__
    without = {name for name in names if not has_example(room, name)}
    listed = WITHOUT_EXAMPLE.get(room, set())
    assert not without - listed, f"write an example in the docstring of: {sorted(without - listed)}"
    assert not listed - without, f"take out of WITHOUT_EXAMPLE: {sorted(listed - without)}"
