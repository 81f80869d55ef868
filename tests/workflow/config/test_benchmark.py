"""What a benchmark's configuration may say, and what is said where it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.processors.features.table import check_features
from overdensity.workflow.config.benchmark import BenchmarkConfig
from overdensity.workflow.config.reading import load_benchmark, validated

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "benchmark"
WINDOW = {"low": 3300, "high": 3700, "sideband_low": 2900, "sideband_high": 4200}
VALUES: dict[str, Any] = {
    "background": {"files": "background.parquet", "rows": [0, 4000]},
    "extra_background": "more.parquet",
    "injected": ["signal.parquet"],
    "test_signal": "test.parquet",
    "features": ["j1_tau21"],
    "window": WINDOW,
    "methods": ["cwola"],
    "strengths": [100],
}


def config(**changes: Any) -> BenchmarkConfig:
    values = {key: value for key, value in {**VALUES, **changes}.items() if value is not None}
    return validated(BenchmarkConfig, values, origin="benchmark.yaml")


def test_files_alone_are_a_source() -> None:
    made = config()
    assert made.injected.files == ("signal.parquet",)
    assert made.extra_background is not None
    assert (made.extra_background.files, made.extra_background.rows) == (("more.parquet",), None)
    assert made.background.rows == (0, 4000)


def test_names_alone_are_methods_and_settings_stand_beside_them() -> None:
    assert {label: each.name for label, each in config(methods="pca").methods.items()} == {
        "pca": "pca"
    }
    made = config(methods={"few": {"name": "cwola", "sort": True}, "pca": None})
    assert (made.methods["few"].name, made.methods["few"].hyperparameters) == (
        "cwola",
        {"sort": True},
    )
    assert made.methods["pca"].name == "pca"


def test_a_number_of_seeds_counts_from_one() -> None:
    assert config(seeds=3).seeds == (1, 2, 3)


def test_selections_go_from_loose_to_tight() -> None:
    assert config(selections=[0.001, 0.1]).selections == (0.1, 0.001)


def test_window_is_centered_geometrically_unless_told() -> None:
    assert config().window.window().center == pytest.approx(np.sqrt(3300 * 3700))
    assert config(window={**WINDOW, "center": 3500}).window.window().center == 3500


def test_spectra_span_the_window_with_its_sidebands_unless_told() -> None:
    assert config().mass_range == (2900, 4200)
    made = config(spectrum={"low": 3000, "bins": 4})
    assert made.mass_range == (3000, 4200)
    assert made.edges == pytest.approx(3000 * 1.4 ** (np.arange(5) / 4))


def test_a_method_may_have_features_of_its_own() -> None:
    made = config(methods={"cwola": {"features": ["j2_tau21"]}, "pca": None})
    assert made.features_of("cwola") == ("j2_tau21",)
    assert made.features_of("pca") == ("j1_tau21",)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"backgroundd": "x"}, "unknown key 'backgroundd': did you mean 'background'"),
        ({"test_signal": None}, "the key 'test_signal' is missing"),
        ({"strengths": None}, "either strengths, in events, or signal_to_background"),
        ({"strengths": [5, 5]}, "repeat one another"),
        ({"extra_background": None}, "nothing to test with"),
        ({"selections": [1.5]}, "between 0 and 1"),
        ({"features": ["mjj"]}, "among the features"),
        ({"shift": {"j1_tau12": 0.1}}, "'j1_tau12' is none of the features"),
        ({"methods": ["cwolla"]}, "methods.*no method 'cwolla': did you mean 'cwola'"),
        ({"window": {**WINDOW, "low": 2000}}, "a window needs"),
        ({"injected": {"files": "x", "rows": [5, 5]}}, "rows are the first one and"),
        ({"out": "s3://bucket/out"}, "must be on a file system"),
        ({"spectrum": {"low": 5000}}, r"low \(5000 GeV\) must be below high"),
    ],
)
def test_configuration_that_cannot_be_used_is_one_sentence(
    changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        config(**changes)


@pytest.mark.parametrize("name", ["rnd", "strengths", "wide"])
def test_examples_are_valid(name: str) -> None:
    made = load_benchmark(EXAMPLES / f"{name}.yaml")
    assert made.out == f"runs/{name}"


def test_wide_example_has_the_published_features_that_the_processor_makes() -> None:
    made = load_benchmark(EXAMPLES / "wide.yaml")
    features = made.features_of("56 features")
    assert len(set(features)) == 56  # arXiv:2309.13111: 2 masses, 9 N x 3 beta x 2 jets
    for jet in ("j1_", "j2_"):
        of_jet = [name.removeprefix(jet) for name in features if name.startswith(jet)]
        assert len(of_jet) == 28
        check_features(name for name in of_jet if name != "mass")
