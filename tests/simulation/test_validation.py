"""Simulated spectra against the sample made with Pythia 8 and Delphes 3.4.1."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from overdensity.simulation import simulate

pytestmark = pytest.mark.slow(seconds=3)  # of 40 tests that share one simulation

OBSERVABLES = ["multiplicity", "mjj", "j1_pt", "j1_mass", "j2_mass", "j1_tau21", "j2_tau21", "j1_n"]


@pytest.fixture(scope="module")
def benchmark(shared_data: Path) -> ModuleType:
    """The benchmark, whose plain FastJet calls make the observables."""
    assert shared_data.is_dir()
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "simulation.py"
    spec = importlib.util.spec_from_file_location("simulation_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def simulated(benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Observables of 12000 background and 2 × 3000 signal events."""
    folder = tmp_path_factory.mktemp("validation")
    found = {}
    for name, arguments in (
        ("background", {"background": 12_000}),
        ("signal", {"background": 0, "signal": 3000, "generator": benchmark.ISOTROPIC}),
        ("official signal", {"background": 0, "signal": 3000}),
    ):
        out = folder / f"{name}.h5"
        simulate(out, **{"seed": 2, **arguments})
        found[name] = benchmark.columns_of(benchmark.read_events(out)[0])
    return found


@pytest.mark.parametrize("sample", ["background", "signal"])
@pytest.mark.parametrize("observable", OBSERVABLES)
def test_means_agree_within_five_per_cent(
    benchmark: ModuleType, simulated: dict[str, dict], sample: str, observable: str
) -> None:
    expected = benchmark.read_reference(sample)[observable].mean()
    assert simulated[sample][observable].mean() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("observable", OBSERVABLES)
def test_background_spectra_agree(
    benchmark: ModuleType, simulated: dict[str, dict], observable: str
) -> None:
    reference = benchmark.read_reference("background")[observable]
    distance = benchmark.ks_2samp(reference, simulated["background"][observable]).statistic
    assert distance < 0.03


def test_columns_agree_with_those_of_the_reference_for_the_same_events(
    benchmark: ModuleType, shared_data: Path
) -> None:
    events, label = benchmark.read_events(shared_data / "reference" / "rnd_events_13k.h5")
    mine = benchmark.columns_of(events[label == 0][:3000])
    reference = benchmark.read_reference("background")
    for observable in ("mjj", "j1_mass", "j1_tau21"):
        error = np.std(mine[observable]) / np.sqrt(3000)
        assert mine[observable].mean() == pytest.approx(reference[observable].mean(), abs=4 * error)


@pytest.mark.parametrize("sample", ["background", "signal"])
@pytest.mark.parametrize("feature", ["mjj", "mJ1", "dmJ", "tau21_1", "tau21_2"])
def test_features_agree_with_the_official_files(
    benchmark: ModuleType, simulated: dict[str, dict], sample: str, feature: str
) -> None:
    mine = simulated["official signal" if sample == "signal" else sample]
    values = benchmark.in_signal_region(mine)[feature]
    expected = benchmark.read_official(sample)[feature].mean()
    error = values.std() / np.sqrt(len(values))
    assert values.mean() == pytest.approx(expected, rel=0.05, abs=3 * error)


def test_signal_peaks_stand_at_the_masses(simulated: dict[str, dict]) -> None:
    signal = simulated["official signal"]
    masses = np.concatenate([signal["j1_mass"], signal["j2_mass"]])
    heavy, light = masses[(masses > 350) & (masses < 650)], masses[(masses > 60) & (masses < 180)]
    assert np.median(heavy) == pytest.approx(500.0, rel=0.03)
    assert np.median(light) == pytest.approx(105.0, rel=0.07)  # soft radiation adds to the jet
    assert np.median(signal["mjj"]) == pytest.approx(3500.0, rel=0.02)
